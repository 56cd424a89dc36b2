"""Bytes that a step needs, part by part, while generating and while learning. All are upper bounds: longest rows everywhere."""

from dataclasses import dataclass

from .shape import Shape, head_parameters, key_value_bytes, layer_parameters, parameters
from .work import Work, learning_parameters

_FLOAT = 4
# Bytes for each (token, vocabulary entry) pair while log-probabilities are taken: logits, log-probabilities, and three
# passing tensors for the entropy, all float32; top-k and top-p sort, which brings the order (int64) and its like with it.
_PAIR, _PAIR_SORTED = 20, 33
# Of these the backward pass needs the log-probabilities (and which were cut off, a byte each).
_KEPT, _KEPT_SORTED = 4, 5
# Finished rows leave the batch by a copy of what stays: 0.8 of the cache, beside it, with half of that again in passing.
_CACHE_COPIES = 1 + 0.8 * 1.5


@dataclass(frozen=True)
class Part:
    """One use of memory, in bytes, in the two phases of a step (they do not overlap)."""

    name: str
    generating: float
    learning: float


def parts(work: Work, shape: Shape) -> list[Part]:
    """Every part of a step's memory."""
    weights = parameters(shape) * work.width
    # The engine decodes from a copy with its own output layer, tied or not, since the last norm is multiplied into it.
    copy = (2 * head_parameters(shape) + layer_parameters(shape)) * work.width
    full = work.adapter is None
    adapter = (work.adapter or 0) * _FLOAT
    trained = learning_parameters(work, shape) * (work.width if full else _FLOAT)
    cache = work.decoded * (work.prompt + work.limit) * key_value_bytes(shape, work.width)
    return [
        Part("weights", weights, weights),
        Part("the engine's copy of them", copy, copy),
        Part("reference policy", weights if full else 0, weights if full else 0),
        Part("adapters", adapter, adapter),
        Part("AdamW moments", 2 * trained, 2 * trained),
        Part("gradients", 0, trained),
        Part(f"keys and values, {work.decoded} rollouts", cache * _CACHE_COPIES, 0),
        Part(f"activations, {work.learned} rollouts", 0, activations(work, shape)),
        Part("logits and log-probabilities", *_logits(work, shape)),
    ]


def activations(work: Work, shape: Shape) -> float:
    """Bytes that the forward pass of one learning pass keeps for its backward pass (PyTorch without recomputation).

    Each token, in each layer: the inputs of both norms in float32; queries, keys and values spread over all heads, the
    attention's output twice, and a row of the mask; gate, its activation, and up; and what the gradients of the weights
    need, which is the inputs of the linear layers and of the norms' gains, or for adapters a float32 copy of each adapted
    layer's input with the low-rank product.
    """
    length = work.prompt + work.limit
    token = 8 * shape.hidden + work.width * (5 * shape.attention + length + 3 * shape.feed_forward)
    if work.adapter is None:
        token += work.width * (4 * shape.hidden + shape.feed_forward)
    else:
        token += sum(_FLOAT * (inputs + work.rank) for inputs, _ in work.adapted)
    return work.learned * length * shape.layers * token


def peak(found: list[Part]) -> float:
    """Bytes needed at once: the larger of the two phases."""
    return max(sum(part.generating for part in found), sum(part.learning for part in found))


def _logits(work: Work, shape: Shape) -> tuple[float, float]:
    pair, kept = (_PAIR_SORTED, _KEPT_SORTED) if work.truncates else (_PAIR, _KEPT)
    # The reference's pass comes while the policy's waits for its backward pass.
    learning = pair + (kept if work.against_reference else 0)
    return work.decoded * shape.vocabulary * pair, work.learned * work.limit * shape.vocabulary * learning
