"""The starting experiment's recipes, whole, on a model of the same family and a thousandth of the size."""

import json

import pyarrow.parquet as pq
import pytest

from helpers.r1 import QUICK, WITH_FORMAT
from helpers.runs import Silent
from outgrow.config import load_recipe
from outgrow.policy import load_policy
from outgrow.train.loop import train

RECIPES = {"r1-1.5b-gsm8k": "gsm8k", "r1-1.5b-gsm8k-improved": "gsm8k", "r1-1.5b-math": "math500"}


@pytest.mark.parametrize("name", RECIPES)
def test_the_recipe_runs_from_end_to_end(data, small_r1, tmp_path, name):
    path = tmp_path / "run"
    assert load_recipe(name).evaluate.suite == RECIPES[name]
    rewards = [] if name == "r1-1.5b-gsm8k" else [WITH_FORMAT]
    recipe = load_recipe(name, [f"policy.model={small_r1}", *QUICK, *rewards])
    train(recipe, path, Silent())
    metrics = [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]
    assert len(metrics) == 2
    assert all(
        {"train/loss", "train/grad_norm", "policy/kl_to_reference", "rollouts/mean_tokens"} <= row.keys() for row in metrics
    ), "nothing was learned from"
    rows = pq.read_table(path / "rollouts").to_pylist()
    assert len(rows) == 2 * 4 * 7
    adapter = json.loads((path / "checkpoints" / "latest" / "policy" / "adapter_config.json").read_text())
    assert (adapter["r"], adapter["lora_alpha"]) == (64, 64)
    assert set(adapter["target_modules"]) == {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}
    prompt = load_policy(str(small_r1), recipe.prompt).prompt_text("1+1?")
    assert prompt == (
        "<｜begin▁of▁sentence｜><｜User｜>1+1?\nPlease reason step by step, and put your final answer within \\boxed{}."
        "<｜Assistant｜><think>\n"
    )
