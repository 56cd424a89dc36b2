"""A memory in a Qwen2, whose queries, keys and values have biases: against transformers' Qwen2 with a window, and in engines."""

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM

from helpers.memory import memory_settings
from outgrow.core.errors import UsageError
from outgrow.engines import Engine, GenerationRequest, NativeEngine, TransformersEngine, sync
from outgrow.engines.model_class_check import require_decoded
from outgrow.plan.models import shape_from_config
from outgrow.plan.shape import parameters
from outgrow.policy import Policy, Sampling
from outgrow.policy.learnable import require_learnable
from outgrow.policy.lora import add_adapter
from outgrow.policy.lora_settings import LoRA
from outgrow.policy.memory.convert import add_memory
from outgrow.policy.memory.frozen import let_memory_learn
from outgrow.policy.micro import make_tokenizer

SIZES = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
}


def qwen2(**more: object) -> Qwen2ForCausalLM:
    tokenizer = make_tokenizer()
    special = {"pad_token_id": tokenizer.pad_token_id, "bos_token_id": 1, "eos_token_id": tokenizer.eos_token_id}
    torch.manual_seed(3)
    model = Qwen2ForCausalLM(Qwen2Config(vocab_size=len(tokenizer), **special, **SIZES, tie_word_embeddings=True, **more)).eval()
    for name, weight in model.named_parameters():
        torch.nn.init.normal_(weight, mean=float("norm" in name), std=0.15)  # transformers begins with biases of 0
    return model


def with_memory(opened: bool) -> Policy:
    model = add_memory(qwen2(), memory_settings(), seed=0).eval()
    generator = torch.Generator().manual_seed(1)
    for name, weight in model.named_parameters():
        if opened and name.endswith(("memory.gate", "memory.gates.weight")):
            weight.data.normal_(std=0.3, generator=generator)
    return Policy(model, make_tokenizer())


def tokens(rows: int, length: int) -> torch.Tensor:
    return torch.randint(10, 90, (rows, length), generator=torch.Generator().manual_seed(0))


def test_at_first_it_is_qwen2_with_a_window_to_the_last_bit() -> None:
    row, windowed = tokens(3, 60), qwen2(use_sliding_window=True, sliding_window=16, max_window_layers=0)
    with torch.no_grad():
        wanted = windowed(row).logits
        assert torch.equal(with_memory(opened=False).model(row).logits, wanted)
        assert not torch.equal(qwen2()(row).logits, wanted)


def test_learner_and_engines_compute_what_the_model_computes() -> None:
    policy = with_memory(opened=True)
    require_learnable(policy)
    require_decoded(policy.model, policy.spec())
    prompts = [tokens(1, length)[0].tolist() for length in (3, 40, 16, 27)]

    def written(engine: Engine, sampling: Sampling) -> list[list[int]]:
        sync(engine, policy)
        groups = engine.generate(GenerationRequest(prompts, 2, sampling, range(len(prompts))))
        return [rollout.completion_ids for group in groups for rollout in group]

    for sampling in (Sampling(temperature=0.0, max_tokens=30), Sampling(max_tokens=30)):
        ours, theirs = (written(engine, sampling) for engine in (NativeEngine(max_sequences=4), TransformersEngine()))
        assert ours == theirs


def test_saved_loaded_and_counted(tmp_path: Path) -> None:
    policy, row = with_memory(opened=True), tokens(1, 50)
    policy.save(tmp_path)
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path).eval()
    with torch.no_grad():
        assert torch.equal(loaded(row).logits, policy.model(row).logits)
    assert parameters(shape_from_config(loaded.config, "it")) == policy.parameters


def test_adapters_and_memory_learn_and_its_biases_do_not() -> None:
    policy = with_memory(opened=True)
    add_adapter(policy.model, LoRA(rank=2), 0, "somebody/qwen")
    let_memory_learn(policy.model)
    policy.model(tokens(2, 40)).logits.square().mean().backward()
    found = {name for name, weight in policy.model.named_parameters() if weight.grad is not None}
    assert found == {name for name, _ in policy.model.named_parameters() if ".memory." in name or ".lora_" in name}


@pytest.mark.parametrize("key", ["attention_bias", "mlp_bias"])
def test_a_llama_with_biases_is_refused(key: str) -> None:
    llama = LlamaForCausalLM(LlamaConfig(vocab_size=9, **SIZES, **{key: True}))
    with pytest.raises(UsageError, match=rf"without biases, or a Qwen2 with full attention; this model's config says {key}"):
        add_memory(llama, memory_settings(), 0)


def test_a_qwen2_with_windows_of_its_own_is_refused() -> None:
    with pytest.raises(UsageError, match="this model's config says use_sliding_window"):
        add_memory(qwen2(use_sliding_window=True, sliding_window=16, max_window_layers=0), memory_settings(), 0)
