"""What a recipe will need before anyone pays for it: parameters, tokens, memory, hours and dollars.

The formulas are in shape, memory and seconds; what they assume of GPUs and lengths is in gpus.toml.
"""

from dataclasses import dataclass

from ..errors import UsageError
from ..recipes import Recipe, RLRecipe
from .gpus import GPU, Assumptions, Market, load_market
from .memory import Part, parts, peak
from .models import distilled_shape, shape_of
from .remedy import Changes, changed, remedy
from .seconds import Seconds, seconds
from .shape import Shape
from .work import Work, work_of

__all__ = ["GPU", "Bill", "Market", "Plan", "load_market", "plan_recipe"]


@dataclass(frozen=True)
class Bill:
    """One recipe on one GPU; where it does not fit, times and dollars are those of the changed recipe."""

    gpu: GPU
    fits: bool
    change: Changes | None  # what would make it fit; None where it fits, or where nothing tried does
    steps: int
    expected: Seconds  # a step, at the assumed mean length
    most: Seconds  # a step in which every completion runs to the limit

    def hours(self, step: Seconds) -> float:
        return self.steps * step.total / 3600

    def dollars(self, step: Seconds) -> float:
        return self.hours(step) * self.gpu.dollars_per_hour


@dataclass(frozen=True)
class Plan:
    """One recipe: what a step does, what memory it needs, and what it costs on each GPU."""

    shape: Shape
    work: Work
    memory: list[Part]
    bills: list[Bill]


def plan_recipe(recipe: Recipe, market: Market) -> Plan:
    """The plan of an RL recipe. Raises UsageError for any other kind, or where its model's shape cannot be had."""
    if not isinstance(recipe, RLRecipe):
        raise UsageError(f"{recipe.name} is a recipe of kind {recipe.kind!r}; plan counts what `outgrow train` runs")
    shape, teacher = shape_of(recipe.policy), distilled_shape(recipe)
    work = work_of(recipe, shape, market.assumptions, teacher)
    bills = [_bill(recipe, shape, teacher, gpu, market.assumptions) for gpu in market.gpu]
    return Plan(shape, work, parts(work, shape), bills)


def _bill(recipe: RLRecipe, shape: Shape, teacher: Shape | None, gpu: GPU, assumptions: Assumptions) -> Bill:
    def fits(recipe: RLRecipe) -> bool:
        needed = peak(parts(work_of(recipe, shape, assumptions, teacher), shape))
        return needed <= gpu.memory_gb * 1e9 * assumptions.usable_memory

    fit = fits(recipe)
    change = None if fit else remedy(recipe, fits)
    work = work_of(changed(recipe, change or {}), shape, assumptions, teacher)
    return Bill(
        gpu=gpu,
        fits=fit,
        change=change,
        steps=work.steps,
        expected=seconds(work, shape, gpu, work.completion),
        most=seconds(work, shape, gpu, work.limit),
    )
