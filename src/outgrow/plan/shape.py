"""The shape of a model, and what follows from it: parameters, and the bytes that decoding keeps of a sequence."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from ..policy.memory.settings import Memory

ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj")
FEED_FORWARD = ("gate_proj", "up_proj", "down_proj")
FLOAT = 4
"""Bytes of a number in float32."""


@dataclass(frozen=True)
class Shape:
    """A decoder of the Llama family: grouped-query attention, a gated feed-forward, RMS norms, rotary positions."""

    hidden: int
    layers: int
    heads: int
    kv_heads: int
    head_size: int
    feed_forward: int
    vocabulary: int
    context: int
    """Tokens of prompt and completion together."""
    tied: bool
    """Whether the output layer shares the embedding's weights."""
    biased: tuple[str, ...] = ()
    """Linear layers that add a bias."""
    head_norms: bool = False
    """Whether queries and keys are normalised per head (Qwen3)."""
    memory: Memory | None = None
    """The memory of each layer."""

    @property
    def attention(self) -> int:
        """Width of all query heads together."""
        return self.heads * self.head_size


def linears(shape: Shape) -> dict[str, tuple[int, int]]:
    """Return (inputs, outputs) of each linear layer in one decoder layer, by name."""
    hidden, wide, keys = shape.hidden, shape.attention, shape.kv_heads * shape.head_size
    return {
        "self_attn.q_proj": (hidden, wide),
        "self_attn.k_proj": (hidden, keys),
        "self_attn.v_proj": (hidden, keys),
        "self_attn.o_proj": (wide, hidden),
        "mlp.gate_proj": (hidden, shape.feed_forward),
        "mlp.up_proj": (hidden, shape.feed_forward),
        "mlp.down_proj": (shape.feed_forward, hidden),
    }


def layer_parameters(shape: Shape) -> int:
    """Return the parameters of all decoder layers."""
    matrices = sum(inputs * outputs for inputs, outputs in linears(shape).values())
    biases = sum(outputs for name, (_, outputs) in linears(shape).items() if name.endswith(shape.biased or ("\0",)))
    norms = 2 * shape.hidden + (2 * shape.head_size if shape.head_norms else 0)
    return shape.layers * (matrices + biases + norms + memory_parameters(shape))


def memory_parameters(shape: Shape) -> int:
    """Return the parameters of a layer's memory (policy/memory/branch.py)."""
    memory = shape.memory
    if memory is None or memory.rule == "none":
        return 0
    wide, hidden = memory.heads * memory.width, shape.hidden
    around = 3 * wide * hidden + 3 * wide * memory.convolution + 3 * memory.heads * (hidden + 1) + wide * hidden + hidden
    if memory.rule not in ("titans", "tokenwise"):
        return around
    return around + memory.heads * sum(inputs * outputs for inputs, outputs in _network(memory))


def _network(memory: Memory) -> list[tuple[int, int]]:
    """Return (inputs, outputs) of each matrix of a head's network (`titans` and `tokenwise`)."""
    return list(pairwise([memory.width, *[memory.hidden] * (memory.depth - 1), memory.width]))


def head_parameters(shape: Shape) -> int:
    """Return the parameters of the output layer, which may share the embedding's weights."""
    return shape.vocabulary * shape.hidden


def parameters(shape: Shape) -> int:
    """Return the parameters of the model, as `sum(p.numel() for p in model.parameters())` counts them (a tied matrix once)."""
    tables = 1 if shape.tied else 2
    return tables * head_parameters(shape) + layer_parameters(shape) + shape.hidden


def weight_bytes(shape: Shape, width: int) -> float:
    """Return the bytes of the model's weights. width: bytes of a number; those of memories are float32."""
    return parameters(shape) * width + _beyond(shape, width)


def copy_bytes(shape: Shape, width: int) -> float:
    """Return the bytes of an engine's copy. It has its own output layer, also where tied: the last norm is merged into it."""
    return (2 * head_parameters(shape) + layer_parameters(shape)) * width + _beyond(shape, width)


def _beyond(shape: Shape, width: int) -> float:
    """Return the bytes that the weights of memories take beyond `width` a number."""
    return shape.layers * memory_parameters(shape) * (FLOAT - width)


def adapted(shape: Shape, targets: Sequence[str]) -> list[tuple[int, int]]:
    """Return (inputs, outputs) of the linear layers of one decoder layer whose names end in one of `targets`."""
    return [size for name, size in linears(shape).items() if name.endswith(tuple(targets))]


def adapter_parameters(shape: Shape, rank: int, targets: Sequence[str]) -> int:
    """Return the parameters of low-rank adapters: rank · (inputs + outputs) per adapted layer (arXiv 2106.09685, section 4.1)."""
    return shape.layers * sum(rank * (inputs + outputs) for inputs, outputs in adapted(shape, targets))


def cache_bytes(shape: Shape, tokens: float, width: int) -> float:
    """Return the bytes that decoding keeps of a sequence of so many tokens: keys and values, and the states of the memories.

    width: bytes of a number of keys and values; states are float32.
    """
    memory = shape.memory
    if memory is None:
        return tokens * key_value_bytes(shape, width)
    return min(tokens, memory.window) * key_value_bytes(shape, width) + shape.layers * _state_bytes(memory)


def _state_bytes(memory: Memory) -> int:
    """Return the bytes of a row's state in one layer (policy/memory)."""
    if memory.rule == "none":
        return 0
    numbers = (memory.convolution - 1) * 3 * memory.heads * memory.width  # tokens that the convolution looks back at
    if memory.rule == "titans":
        copies = 2 if memory.momentum else 1
        matrices, ends = sum(i * o for i, o in _network(memory)), sum(i + o for i, o in _network(memory))
        numbers += memory.heads * (copies * matrices + memory.chunk * (ends + 3))
        return 4 * numbers + 8  # and how many tokens the chunk has
    return 4 * (numbers + (0 if memory.rule == "tokenwise" else memory.heads * memory.width**2))


def key_value_bytes(shape: Shape, width: int) -> int:
    """Return the bytes of one token's keys and values in all layers. width: bytes of a number."""
    return 2 * shape.layers * shape.kv_heads * shape.head_size * width
