"""One decoding step of a Llama or Qwen2 over a preallocated key-value cache, without the per-call cost of the full model class.

Weights are those of a transformers `LlamaForCausalLM` or `Qwen2ForCausalLM`; results agree with it to float rounding.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import UsageError

if TYPE_CHECKING:
    from transformers import PretrainedConfig


@dataclass
class _Layer:
    """Weights of one layer; each norm's gain is multiplied into the matrix behind it. qkv_bias: None in a Llama."""

    qkv: Tensor
    qkv_bias: Tensor | None
    output: Tensor
    gate_up: Tensor
    down: Tensor


@dataclass
class Cache:
    """Keys and values, each (layers, rows, kv_heads, slots, head_dim); slots fill from the left, one a step."""

    keys: Tensor
    values: Tensor

    def select(self, rows: Tensor, filled: int) -> Cache:
        """The cache of some of the rows (in this order, repeats allowed); only the filled slots are copied."""
        return Cache(_take_rows(self.keys, rows, filled), _take_rows(self.values, rows, filled))


def _take_rows(source: Tensor, rows: Tensor, filled: int) -> Tensor:
    layers, _, heads, slots, size = source.shape
    taken = source.new_empty((layers, len(rows), heads, slots, size))  # a slot is read only once it has been filled
    taken[:, :, :, :filled] = source[:, rows, :, :filled]
    return taken


class LlamaDecoder:
    """Decodes with a snapshot of a model's weights."""

    def __init__(self, config: PretrainedConfig, weights: Mapping[str, Tensor]) -> None:
        """weights: by their names in transformers. Raises UsageError where the model is of another family."""
        if config.model_type not in ("llama", "qwen2") or config.rope_parameters.get("rope_type", "default") != "default":
            raise UsageError(f"the native engine decodes plain Llama and Qwen2 models; this one is {config.model_type!r}")
        if config.hidden_act != "silu":
            raise UsageError(f"the native engine decodes models with hidden_act 'silu'; this one has {config.hidden_act!r}")
        if getattr(config, "use_sliding_window", False):
            raise UsageError("the native engine decodes with full attention; this model's config says use_sliding_window")
        self.heads: int = config.num_attention_heads
        self.kv_heads: int = config.num_key_value_heads
        self.head_size: int = getattr(config, "head_dim", None) or config.hidden_size // self.heads
        self.eps: float = config.rms_norm_eps
        self.layers: list[_Layer] = []
        with torch.no_grad():
            weights = {name: tensor.detach().clone() for name, tensor in weights.items()}
            self.embedding = weights["model.embed_tokens.weight"]
            self.head = weights["lm_head.weight"] * weights["model.norm.weight"]
            for index in range(config.num_hidden_layers):
                w = {name.removeprefix(f"model.layers.{index}."): t for name, t in weights.items() if f".layers.{index}." in name}
                biases = {name for name in w if name.endswith("bias")}
                attention = [f"self_attn.{part}_proj.bias" for part in "qkv"]
                if biases and biases != set(attention):
                    raise UsageError("the native engine decodes models with biases on queries, keys and values, or none")
                self.layers.append(
                    _Layer(
                        qkv=torch.cat([w[f"self_attn.{part}_proj.weight"] for part in "qkv"]) * w["input_layernorm.weight"],
                        qkv_bias=torch.cat([w[name] for name in attention]) if biases else None,
                        output=w["self_attn.o_proj.weight"],
                        gate_up=torch.cat([w["mlp.gate_proj.weight"], w["mlp.up_proj.weight"]])
                        * w["post_attention_layernorm.weight"],
                        down=w["mlp.down_proj.weight"],
                    )
                )
            device = self.embedding.device
            half = torch.arange(0, self.head_size, 2, dtype=torch.float32, device=device) / self.head_size
            angles = torch.outer(
                torch.arange(config.max_position_embeddings, device=device).float(), config.rope_parameters["rope_theta"] ** -half
            )
            self.cos = torch.cat([angles.cos(), angles.cos()], dim=-1).to(self.embedding.dtype)
            self.sin = torch.cat([angles.sin(), angles.sin()], dim=-1).to(self.embedding.dtype)

    @property
    def bytes_a_slot(self) -> int:
        """Keys and values of one token."""
        return 2 * len(self.layers) * self.kv_heads * self.head_size * self.embedding.element_size()

    def new_cache(self, rows: int, slots: int) -> Cache:
        """An empty cache."""
        shape = (len(self.layers), rows, self.kv_heads, slots, self.head_size)
        return Cache(self.embedding.new_empty(shape), self.embedding.new_empty(shape))

    def forward(self, tokens_BQ: Tensor, positions_BQ: Tensor, cache: Cache, start: int, mask_BQS: Tensor) -> Tensor:
        """Run Q new tokens a row, filling cache slots start .. start + Q, and return the last one's logits (B, V), float32.

        positions_BQ: rotary positions. mask_BQS: True where a query may look, S = start + Q.
        """
        rows, queries = tokens_BQ.shape
        stop = start + queries
        x = F.embedding(tokens_BQ, self.embedding)
        cos, sin = self.cos[positions_BQ].unsqueeze(1), self.sin[positions_BQ].unsqueeze(1)
        mask = mask_BQS.unsqueeze(1)
        q_size, kv_size = self.heads * self.head_size, self.kv_heads * self.head_size
        for index, layer in enumerate(self.layers):
            qkv = F.linear(self._normalise(x), layer.qkv, layer.qkv_bias)
            q, k, v = (
                part.view(rows, queries, -1, self.head_size).transpose(1, 2) for part in qkv.split((q_size, kv_size, kv_size), -1)
            )
            cache.keys[index, :, :, start:stop] = _rotate(k, cos, sin)
            cache.values[index, :, :, start:stop] = v
            attended = F.scaled_dot_product_attention(
                _rotate(q, cos, sin),
                cache.keys[index, :, :, :stop],
                cache.values[index, :, :, :stop],
                attn_mask=mask,
                enable_gqa=self.heads != self.kv_heads,
            )
            x = x + F.linear(attended.transpose(1, 2).reshape(rows, queries, q_size), layer.output)
            gate, up = F.linear(self._normalise(x), layer.gate_up).chunk(2, dim=-1)
            x = x + F.linear(F.silu(gate) * up, layer.down)
        return F.linear(self._normalise(x[:, -1]), self.head).float()

    def _normalise(self, x: Tensor) -> Tensor:
        """x over its root mean square. The norm is one fused pass, where F.rms_norm makes four on a CPU."""
        square = torch.linalg.vector_norm(x, dim=-1, keepdim=True).square() / x.shape[-1]
        return x * torch.rsqrt(square + self.eps)


def _rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat([-second, first], dim=-1) * sin
