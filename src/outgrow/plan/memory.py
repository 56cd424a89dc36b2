"""Bytes that a step needs, part by part, in its phases. All are upper bounds: longest rows everywhere."""

from dataclasses import dataclass

from ..policy.chunked_logprobs import tokens_at_once
from .shape import Shape, head_parameters, key_value_bytes, layer_parameters, parameters
from .work import Judge, Work, learning_parameters

_FLOAT = 4
# Bytes for each (token, vocabulary entry) pair while log-probabilities are taken: logits, the same over the
# temperature, and log-probabilities, all float32; top-k and top-p sort, which brings the order (int64) and its like with it.
_PAIR, _PAIR_SORTED = 12, 33


@dataclass(frozen=True)
class Part:
    """One use of memory, in bytes, in the three phases of a step (they do not overlap): the engine sleeps while a judge writes."""

    name: str
    generating: float
    judging: float
    learning: float


def parts(work: Work, shape: Shape) -> list[Part]:
    """Every part of a step's memory."""
    weights = parameters(shape) * work.width
    # Its passes come before the policy's own and keep one layer at a time, so they are not on top of the activations.
    distilled = parameters(work.distilled.shape) * work.distilled.width if work.distilled else 0
    full = work.adapter is None
    adapter = (work.adapter or 0) * _FLOAT
    trained = learning_parameters(work, shape) * (work.width if full else _FLOAT)
    rows = _rows(work)
    return [
        _always("weights", weights),
        Part("the engine's copy of them", _copy(shape, work.width), 0, 0),
        Part("adapted weights, multiplied out", 0, 0, work.adapted * work.width),
        _always("reference policy", weights if full else 0),
        *([_always("teacher that is distilled", distilled)] if distilled else []),
        *(part for judge in work.judges if judge.here for part in _of_judge(judge, work.limit)),
        _always("adapters", adapter),
        _always("AdamW moments", 2 * trained),
        Part("gradients", 0, 0, trained),
        Part(f"keys and values, {rows} rollouts", rows * (work.prompt + work.limit) * key_value_bytes(shape, work.width), 0, 0),
        Part(f"activations, {work.learned} rollouts", 0, 0, activations(work, shape)),
        _logits(work, shape),
    ]


def _always(name: str, size: float) -> Part:
    return Part(name, size, size, size)


def _copy(shape: Shape, width: int) -> int:
    """What an engine decodes from, with an output layer of its own, tied or not, since the last norm is multiplied into it."""
    return (2 * head_parameters(shape) + layer_parameters(shape)) * width


def _rows(work: Work) -> int:
    """Rows decoded at the same time: a step's rollouts, or the answers to a held-out slice, whichever are more."""
    return max(work.decoded, min(work.held_out, work.rows))


def _of_judge(judge: Judge, completion: int) -> list[Part]:
    """Its engine never sleeps, since its weights never change."""
    slots = judge.decoded * (judge.prompt(completion) + judge.limit)
    return [
        _always(judge.role, parameters(judge.shape) * judge.width),
        _always(f"its engine's copy ({judge.role})", _copy(judge.shape, judge.width)),
        Part(f"keys and values, {judge.decoded} replies", 0, slots * key_value_bytes(judge.shape, judge.width), 0),
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
    """Bytes needed at once: the largest of the phases."""
    generating, learning = sum(part.generating for part in found), sum(part.learning for part in found)
    return max(generating, sum(part.judging for part in found), learning)


def _logits(work: Work, shape: Shape) -> Part:
    """While decoding, of a token of each row; while learning, of a few tokens at a time, and each token's slope."""
    pair = _PAIR_SORTED if work.truncates else _PAIR
    at_once = min(work.learned * work.limit, tokens_at_once(shape.vocabulary))
    learning = at_once * shape.vocabulary * pair + work.learned * work.limit * shape.hidden * work.width
    judging = sum(judge.decoded * judge.shape.vocabulary * (_PAIR + _FLOAT) for judge in work.judges if judge.here)
    return Part("logits and log-probabilities", _rows(work) * shape.vocabulary * (pair + _FLOAT), judging, learning)
