"""What a command or a run changes in its process is put back: threads, torch's flags, the environment."""

import os
import sys

import pytest
import torch

from helpers.runs import SMALL, Silent
from outgrow.config import load_recipe
from outgrow.core.errors import UsageError
from outgrow.train.loop import deterministic, train


def state():
    return {
        "threads": torch.get_num_threads(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "warn_only": torch.is_deterministic_algorithms_warn_only_enabled(),
        "fill": torch.utils.deterministic.fill_uninitialized_memory,
        "environment": {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"},
    }


@pytest.fixture(params=[False, True], ids=["plain", "deterministic"])
def outside(request, monkeypatch):
    """The state before, which differs from that of a run."""
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    threads, enabled = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    torch.set_num_threads(2)
    torch.use_deterministic_algorithms(request.param, warn_only=request.param)
    yield state()
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(enabled)


def test_a_run_leaves_its_process_as_it_was(outside, tmp_path):
    recipe = load_recipe("micro", [*SMALL, "learn.steps=1", "run.threads=1"])
    inside = []

    class Looking(Silent):
        def step(self, result, spent):
            inside.append(state())

    train(recipe, tmp_path / "run", Looking())
    [during] = inside
    assert during["threads"] == 1 and during["deterministic"] and not during["fill"]
    after = state()
    # transformers and tokenizers write variables of their own on first use.
    after["environment"] = {name: value for name, value in after["environment"].items() if name in outside["environment"]}
    assert after == outside
    assert "CUBLAS_WORKSPACE_CONFIG" not in os.environ


def test_an_error_inside_leaves_the_process_as_it_was(outside, tmp_path):
    recipe = load_recipe("micro", [*SMALL, "policy.model=./nowhere", "run.threads=1"])
    with pytest.raises(UsageError):
        train(recipe, tmp_path / "run", Silent())
    assert state() == outside


def test_a_value_that_a_person_set_stays(monkeypatch):
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":16:8")
    with deterministic(load_recipe("micro")):
        assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":16:8"
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":16:8"


def test_components_from_outside_add_to_the_path_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "somewhere.py").write_text(
        "from outgrow.algorithms.rewards.format import Format\n\n\nclass One(Format):\n    type: str = 'somewhere:One'\n"
    )
    for _ in range(3):
        load_recipe("micro", ["rewards=[{type='somewhere:One'}]"])
    assert sys.path.count("") == 1
