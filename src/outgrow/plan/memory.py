"""Bytes that a step needs, part by part, while generating and while learning. All are upper bounds: longest rows everywhere."""

from dataclasses import dataclass

from ..policy.head import tokens_at_once
from .shape import Shape, head_parameters, key_value_bytes, layer_parameters, parameters
from .work import Work, learning_parameters

_FLOAT = 4
# Bytes for each (token, vocabulary entry) pair while log-probabilities are taken: logits, the same over the
# temperature, and log-probabilities, all float32; top-k and top-p sort, which brings the order (int64) and its like with it.
_PAIR, _PAIR_SORTED = 12, 33


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
    # Its passes come before the policy's own and keep one layer at a time, so they are not on top of the activations.
    of_teacher = parameters(work.teacher.shape) * work.teacher.width if work.teacher else 0
    full = work.adapter is None
    adapter = (work.adapter or 0) * _FLOAT
    trained = learning_parameters(work, shape) * (work.width if full else _FLOAT)
    cache = work.decoded * (work.prompt + work.limit) * key_value_bytes(shape, work.width)
    return [
        Part("weights", weights, weights),
        Part("the engine's copy of them", copy, 0),
        Part("adapted weights, multiplied out", 0, work.adapted * work.width),
        Part("reference policy", weights if full else 0, weights if full else 0),
        *([Part("teacher that is distilled", of_teacher, of_teacher)] if of_teacher else []),
        Part("adapters", adapter, adapter),
        Part("AdamW moments", 2 * trained, 2 * trained),
        Part("gradients", 0, trained),
        Part(f"keys and values, {work.decoded} rollouts", cache, 0),
        Part(f"activations, {work.learned} rollouts", 0, activations(work, shape)),
        Part("logits and log-probabilities", *_logits(work, shape)),
    ]


def activations(work: Work, shape: Shape) -> float:
    """Bytes that the forward pass of one learning pass keeps for its backward pass (PyTorch without recomputation).

    Each token, in each layer: the inputs of both norms in float32; the attention's output; gate, its activation, and up; the
    inputs of the linear layers, and where the norms learn, of their gains. Attention, for prompts and then for rollouts: the
    queries, the output, and the keys and values of what is looked at; a mask of its scores once for all layers.
    """
    prompts, completions = work.read * work.prompt, work.learned * work.limit
    token = 8 * shape.hidden + work.width * (shape.attention + 4 * shape.feed_forward + 2 * shape.hidden)
    if work.adapter is None:
        token += work.width * 2 * shape.hidden
    looked_at = prompts + work.learned * (work.prompt + work.limit)
    attention = 2 * work.width * shape.layers * shape.attention * (prompts + completions)
    attention += key_value_bytes(shape, work.width) * looked_at
    scores = work.prompt**2 + completions * (work.prompt + work.limit)
    mask = work.width * scores * shape.heads // shape.kv_heads
    return shape.layers * (prompts + completions) * token + attention + mask


def peak(found: list[Part]) -> float:
    """Bytes needed at once: the larger of the two phases."""
    return max(sum(part.generating for part in found), sum(part.learning for part in found))


def _logits(work: Work, shape: Shape) -> tuple[float, float]:
    """While generating, of a token of each rollout; while learning, of a few tokens at a time, and each token's slope."""
    pair = _PAIR_SORTED if work.truncates else _PAIR
    at_once = min(work.learned * work.limit, tokens_at_once(shape.vocabulary))
    learning = at_once * shape.vocabulary * pair + work.learned * work.limit * shape.hidden * work.width
    return work.decoded * shape.vocabulary * (pair + _FLOAT), learning
