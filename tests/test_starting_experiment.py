"""The starting experiment's recipes, whole, on a model of the same family and a thousandth of the size."""

import json
import os
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch
from transformers import Qwen2Config, Qwen2ForCausalLM

from outgrow.learn.loop import train
from outgrow.policy import Policy, load_policy
from outgrow.policy.micro import make_tokenizer
from outgrow.recipes import load_recipe
from runs_helper import Silent

DATA = Path(os.environ.get("OUTGROW_DATA", Path(__file__).parents[2] / "shared" / "data"))
RECIPES = {"r1-1.5b-gsm8k": "gsm8k", "r1-1.5b-gsm8k-improved": "gsm8k", "r1-1.5b-math": "math500"}


@pytest.fixture
def data(monkeypatch):
    if not list(DATA.glob("gsm8k*")):
        pytest.skip("GSM8K and MATH are not here; set OUTGROW_DATA to the folder that holds them")
    monkeypatch.setenv("OUTGROW_DATA", str(DATA))


@pytest.fixture(scope="module")
def small_r1(tmp_path_factory):
    """A Qwen2 with random weights, 1.7M of them, and R1's markers in its vocabulary."""
    tokenizer = make_tokenizer()
    tokenizer.add_special_tokens({"bos_token": "<｜begin▁of▁sentence｜>", "eos_token": "<｜end▁of▁sentence｜>"})
    tokenizer.add_tokens(["<｜User｜>", "<｜Assistant｜>"], special_tokens=True)
    tokenizer.chat_template = None
    torch.manual_seed(0)
    config = Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=192,
        intermediate_size=768,
        num_hidden_layers=3,
        num_attention_heads=12,
        num_key_value_heads=2,
        max_position_embeddings=4096,
        initializer_range=0.2,
    )
    folder = tmp_path_factory.mktemp("small") / "r1"
    Policy(Qwen2ForCausalLM(config), tokenizer).save(folder)
    assert 1.5e6 < sum(weight.numel() for weight in load_policy(str(folder)).model.parameters()) < 2e6
    return folder


@pytest.mark.parametrize("name", RECIPES)
def test_the_recipe_runs_from_end_to_end(data, small_r1, tmp_path, name):
    path = tmp_path / "run"
    assert load_recipe(name).evaluate.suite == RECIPES[name]
    change = [f"policy.model={small_r1}", "learn.steps=2", "sampling.max_tokens=24", "run.keep_checkpoints=2"]
    # A CPU is slow in bfloat16, and the real suites take minutes in a tokenizer of single characters.
    quick = ["policy.dtype=float32", "evaluate.suite=micro-validation", "evaluate.samples=1"]
    if name != "r1-1.5b-gsm8k":  # random weights are never right, and only its format can tell one rollout from another
        quick.append('rewards=[{type="accuracy"},{type="length_kimi",weight=0.2},{type="format"}]')
    recipe = load_recipe(name, [*change, *quick])
    train(recipe, path, Silent())
    metrics = [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]
    assert len(metrics) == 2
    assert all({"loss", "grad_norm", "kl", "length"} <= row.keys() for row in metrics), "nothing was learned from"
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
