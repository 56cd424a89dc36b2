"""The result of a flywheel: its generations, its models with what they were measured at, and its cost."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from ..core.estimate import Estimate
from ..evaluate import Evaluation
from ..evaluate.change import grid
from ..evaluate.statistics import mean_estimate
from .recipe import FlywheelRecipe
from .stage_cache import StageResult
from .stages import Generation


@dataclass(frozen=True)
class Cost:
    """What stages cost."""

    rollouts: int
    """Rollouts trained on, screened, or drawn for data; those of evaluations do not count."""
    hours: float
    dollars: float


@dataclass(frozen=True)
class Model:
    """A model of the flywheel, with what it was measured at."""

    title: str
    """Its name on the page, such as "generation 2: student"."""
    stage: StageResult

    @cached_property
    def evaluation(self) -> Evaluation:
        """What it was measured at on the suite that decides promotions."""
        return self.stage.evaluation()

    def rate(self, measure: str = "pass@1") -> Estimate:
        """Return a measure with its interval."""
        rate = mean_estimate(list(self.evaluation.measures()[measure].values()))
        assert rate is not None
        return rate

    def levels(self) -> dict[int, Estimate]:
        """Return pass@1 over all fields by level."""
        cells = grid(None, self.evaluation)
        rates = {level: cells.cells[None, level].after for level in cells.levels}
        return {level: rate for level, rate in rates.items() if rate is not None}


@dataclass(frozen=True)
class FlywheelResult:
    """A flywheel as far as it has run."""

    recipe: FlywheelRecipe
    generations: Sequence[Generation]
    """The finished generations."""
    stages: Sequence[StageResult]
    """All finished stages, in the order in which they were run."""

    @property
    def finished(self) -> bool:
        """Whether the last generation is done."""
        return bool(self.generations) and self.generations[-1].data is None

    @cached_property
    def models(self) -> list[Model]:
        """The models that are compared, each once: the first teacher and its base, then bases and students."""
        named = [(stage, "the first teacher's base") for stage in self.stages if stage.stage == "teacher_base"]
        named += [(stage, "the first teacher") for stage in self.stages if stage.stage == "teacher"]
        for generation in self.generations:
            named.append((generation.base, f"generation {generation.number}: base"))
            named.append((generation.student, f"generation {generation.number}: student"))
        return [Model(title, stage) for stage, title in named]

    def model_of(self, stage: StageResult) -> Model:
        """Return the model that a stage made."""
        return next(model for model in self.models if model.stage.name == stage.name)

    def cost(self, generation: int | None = None) -> Cost:
        """Return the cost of one generation's stages. Default: of all stages."""
        stages = [stage for stage in self.stages if generation in (None, stage.generation)]
        hours = sum(stage.seconds for stage in stages) / 3600
        return Cost(sum(stage.rollouts for stage in stages), hours, sum(stage.dollars for stage in stages))


def as_json(result: FlywheelResult) -> dict[str, Any]:
    """Return the whole result as plain values."""
    return {
        "name": result.recipe.name,
        "suite": result.recipe.suite,
        "samples": result.recipe.samples,
        "finished": result.finished,
        "cost": asdict(result.cost()),
        "generations": [_generation(result, generation) for generation in result.generations],
    }


def _generation(result: FlywheelResult, generation: Generation) -> dict[str, Any]:
    data = generation.data
    return {
        "generation": generation.number,
        "models": {
            role: {"name": stage.name, "digest": stage.digest, **asdict(result.model_of(stage).rate())}
            for role, stage in generation.roles.items()
        },
        "promotion": generation.promotion.as_json(),
        "winner": generation.winner.name,
        "stalled": generation.stalled,
        "data": {"name": data.name, **data.result} if data else None,
        "cost": asdict(result.cost(generation.number)),
    }
