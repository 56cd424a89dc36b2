"""The settings of a model with a memory. Importing this file lets transformers read them from a saved model's config.json."""

from typing import Any

from transformers import AutoConfig, MistralConfig

from .settings import MODEL_TYPE


class MemoryConfig(MistralConfig):
    """Mistral's settings, and those of the memory."""

    model_type = MODEL_TYPE
    qkv_bias: bool = False
    """Whether queries, keys and values have biases, as in Qwen2."""
    memory: dict[str, Any] | None = None


AutoConfig.register(MemoryConfig.model_type, MemoryConfig)
