"""Adapters: peft's own arithmetic and files, and a run on one that continues to the last bit with its base untouched."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tomllib
import warnings
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM, ZambaConfig, ZambaForCausalLM

from helpers.runs import fingerprint, signal_when, start
from outgrow.config import load_recipe, parse_recipe
from outgrow.core.errors import UsageError
from outgrow.engines import GenerationRequest, NativeEngine, sync
from outgrow.policy import Policy, Prompt, Sampling, load_policy
from outgrow.policy.export import export
from outgrow.policy.logprobs import completion_logprobs
from outgrow.policy.lora import _Adapted, add_adapter, load_adapter, merged_lora
from outgrow.policy.lora_settings import LoRA
from outgrow.runs.models import base_policy, learning_policy, run_policy
from outgrow.train.sft import SFTJob

RUN = ["policy.lora={rank=4,alpha=8.0}", "learn.steps=12", "learn.lr=5e-3"]


def adapted(policy, seed=0, **settings):
    """The policy with an adapter that is no longer 0."""
    adapter = add_adapter(policy.model, LoRA(**{"rank": 4, "alpha": 6.0, **settings}), seed, "somebody/base")
    generator = torch.Generator().manual_seed(1)
    for name, weight in policy.model.named_parameters():
        if "lora_B" in name:
            weight.data.normal_(std=0.2, generator=generator)
    return Policy(policy.model, policy.tokenizer, policy.prompt, adapter)


def test_a_new_adapter_changes_nothing_and_only_it_learns(untrained):
    digest = untrained.digest()
    policy = Policy(untrained.model, untrained.tokenizer, adapter=add_adapter(untrained.model, LoRA(rank=4), 0, "somebody/base"))
    assert policy.digest() == digest
    learning = {name for name, weight in policy.model.named_parameters() if weight.requires_grad}
    assert all(".lora_" in name for name in learning)
    # Seven matrices a layer, two factors each.
    assert len(learning) == 2 * 7 * policy.model.config.num_hidden_layers


def test_multiplied_out_weights_are_pefts_own(untrained):
    policy = adapted(untrained)
    ours = {name: weight.clone() for name, weight in policy.named_weights().items()}
    merged = policy.adapter.merge_and_unload().state_dict()
    assert ours.keys() == merged.keys()
    for name, weight in merged.items():
        torch.testing.assert_close(ours[name], weight, rtol=0, atol=1e-6, msg=name)


def test_bfloat16_weights_are_multiplied_out_as_peft_merges_them(untrained):
    untrained.model.to(torch.bfloat16)
    policy = adapted(untrained)
    assert next(weight for name, weight in policy.model.named_parameters() if "lora_A" in name).dtype == torch.float32
    ours = {name: weight.clone() for name, weight in policy.named_weights().items()}
    merged = policy.adapter.merge_and_unload().state_dict()
    assert all(torch.equal(weight, ours[name]) for name, weight in merged.items())


@pytest.mark.parametrize("targets", [LoRA().targets, ("q_proj", "down_proj")], ids=len)
def test_multiplied_out_layers_learn_as_pefts_own(untrained, targets):
    """The same log-probabilities, and the same gradients of A and B, as peft's three products; afterwards peft's are back."""
    policy = adapted(untrained, targets=targets)
    prompts, completions = [policy.prompt_ids("3+4=?")] * 2, [[20, 30, 40, 50], [60, 70]]

    def gradients():
        policy.model.zero_grad()
        logprobs, _, mask = completion_logprobs(policy, prompts, completions, Sampling())
        (logprobs * (1 + torch.arange(8.0).view(2, 4)) * mask).sum().backward()
        return logprobs.detach(), {n: w.grad.clone() for n, w in policy.model.named_parameters() if w.requires_grad}

    expected, slopes = gradients()
    with merged_lora(policy.model):
        found, ours = gradients()
        layer = policy.model.model.layers[0].self_attn.q_proj
        assert "forward" in vars(layer)
    assert "forward" not in vars(layer)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)
    assert ours.keys() == slopes.keys()
    assert all(slope.abs().max() > 0 for slope in slopes.values())
    for name, slope in slopes.items():
        assert (ours[name] - slope).norm() < 1e-5 * slope.norm(), name


def test_a_multiplied_out_layer_is_loras_formula():
    g = torch.Generator().manual_seed(0)
    x, a, b = (torch.randn(*shape, generator=g, dtype=torch.float64).requires_grad_() for shape in ((2, 3, 5), (2, 5), (4, 2)))
    weight, bias = (torch.randn(*shape, generator=g, dtype=torch.float64) for shape in ((4, 5), (4,)))
    y = _Adapted.apply(x, weight + 0.7 * (b @ a).detach(), bias, a, b, 0.7)
    plain = torch.nn.functional.linear(x, weight, bias) + 0.7 * x @ a.T @ b.T
    slope = torch.randn(y.shape, generator=g, dtype=torch.float64)
    for ours, theirs in zip(
        torch.autograd.grad((y * slope).sum(), (x, a, b)), torch.autograd.grad((plain * slope).sum(), (x, a, b)), strict=True
    ):
        torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(y, plain)


def test_rollouts_are_drawn_from_the_adapted_weights(untrained):
    policy, engine = adapted(untrained), NativeEngine()
    sync(engine, policy)
    sampling = Sampling(max_tokens=20)
    rollouts = engine.generate(GenerationRequest([policy.prompt_ids("3+4=?")], 16, sampling, [0]))[0]
    logprobs, _, _ = completion_logprobs(policy, [r.prompt_ids for r in rollouts], [r.completion_ids for r in rollouts], sampling)
    for row, rollout in enumerate(rollouts):
        length = len(rollout.completion_ids)
        torch.testing.assert_close(logprobs[row, :length], torch.tensor(rollout.logprobs), rtol=0, atol=1e-4)


def test_a_saved_adapter_is_pefts(untrained, tmp_path):
    untrained.save(tmp_path / "base")
    policy = adapted(untrained)
    policy.save(tmp_path / "adapter")
    theirs = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(tmp_path / "base"), str(tmp_path / "adapter"))
    ids = torch.tensor([policy.prompt_ids("3+4=?")])
    with torch.no_grad():
        torch.testing.assert_close(theirs(ids).logits, policy.model(ids).logits, rtol=0, atol=1e-5)
    config = json.loads((tmp_path / "adapter" / "adapter_config.json").read_text())
    assert (config["r"], config["lora_alpha"], config["base_model_name_or_path"]) == (4, 6.0, "somebody/base")


_SAVES = """
import sys
from pathlib import Path
from outgrow.policy import Policy, load_policy
from outgrow.policy.lora import add_adapter
from outgrow.policy.lora_settings import LoRA

