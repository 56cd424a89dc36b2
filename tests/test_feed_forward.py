"""The feed-forward layer that keeps less: equal to transformers' to the bit, with fewer bytes kept."""

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

from outgrow.policy.feed_forward import lean_feed_forward

TINY = {
    "hidden_size": 32, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
    "vocab_size": 64, "max_position_embeddings": 64, "pad_token_id": 0,
}  # fmt: skip
TOKENS = torch.arange(24).view(2, 12) * 5 % 64


def _model(family: str, dtype: torch.dtype = torch.float32, **more: object) -> PreTrainedModel:
    torch.manual_seed(5)
    model: PreTrainedModel = AutoModelForCausalLM.from_config(AutoConfig.for_model(family, **TINY, **more), dtype=dtype)
    return model


def _gradients(model: PreTrainedModel) -> tuple[torch.Tensor, list[torch.Tensor]]:
    model.zero_grad()
    logits = model(TOKENS).logits
    logits.float().square().sum().backward()
    return logits.detach(), [parameter.grad.clone() for parameter in model.parameters() if parameter.grad is not None]


def _kept_bytes(model: PreTrainedModel) -> int:
    kept: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        logits = model(TOKENS).logits
    return sum(kept.values()) if logits.requires_grad else 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("family", ["llama", "qwen2", "qwen3"])
def test_results_and_gradients_are_those_of_transformers_to_the_bit(family: str, dtype: torch.dtype) -> None:
    model = _model(family, dtype)
    logits, gradients = _gradients(model)
    with lean_feed_forward(model):
        ours, our_gradients = _gradients(model)
    assert torch.equal(ours, logits) and len(our_gradients) == len(gradients) > 10
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(our_gradients, gradients, strict=True))


def test_one_tensor_of_the_layers_width_is_kept_less_a_layer() -> None:
    model = _model("llama")
    before = _kept_bytes(model)
    with lean_feed_forward(model):
        after = _kept_bytes(model)
    one = TOKENS.numel() * TINY["intermediate_size"] * 4
    assert before - after == TINY["num_hidden_layers"] * one


@pytest.mark.parametrize(("family", "more"), [("gemma3_text", {"head_dim": 8}), ("llama", {"hidden_act": "gelu"})])
def test_other_layers_stay_as_they_are(family: str, more: dict[str, object]) -> None:
    model = _model(family, **more)
    logits, gradients = _gradients(model)
    with lean_feed_forward(model):
        ours, our_gradients = _gradients(model)
    assert torch.equal(ours, logits)
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(our_gradients, gradients, strict=True))


def test_the_layers_are_the_models_own_again_after_an_error() -> None:
    model = _model("qwen2")
    with pytest.raises(RuntimeError), lean_feed_forward(model):
        model(torch.zeros(1, 1))  # ids must be whole numbers
    assert not any("forward" in vars(module) for module in model.modules())
