"""Decoding with a Llama or a Qwen2 whose attention looks back over a window, next to which every layer may have a memory.

The model is policy/memory/model.py; results agree with it to float rounding. Shape suffixes: docs/glossary.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ...policy.memory.branch import Branch
from ...policy.memory.settings import MODEL_TYPE, Memory, saved_settings
from .decoder import Attend, LlamaDecoder, Store
from .kv_cache import Cache
from .matrices import PlainMatrix
from .window import WindowCache, attended

if TYPE_CHECKING:
    from transformers import PretrainedConfig


def decoder_of(config: PretrainedConfig, weights: Mapping[str, Tensor], store: Store, store_head: Store) -> LlamaDecoder:
    """Return the decoder of a model of any family that the native engine takes. Arguments, errors: those of `LlamaDecoder`."""
    kind = MemoryDecoder if config.model_type == MODEL_TYPE else LlamaDecoder
    return kind(config, weights, store, store_head)


class MemoryDecoder(LlamaDecoder):
    """Decodes with a snapshot of a model's weights. The memories compute in float32 at least, with their weights as they are."""

    def __init__(
        self, config: PretrainedConfig, weights: Mapping[str, Tensor], store: Store = PlainMatrix, store_head: Store = PlainMatrix
    ) -> None:
        super().__init__(config, weights, store, store_head)
        self.window: int = config.sliding_window
        settings = saved_settings(config.memory)
        with torch.no_grad():
            layers = range(0 if settings.rule == "none" else len(self.layers))
            self.branches = [_branch(settings, config.hidden_size, weights, f"model.layers.{index}.") for index in layers]
            # While a layer's state changes, the old one is there as well.
            self._state_bytes = (len(self.branches) + 1) * self._bytes_of_a_state() if self.branches else 0

    def _bytes_of_a_state(self) -> int:
        """Return the bytes of a row's state in one layer."""
        _, _, state = self.branches[0](self.embedding[:1, None], torch.ones(1, dtype=torch.long, device=self.embedding.device))
        return int(state.nbytes)

    def new_cache(self, rows: int, slots: int) -> WindowCache:
        return WindowCache(super().new_cache(rows, min(slots, self.window)).layers, self.window)

    def bytes_a_row(self, slots: int) -> int:
        return super().bytes_a_row(min(slots, self.window)) + self._state_bytes

    def _reading(self, lengths_U: Tensor) -> tuple[Attend, Cache]:
        cache = WindowCache([], self.window)

        def attend(layer: int, _: Tensor, qkv_UQHd: Tensor) -> Tensor:
            q, k, v = self._split(qkv_UQHd)
            cache.read(k, v, lengths_U)
            return self.layers[layer].output(attended(q, k, v, self.window).transpose(1, 2).flatten(2))

        return self._with_memory(attend, lengths_U, cache), cache

    def _stepping(self, lengths_B: Tensor, cache: Cache, longest: int) -> Attend:
        assert isinstance(cache, WindowCache)
        cache.keep(len(lengths_B))
        return self._with_memory(super()._stepping(lengths_B, cache, longest), torch.ones_like(lengths_B), cache)

    def _with_memory(self, attend: Attend, lengths_B: Tensor, cache: WindowCache) -> Attend:
        """Return what attends and adds what the memory answers. lengths_B: new tokens of each row, which the memory reads."""
        if not self.branches:
            return attend

        def both(layer: int, x_BQD: Tensor, qkv_BQHd: Tensor) -> Tensor:
            added_BQD: Tensor
            added_BQD, _, cache.states[layer] = self.branches[layer](x_BQD, lengths_B, cache.states.get(layer))
            return attend(layer, x_BQD, qkv_BQHd) + added_BQD

        return both


def _branch(settings: Memory, hidden_size: int, weights: Mapping[str, Tensor], layer: str) -> Branch:
    """Return a layer's memory with a copy of its weights; the gains of the norm before it are multiplied into them."""
    with torch.device("meta"):  # draws no first values
        branch = Branch(hidden_size, settings)
    gains = weights[f"{layer}input_layernorm.weight"]
    exact = torch.promote_types(gains.dtype, torch.float32)
    own = {name: weights[f"{layer}self_attn.memory.{name}"].detach().to(exact, copy=True) for name in branch.state_dict()}
    for name in ("read.weight", "gates.weight"):
        own[name] *= gains.to(exact)
    branch.load_state_dict(own, assign=True)
    return branch.requires_grad_(False)