base = load_policy("micro-base")
adapter = add_adapter(base.model, LoRA(rank=2), 0, "micro-base")
Policy(base.model, base.tokenizer, base.prompt, adapter).save(Path(sys.argv[1]))
"""


def test_every_process_saves_the_same_bytes(tmp_path):
    """peft keeps the names of layers in a set, whose order is another one in every process."""
    for seed in "123":
        command = [sys.executable, "-c", _SAVES, str(tmp_path / seed)]
        subprocess.run(command, env={**os.environ, "PYTHONHASHSEED": seed}, check=True, timeout=200)
    first, *others = ({path.name: path.read_bytes() for path in sorted((tmp_path / seed).iterdir())} for seed in "123")
    assert "adapter_config.json" in first
    assert all(other == first for other in others)


def test_an_adapter_brings_its_base_and_merges_into_one_folder(untrained, tmp_path):
    untrained.save(tmp_path / "base")
    adapter = add_adapter(untrained.model, LoRA(rank=4), 0, str(tmp_path / "base"))
    for name, weight in untrained.model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.constant_(weight, 0.05)
    policy = Policy(untrained.model, untrained.tokenizer, adapter=adapter)
    policy.save(tmp_path / "adapter")
    digest = policy.digest()
    loaded = load_policy(str(tmp_path / "adapter"))
    assert loaded.digest() == digest
    export(loaded, tmp_path / "merged", "# a card\nlibrary_name: peft")
    merged = load_policy(str(tmp_path / "merged"))
    assert merged.adapter is None
    for name, weight in merged.model.state_dict().items():
        torch.testing.assert_close(weight, policy.named_weights()[name], rtol=0, atol=1e-6, msg=name)
    assert (tmp_path / "merged" / "README.md").read_text() == "# a card\nlibrary_name: transformers"
    with pytest.raises(UsageError, match="already exists"):
        export(merged, tmp_path / "merged")


def test_an_adapter_brings_the_chat_template_it_was_trained_with(untrained, tmp_path):
    untrained.tokenizer.chat_template = None
    untrained.model.save_pretrained(tmp_path / "base")
    untrained.tokenizer.save_pretrained(tmp_path / "base")
    prompt = Prompt(template="plain")
    untrained.tokenizer.chat_template = prompt.chat_template(untrained.tokenizer, "base")
    adapter = add_adapter(untrained.model, LoRA(rank=4), 0, str(tmp_path / "base"))
    Policy(untrained.model, untrained.tokenizer, prompt, adapter).save(tmp_path / "adapter")
    assert load_policy(str(tmp_path / "adapter")).prompt_text("3+4=?") == "3+4=?"
    with pytest.raises(UsageError, match=r"is an adapter; write it as one model first: outgrow merge"):
        base_policy(load_recipe("micro", [f"policy.model={tmp_path / 'adapter'}"]))


def test_the_seed_alone_makes_an_adapter(untrained):
    before = torch.random.get_rng_state()
    add_adapter(untrained.model, LoRA(rank=4), 3, "somebody/base")
    first = {name: weight.clone() for name, weight in untrained.model.named_parameters() if "lora_A" in name}
    assert torch.equal(torch.random.get_rng_state(), before), "the global stream was moved"
    for seed, same in ((3, True), (4, False)):
        torch.rand(10)
        again = type(untrained.model)(untrained.model.config)
        add_adapter(again, LoRA(rank=4), seed, "somebody/base")
        found = {name: weight for name, weight in again.named_parameters() if "lora_A" in name}
        assert all(torch.equal(first[name], found[name]) for name in first) == same


def test_a_target_that_is_not_there_is_named(untrained):
    with pytest.raises(UsageError, match=r"policy\.lora\.targets: .*'query'.*down_proj, .*q_proj"):
        add_adapter(untrained.model, LoRA(targets=("query",)), 0, "somebody/base")


def test_the_output_layer_takes_no_adapter_where_it_is_the_embedding(untrained):
    with pytest.raises(UsageError, match=r"policy\.lora\.targets: .*lm_head"):
        add_adapter(untrained.model, LoRA(targets=("lm_head",)), 0, "somebody/base")


def test_layers_that_share_a_matrix_take_no_adapter(tmp_path):
    """peft gives each of them its own, and merges all into the one matrix (findings/peft-shared-layers-merge.sh)."""

    def zamba():
        sizes = {"vocab_size": 40, "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 4, "num_attention_heads": 2}
        heads = {"num_key_value_heads": 2, "attention_hidden_size": 32, "attention_head_dim": 16, "n_mamba_heads": 2}
        return ZambaForCausalLM(ZambaConfig(**sizes, **heads, layers_block_type=["mamba", "hybrid"] * 2))

    model = zamba()
    for targets in (("q_proj",), ("in_proj", "o_proj", "q_proj")):
        with pytest.raises(UsageError, match=r"somebody/zamba share the matrix of (o_proj and of )?q_proj, and each would get"):
            add_adapter(model, LoRA(targets=targets), 0, "somebody/zamba")
    add_adapter(model, LoRA(targets=("in_proj",)), 0, "somebody/zamba")
    get_peft_model(zamba(), LoraConfig(r=2, target_modules=["q_proj"], task_type="CAUSAL_LM")).save_pretrained(str(tmp_path))
    with pytest.raises(UsageError, match="on layers that share one matrix"):
        load_adapter(zamba(), tmp_path)


@pytest.mark.parametrize("targets", [["lm_head"], ["lm_head", "q_proj"], r".*(lm_head|down_proj)"], ids=str)
def test_an_adapter_on_a_tied_output_layer_moves_the_output_only(untrained, tmp_path, targets):
    """Another tool's. The logits are those of peft's own forward pass in the learner, the engine and the merged folder; peft's own
    merge adds the product to the embedding too."""
    untrained.save(tmp_path / "base")
    prompt = torch.tensor([untrained.prompt_ids("3+4=?")])
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "base")
    theirs = get_peft_model(model, LoraConfig(r=2, target_modules=targets, base_model_name_or_path=str(tmp_path / "base")))
    generator = torch.Generator().manual_seed(1)
    for name, weight in theirs.named_parameters():
        if "lora_B" in name:
            weight.data.normal_(std=0.3, generator=generator)
    theirs.save_pretrained(str(tmp_path / "adapter"), save_embedding_layers=False)
    with torch.no_grad():
        expected = theirs(prompt).logits
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            policy = load_policy(str(tmp_path / "adapter"))
        assert not [str(warning.message) for warning in warned if "tie_word_embeddings" in str(warning.message)]
        torch.testing.assert_close(policy.model(prompt).logits, expected, rtol=0, atol=1e-5)
        engine, sampling = NativeEngine(), Sampling(max_tokens=8)
        sync(engine, policy)
        [rollouts] = engine.generate(GenerationRequest(prompt.tolist(), 4, sampling, [0]))
        for rollout in rollouts:
            logits = theirs(torch.tensor([rollout.prompt_ids + rollout.completion_ids])).logits[0, prompt.shape[1] - 1 : -1]
            logprobs = logits.log_softmax(-1).gather(-1, torch.tensor(rollout.completion_ids)[:, None]).squeeze(-1)
            torch.testing.assert_close(torch.tensor(rollout.logprobs), logprobs, rtol=0, atol=1e-4)
        assert not policy.spec().config.tie_word_embeddings, "vLLM reads no output layer of a model whose config says it is tied"
        export(policy, tmp_path / "merged")
        merged = AutoModelForCausalLM.from_pretrained(tmp_path / "merged")
        torch.testing.assert_close(merged(prompt).logits, expected, rtol=0, atol=1e-5)
        torch.testing.assert_close(merged.model.embed_tokens.weight, untrained.model.model.embed_tokens.weight, rtol=0, atol=0)
        both_moved = theirs.merge_and_unload()(prompt).logits
    assert (both_moved - expected).abs().max() > 0.1, "peft merges it right now; the model need not be untied"


@pytest.mark.parametrize(
    "kind",
    [
        {"use_dora": True},
        {"target_modules": ["embed_tokens"]},
        {"target_modules": ["lm_head"], "ensure_weight_tying": True},
        {"modules_to_save": ["lm_head"]},
        {"bias": "all"},
        {"lora_bias": True, "target_modules": ["q_proj"]},
        {"trainable_token_indices": [1, 2]},
        {"target_parameters": ["lm_head.weight"]},
        {"alora_invocation_tokens": [1]},
    ],
    ids=str,
)
def test_an_adapter_of_another_kind_is_refused(tmp_path, kind):
    model = load_policy("micro-base").model
    model.name_or_path = "micro-base"
    config = LoraConfig(**{"r": 2, "target_modules": ["q_proj"], "task_type": "CAUSAL_LM", **kind})
    get_peft_model(model, config).save_pretrained(str(tmp_path), save_embedding_layers=False)
    with pytest.raises(UsageError, match="only plain LoRA"):
        load_policy(str(tmp_path))


def test_an_adapter_with_a_torn_tokenizer_is_told_in_one_line(untrained, tmp_path):
    policy = adapted(untrained)
    policy.adapter.peft_config["default"].base_model_name_or_path = "micro-base"
    policy.save(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{")
    with pytest.raises(UsageError, match="cannot load this model") as told:
        load_policy(str(tmp_path))
    assert "\n" not in str(told.value)


def test_what_is_made_from_nothing_takes_no_adapter():
    with pytest.raises(UsageError, match="lora needs"):
        load_recipe("micro-base", ["policy.lora={rank=4}"])


@pytest.mark.parametrize(
    ("content", "message"),
    [("{}", "adapter_config.json"), ("[1", "adapter_config.json"), (None, "cannot load this adapter")],
)
def test_an_adapter_that_cannot_be_read_is_told_in_one_line(untrained, tmp_path, content, message):
    policy = adapted(untrained)
    policy.adapter.peft_config["default"].base_model_name_or_path = "micro-base"
    policy.save(tmp_path)
    if content is not None:
        (tmp_path / "adapter_config.json").write_text(content)
    else:
        (tmp_path / "adapter_model.safetensors").write_bytes(b"nonsense")
    with pytest.raises(UsageError, match=message) as told:
        load_policy(str(tmp_path))
    assert "\n" not in str(told.value)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    path = tmp_path_factory.mktemp("lora") / "run"
    process = start(path, RUN)
    process.join()
    assert process.exitcode == 0
    return path


def test_a_run_on_an_adapter_continues_to_the_last_bit(uninterrupted, tmp_path):
    """Twice killed: an adapter counted double after a resume, or a base that moved, would show in every later rollout."""
    path = tmp_path / "run"
    for step in (4, 8):
        assert signal_when(start(path, RUN), path, step, 0.05, signal.SIGKILL) == -signal.SIGKILL
    last = start(path, RUN)
    last.join()
    assert last.exitcode == 0
    first, second = fingerprint(uninterrupted), fingerprint(path)
    for name in first:
        assert first[name] == second[name], name


def test_a_run_on_an_adapter_leaves_the_base_alone(uninterrupted):
    folder = uninterrupted / "checkpoints" / "latest" / "policy"
    assert not (folder / "model.safetensors").exists()
    policy, base = load_policy(str(folder)), load_policy("micro-base")
    kept = {name.replace(".base_layer.", "."): weight for name, weight in policy.model.state_dict().items() if ".lora_" not in name}
    assert kept.keys() == base.model.state_dict().keys()
    assert all(torch.equal(weight, kept[name]) for name, weight in base.model.state_dict().items())
    assert policy.digest() != base.digest()
    assert policy.digest() == json.loads((uninterrupted / "summary.json").read_text())["policy_sha256"]


def test_a_run_on_an_adapter_refuses_another_base(uninterrupted, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(uninterrupted, run, symlinks=True)
    assert run_policy(run).digest() == json.loads((run / "summary.json").read_text())["policy_sha256"]
    recipe = run / "recipe.toml"
    recipe.write_text(re.sub(r'base_sha256 = "\w+"', 'base_sha256 = "0"', recipe.read_text()))
    with pytest.raises(UsageError, match="not the one it started from"):
        run_policy(run)


def test_the_card_says_what_was_made_and_measured(uninterrupted):
    card = Path(uninterrupted, "checkpoints", "latest", "policy", "README.md").read_text()
    summary = json.loads((uninterrupted / "summary.json").read_text())
    assert card.startswith("---\nlibrary_name: peft\n")
    assert "(seed 0) from micro-base in 12 steps and" in card
    assert tomllib.loads(card.split("```toml")[1].split("```")[0])["learn"]["lr"] == 5e-3
    assert f"{summary['after']['n']} problems × 1 sample at temperature 1" in card
    low, high = summary["paired_delta"]["ci95"]
    assert f"| change, paired | {summary['paired_delta']['pass@1']:+.3f} ({low:+.3f} to {high:+.3f}) |" in card
    assert summary["policy_sha256"] in card
    assert '"fields": ["sum", "letters"]' in card


def test_dropout_works_in_sft_and_repeats(tmp_path):
    """By the loss of a first step: its rows hang on the step, and what falls out on dropout alone."""

    def loss(step, dropout):
        values = {
            "name": "warm", "kind": "sft", "policy": {"model": "micro-base", "lora": {"rank": 4, "dropout": dropout}},
            "learn": {"batch_size": 8}, "problems": [{"type": "micro", "levels": [1], "per_level": 5}],
        }  # fmt: skip
        recipe = parse_recipe(values)
        policy = learning_policy(recipe, load_policy("micro-base"), None)
        for name, weight in policy.model.named_parameters():
            if "lora_B" in name:
                torch.nn.init.constant_(weight, 0.05)
        before = torch.random.get_rng_state()
        found = SFTJob(recipe, policy, tmp_path, lambda _: None).advance(step, lambda: None).metrics["train/loss"]
        assert torch.equal(torch.random.get_rng_state(), before), "the global stream was moved"
        assert not policy.model.training
        return found

    assert loss(1, 0.5) == loss(1, 0.5)
    assert abs(loss(1, 0.5) - loss(1, 0.0)) > 1e-3
