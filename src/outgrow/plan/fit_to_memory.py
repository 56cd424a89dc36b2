"""The size of a learning pass that a machine's memory has room for, by the plan's own count."""

from collections.abc import Mapping

from ..config import RLRecipe
from .fit_changes import lowered
from .gpus import Assumptions
from .memory import parts
from .shape import Shape
from .work import work_of


def fit_to_memory(
    memory: float,
    recipe: RLRecipe,
    shape: Shape,
    assumptions: Assumptions,
    distilled: Shape | None = None,
    judges: Mapping[str, Shape] | None = None,
) -> int:
    """learn.tokens_per_microbatch, or as many below it as `memory` bytes have room for; the longest rollout's where none fit."""

    def fits(recipe: RLRecipe) -> bool:
        needed = sum(part.learning for part in parts(work_of(recipe, shape, assumptions, distilled, judges), shape))
        return needed <= memory * assumptions.usable_memory

    found = lowered(recipe, "learn.tokens_per_microbatch", fits)
    work = work_of(recipe, shape, assumptions)
    return min(recipe.learn.tokens_per_microbatch, work.prompt + work.limit) if found is None else found
