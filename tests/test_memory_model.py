"""A model with a memory: what the learner, transformers' generation and the engine compute of it, and what is saved."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, MistralConfig, MistralForCausalLM

from helpers.memory import INIT, RULES, memory_policy, memory_settings
from helpers.runs import SMALL, Silent
from outgrow.config import load_recipe
from outgrow.core.errors import UsageError
from outgrow.engines.model_class_check import require_decoded
from outgrow.engines.transformers_engine import TransformersEngineConfig
from outgrow.engines.vllm import VLLMEngineConfig
from outgrow.plan import load_gpu_catalog, plan_recipe
from outgrow.plan.models import shape_from_config
from outgrow.plan.shape import parameters
from outgrow.policy.learnable import require_learnable
from outgrow.policy.logprobs import completion_logprobs
from outgrow.policy.memory.convert import add_memory
from outgrow.policy.memory.settings import Kind, Memory
from outgrow.policy.micro import make_model, make_tokenizer
from outgrow.policy.sampling import Sampling
from outgrow.runs.resolve_model import resolve_model
from outgrow.train.loop import resume, train


def _tokens(rows: int, length: int, seed: int = 0) -> torch.Tensor:
    return torch.randint(10, 90, (rows, length), generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("rule", RULES)
def test_at_first_it_is_the_base_with_a_window_to_the_last_bit(rule: Kind) -> None:
    base = make_model(INIT, make_tokenizer(), 0)
    values = {key: value for key, value in base.config.to_dict().items() if key not in ("model_type", "architectures")}
    known = set(MistralConfig().to_dict())
    windowed = MistralForCausalLM(MistralConfig(**{key: value for key, value in values.items() if key in known}, sliding_window=16))
    windowed.load_state_dict(base.state_dict())
    tokens, model = _tokens(3, 60), memory_policy(rule, opened=False).model
    with torch.no_grad():
        assert torch.equal(model(tokens).logits, windowed.eval()(tokens).logits)
        assert not torch.equal(model(tokens).logits, base.eval()(tokens).logits)
        assert torch.equal(model(tokens[:, :16]).logits, base(tokens[:, :16]).logits)


@pytest.mark.parametrize("rule", RULES)
def test_learner_and_engine_compute_what_the_model_computes(rule: Kind) -> None:
    policy = memory_policy(rule)
    require_learnable(policy)
    require_decoded(policy.model, policy.spec())
    TransformersEngineConfig().require_model(policy.spec())


@pytest.mark.parametrize("rule", ["titans", "gated_delta"])
def test_completions_far_beyond_the_window_go_on_from_their_prompt(rule: Kind) -> None:
    """Longer rows than `require_learnable` takes: prompts of 5 to 90 tokens, windows of 16 and chunks of 4."""
    policy = memory_policy(rule)
    policy.model.double()  # rounding grows from token to token, as in every recurrent network
    prompts = [_tokens(1, length, length)[0].tolist() for length in (90, 90, 5, 33)]
    prompts[1] = prompts[0]
    completions = [_tokens(1, length, 7 * length)[0].tolist() for length in (41, 12, 70, 2)]
    with torch.no_grad():
        ours_BT, _, mask_BT = completion_logprobs(policy, prompts, completions, Sampling())
        for row, (prompt, completion) in enumerate(zip(prompts, completions, strict=True)):
            logits = policy.model(torch.tensor([prompt + completion])).logits[0, len(prompt) - 1 : -1]
            theirs = logits.log_softmax(-1).gather(-1, torch.tensor(completion)[:, None]).squeeze(-1)
            assert torch.allclose(ours_BT[row][mask_BT[row] > 0], theirs.float(), atol=1e-5)


@pytest.mark.parametrize("rule", ["titans", "delta", "linear_attention"])
def test_a_token_beyond_the_reach_of_all_windows_changes_what_follows(rule: Kind) -> None:
    """Two layers of windows of 16 tokens reach back 31 tokens."""
    tokens = _tokens(1, 80)
    changed = tokens.clone()
    changed[0, 5] += 1
    for kind, differs in ((rule, True), ("none", False)):
        model = memory_policy(kind).model
        with torch.no_grad():
            before, after = model(tokens).logits, model(changed).logits
        assert torch.equal(before[:, :5], after[:, :5])
        assert torch.equal(before[:, 45:], after[:, 45:]) is not differs


@pytest.mark.parametrize("rule", ["titans", "gated_delta"])
def test_generation_keeps_the_state(rule: Kind) -> None:
    model, tokens = memory_policy(rule).model.double(), _tokens(2, 37)
    model.generation_config.eos_token_id = None
    written = model.generate(tokens, max_new_tokens=30, do_sample=False)
    with torch.no_grad():
        again = model(written).logits[:, 36:-1].argmax(-1)
    assert torch.equal(again, written[:, 37:])


@pytest.mark.parametrize("rule", RULES)
def test_saved_loaded_and_counted(rule: Kind, tmp_path: Path) -> None:
    policy, tokens = memory_policy(rule), _tokens(1, 50)
    policy.save(tmp_path)
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path).eval()
    with torch.no_grad():
        assert torch.equal(loaded(tokens).logits, policy.model(tokens).logits)
    assert parameters(shape_from_config(loaded.config, "it")) == policy.parameters


@pytest.mark.parametrize(
    "code",
    [
        "from outgrow.policy.load import load_policy; print(load_policy(sys.argv[1]).parameters)",
        "from outgrow.plan.models import shape_of; from outgrow.plan.shape import parameters; "
        "from outgrow.config.sections import PolicySection; print(parameters(shape_of(PolicySection(model=sys.argv[1]))))",
    ],
)
def test_a_new_process_reads_it(code: str, tmp_path: Path) -> None:
    policy = memory_policy()
    policy.save(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; {code}", str(tmp_path)], capture_output=True, text=True, check=True, timeout=120
    )
    assert int(done.stdout) == policy.parameters


def test_rivals_have_as_many_parameters() -> None:
    assert memory_policy("tokenwise").parameters == memory_policy("titans").parameters
    linear = memory_policy("titans", depth=1).parameters
    assert all(
        0 <= linear - memory_policy(rule).parameters <= 2 * 2 * 8 * 8 for rule in ("delta", "gated_delta", "linear_attention")
    )


@pytest.mark.parametrize("rule", ["titans", "linear_attention", "delta", "gated_delta"])
@pytest.mark.parametrize("bias", [-200.0, 200.0])
def test_gates_that_are_shut_or_open_leave_numbers_finite(rule: Kind, bias: float) -> None:
    model = memory_policy(rule).model
    for name, parameter in model.named_parameters():
        if name.endswith("memory.gates.bias"):
            torch.nn.init.constant_(parameter, bias)
    model(_tokens(2, 60)).logits.square().mean().backward()
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())


def test_every_parameter_of_the_memory_learns() -> None:
    policy = memory_policy()
    policy.model(_tokens(2, 40)).logits.square().mean().backward()
    assert all(parameter.grad.abs().sum() > 0 for name, parameter in policy.model.named_parameters() if "memory" in name)


def test_vllm_refuses_it() -> None:
    with pytest.raises(UsageError, match=r"set engine\.type=native"):
        VLLMEngineConfig().require_model(memory_policy().spec())


def test_training_with_vllm_is_refused_before_its_package_is_missed(tmp_path: Path) -> None:
    memory_policy().save(tmp_path / "model")
    for policy in ("policy.memory={}", f"policy={{model='{tmp_path / 'model'}'}}"):
        with pytest.raises(UsageError, match=r"^vLLM does not decode a model with a memory; set engine\.type=native$"):
            train(load_recipe("micro", [*SMALL, policy, "engine.type=vllm"]), tmp_path / "run", Silent())
    assert not (tmp_path / "run").exists()


def test_a_run_with_a_memory_goes_on_to_the_same_bytes(tmp_path: Path) -> None:
    short = ["learn.steps=2", "learn.updates_per_step=1", "run.checkpoint_every=1"]
    recipe = [*SMALL, *short, "policy.memory={window=128,chunk=8,heads=2,width=8,hidden=8}"]
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train(load_recipe("micro", recipe), whole, Silent())
    train(load_recipe("micro", [*recipe, "learn.steps=1"]), parts, Silent())
    resume(parts, ["learn.steps=2"], Silent())
    weights = [Path(resolve_model(str(run)).location) / "model.safetensors" for run in (whole, parts)]
    assert weights[0].read_bytes() == weights[1].read_bytes()
    learned = load_file(weights[0])
    assert all(tensor.abs().sum() > 0 for name, tensor in learned.items() if name.endswith("memory.gate"))


def test_a_plan_with_vllm_is_refused() -> None:
    settings = ["policy={init={layers=1},memory={}}", "engine={type='vllm'}", "problems=[{type='micro',per_level=8}]"]
    with pytest.raises(UsageError, match=r"vLLM does not decode a model with a memory; set engine\.type=native"):
        plan_recipe(load_recipe("micro", settings), load_gpu_catalog())
    assert plan_recipe(load_recipe("micro", [settings[0], settings[2]]), load_gpu_catalog()).shape.memory == Memory()


def test_what_does_not_fit_is_refused_in_one_line() -> None:
    tokenizer = make_tokenizer()
    with pytest.raises(UsageError, match=r"window=300 is longer than the model's context of 256 tokens"):
        add_memory(make_model(INIT, tokenizer, 0), Memory(window=300, chunk=1), 0)
    with pytest.raises(UsageError, match="has a memory"):
        add_memory(memory_policy().model, memory_settings(), 0)
    windowed = MistralForCausalLM(
        MistralConfig(
            vocab_size=9, hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1, num_key_value_heads=1
        )
    )
    with pytest.raises(UsageError, match="this model is 'mistral'"):
        add_memory(windowed, memory_settings(), 0)
    with pytest.raises(ValueError, match="chunk=5 does not divide window=16"):
        memory_settings(chunk=5)
