"""A lab whose trials are supervised fine-tuning: what is measured by level, the page and the plot."""

import json
from statistics import mean

import pytest
from typer.testing import CliRunner

from outgrow.cli.app import app
from outgrow.evaluate import Evaluation
from outgrow.experiments import load_experiment
from outgrow.experiments.rl_measures import LevelRate
from outgrow.experiments.rl_result import from_rl_line
from outgrow.experiments.rl_trial import run_rl_trial
from outgrow.runs.folder import RunFolder

EXPERIMENT = """
title = "A small one"
question = "Does the rate of learning matter?"
recipe = "micro-base"
seeds = 2
baseline = "slow"
set = [
    "learn.steps=2", "learn.batch_size=4", "sampling.max_tokens=8", "evaluate.samples=1", "policy={model='micro-base'}",
    "problems=[{type='micro',fields=['sum'],per_level=4}]", "evaluate.suite=held.jsonl:level=level",
]
measures = [{ type = "pass@1_at_level", level = 1 }, { type = "pass@1_at_level", level = 9 }]

[[arms]]
name = "slow"
set = ["learn.lr=1e-9"]

[[arms]]
name = "fast"
set = ["learn.lr=1e-8"]
"""


@pytest.fixture
def experiment(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "labs").mkdir()
    sums = [{"question": f"{n}+{n % 4}=?", "answer": str(n + n % 4), "level": 1 + n % 2} for n in range(2, 14)]
    (tmp_path / "held.jsonl").write_text("".join(json.dumps(row) + "\n" for row in sums))
    (tmp_path / "labs" / "small.toml").write_text(EXPERIMENT)
    return load_experiment("small")


def test_levels_are_those_of_the_measurement_after_training(experiment, tmp_path):
    found = run_rl_trial(tmp_path / "run", experiment.runs[0], experiment.measures, {})
    after = Evaluation.load(RunFolder(tmp_path / "run").evaluation("after"))
    rates = after.pass_rates()
    level_of = {sample.problem_id: sample.level for sample in after.samples}
    for level in (1, 2):
        of_level = [rate for problem, rate in rates.items() if level_of[problem] == level]
        assert len(of_level) == 6
        assert LevelRate(level=level).value(found) == pytest.approx(mean(of_level))
    assert LevelRate(level=9).value(found) is None
    assert from_rl_line(json.loads(json.dumps(found.line()))) == found
    assert experiment.kind.curve(found) == [(1, found.levels["1"]), (2, found.levels["2"])]


def test_the_page_and_the_plot_are_by_level(experiment, tmp_path):
    done = CliRunner().invoke(app, ["lab", "small", "--processes", "1"])
    assert done.exit_code == 0, done.output
    page = (tmp_path / "docs" / "lab" / "small.md").read_text()
    assert "![pass@1 after training by level](small.svg)" in page and "Rollouts are the solutions that are read." in page
    drawing = (tmp_path / "docs" / "lab" / "small.svg").read_text()
    assert ">level<" in drawing and ">slow<" in drawing
