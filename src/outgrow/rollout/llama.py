"""Decoding with a Llama, Qwen2 or Qwen3, without the per-call cost of the full model class.

Weights are those of a transformers `LlamaForCausalLM` or its kin; results agree with it to float rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import UsageError
from .cache import Cache
from .matrix import Matrix

if TYPE_CHECKING:
    from transformers import PretrainedConfig

# (layer, queries, keys, values), each (B, heads, Q, head_dim), to what is attended to.
Attend = Callable[[int, Tensor, Tensor, Tensor], Tensor]


@dataclass
class _Layer:
    """Weights of one layer; the gains of its two norms are multiplied into the matrices behind them.

    query_gain, key_gain: of Qwen3's norms over each head; None in the others.
    """

    qkv: Matrix
    query_gain: Tensor | None
    key_gain: Tensor | None
    output: Matrix
    gate_up: Matrix
    down: Matrix


class LlamaDecoder:
    """Decodes with a snapshot of a model's weights."""

    def __init__(self, config: PretrainedConfig, weights: Mapping[str, Tensor]) -> None:
        """weights: by their names in transformers. Raises UsageError where the model is of another family."""
        _refuse_others(config)
        self.heads: int = config.num_attention_heads
        self.kv_heads: int = config.num_key_value_heads
        self.head_size: int = getattr(config, "head_dim", None) or config.hidden_size // self.heads
        self.eps: float = config.rms_norm_eps
        with torch.no_grad():
            self.embedding = weights["model.embed_tokens.weight"].detach().clone()
            self.head = Matrix(weights["lm_head.weight"] * weights["model.norm.weight"])
            self.layers = [_layer(weights, index) for index in range(config.num_hidden_layers)]
            device = self.embedding.device
            half = torch.arange(0, self.head_size, 2, dtype=torch.float32, device=device) / self.head_size
            angles = torch.outer(
                torch.arange(config.max_position_embeddings, device=device).float(), config.rope_parameters["rope_theta"] ** -half
            )
            self.cos = torch.cat([angles.cos(), angles.cos()], dim=-1).to(self.embedding.dtype)
            # The half that is subtracted carries its sign here, so that a rotation is one roll and two products.
            self.sin = torch.cat([-angles.sin(), angles.sin()], dim=-1).to(self.embedding.dtype)

    def new_cache(self, rows: int, slots: int) -> Cache:
        """An empty cache."""
        return Cache.empty(len(self.layers), rows, self.kv_heads, slots, self.head_size, self.embedding)

    @property
    def bytes_a_slot(self) -> int:
        """Keys and values of one token."""
        return 2 * len(self.layers) * self.kv_heads * self.head_size * self.embedding.element_size()

    def read(self, tokens_PQ: Tensor, lengths_P: Tensor) -> tuple[Cache, Tensor]:
        """Run prompts, padded on the right. Returns their cache and the logits of what comes next (P, V), float32."""
        prompts, width = tokens_PQ.shape
        cache = self.new_cache(prompts, width)
        positions_1Q = torch.arange(width, device=tokens_PQ.device).unsqueeze(0)

        def attend(layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
            cache.keys[layer], cache.values[layer] = k, v
            # What a pad writes is seen by later pads only.
            return F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=self.heads != self.kv_heads)

        x_PQD = self._run(tokens_PQ, positions_1Q, attend)
        return cache, self._logits(x_PQD[torch.arange(prompts, device=x_PQD.device), lengths_P - 1])

    def step(self, tokens_B: Tensor, lengths_B: Tensor, cache: Cache, longest: int) -> Tensor:
        """Run one more token of each row, which fills its slot `lengths_B`, and return the next one's logits (B, V), float32.

        The cache's first B rows are these. longest: the largest of lengths_B.
        """
        rows, slots = len(tokens_B), longest + 1
        index_B = torch.arange(rows, device=tokens_B.device)
        behind_BS = torch.arange(slots, device=tokens_B.device) > lengths_B[:, None]
        mask_B11S = self.cos.new_zeros(rows, slots).masked_fill(behind_BS, -torch.inf)[:, None, None]

        def attend(layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
            keys, values = cache.keys[layer], cache.values[layer]
            keys[index_B, :, lengths_B], values[index_B, :, lengths_B] = k.squeeze(2), v.squeeze(2)
            # The query heads that share a key head stand as its queries, so that no key is ever repeated in memory.
            shared = q.view(rows, self.kv_heads, self.heads // self.kv_heads, self.head_size)
            attended = F.scaled_dot_product_attention(shared, keys[:rows, :, :slots], values[:rows, :, :slots], attn_mask=mask_B11S)
            return attended.reshape(rows, self.heads, 1, self.head_size)

        return self._logits(self._run(tokens_B.unsqueeze(1), lengths_B.unsqueeze(1), attend)[:, 0])

    def _run(self, tokens_BQ: Tensor, positions_BQ: Tensor, attend: Attend) -> Tensor:
        """The last layer's states (B, Q, D)."""
        rows, queries = tokens_BQ.shape
        x = F.embedding(tokens_BQ, self.embedding)
        cos, sin = self.cos[positions_BQ].unsqueeze(1), self.sin[positions_BQ].unsqueeze(1)
        turning = self.heads + self.kv_heads  # queries and keys are rotated together
        for index, layer in enumerate(self.layers):
            qkv = layer.qkv(self._normalise(x)).view(rows, queries, -1, self.head_size).transpose(1, 2)
            qk, v = qkv[:, :turning], qkv[:, turning:]
            if layer.query_gain is not None and layer.key_gain is not None:
                gains = torch.cat([layer.query_gain.expand(self.heads, -1), layer.key_gain.expand(self.kv_heads, -1)])
                qk = self._normalise(qk) * gains.unsqueeze(1)
            qk = qk * cos + qk.roll(self.head_size // 2, -1) * sin
            attended = attend(index, qk[:, : self.heads], qk[:, self.heads :], v)
            x = x + layer.output(attended.transpose(1, 2).reshape(rows, queries, -1))
            gate, up = layer.gate_up(self._normalise(x)).chunk(2, dim=-1)
            x = x + layer.down(F.silu(gate) * up)
        return x

    def _logits(self, x_BD: Tensor) -> Tensor:
        return self.head(self._normalise(x_BD)).float()

    def _normalise(self, x: Tensor) -> Tensor:
        """x over its root mean square. The norm is one fused pass, where F.rms_norm makes four on a CPU."""
        square = torch.linalg.vector_norm(x, dim=-1, keepdim=True).square() / x.shape[-1]
        return x * torch.rsqrt(square + self.eps)


def _refuse_others(config: PretrainedConfig) -> None:
    if config.model_type not in ("llama", "qwen2", "qwen3") or config.rope_parameters.get("rope_type", "default") != "default":
        raise UsageError(f"the native engine decodes plain Llama, Qwen2 and Qwen3 models; this one is {config.model_type!r}")
    if config.hidden_act != "silu":
        raise UsageError(f"the native engine decodes models with hidden_act 'silu'; this one has {config.hidden_act!r}")
    if getattr(config, "use_sliding_window", False):
        raise UsageError("the native engine decodes with full attention; this model's config says use_sliding_window")


def _layer(weights: Mapping[str, Tensor], index: int) -> _Layer:
    prefix = f"model.layers.{index}."
    w = {name.removeprefix(prefix): tensor.detach() for name, tensor in weights.items() if name.startswith(prefix)}
    biases = {name for name in w if name.endswith("bias")}
    attention = [f"self_attn.{part}_proj.bias" for part in "qkv"]
    if biases and biases != set(attention):
        raise UsageError("the native engine decodes models with biases on queries, keys and values, or none")
    qkv = torch.cat([w[f"self_attn.{part}_proj.weight"] for part in "qkv"]) * w["input_layernorm.weight"]
    gate_up = torch.cat([w["mlp.gate_proj.weight"], w["mlp.up_proj.weight"]]) * w["post_attention_layernorm.weight"]
    return _Layer(
        qkv=Matrix(qkv, torch.cat([w[name] for name in attention]) if biases else None),
        query_gain=w["self_attn.q_norm.weight"].clone() if "self_attn.q_norm.weight" in w else None,
        key_gain=w["self_attn.k_norm.weight"].clone() if "self_attn.k_norm.weight" in w else None,
        output=Matrix(w["self_attn.o_proj.weight"]),
        gate_up=Matrix(gate_up),
        down=Matrix(w["mlp.down_proj.weight"]),
    )
