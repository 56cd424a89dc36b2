"""The memory of a step in bytes, part by part and phase by phase. All are upper bounds: every sequence has the limit's length."""

from dataclasses import dataclass

from ..policy.chunked_logprobs import tokens_at_once
from .memory_activations import activation_bytes
from .shape import FLOAT, Shape, cache_bytes, copy_bytes, key_value_bytes, weight_bytes
from .work import Judge, Work, learning_parameters

# Bytes per token and vocabulary entry while log-probabilities are computed: logits, logits over the temperature, and
# log-probabilities, all float32; top-k and top-p sort, which adds the order (int64) and its intermediate values.
_PAIR, _PAIR_SORTED = 12, 33


@dataclass(frozen=True)
class Part:
    """One use of memory, in bytes, in the three phases of a step. Phases do not overlap: the engine sleeps while a judge writes."""

    name: str
    generating: float
    judging: float
    learning: float
    shared: bool = False
    """Whether ranks that share the learning hold a part of it each."""
    writes: bool = False
    """Whether an actor, which only writes, needs it."""


def parts(work: Work, shape: Shape) -> list[Part]:
    """Return the parts of a step's memory."""
    weights = weight_bytes(shape, work.width)
    # The teacher's passes come before the policy's and keep one layer at a time, so they do not add to the activations.
    distilled = weight_bytes(work.distilled.shape, work.distilled.width) if work.distilled else 0
    full = work.adapter is None
    adapter = (work.adapter or 0) * FLOAT
    trained = weights if full else learning_parameters(work, shape) * FLOAT
    rows = _rows(work)
    return [
        _always("weights", weights, shared=True, writes=True),
        Part("the engine's copy of the weights", copy_bytes(shape, work.width), 0, 0, writes=True),
        Part("merged adapter weights", 0, 0, work.adapted * work.width, shared=True),
        _always("reference policy", weights if full else work.memory * FLOAT, shared=True),
        *([_always("distilled teacher", distilled)] if distilled else []),
        *(part for judge in work.judges if judge.local for part in _judge_parts(judge, work.limit)),
        _always("adapters", adapter, shared=True, writes=True),
        _always("AdamW moments", 2 * trained, shared=True),
        Part("gradients", 0, 0, trained, shared=True),
        Part(
            f"keys and values, {rows} rollouts", rows * cache_bytes(shape, work.prompt + work.limit, work.width), 0, 0, writes=True
        ),
        Part(f"activations, {work.microbatch_rollouts} rollouts", 0, 0, activations(work, shape)),
        _logits(work, shape),
    ]


def _always(name: str, size: float, shared: bool = False, writes: bool = False) -> Part:
    return Part(name, size, size, size, shared, writes)


def _rows(work: Work) -> int:
    """Return the sequences decoded at the same time: rollouts, or answers to held-out problems where these are more."""
    return max(work.decoded, min(work.held_out, work.max_sequences))


def _judge_parts(judge: Judge, completion: int) -> list[Part]:
    """Return the parts of a local judge. Its engine never sleeps, since its weights never change."""
    kept = judge.decoded * cache_bytes(judge.shape, judge.prompt(completion) + judge.limit, judge.width)
    return [
        _always(judge.role, weight_bytes(judge.shape, judge.width)),
        _always(f"the engine's copy of the {judge.role}", copy_bytes(judge.shape, judge.width)),
        Part(f"keys and values, {judge.decoded} replies", 0, kept, 0),
    ]


def activations(work: Work, shape: Shape) -> float:
    """Return the bytes that one micro-batch's forward pass keeps for its backward pass (PyTorch without recomputation).

    Each token, in each layer: the inputs of both norms and of the linear layers; the attention's output; gate and up. Attention,
    for prompts and then for rollouts: queries, output, and the keys and values that are attended to; a mask of the scores once for
    all layers. A memory: `activation_bytes`.
    """
    prompts, completions = work.microbatch_prompts * work.prompt, work.microbatch_rollouts * work.limit
    token: float = work.width * (shape.attention + 3 * shape.feed_forward + 4 * shape.hidden)
    token += activation_bytes(shape.memory, shape.hidden) if shape.memory else 0
    attended = prompts + work.microbatch_rollouts * (work.prompt + work.limit)
    attention = 2 * work.width * shape.layers * shape.attention * (prompts + completions)
    attention += key_value_bytes(shape, work.width) * attended
    scores = work.prompt**2 + completions * (work.prompt + work.limit)
    mask = work.width * scores * shape.heads // shape.kv_heads
    return shape.layers * (prompts + completions) * token + attention + mask


def peak(memory: list[Part]) -> float:
    """Return the bytes needed at once: those of the largest phase."""
    phases = ((part.generating, part.judging, part.learning) for part in memory)
    return max(map(sum, zip(*phases, strict=True)))


def _logits(work: Work, shape: Shape) -> Part:
    """Return the logits: while decoding, of one token per sequence; while learning, of a few tokens, and each token's gradient."""
    pair = _PAIR_SORTED if work.truncates else _PAIR
    at_once = min(work.microbatch_rollouts * work.limit, tokens_at_once(shape.vocabulary))
    learning = at_once * shape.vocabulary * pair + work.microbatch_rollouts * work.limit * shape.hidden * work.width
    judging = sum(judge.decoded * judge.shape.vocabulary * (_PAIR + FLOAT) for judge in work.judges if judge.local)
    return Part("logits and log-probabilities", _rows(work) * shape.vocabulary * (pair + FLOAT), judging, learning, writes=True)
