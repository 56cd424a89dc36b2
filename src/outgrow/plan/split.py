"""A run on several GPUs: actors that write rollouts, ranks that share the learning, and what passes between them."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from ..config import RLRecipe
from .gpus import GPU, Assumptions
from .memory import Part, parts
from .seconds import Seconds, seconds
from .shape import FLOAT, Shape, head_parameters, layer_parameters, parameters, weight_bytes
from .work import Work, at_once, learning_parameters

_PASSES = 2  # that gather every layer's weights: forward and backward


@dataclass(frozen=True)
class Split:
    """How a run is divided over GPUs."""

    actors: int = 0
    """GPUs that write rollouts and do nothing else; 0 where the first learner writes them."""
    ranks: int = 1
    """GPUs that share the learning."""
    ahead: bool = False
    """Whether the next step's rollouts are written while a step is learned from; it saves time only with actors."""

    @property
    def gpus(self) -> int:
        """GPUs in all."""
        return self.actors + self.ranks


def split_of(recipe: RLRecipe) -> Split:
    """Return how a recipe divides its run."""
    return Split(recipe.engine.actors, recipe.learn.ranks, recipe.learn.ahead > 0)


def splits(most: int) -> Iterator[Split]:
    """Yield every way to divide a run over at most `most` GPUs."""
    for ranks in range(1, most + 1):
        yield Split(ranks=ranks)
        for actors in range(1, most - ranks + 1):
            yield Split(actors, ranks)
            yield Split(actors, ranks, ahead=True)


def split_seconds(
    work: Work, shape: Shape, gpu: GPU, assumptions: Assumptions, split: Split, completion: float, reply_share: float = 1.0
) -> Seconds:
    """Return the seconds of one step that is divided over GPUs; arguments as of `seconds`.

    Whole groups go to actors, whole micro-batches to ranks, so the one with the most of them is waited for.
    """
    written = seconds(_of_an_actor(work, split), shape, gpu, completion, reply_share)
    learned = seconds(_of_a_rank(work, split), shape, gpu, completion, reply_share)
    learning = learned.learning + _gathering_seconds(work, shape, gpu, assumptions, split)
    own = Seconds(written.generation, written.judging, learning, _handing_over_seconds(work, shape, gpu, assumptions, split))
    together = split.ahead and split.actors > 0
    return replace(own, hidden=min(own.generation + own.judging, own.learning) if together else 0.0)


def split_bytes(work: Work, shape: Shape, split: Split) -> float:
    """Return the bytes that the fullest of the GPUs needs at once."""
    held = parts(work, shape)
    learning = max(learning_bytes(work, shape, split), sum(_held(part.judging, part, split) for part in held))
    if not split.actors:
        return max(learning, sum(_held(part.generating, part, split) for part in held))
    # An actor has the weights whole, and neither moments nor a reference.
    writing = [part for part in parts(_of_an_actor(work, split), shape) if part.writes]
    return max(learning, sum(part.generating for part in writing))


def learning_bytes(work: Work, shape: Shape, split: Split) -> float:
    """Return the bytes that a rank needs while it learns; where it also writes ahead, those of writing are there meanwhile."""
    whole = _gathered_bytes(work, shape) if split.ranks > 1 else 0.0
    writes = split.ahead and not split.actors

    def needed(part: Part) -> float:
        return max(part.learning, part.generating) if writes else part.learning

    return whole + sum(_held(needed(part), part, split) for part in parts(work, shape))


def _held(size: float, part: Part, split: Split) -> float:
    """Return what one rank holds of a part."""
    return size / split.ranks if part.shared else size


def _of_an_actor(work: Work, split: Split) -> Work:
    """Return what the actor with the most groups writes."""
    if split.actors < 2:
        return work
    problems = math.ceil(work.problems / split.actors)
    decoded = at_once(problems * work.group, work.max_sequences, work.group)
    return replace(work, problems=problems, decoded=decoded, held_out=math.ceil(work.held_out / split.actors))


def _of_a_rank(work: Work, split: Split) -> Work:
    """Return what the rank with the most micro-batches learns from."""
    microbatches = math.ceil(work.microbatches / split.ranks)
    return replace(work, microbatches=microbatches, problems=math.ceil(work.problems * microbatches / work.microbatches))


def _gathering_seconds(work: Work, shape: Shape, gpu: GPU, assumptions: Assumptions, split: Split) -> float:
    """Return the seconds in which ranks gather weights and sum gradients; none of it is taken to hide behind arithmetic.

    Each rank receives what it does not hold: (n − 1) / n of all weights in every pass, and as much of the gradients.
    """
    if split.ranks < 2:
        return 0.0
    passed = _PASSES * weight_bytes(shape, work.width) + learning_parameters(work, shape) * _gradient_width(work)
    microbatches = math.ceil(work.microbatches / split.ranks)
    return microbatches * passed * (split.ranks - 1) / split.ranks / _link(gpu, assumptions, split.ranks)


def _handing_over_seconds(work: Work, shape: Shape, gpu: GPU, assumptions: Assumptions, split: Split) -> float:
    """Return the seconds of bringing what has been learned to those who write.

    Ranks that share all weights gather them on the first; the first sends them to the actors, all of which receive at once.
    """
    moved = (work.adapter or 0) * FLOAT + work.memory * FLOAT if work.adapter is not None else weight_bytes(shape, work.width)
    gathered = moved * (split.ranks - 1) / split.ranks / _link(gpu, assumptions, split.ranks)
    return gathered + (moved / _link(gpu, assumptions, split.gpus) if split.actors else 0.0)


def _gathered_bytes(work: Work, shape: Shape) -> float:
    """Return the bytes of weights that a rank has whole for a moment: tables and last norm, a layer, and the next one."""
    tables = parameters(shape) - layer_parameters(shape)
    return (max(tables, head_parameters(shape)) + 2 * layer_parameters(shape) / shape.layers) * work.width


def _gradient_width(work: Work) -> int:
    return work.width if work.adapter is None else FLOAT


def _link(gpu: GPU, assumptions: Assumptions, gpus: int) -> float:
    """Return the bytes a second between GPUs: those of one machine, or of the network where one machine does not hold them."""
    inside = gpus <= assumptions.gpus_per_machine
    return (gpu.link_gb_s if inside else min(gpu.link_gb_s, assumptions.network_gb_s)) * 1e9 * assumptions.link_efficiency
