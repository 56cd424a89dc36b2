"""What a whole flywheel needs: each of its stages, as often as the wheel does it. Duels and measurements are not counted."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ..config import RLRecipe, SFTRecipe
from ..config.schema import PolicySection
from ..core.callbacks import quiet
from ..core.errors import UsageError
from ..plan import GPU, CostEstimate, GpuCatalog, plan_recipe
from ..plan.models import FutureModels, shape_of
from ..plan.seconds import Written, tuning_seconds, writing_seconds
from ..plan.shape import Shape, adapter_parameters, key_value_bytes, parameters
from ..plan.work import bytes_of
from ..policy.load import Dtype
from ..runs.practice_problems import practice_problems
from ..synthetic.pipeline import wanted
from .recipe import FlywheelRecipe
from .stage_recipes import stage_recipes


@dataclass(frozen=True)
class StagePlan:
    """A stage. times: how often the wheel does it, if no generation ends it early.

    hours: of one time, on each GPU of the market; None where it does not fit. bills: of reinforcement learning, on each of them.
    """

    name: str
    times: int
    hours: Sequence[float | None]
    bills: Sequence[CostEstimate] = ()


@dataclass(frozen=True)
class FlywheelPlan:
    """A wheel. drawn_from: how many problems answers are drawn to for data, each time; None where none are, or where the problems
    cannot be had here, so that the making of data is not among the stages."""

    stages: Sequence[StagePlan]
    drawn_from: int | None

    def hours(self, place: int) -> float | None:
        """All stages on the GPU of this place in the market; None where one does not fit."""
        return self._sum(place, [1] * len(self.stages))

    def dollars(self, place: int, gpu: GPU) -> float | None:
        """The same at its price, and at that of the GPUs that judges elsewhere take."""
        gpus = [1 + (stage.bills[place].beside if stage.bills else 0) for stage in self.stages]
        hours = self._sum(place, gpus)
        return None if hours is None else hours * gpu.dollars_per_hour

    def _sum(self, place: int, gpus: Sequence[int]) -> float | None:
        total = 0.0
        for stage, count in zip(self.stages, gpus, strict=True):
            hours = stage.hours[place]
            if hours is None:
                return None
            total += stage.times * hours * count
        return total


def plan_flywheel(wheel: FlywheelRecipe, market: GpuCatalog) -> FlywheelPlan:
    """The plan of a wheel that turns to its end. Raises UsageError where a model's shape cannot be had."""
    recipes = stage_recipes(wheel)
    student, data = recipes["student"], _drawn_from(wheel) if wheel.generations > 1 and wheel.data.k else None
    assert isinstance(student, RLRecipe)
    made: dict[str, Shape] = {}
    teacher = recipes.get("teacher")
    if teacher is None:
        made["teacher"] = shape_of(PolicySection(model=wheel.teacher.model))
    else:
        made["teacher"] = shape_of((recipes.get("teacher_base") or teacher).policy)
    made["base"] = shape_of(recipes["base"].policy)
    made["judge"] = made["teacher"]
    turns = wheel.generations
    times = {"base": turns - (wheel.first_base is not None), "judge": turns, "student": turns}
    stages = [
        _stage(name, times.get(name, 1), recipes[name], market, _starts(name, made, wheel))
        for name in ("teacher_base", "teacher", "base", "judge", "student")
        if name in recipes and times.get(name, 1)
    ]
    if data is not None:
        makers = [(made["base"], student.policy.dtype), (made["teacher"], (teacher or student).policy.dtype)]
        stages.append(StagePlan("data", turns - 1, [_making(wheel, student, data, makers, gpu, market) for gpu in market.gpu]))
    return FlywheelPlan(stages, data)


def _starts(name: str, made: FutureModels, wheel: FlywheelRecipe) -> FutureModels:
    """The shapes by their names in this stage's recipe: what the teacher starts from is called base there too."""
    return {**made, "base": made["teacher"]} if name == "teacher" and wheel.teacher_base else made


def _stage(name: str, times: int, recipe: RLRecipe | SFTRecipe, market: GpuCatalog, made: FutureModels) -> StagePlan:
    if isinstance(recipe, RLRecipe):
        bills = plan_recipe(recipe, market, made).bills
        return StagePlan(name, times, [bill.hours(bill.expected) if bill.fits or bill.change else None for bill in bills], bills)
    shape, lora, learn = shape_of(recipe.policy, made), recipe.policy.lora, recipe.learn
    adapter = adapter_parameters(shape, lora.rank, lora.targets) if lora else None
    prompt, completion = _lengths(shape, recipe.sampling.max_tokens, market)

    def hours(gpu: GPU) -> float:
        width = bytes_of(recipe.policy.dtype)
        step = tuning_seconds(learn.batch_size, prompt, completion, learn.tokens_per_microbatch, shape, adapter, width, gpu)
        return learn.steps * step / 3600

    return StagePlan(name, times, [hours(gpu) for gpu in market.gpu])


def _making(
    wheel: FlywheelRecipe, student: RLRecipe, problems: int, makers: Sequence[tuple[Shape, Dtype]], gpu: GPU, market: GpuCatalog
) -> float | None:
    """Hours of drawing the data of one generation, by the slower one of student and teacher; None where one has no room."""
    k, limit = wheel.data.k, student.sampling.max_tokens

    def seconds(shape: Shape, dtype: Dtype) -> float:
        width, (prompt, completion) = bytes_of(dtype), _lengths(shape, limit, market)
        room = gpu.memory_gb * 1e9 * market.assumptions.usable_memory - 2 * parameters(shape) * width  # beside the engine's copy
        rows = room / ((prompt + limit) * key_value_bytes(shape, width))
        at_once = min(problems * k, student.engine.max_sequences, int(rows))
        if at_once < 1:
            return math.inf
        return writing_seconds(Written(problems * k, at_once, prompt, limit, completion), problems, shape, width, gpu)

    slower = max(seconds(shape, dtype) for shape, dtype in makers) / 3600
    return None if math.isinf(slower) else slower


def _lengths(shape: Shape, limit: int, market: GpuCatalog) -> tuple[int, float]:
    """Tokens of a prompt, and of what comes behind it."""
    assumed = market.assumptions
    return max(1, min(assumed.prompt_tokens, shape.context - limit)), limit * assumed.completion_share


def _drawn_from(wheel: FlywheelRecipe) -> int | None:
    """How many problems data is made of; None where they are not here, and no network is."""
    try:
        practised = practice_problems(stage_recipes(wheel)["student"], quiet)
    except UsageError:
        return None
    return len(wanted(practised, wheel.data))
