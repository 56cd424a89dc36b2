"""What a run costs on several GPUs of one kind, and which ways to divide it are worth their price."""

from collections.abc import Iterable
from dataclasses import dataclass

from ..config import RLRecipe
from ..config.shareable import unshareable
from .fit_changes import changed, lowered
from .gpus import GPU, GpuCatalog
from .measuring import measured_in, measuring_seconds
from .models import FutureModels
from .recipe_plan import RunSeconds, counted
from .split import Split, split_bytes, split_seconds, splits

_WORTH = 0.97
"""A dearer way is shown where it takes at most this share of the time of the one before it."""
_TOKENS = "learn.tokens_per_microbatch"


@dataclass(frozen=True)
class SplitCost:
    """The cost of a run that is divided in one way, at the assumed mean length, with micro-batches that fit."""

    split: Split
    seconds: RunSeconds
    dollars: float
    needed: float
    """Bytes that the fullest of the GPUs needs at once."""
    fits: bool


@dataclass(frozen=True)
class SplitCosts:
    """The costs of a run on up to a number of GPUs of one kind."""

    gpu: GPU
    worth: list[SplitCost]
    """Those that fit: the cheapest, then what is dearer and clearly faster."""
    least: SplitCost
    """The one that needs the least memory: what is lacking where none fits."""
    lacks: dict[str, str]
    """See `left_out`."""


def left_out(recipe: RLRecipe, memory: bool) -> dict[str, str]:
    """Return what this run cannot have, and why: `ranks`, `ahead`. memory: whether its model has one."""
    why, judge = unshareable(recipe, memory).partition(";")[0], "it writes while a judge would" if recipe.judge else ""
    return {name: reason for name, reason in (("ranks", why), ("ahead", judge)) if reason}


def split_costs(recipe: RLRecipe, catalog: GpuCatalog, most: int, future: FutureModels | None = None) -> list[SplitCosts]:
    """Return the costs of this run on 1 to `most` GPUs, for each kind that can be rented.

    Raises UsageError as `plan_recipe` does.
    """
    recipe, shape, work_in = counted(recipe, catalog.assumptions, future)
    lacks = left_out(recipe, shape.memory is not None)
    ways = [split for split in splits(most) if not (("ranks" in lacks and split.ranks > 1) or ("ahead" in lacks and split.ahead))]
    measured, assumptions = measured_in(recipe), catalog.assumptions

    def cost(gpu: GPU, split: Split) -> SplitCost:
        room, share = gpu.memory_gb * 1e9 * assumptions.usable_memory, assumptions.completion_share
        tokens = lowered(recipe, _TOKENS, lambda tried: split_bytes(work_in(tried), shape, split) <= room)
        work = work_in(changed(recipe, {_TOKENS: tokens or 1}))
        step = split_seconds(work, shape, gpu, assumptions, split, work.limit * share, assumptions.reply_share)
        writers = max(1, split.actors)
        ends = measuring_seconds(recipe, measured, shape, gpu, assumptions, share, writers=writers)
        seconds, needed = RunSeconds(work.steps, step, ends), split_bytes(work, shape, split)
        judges = len({judge.model.partition("#")[0] for judge in work.judges if not judge.local})
        dollars = seconds.total / 3600 * gpu.dollars_per_hour * (split.gpus + judges)
        return SplitCost(split, seconds, dollars, needed, needed <= room)

    found = []
    for gpu in (each for each in catalog.gpu if not each.measured):
        costs = [cost(gpu, split) for split in ways]
        found.append(
            SplitCosts(gpu, worth_it(each for each in costs if each.fits), min(costs, key=lambda each: each.needed), lacks)
        )
    return found


def worth_it(costs: Iterable[SplitCost]) -> list[SplitCost]:
    """Return the cheapest, and then each next dearer one that is clearly faster than the one before it."""
    kept: list[SplitCost] = []
    for cost in sorted(costs, key=lambda each: (each.dollars, each.seconds.total, each.split.gpus)):
        if not kept or cost.seconds.total < _WORTH * kept[-1].seconds.total:
            kept.append(cost)
    return kept
