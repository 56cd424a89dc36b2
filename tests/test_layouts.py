"""The choice of a matrix's layout: the fastest by measurement, kept for the machine and for the run."""

import json
import os
import time

import pytest
import torch

from outgrow.core.errors import UsageError
from outgrow.engines import NativeEngine
from outgrow.engines.native import layouts as module
from outgrow.engines.native.layouts import EXACT, Layouts, fastest
from outgrow.engines.native.machine import machine
from outgrow.engines.native.matrices import PlainMatrix
from outgrow.policy.pull import cache_folder

LARGE = torch.randn(576, 960, generator=torch.Generator().manual_seed(0))
SEVERAL = [name for name, layout in EXACT.items() if layout.fits(LARGE)]
several = pytest.mark.skipif(len(SEVERAL) < 2, reason="this machine has one layout")


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("OUTGROW_CACHE", str(tmp_path))
    return tmp_path / "layouts.json"


def waiting(seconds):
    def stored(weight):
        def multiplied(x):
            time.sleep(seconds)
            return x

        return multiplied

    return stored


def test_the_first_layout_is_left_only_for_one_that_is_clearly_faster():
    assert fastest({"first": waiting(0.01), "second": waiting(0.002), "third": waiting(0.006)}, LARGE) == "second"
    assert fastest({"first": waiting(0.010), "second": waiting(0.0098)}, LARGE) == "first"


@several
def test_a_choice_is_measured_once_a_machine(cache, monkeypatch):
    asked = []
    monkeypatch.setattr(module, "fastest", lambda layouts, weight: asked.append(weight.shape) or SEVERAL[1])
    x = torch.randn(3, 960)
    for _ in range(2):
        chosen = Layouts(pytest.fail)
        assert isinstance(chosen.exact(LARGE), EXACT[SEVERAL[1]])
        assert torch.allclose(chosen.exact(LARGE)(x), x @ LARGE.T, atol=1e-4)
    assert asked == [(576, 960)]
    assert json.loads(cache.read_text()) == {machine(): {"576 x 960 float32": SEVERAL[1]}}


@several
@pytest.mark.parametrize("text", ["", "[]", "{", '{"x": 1}', "null", "[" * 10_000])
def test_a_cache_that_cannot_be_read_is_measured_again(cache, text):
    cache.write_text(text.replace("x", machine()))
    assert type(Layouts(pytest.fail).exact(LARGE)) in EXACT.values()
    assert json.loads(cache.read_text())[machine()].keys() == {"576 x 960 float32"}


@several
def test_a_cache_that_cannot_be_written_stops_nothing(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("OUTGROW_CACHE", str(tmp_path / "file"))
    assert type(Layouts(pytest.fail).exact(LARGE)) in EXACT.values()


@several
def test_a_user_without_a_home_folder_measures(monkeypatch):
    """As under a user id that the system does not know, in a container."""
    for name in ("OUTGROW_CACHE", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    with pytest.raises(UsageError, match="OUTGROW_CACHE"):
        cache_folder()
    assert type(Layouts(pytest.fail).exact(LARGE)) in EXACT.values()


@several
def test_a_run_keeps_its_layouts_on_such_a_machine_and_says_where_it_cannot(cache):
    chosen = {"576 x 960 float32": "plain"}
    resumed = Layouts(pytest.fail)
    resumed.load_state_dict({"machine": machine(), "chosen": chosen})
    assert isinstance(resumed.exact(LARGE), PlainMatrix)
    assert resumed.state_dict() == {"machine": machine(), "chosen": chosen}
    told = []
    elsewhere = Layouts(told.append)
    elsewhere.load_state_dict({"machine": "another, 64 threads", "chosen": chosen})
    assert len(told) == 1
    assert "another, 64 threads" in told[0]
    elsewhere.exact(LARGE)
    assert elsewhere.state_dict()["machine"] == machine()


def test_small_matrices_are_not_measured(cache, monkeypatch):
    """Their products take less time than the calls, and a run of a small model has nothing to remember."""
    monkeypatch.setattr(module, "fastest", pytest.fail)
    small = Layouts(pytest.fail)
    assert isinstance(small.exact(torch.ones(128, 384)), EXACT[SEVERAL[0]])
    assert small.state_dict() == {}
    assert not cache.exists()


@pytest.mark.parametrize(
    "layouts",
    [
        [],
        "mkl",
        {"machine": 3, "chosen": {}},
        {"machine": "\x1b[31mred", "chosen": {}},
        {"machine": "a" * 10_000, "chosen": {}},
        {"machine": machine()},
        {"machine": machine(), "chosen": ["576 x 960 float32"]},
        {"machine": machine(), "chosen": {"576 x 960 float32": ["mkl"]}},
    ],
)
def test_layouts_that_no_run_writes_are_refused(layouts):
    with pytest.raises(ValueError, match="layouts"):
        NativeEngine().load_state_dict({"layouts": layouts})


@several
def test_a_layout_that_is_not_known_here_is_chosen_again(cache):
    resumed = Layouts(pytest.fail)
    resumed.load_state_dict({"machine": machine(), "chosen": {"576 x 960 float32": "os"}})
    assert type(resumed.exact(LARGE)) in EXACT.values()
    assert resumed.state_dict()["chosen"]["576 x 960 float32"] in EXACT
