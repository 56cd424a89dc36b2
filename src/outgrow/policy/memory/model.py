"""A Llama or a Qwen2 whose attention looks back over a window, with a memory next to it in every layer.

Mistral in transformers is a Llama with a window: it has the same weights by the same names. Qwen2 has three biases more. Importing
this file lets transformers load a saved model, by `AutoModelForCausalLM.from_pretrained(folder)`, without code from the folder.

Shape suffixes: docs/glossary.md.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, DynamicCache, MistralForCausalLM, MistralModel
from transformers.cache_utils import DynamicSlidingWindowLayer
from transformers.models.mistral.modeling_mistral import MistralAttention, MistralPreTrainedModel

from .branch import Branch, BranchState
from .config import MemoryConfig
from .packed import read_packed
from .settings import NAME, saved_settings


class MemoryAttention(MistralAttention):
    """Attention over the window, and what the memory adds to it."""

    def __init__(self, config: MemoryConfig, layer_idx: int) -> None:
        super().__init__(config, layer_idx)
        if config.qkv_bias:
            for name in ("q_proj", "k_proj", "v_proj"):
                plain = getattr(self, name)
                setattr(self, name, torch.nn.Linear(plain.in_features, plain.out_features))
        settings = saved_settings(config.memory)
        self.memory = None if settings.rule == "none" else Branch(config.hidden_size, settings)

    def forward(self, hidden_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor | None]:
        real_BT = kwargs.pop("real_BT", None)
        attended, weights = super().forward(hidden_states, *args, **kwargs)
        if self.memory is None:
            return attended, weights
        if "masks" in kwargs:  # the learner's row of prompts and completions
            return attended + read_packed(self.memory, hidden_states, kwargs["masks"].branches), weights
        cache = kwargs.get("past_key_values")
        kept = None if cache is None else cast("MemoryCacheLayer", cache.layers[self.layer_idx])
        added, state = _read(self.memory, hidden_states, real_BT, kept.memory if kept else None)
        if kept:
            kept.memory = state
        return attended + added, weights


class _WithMemory(MistralPreTrainedModel):
    """What the model with and without its head share."""

    config_class = MemoryConfig
    _keep_in_fp32_modules_strict = {NAME}  # noqa: RUF012  # the name and the type are transformers'

    @torch.no_grad()
    def _init_weights(self, module: torch.nn.Module) -> None:
        super()._init_weights(module)  # type: ignore[no-untyped-call]
        if isinstance(module, Branch):  # after the linear layers in it
            module.reset()


class MemoryModel(_WithMemory, MistralModel):
    """The layers, without a head."""

    def __init__(self, config: MemoryConfig) -> None:
        super().__init__(config)
        for index, layer in enumerate(self.layers):
            cast("Any", layer).self_attn = MemoryAttention(config, index)
        self.post_init()  # type: ignore[no-untyped-call]

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        past_key_values: Any = None,
        use_cache: bool | None = None,
        **kwargs: Any,
    ) -> Any:
        if self.config.use_cache if use_cache is None else use_cache:
            past_key_values = with_memory(DynamicCache(config=self.config) if past_key_values is None else past_key_values)
        if attention_mask is not None and attention_mask.dim() == 2 and not bool(attention_mask.all()):
            tokens = input_ids if input_ids is not None else kwargs["inputs_embeds"]
            kwargs["real_BT"] = attention_mask[:, -tokens.shape[1] :].bool()
        return super().forward(
            input_ids=input_ids, attention_mask=attention_mask, past_key_values=past_key_values, use_cache=use_cache, **kwargs
        )


class MemoryForCausalLM(_WithMemory, MistralForCausalLM):
    """The model with its head."""

    def __init__(self, config: MemoryConfig) -> None:
        super().__init__(config)
        self.model = MemoryModel(config)
        self.post_init()  # type: ignore[no-untyped-call]


class MemoryCacheLayer(DynamicSlidingWindowLayer):
    """The window's keys and values, and the state of the memory: they go and come together."""

    memory: BranchState | None = None

    def reorder_cache(self, beam_idx: torch.LongTensor) -> None:
        super().reorder_cache(beam_idx)
        if self.memory is not None:
            self.memory = self.memory.rows(beam_idx)

    def reset(self) -> None:
        super().reset()
        self.memory = None


def with_memory(cache: DynamicCache) -> DynamicCache:
    """Return the cache with room for the memory's states."""
    for index, layer in enumerate(cache.layers):
        if not isinstance(layer, MemoryCacheLayer):
            assert isinstance(layer, DynamicSlidingWindowLayer) and layer.get_seq_length() == 0
            cache.layers[index] = MemoryCacheLayer(layer.sliding_window)
    return cache


def _read(branch: Branch, x_BTD: Tensor, real_BT: Tensor | None, state: BranchState | None) -> tuple[Tensor, BranchState]:
    """Return what the memory adds (B, T, D), and its new state. real_BT: False at padding, on either side; None without padding."""
    rows, width = x_BTD.shape[:2]
    if real_BT is None:
        added, _, after = branch(x_BTD, torch.full((rows,), width, device=x_BTD.device), state)
        return added, after
    order_BT = (~real_BT).long().argsort(dim=1, stable=True)  # what is real first
    wide_BTD = order_BT.unsqueeze(-1).expand_as(x_BTD)
    added, _, after = branch(x_BTD.gather(1, wide_BTD), real_BT.sum(1), state)
    return torch.zeros_like(added).scatter(1, wide_BTD, added), after


AutoModelForCausalLM.register(MemoryConfig, MemoryForCausalLM)
