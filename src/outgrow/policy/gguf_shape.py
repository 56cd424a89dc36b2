"""A model's shape as the metadata of a GGUF file, for the families whose files outgrow writes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gguf import MODEL_ARCH, GGUFWriter

from ..core.errors import UsageError

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

ARCHITECTURES = {"llama": MODEL_ARCH.LLAMA, "qwen2": MODEL_ARCH.QWEN2, "qwen3": MODEL_ARCH.QWEN3}
"""Model type of transformers and the architecture of its GGUF files."""


def require_writable_shape(config: PreTrainedConfig) -> None:
    """Raise UsageError where a GGUF file cannot say how this model computes, or outgrow does not write it."""
    kind = config.model_type
    if kind not in ARCHITECTURES:
        raise UsageError(f"a model of type {kind} cannot be exported; GGUF files are written for {', '.join(ARCHITECTURES)}")
    rope = config.rope_parameters
    if rope.get("rope_type", "default") != "default" or rope.get("partial_rotary_factor", 1) != 1:
        raise UsageError(
            f"a {kind} model with rotary positions of type {rope.get('rope_type', 'default')!r} cannot be exported; "
            "only the plain ones (rope_type 'default' over the whole head) are written"
        )
    if config.hidden_act != "silu":
        raise UsageError(f"a {kind} model with the activation {config.hidden_act!r} cannot be exported; GGUF files assume 'silu'")
    if "sliding_attention" in (getattr(config, "layer_types", None) or ()):
        raise UsageError(f"a {kind} model whose layers attend in a sliding window cannot be exported; its GGUF file has no window")


def add_shape(writer: GGUFWriter, config: PreTrainedConfig) -> None:
    """Write the sizes and constants that the model computes with."""
    head_dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_key_length(head_dim)
    writer.add_value_length(head_dim)
    writer.add_rope_dimension_count(head_dim)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_vocab_size(config.vocab_size)
