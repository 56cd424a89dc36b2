"""A policy's weights as GGUF keeps them: names, the order of rows, and the type that each is stored in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType, get_tensor_name_map, quantize

from ..core.errors import UsageError
from .gguf_shape import ARCHITECTURES

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor
    from transformers import PreTrainedConfig

    from .policy import Policy

F32, F16, Q8_0, Q4_0 = (GGMLQuantizationType[name] for name in ("F32", "F16", "Q8_0", "Q4_0"))

_STEPS = {F16: 1, Q8_0: 127, Q4_0: 8}
"""Largest value of a type in units of its scale, which is a float16 number."""
_VOCABULARY = ("token_embd.weight", "output.weight")


@dataclass(frozen=True)
class StoredTensor:
    """A weight of a policy and how a GGUF file holds it."""

    name: str
    """Its name in the file, as blk.0.attn_q.weight."""
    weight: Tensor
    """Its values, as transformers orders them."""
    stored: GGMLQuantizationType
    """The type that it has in the file."""
    interleaved_heads: int | None = None
    """Heads whose rotary pairs are put next to each other in the file; None where the rows keep their order."""

    @property
    def nbytes(self) -> int:
        """Bytes of its values in the file."""
        block, size = GGML_QUANT_SIZES[self.stored]
        return prod(self.weight.shape) // block * size

    def packed(self) -> NDArray[np.generic]:
        """Return its values as the file has them. Raises UsageError where the type cannot hold them."""
        values = self.weight.detach().float().cpu().numpy()
        largest = float(np.abs(values).max(initial=0))
        if not np.isfinite(largest):
            raise UsageError(f"{self.name}: this weight holds a value that is not finite; export an earlier checkpoint")
        if self.stored in _STEPS and largest / _STEPS[self.stored] > float(np.finfo(np.float16).max):
            raise UsageError(f"{self.name}: its largest value, {largest:g}, is too large for {self.stored.name}; use --gguf bf16")
        if self.interleaved_heads is not None:
            values = interleaved(values, self.interleaved_heads)
        packed: NDArray[np.generic] = quantize(np.ascontiguousarray(values), self.stored)
        return packed


def stored_tensors(policy: Policy, wanted: GGMLQuantizationType) -> Iterator[StoredTensor]:
    """Give every weight, adapters merged, a matrix that two layers share once.

    Raises UsageError for a weight that a GGUF file of this family has no name for.
    """
    config = policy.model.config
    names = get_tensor_name_map(ARCHITECTURES[config.model_type], config.num_hidden_layers)
    weights = policy.named_weights()
    embedding = weights["model.embed_tokens.weight"]
    for name, weight in weights.items():
        if name == "lm_head.weight" and weight.data_ptr() == embedding.data_ptr():
            continue  # a file without an output matrix uses the embedding's
        to = names.get_name(name, (".weight", ".bias"))
        if to is None or (to.endswith(".bias") and not _has_bias(config, to)):
            raise UsageError(f"a GGUF file of a {config.model_type} model has no place for the weight {name}")
        yield StoredTensor(to, weight, _stored(to, weight, wanted), _interleaved_heads(config, to))


def interleaved(values: NDArray[np.float32], heads: int) -> NDArray[np.float32]:
    """Return a projection's rows in the order of llama.cpp's rotary embedding for Llama models.

    values: (heads * D, ...). transformers rotates row i of a head with row i + D / 2, llama.cpp row 2i with row 2i + 1.
    """
    halves = values.reshape(heads, 2, -1, *values.shape[1:])
    return halves.swapaxes(1, 2).reshape(values.shape)


def _stored(name: str, weight: Tensor, wanted: GGMLQuantizationType) -> GGMLQuantizationType:
    """Return the type of a weight: vectors stay in float32, and so does llama.cpp keep them."""
    if weight.ndim == 1:
        return F32
    if wanted is Q4_0 and name in _VOCABULARY:
        wanted = Q8_0  # 4 bits cost most here; llama.cpp's own quantiser gives the output matrix more bits as well
    divides = weight.shape[-1] % GGML_QUANT_SIZES[wanted][0] == 0
    return wanted if divides else F16


def _interleaved_heads(config: PreTrainedConfig, name: str) -> int | None:
    if config.model_type != "llama":
        return None
    if name.endswith(".attn_q.weight"):
        return int(config.num_attention_heads)
    return int(config.num_key_value_heads) if name.endswith(".attn_k.weight") else None


def _has_bias(config: PreTrainedConfig, name: str) -> bool:
    return config.model_type == "qwen2" and name.endswith((".attn_q.bias", ".attn_k.bias", ".attn_v.bias"))
