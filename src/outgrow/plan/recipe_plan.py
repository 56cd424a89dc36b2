"""What a recipe will need before anyone pays for it: parameters, tokens, memory, hours and dollars.

The formulas are in shape, memory and seconds; what they assume of GPUs and lengths is in gpus.toml.
"""

from collections.abc import Callable
from dataclasses import dataclass

from ..config import Recipe, RLRecipe
from ..core.errors import UsageError
from .fit_changes import Changes, changed, fit_changes
from .gpus import GPU, Assumptions, GpuCatalog
from .memory import Part, parts, peak
from .models import FutureModels, distilled_shape, judge_shapes, shape_of
from .seconds import Seconds, seconds
from .shape import Shape, parameters
from .work import Work, work_of


@dataclass(frozen=True)
class CostEstimate:
    """One recipe on one GPU; where it does not fit, times and dollars are those of the changed recipe."""

    gpu: GPU
    fits: bool
    change: Changes | None  # what would make it fit; None where it fits, or where nothing tried does
    steps: int
    expected: Seconds  # a step, at the assumed mean length
    most: Seconds  # a step in which every completion, and every reply, runs to the limit
    beside: int  # more GPUs of this kind, rented for judges that servers hold
    judge_fits: bool  # each of them has room for its judge's weights

    def hours(self, step: Seconds) -> float:
        return self.steps * step.total / 3600

    def dollars(self, step: Seconds) -> float:
        return self.hours(step) * self.gpu.dollars_per_hour * (1 + self.beside)


@dataclass(frozen=True)
class Plan:
    """One recipe: what a step does, what memory it needs, and what it costs on each GPU."""

    shape: Shape
    work: Work
    memory: list[Part]
    bills: list[CostEstimate]


def plan_recipe(recipe: Recipe, market: GpuCatalog, made: FutureModels | None = None) -> Plan:
    """The plan of an RL recipe. made: shapes of models that it names and that are yet to be made. Raises UsageError for any other
    kind, or where a model's shape cannot be had."""
    if not isinstance(recipe, RLRecipe):
        raise UsageError(f"{recipe.name} is a recipe of kind {recipe.kind!r}; plan counts what `outgrow train` runs")
    shape, distilled, judges = shape_of(recipe.policy, made), distilled_shape(recipe, made), judge_shapes(recipe, made=made)

    def work(recipe: RLRecipe) -> Work:
        return work_of(recipe, shape, market.assumptions, distilled, judges)

    bills = [_bill(recipe, work, shape, gpu, market.assumptions) for gpu in market.gpu]
    return Plan(shape, work(recipe), parts(work(recipe), shape), bills)


def _bill(recipe: RLRecipe, work_in: Callable[[RLRecipe], Work], shape: Shape, gpu: GPU, assumptions: Assumptions) -> CostEstimate:
    room = gpu.memory_gb * 1e9 * assumptions.usable_memory

    def fits(recipe: RLRecipe) -> bool:
        return peak(parts(work_in(recipe), shape)) <= room

    fit = fits(recipe)
    change = None if fit else fit_changes(recipe, fits)
    work = work_in(changed(recipe, change or {}))
    elsewhere = [judge for judge in work.judges if not judge.here]
    return CostEstimate(
        gpu=gpu,
        fits=fit,
        change=change,
        steps=work.steps,
        expected=seconds(work, shape, gpu, work.completion, assumptions.reply_share),
        most=seconds(work, shape, gpu, work.limit),
        beside=len({judge.model.partition("#")[0] for judge in elsewhere}),
        judge_fits=all(parameters(judge.shape) * judge.width <= room for judge in elsewhere),
    )
