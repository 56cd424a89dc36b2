"""Decoding with a Llama, Qwen2 or Qwen3, without the per-call cost of the full model class.

Weights are those of transformers' `LlamaForCausalLM`, `Qwen2ForCausalLM` or `Qwen3ForCausalLM`; results agree with these to float
rounding. Shape suffixes: docs/glossary.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from ...core.errors import UsageError
from ...policy.memory.settings import MODEL_TYPE
from .kv_cache import Cache
from .matrices import Matrix, PlainMatrix

if TYPE_CHECKING:
    from transformers import PretrainedConfig

Store = Callable[[Tensor, Tensor | None], Matrix]
"""(weight (outputs, inputs), bias (outputs,) or None) -> the matrix, ready to multiply with."""

Attend = Callable[[int, Tensor, Tensor], Tensor]
"""(layer, its normalised input (B, Q, D), queries, keys and values (B, Q, heads + 2 kv_heads, head_dim)) -> what the layer's
attention adds (B, Q, D)."""

FAMILIES = ("llama", "qwen2", "qwen3", MODEL_TYPE)
"""Model types in transformers; memory_decoder.py is for the last."""

_INSTEAD = "set engine.type=transformers"


@dataclass
class _Layer:
    """Weights of one layer. The gains of its two norms are multiplied into the matrices that follow them."""

    qkv: Matrix
    """To queries, keys and values."""
    gains: Tensor | None
    """Gains of Qwen3's norms over each head (heads + kv_heads, head_dim); None in other families."""
    output: Matrix
    """Of the attention."""
    gate_up: Matrix
    """To both halves of the feed-forward layer."""
    down: Matrix
    """Back to the hidden size."""


