"""The lab on chains: an arm of supervised fine-tuning, and what is measured of each split of chains."""

import json
from statistics import mean

import pytest
from typer.testing import CliRunner

from outgrow.cli.app import app
from outgrow.core.errors import UsageError
from outgrow.evaluate import Evaluation
from outgrow.experiments import load_experiment
from outgrow.experiments.rl_measures import SplitGap, SplitRate
from outgrow.experiments.rl_result import from_rl_line
from outgrow.experiments.rl_trial import run_rl_trial
from outgrow.runs.folder import RunFolder

CHAINS = "{type='micro-chains',chains=['sum>difference'],per_chain=6,levels=[1]}"
EXPERIMENT = f"""
title = "A small one"
question = "Does anything change?"
recipe = "micro"
seeds = 2
baseline = "answers"
set = [
    "learn.steps=2", "learn.problems_per_step=3", "learn.group_size=3", "sampling.max_tokens=16", "evaluate.every=0",
    "evaluate.samples=2", "evaluate.suite=words.jsonl>more.jsonl", "problems=[{CHAINS}]",
]
measures = [{{ type = "pass@1" }}, {{ type = "pass@1_of", split = "new field" }}, {{ type = "gap_of", split = "new field" }}]

[[arms]]
name = "answers"

[[arms]]
name = "solutions"
recipe = "micro-base"
set = [
    "learn.steps=2", "learn.batch_size=5", "sampling.max_tokens=16", "evaluate.samples=2",
    "evaluate.suite=words.jsonl>more.jsonl", "problems=[{CHAINS}]",
]
"""


@pytest.fixture
def experiment(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "labs").mkdir()
    sums = [{"question": f"{n}+{n + 1}", "answer": str(2 * n + 1), "field": "a"} for n in range(2, 30)]
    for name in ("words", "more"):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in sums))
    (tmp_path / "labs" / "small.toml").write_text(EXPERIMENT)
    return load_experiment("small")


def test_an_arm_may_be_supervised_fine_tuning(experiment, tmp_path):
    done = CliRunner().invoke(app, ["lab", "small", "--processes", "1"])
    assert done.exit_code == 0, done.output
    results = [from_rl_line(json.loads(line)) for line in (tmp_path / "docs" / "lab" / "small.jsonl").read_text().splitlines()]
    assert {(result.arm, result.rollouts) for result in results} == {("answers", 2 * 3 * 3), ("solutions", 2 * 5)}
    page = (tmp_path / "docs" / "lab" / "small.md").read_text()
    assert "| solutions | recipe `micro-base`, without the overrides of all arms; `learn.steps=2`" in page
    assert "| solutions | 2 |" in page


def test_splits_are_those_of_the_measurement_after_training(experiment, tmp_path):
    folder = tmp_path / "run"
    found = run_rl_trial(folder, experiment.runs[0], experiment.measures, {})
    after = Evaluation.load(RunFolder(folder).evaluation("after"))
    rates = after.pass_rates()
    chains = {sample.problem_id: sample.parts for sample in after.samples if sample.parts}
    gaps = [rates[chain] - rates[first] * rates[second] for chain, (first, second) in chains.items() if first != second]
    assert gaps
    assert SplitRate(split="new field").value(found) == pytest.approx(mean(rates[chain] for chain in chains))
    assert SplitGap(split="new field").value(found) == pytest.approx(mean(gaps), abs=0.05)  # a part twice counts without bias
    assert SplitGap(split="unseen pair").value(found) is None
    assert from_rl_line(json.loads(json.dumps(found.line()))) == found


def test_arms_of_other_kinds_are_refused(experiment, tmp_path):
    text = (tmp_path / "labs" / "small.toml").read_text()
    (tmp_path / "labs" / "other.toml").write_text(text.replace('recipe = "micro-base"', 'recipe = "micro-flywheel"'))
    with pytest.raises(UsageError, match="solutions: micro-flywheel is a recipe of kind 'flywheel', which this experiment cannot"):
        load_experiment("other").runs  # noqa: B018
