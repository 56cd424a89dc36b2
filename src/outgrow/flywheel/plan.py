"""The plan of a whole flywheel: hours and price of each stage, and of the measurements in it. Comparisons take no time."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ..config import Recipe, RLRecipe, SFTRecipe
from ..config.sections import PolicySection
from ..core.callbacks import quiet
from ..core.errors import UsageError
from ..plan import GPU, CostEstimate, GpuCatalog, plan_recipe
from ..plan.measuring import measured_in, measuring_seconds
from ..plan.models import FutureModels, shape_of
from ..plan.seconds import Written, tuning_seconds, writing_seconds
from ..plan.shape import Shape, adapter_parameters, cache_bytes, memory_parameters, weight_bytes
from ..plan.work import bytes_of
from ..policy.load import Dtype
from ..runs.practice_problems import practice_problems
from ..synthetic.pipeline import matching_problems
from .recipe import FlywheelRecipe
from .stage_recipes import stage_recipes


@dataclass(frozen=True)
class StagePlan:
    """The plan of one stage."""

    name: str
    times: int
    """How often the flywheel runs it, if it does not stop early."""
    hours: Sequence[float | None]
    """Hours of one time on each GPU of the catalog, without measurements; None where it does not fit."""
    measuring: Sequence[float] = ()
    """Hours of its measurements on each GPU of the catalog; empty for a stage that is not measured."""
    estimates: Sequence[CostEstimate] = ()
    """The estimate on each GPU of the catalog; empty for stages that are not reinforcement learning."""


@dataclass(frozen=True)
class FlywheelPlan:
    """The plan of a flywheel."""

    stages: Sequence[StagePlan]
    data_problems: int | None
    """Problems that answers are drawn to for each generation's data. None where no answers are drawn, or where the problems are not
    on this machine; the stages then hold no data stage."""
    uncounted: Sequence[str] = ()
    """Suites that are measured on, but not counted, because their data are not here."""

    def hours(self, index: int) -> float | None:
        """Return the hours of all stages on the GPU at this index of the catalog; None where a stage does not fit."""
        return self._sum(index, [1] * len(self.stages))

    def measuring(self, index: int) -> float:
        """Return the hours of all measurements on the GPU at this index of the catalog."""
        return sum(stage.times * stage.measuring[index] for stage in self.stages if stage.measuring)

    def dollars(self, index: int, gpu: GPU) -> float | None:
        """Return the price of all stages on this GPU, with the extra GPUs that judges on servers take."""
        gpus = [stage.estimates[index].gpus if stage.estimates else 1 for stage in self.stages]
        hours = self._sum(index, gpus)
        return None if hours is None else hours * gpu.dollars_per_hour

    def _sum(self, index: int, gpus: Sequence[int]) -> float | None:
        total = 0.0
        for stage, count in zip(self.stages, gpus, strict=True):
            hours = stage.hours[index]
            if hours is None:
                return None
            total += stage.times * (hours + (stage.measuring[index] if stage.measuring else 0.0)) * count
        return total


def plan_flywheel(flywheel: FlywheelRecipe, catalog: GpuCatalog) -> FlywheelPlan:
    """Plan a flywheel that runs all its generations. Raises UsageError where the shape of a model is unknown."""
    recipes = stage_recipes(flywheel)
    student, problems = recipes["student"], _data_problems(flywheel) if flywheel.generations > 1 and flywheel.data.k else None
    assert isinstance(student, RLRecipe)
    shapes: dict[str, Shape] = {}
    teacher = recipes.get("teacher")
    if teacher is None:
        shapes["teacher"] = shape_of(PolicySection(model=flywheel.teacher.model))
    else:
        shapes["teacher"] = shape_of((recipes.get("teacher_base") or teacher).policy)
    shapes["base"] = shape_of(recipes["base"].policy)
    shapes["judge"] = shapes["teacher"]
    count = flywheel.generations
    times = {"base": count - (flywheel.first_base is not None), "judge": count, "student": count}
    stages = [
        _stage(name, times.get(name, 1), recipes[name], catalog, _start_shapes(name, shapes, flywheel))
        for name in ("teacher_base", "teacher", "base", "judge", "student")
        if name in recipes and times.get(name, 1)
    ]
    if problems is not None:
        makers = [(shapes["base"], student.policy.dtype), (shapes["teacher"], (teacher or student).policy.dtype)]
        hours = [_data_hours(flywheel, student, problems, makers, gpu, catalog) for gpu in catalog.gpu]
        stages.append(StagePlan("data", count - 1, hours))
    missing = dict.fromkeys(name for recipe in recipes.values() for name in measured_in(recipe).missing)
    return FlywheelPlan(stages, problems, list(missing))


def _start_shapes(name: str, shapes: FutureModels, flywheel: FlywheelRecipe) -> FutureModels:
    """Return the shapes by the names of this stage's recipe, where the teacher's own base is called base too."""
    return {**shapes, "base": shapes["teacher"]} if name == "teacher" and flywheel.teacher_base else shapes


def _stage(name: str, times: int, recipe: RLRecipe | SFTRecipe, catalog: GpuCatalog, shapes: FutureModels) -> StagePlan:
    if isinstance(recipe, RLRecipe):
        estimates = plan_recipe(recipe, catalog, shapes).estimates
        runs = [estimate.expected for estimate in estimates]
        training = [
            run.training / 3600 if estimate.fits or estimate.change else None for run, estimate in zip(runs, estimates, strict=True)
        ]
        return StagePlan(name, times, training, [(run.total - run.training) / 3600 for run in runs], estimates)
    shape, lora, learn = shape_of(recipe.policy, shapes), recipe.policy.lora, recipe.learn
    adapter = adapter_parameters(shape, lora.rank, lora.targets) if lora else None
    memory = shape.layers * memory_parameters(shape) if lora else 0
    prompt, completion = _lengths(shape, recipe.sampling.max_tokens, catalog)

    def hours(gpu: GPU) -> float:
        width = bytes_of(recipe.policy.dtype)
        step = tuning_seconds(learn.batch_size, prompt, completion, learn.tokens_per_microbatch, shape, adapter, width, gpu, memory)
        return learn.steps * step / 3600

    return StagePlan(name, times, [hours(gpu) for gpu in catalog.gpu], _measuring_hours(recipe, shape, catalog))


def _measuring_hours(recipe: Recipe, shape: Shape, catalog: GpuCatalog, ends: int = 2) -> list[float]:
    """Return the hours of a stage's measurements on each GPU. ends: how often each suite is measured."""
    measured, assumed = measured_in(recipe), catalog.assumptions
    runs = (measuring_seconds(recipe, measured, shape, gpu, assumed, assumed.completion_share, ends) for gpu in catalog.gpu)
    return [(run.ends + run.validation) / 3600 for run in runs]