class LlamaDecoder:
    """Decodes with a snapshot of a model's weights."""

    def __init__(
        self, config: PretrainedConfig, weights: Mapping[str, Tensor], store: Store = PlainMatrix, store_head: Store = PlainMatrix
    ) -> None:
        """weights: by their names in transformers; copied. store, store_head: what the layers' matrices and the head's are made
        with. Raises UsageError where the model is of another family.
        """
        refuse_others(config)
        self.heads: int = config.num_attention_heads
        self.kv_heads: int = config.num_key_value_heads
        self.head_size: int = getattr(config, "head_dim", None) or config.hidden_size // self.heads
        with torch.no_grad():
            self.embedding = weights["model.embed_tokens.weight"].detach().clone()
            self.vocabulary = len(weights["lm_head.weight"])
            self.head = store_head(weights["lm_head.weight"] * weights["model.norm.weight"], None)
            self.layers = [self._layer(weights, index, store) for index in range(config.num_hidden_layers)]
            device = self.embedding.device
            half = torch.arange(0, self.head_size, 2, dtype=torch.float32, device=device) / self.head_size
            angles = torch.outer(
                torch.arange(config.max_position_embeddings, device=device).float(), config.rope_parameters["rope_theta"] ** -half
            )
            self.turns = torch.polar(torch.ones_like(angles), angles)  # (context, head_dim / 2), complex
            self.eps = torch.tensor(config.rms_norm_eps, device=device)

    def _layer(self, weights: Mapping[str, Tensor], index: int, store: Store) -> _Layer:
        prefix = f"model.layers.{index}."
        w = {name.removeprefix(prefix): tensor.detach() for name, tensor in weights.items() if name.startswith(prefix)}
        queries, keys, values = (w[f"self_attn.{part}_proj.weight"] for part in "qkv")
        qkv = torch.cat([self._paired(queries), self._paired(keys), values]) * w["input_layernorm.weight"]
        bias = None
        if "self_attn.q_proj.bias" in w:
            of_queries, of_keys, of_values = (w[f"self_attn.{part}_proj.bias"] for part in "qkv")
            bias = torch.cat([self._paired(of_queries), self._paired(of_keys), of_values])
        gains = None
        if "self_attn.q_norm.weight" in w:
            of_query, of_key = (self._paired(w[f"self_attn.{part}_norm.weight"]) for part in "qk")
            gains = torch.cat([of_query.expand(self.heads, -1), of_key.expand(self.kv_heads, -1)])
        gate_up = torch.cat([w["mlp.gate_proj.weight"], w["mlp.up_proj.weight"]]) * w["post_attention_layernorm.weight"]
        output, down = w["self_attn.o_proj.weight"], w["mlp.down_proj.weight"]
        return _Layer(store(qkv, bias), gains, store(output, None), store(gate_up, None), store(down, None))

    def _paired(self, rows: Tensor) -> Tensor:
        """Put each head's numbers i and i + head_dim / 2, which are rotated together, next to each other: one complex number.

        Queries and keys are put in the same order, so their products do not change.
        """
        halves = rows.view(-1, 2, self.head_size // 2, *rows.shape[1:])
        return halves.transpose(1, 2).reshape(rows.shape)

    def new_cache(self, rows: int, slots: int) -> Cache:
        """Allocate an empty cache."""
        return Cache.empty(len(self.layers), rows, self.kv_heads, slots, self.head_size, self.embedding)

    def bytes_a_row(self, slots: int) -> int:
        """Return the bytes of a row of a cache with room for `slots` tokens."""
        return slots * 2 * len(self.layers) * self.kv_heads * self.head_size * self.embedding.element_size()

    def read(self, tokens_UQ: Tensor, lengths_U: Tensor) -> tuple[Cache, Tensor]:
        """Run U prompts, padded on the right. Returns their cache and the logits of the token after each (U, V), float32."""
        prompts, width = tokens_UQ.shape
        attend, cache = self._reading(lengths_U)
        x_UQD = self._run(tokens_UQ, torch.arange(width, device=tokens_UQ.device).unsqueeze(0), attend)
        return cache, self._logits(x_UQD[torch.arange(prompts, device=x_UQD.device), lengths_U - 1])

    def _reading(self, lengths_U: Tensor) -> tuple[Attend, Cache]:
        """Return what attends in prompts, and the cache that it fills."""
        cache = Cache([])

        def attend(layer: int, _: Tensor, qkv_UQHd: Tensor) -> Tensor:
            q, k, v = self._split(qkv_UQHd)
            cache.layers.append(torch.stack([k, v]))
            # Only later padding sees the keys and values of padding.
            values = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=self.heads != self.kv_heads)
            return self.layers[layer].output(values.transpose(1, 2).flatten(2))

        return attend, cache

    def _split(self, qkv_BQHd: Tensor) -> list[Tensor]:
        """Return queries, keys and values, each (B, heads, Q, head_dim)."""
        return [part.transpose(1, 2) for part in qkv_BQHd.split((self.heads, self.kv_heads, self.kv_heads), dim=2)]

    def step(self, tokens_B: Tensor, lengths_B: Tensor, cache: Cache, longest: int) -> Tensor:
        """Run one more token of each of the cache's first B rows, and return the logits of the next one (B, V), float32.

        lengths_B: tokens in each row's cache; the new token fills the next slot. longest: the largest of lengths_B.
        """
        attend = self._stepping(lengths_B, cache, longest)
        return self._logits(self._run(tokens_B.unsqueeze(1), lengths_B.unsqueeze(1), attend)[:, 0])

    def _stepping(self, lengths_B: Tensor, cache: Cache, longest: int) -> Attend:
        """Return what attends in one more token of each row (see `step`)."""
        rows, slots = len(lengths_B), min(longest + 1, cache.slots)
        places = cache.places(lengths_B)
        beyond_BX = torch.arange(slots, device=lengths_B.device) > lengths_B[:, None]
        mask_B11X = self.embedding.new_zeros(rows, slots).masked_fill(beyond_BX, -torch.inf)[:, None, None]

        def attend(layer: int, _: Tensor, qkv_BQHd: Tensor) -> Tensor:
            filled = cache.layers[layer]
            filled.view(-1, self.head_size)[places] = qkv_BQHd[:, 0, self.heads :]
            k, v = filled[:, :rows, :, :slots].unbind()
            # The query heads that share a key head become its queries, so that no key is repeated in memory.
            q = qkv_BQHd[:, 0, : self.heads].unflatten(1, (self.kv_heads, -1))
            return self.layers[layer].output(_attended(q, k, v, mask_B11X).reshape(rows, 1, -1))

        return attend

    def _run(self, tokens_BQ: Tensor, positions_BQ: Tensor, attend: Attend) -> Tensor:
        """Return the last layer's states (B, Q, D)."""
        rows, queries = tokens_BQ.shape
        x = F.embedding(tokens_BQ, self.embedding)
        turns = self.turns[positions_BQ].unsqueeze(2).expand(-1, -1, self.heads + self.kv_heads, -1)
        turns = torch.cat([turns, torch.ones_like(turns[:, :, : self.kv_heads])], dim=2)  # values are not rotated
        for index, layer in enumerate(self.layers):
            normal = self._normalise(x)
            qkv = layer.qkv(normal).view(rows, queries, -1, self.head_size)
            if layer.gains is not None:
                qk, v = qkv.split((len(layer.gains), self.kv_heads), dim=2)
                qkv = torch.cat([self._normalise(qk) * layer.gains, v], dim=2)
            pairs = torch.view_as_complex(qkv.float().unflatten(-1, (-1, 2)))
            qkv = torch.view_as_real(pairs * turns).flatten(-2).to(x.dtype)
            x += attend(index, normal, qkv)
            gate, up = layer.gate_up(self._normalise(x)).chunk(2, dim=-1)
            x += layer.down(F.silu(gate).mul_(up))
        return x

    def _logits(self, x_BD: Tensor) -> Tensor:
        return self.head(self._normalise(x_BD)).float()

    def _normalise(self, x: Tensor) -> Tensor:
        """Return x over its root mean square. `vector_norm` is one fused pass; F.rms_norm makes four on a CPU."""
        norm = torch.linalg.vector_norm(x, dim=-1, keepdim=True, dtype=torch.float32)
        return (x * torch.addcmul(self.eps, norm, norm, value=1 / x.shape[-1]).rsqrt_()).to(x.dtype)


