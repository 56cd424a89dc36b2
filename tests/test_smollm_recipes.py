"""The recipes for SmolLM2-135M, each line of them but the model, on one of the package's own size."""

import json
from pathlib import Path

import pyarrow.parquet as pq

from helpers.runs import Silent
from outgrow.config import load_recipe
from outgrow.problems.suites import ARITHMETIC, arithmetic
from outgrow.train.loop import train


def metrics(run):
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def test_arithmetic_takes_a_share_of_every_step_from_each_field(tmp_path):
    run = tmp_path / "run"
    change = ["policy.model=micro-base", "learn.steps=2", "evaluate.suite=arithmetic-validation", "evaluate.samples=1"]
    change += ["sampling.max_tokens=24", "evaluate.every=0"]
    recipe = load_recipe("smollm2-135m-arithmetic", change)
    assert list(recipe.problems) == [arithmetic(field) for field in ARITHMETIC], "it is measured on other tasks than it practises"
    train(recipe, run, Silent())
    rows = pq.read_table(run / "rollouts").to_pylist()
    for step in (1, 2):
        fields = [row["field"] for row in rows if row["step"] == step]
        assert {field: fields.count(field) for field in fields} == dict.fromkeys(ARITHMETIC, 3 * 8)
    assert len(metrics(run)) == 2
    assert json.loads((run / "summary.json").read_text())["after"]["n"] == 3 * 32


def test_gsm8k_goes_on_from_its_warm_up(data, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)  # the second recipe names the first one's run
    quick = ["evaluate.suite=micro-validation", "evaluate.samples=1", "sampling.max_tokens=12", "learn.steps=2"]
    tiny = "policy={init={layers=1,hidden=32,heads=2,kv_heads=2,feed_forward=32,context=2048}}"
    warm_up = load_recipe("smollm2-135m-gsm8k-sft", [*quick, tiny])
    train(warm_up, Path("runs") / warm_up.name, Silent())
    # Random weights are never right, so a coin pays.
    recipe = load_recipe("smollm2-135m-gsm8k", [*quick, "learn.problems_per_step=4", 'rewards=[{type="random"}]'])
    run = Path("runs") / recipe.name
    train(recipe, run, Silent())
    assert all(row["train/loss"] != 0 for row in metrics(run))
    base = json.loads((run / "checkpoints" / "latest" / "policy" / "adapter_config.json").read_text())["base_model_name_or_path"]
    assert Path(base).resolve().is_relative_to(tmp_path / "runs" / warm_up.name)
    assert "model shards" not in capfd.readouterr().err  # transformers' own bars, which hide our lines
