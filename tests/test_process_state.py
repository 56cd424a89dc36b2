"""What a command or a run changes in its process is put back: threads, torch's flags, the environment."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from helpers.runs import SMALL, Silent
from outgrow.config import load_recipe
from outgrow.core.determinism import deterministic
from outgrow.core.errors import UsageError
from outgrow.train.loop import train


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
    with deterministic(load_recipe("micro").run.threads):
        assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":16:8"
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":16:8"


def test_components_from_outside_add_to_the_path_once(tmp_path, monkeypatch, own_code):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "somewhere.py").write_text(
        "from outgrow.algorithms.rewards.format import Format\n\n\nclass One(Format):\n    type: str = 'somewhere:One'\n"
    )
    for _ in range(3):
        load_recipe("micro", ["rewards=[{type='somewhere:One'}]"])
    assert sys.path.count("") == 1


def test_a_folder_of_data_is_that_of_one_command(monkeypatch, outgrow):
    """Offline, so that the suite can only come from the folder."""
    sets = Path(__file__).parent / "data"
    for before in (None, "/nowhere"):
        if before is None:
            monkeypatch.delenv("OUTGROW_DATA", raising=False)
        else:
            monkeypatch.setenv("OUTGROW_DATA", before)
        code, printed, complaint = outgrow(
            "eval", "micro-base", "--on", "gsm8k", "--samples", "1", "--max-tokens", "2", "--data", sets
        )
        assert code == 0, complaint
        assert "n = 10 problems" in " ".join(printed.split())
        assert os.environ.get("OUTGROW_DATA") == before


def test_importing_the_package_changes_no_log_level():
    script = (
        "import logging; before = logging.getLogger('transformers').level; import outgrow.policy.load, outgrow.train.loop; "
        "assert logging.getLogger('transformers').level == before"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
