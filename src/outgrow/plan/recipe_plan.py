"""The plan of a recipe: parameters, tokens, memory, hours and dollars, before it is run.

The formulas are in shape, memory and seconds; what they assume of GPUs and lengths is in gpus.toml.
"""

from collections.abc import Callable
from dataclasses import dataclass

from ..config import Recipe, RLRecipe, filled
from ..config.shareable import unshareable
from ..core.errors import UsageError
from ..engines.vllm import NO_MEMORY, VLLMEngineConfig
from .fit_changes import Changes, changed, fit_changes
from .gpus import GPU, Assumptions, GpuCatalog
from .measuring import Measured, MeasuringSeconds, measured_in, measuring_seconds
from .memory import Part, parts
from .models import FutureModels, distilled_shape, judge_shapes, shape_of
from .seconds import Seconds
from .shape import Shape, parameters
from .split import Split, split_bytes, split_of, split_seconds
from .work import Work, work_of


@dataclass(frozen=True)
class RunSeconds:
    """The seconds of a whole run, by what they are spent on."""

    steps: int
    step: Seconds
    """Seconds of one step."""
    measuring: MeasuringSeconds

    @property
    def training(self) -> float:
        """Seconds of all steps, without validation."""
        return self.steps * self.step.total

    @property
    def total(self) -> float:
        """Seconds of the whole run, measurements included."""
        return self.training + self.measuring.validation + self.measuring.ends


@dataclass(frozen=True)
class CostEstimate:
    """The cost of one recipe on one GPU. Where the recipe does not fit, times and dollars are those of the changed recipe."""

    gpu: GPU
    fits: bool
    change: Changes | None
    """Changes that make it fit; None where it fits, or where no change that was tried is enough."""
    expected: RunSeconds
    """At the assumed mean length."""
    most: RunSeconds
    """Where every completion, every reply and every answer runs to the limit."""
    split: Split
    """How the recipe divides its run."""
    extra_gpus: int
    """More GPUs of this kind, rented for judges on servers."""
    judge_fits: bool
    """Whether each extra GPU has room for its judge's weights."""

    @property
    def gpus(self) -> int:
        """GPUs in all."""
        return self.split.gpus + self.extra_gpus

    def dollars(self, seconds: float) -> float:
        """Return the price of a time on all these GPUs."""
        return seconds / 3600 * self.gpu.dollars_per_hour * self.gpus


@dataclass(frozen=True)
class Plan:
    """The plan of one recipe."""

    shape: Shape
    """Shape of the model that learns."""
    work: Work
    """What one step does."""
    measured: Measured
    """What is measured before, during and after training."""
    memory: list[Part]
    """Uses of memory, in bytes."""
    estimates: list[CostEstimate]
    """The cost on each GPU of the catalog, in its order."""


def plan_recipe(recipe: Recipe, catalog: GpuCatalog, future: FutureModels | None = None) -> Plan:
    """Plan an RL recipe. future: shapes of models that it names and that do not exist yet.

    Raises UsageError for a recipe of another kind, or where the shape of a model is unknown.
    """
    recipe, shape, work = counted(recipe, catalog.assumptions, future)
    measured = measured_in(recipe)
    estimates = [_estimate(recipe, work, measured, shape, gpu, catalog.assumptions) for gpu in catalog.gpu]
    return Plan(shape, work(recipe), measured, parts(work(recipe), shape), estimates)


def counted(
    recipe: Recipe, assumptions: Assumptions, future: FutureModels | None = None
) -> tuple[RLRecipe, Shape, Callable[[RLRecipe], Work]]:
    """Return the recipe with its defaults filled in, the shape of its model, and what a step of such a recipe does.

    Raises UsageError as `plan_recipe` does.
    """
    if not isinstance(recipe, RLRecipe):
        raise UsageError(f"{recipe.name} is a recipe of kind {recipe.kind!r}; plan counts what `outgrow train` runs")
    shape, distilled = shape_of(recipe.policy, future), distilled_shape(recipe, future)
    if shape.memory is not None and isinstance(recipe.engine, VLLMEngineConfig):
        raise UsageError(NO_MEMORY)
    if recipe.learn.ranks > 1 and (why := unshareable(recipe, shape.memory is not None)):
        raise UsageError(f"learn.ranks={recipe.learn.ranks}: {why}")
    judges = judge_shapes(recipe, future=future)

    def work(recipe: RLRecipe) -> Work:
        return work_of(recipe, shape, assumptions, distilled, judges)

    return filled(recipe, parameters(shape)), shape, work


def _estimate(
    recipe: RLRecipe,
    work_in: Callable[[RLRecipe], Work],
    measured: Measured,
    shape: Shape,
    gpu: GPU,
    assumptions: Assumptions,
) -> CostEstimate:
    memory, split = gpu.memory_gb * 1e9 * assumptions.usable_memory, split_of(recipe)

    def fits(recipe: RLRecipe) -> bool:
        return split_bytes(work_in(recipe), shape, split) <= memory

    fits_unchanged = fits(recipe)
    change = None if fits_unchanged else fit_changes(recipe, fits)
    fitting = changed(recipe, change or {})
    work = work_in(fitting)

    def run(share: float, reply_share: float) -> RunSeconds:
        step = split_seconds(work, shape, gpu, assumptions, split, work.limit * share, reply_share)
        writers = max(1, split.actors)
        return RunSeconds(work.steps, step, measuring_seconds(fitting, measured, shape, gpu, assumptions, share, writers=writers))

    served = [judge for judge in work.judges if not judge.local]
    return CostEstimate(
        gpu=gpu,
        fits=fits_unchanged,
        change=change,
        expected=run(assumptions.completion_share, assumptions.reply_share),
        most=run(1.0, 1.0),
        split=split,
        extra_gpus=len({judge.model.partition("#")[0] for judge in served}),
        judge_fits=all(parameters(judge.shape) * judge.width <= memory for judge in served),
    )