def _attended(q_BKJd: Tensor, k_BKXd: Tensor, v_BKXd: Tensor, mask_B11X: Tensor) -> Tensor:
    """Softmax attention of one token a row: (B, K, J, head_dim), J query heads to each of K key heads."""
    if q_BKJd.device.type != "cpu" or q_BKJd.dtype != torch.float32:  # scores are not to be rounded to bfloat16
        return F.scaled_dot_product_attention(q_BKJd, k_BKXd, v_BKXd, attn_mask=mask_B11X)
    # On a CPU the fused attention runs each row and head separately, which for short rows costs more than the products.
    q_AJd, k_AXd, v_AXd = (part.flatten(0, 1) for part in (q_BKJd, k_BKXd, v_BKXd))
    scores_AJX = torch.bmm(q_AJd * q_AJd.shape[-1] ** -0.5, k_AXd.transpose(1, 2))
    scores_AJX.view(*q_BKJd.shape[:3], -1).add_(mask_B11X)
    return torch.bmm(scores_AJX.softmax(-1), v_AXd).view_as(q_BKJd)


def refuse_others(config: PretrainedConfig) -> None:
    """Raise UsageError where the model is of another family, or has what these decoders do not compute."""
    if config.model_type not in FAMILIES or config.rope_parameters.get("rope_type", "default") != "default":
        raise UsageError(
            "the native engine decodes plain Llama, Qwen2 and Qwen3 models, and a Llama or Qwen2 with a memory; this one is "
            f"{config.model_type!r}; {_INSTEAD}"
        )
    if config.hidden_act != "silu":
        raise UsageError(f"the native engine decodes models with hidden_act 'silu'; this one has {config.hidden_act!r}; {_INSTEAD}")
    if getattr(config, "use_sliding_window", False):
        raise UsageError(f"the native engine decodes with full attention; this model's config says use_sliding_window; {_INSTEAD}")
    if config.model_type == MODEL_TYPE and not config.sliding_window:
        raise UsageError("the native engine decodes a memory next to a window; this model's config has no sliding_window")
    # Biases of queries, keys and values: always in Qwen2, by this key in Llama and Qwen3, which then bias the output as well.
    for key in ("attention_bias", "mlp_bias"):
        if config.model_type != "qwen2" and getattr(config, key, False):
            raise UsageError(f"the native engine decodes models without this bias; this model's config says {key}; {_INSTEAD}")