def _data_hours(
    flywheel: FlywheelRecipe, student: RLRecipe, problems: int, makers: Sequence[tuple[Shape, Dtype]], gpu: GPU, catalog: GpuCatalog
) -> float | None:
    """Return the hours of drawing one generation's data, by the slower of student and teacher; None where one does not fit."""
    k, limit = flywheel.data.k, student.sampling.max_tokens

    def seconds(shape: Shape, dtype: Dtype) -> float:
        width, (prompt, completion) = bytes_of(dtype), _lengths(shape, limit, catalog)
        weights = 2 * weight_bytes(shape, width)  # the policy's and the engine's copy
        free = gpu.memory_gb * 1e9 * catalog.assumptions.usable_memory - weights
        sequences = min(problems * k, student.engine.max_sequences, int(free / cache_bytes(shape, prompt + limit, width)))
        if sequences < 1:
            return math.inf
        return writing_seconds(Written(problems * k, sequences, prompt, limit, completion), problems, shape, width, gpu)

    slower = max(seconds(shape, dtype) for shape, dtype in makers) / 3600
    return None if math.isinf(slower) else slower


def _lengths(shape: Shape, limit: int, catalog: GpuCatalog) -> tuple[int, float]:
    """Return the tokens of a prompt and of a completion."""
    assumptions = catalog.assumptions
    return max(1, min(assumptions.prompt_tokens, shape.context - limit)), limit * assumptions.completion_share


def _data_problems(flywheel: FlywheelRecipe) -> int | None:
    """Count the problems that data is made of; None where they are neither on this machine nor reachable."""
    try:
        problems = practice_problems(stage_recipes(flywheel)["student"], quiet)
    except UsageError:
        return None
    return len(matching_problems(problems, flywheel.data))
