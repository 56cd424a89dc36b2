"""Putting a memory into a Llama or a Qwen2 that has none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...core.errors import UsageError
from ...core.rng import seed_from
from .settings import MODEL_TYPE, Memory, is_of_memory

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_OF_BASE = (
    "architectures", "attention_bias", "layer_types", "max_window_layers", "mlp_bias", "model_type", "pretraining_tp",
    "sliding_window", "transformers_version", "use_sliding_window",
)  # fmt: skip
"""Keys of the base's config that Mistral's has not, or that say what the model was."""


def add_memory(model: PreTrainedModel, settings: Memory, seed: int) -> PreTrainedModel:
    """Return a model with these weights and a memory whose first values depend on `seed`.

    Its gates are 0, so that it computes what the model with this window computes. The memory is in float32, in which it computes.

    Raises UsageError where the model is of another family or has a memory or a window of its own, or where the window is longer
    than its context.
    """
    import torch

    from .config import MemoryConfig
    from .model import MemoryForCausalLM

    config = model.config
    if config.model_type == MODEL_TYPE:
        raise UsageError("policy.memory: this model has a memory; remove the table to train it on")
    if config.model_type not in ("llama", "qwen2"):
        raise UsageError(f"policy.memory: a memory can be put into a Llama or a Qwen2; this model is {config.model_type!r}")
    for key in ("attention_bias", "mlp_bias", "use_sliding_window"):
        if getattr(config, key, False):
            raise UsageError(
                "policy.memory: a memory can be put into a Llama without biases, or a Qwen2 with full attention; this "
                f"model's config says {key}"
            )
    if settings.window > config.max_position_embeddings:
        raise UsageError(
            f"policy.memory.window={settings.window} is longer than the model's context of {config.max_position_embeddings} "
            "tokens; choose a smaller window"
        )
    values = {key: value for key, value in config.to_dict().items() if key not in _OF_BASE}
    with_window = MemoryConfig(
        **values, sliding_window=settings.window, qkv_bias=config.model_type == "qwen2", memory=settings.model_dump()
    )
    state = torch.random.get_rng_state()
    try:
        torch.manual_seed(seed_from(seed, "memory"))
        made: Any = MemoryForCausalLM(with_window)
    finally:
        torch.random.set_rng_state(state)
    made.to(model.device)
    for name, weight in made.named_parameters():  # and no buffer: the angles of rotary positions would be rounded as well
        if not is_of_memory(name):
            weight.data = weight.data.to(model.dtype)
    made.load_state_dict({**made.state_dict(), **model.state_dict()})
    made.generation_config = model.generation_config
    memory: PreTrainedModel = made
    return memory
