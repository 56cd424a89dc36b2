"""The size of a micro-batch that fits into a machine's memory, by the plan's formulas."""

from collections.abc import Mapping

from ..config import RLRecipe
from .fit_changes import lowered
from .gpus import Assumptions
from .shape import Shape
from .split import learning_bytes, split_of
from .work import work_of


def fit_to_memory(
    memory: float,
    recipe: RLRecipe,
    shape: Shape,
    assumptions: Assumptions,
    distilled: Shape | None = None,
    judges: Mapping[str, Shape] | None = None,
) -> int:
    """Return learn.tokens_per_microbatch, lowered as far as `memory` bytes need; one longest rollout where no size fits."""

    def fits(recipe: RLRecipe) -> bool:
        needed = learning_bytes(work_of(recipe, shape, assumptions, distilled, judges), shape, split_of(recipe))
        return needed <= memory * assumptions.usable_memory

    tokens = lowered(recipe, "learn.tokens_per_microbatch", fits)
    work = work_of(recipe, shape, assumptions)
    return min(recipe.learn.tokens_per_microbatch, work.prompt + work.limit) if tokens is None else tokens
