"""What came of the wheel, in figures."""

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
    """rollouts: learned from, screened, or drawn for data; what was written to be measured is not among them."""

    rollouts: int
    hours: float
    dollars: float


@dataclass(frozen=True)
class Model:
    """A model of the wheel, with what it was measured at on the suite that decides. title: for a person."""

    title: str
    done: StageResult

    @cached_property
    def evaluation(self) -> Evaluation:
        """On the suite that decides."""
        return self.done.evaluation()

    def rate(self, measure: str = "pass@1") -> Estimate:
        """A measure of it, with its interval."""
        found = mean_estimate(list(self.evaluation.measures()[measure].values()))
        assert found is not None
        return found

    def levels(self) -> dict[int, Estimate]:
        """Level -> pass@1 over all fields."""
        cells = grid(None, self.evaluation)
        found = {level: cells.cells[None, level].after for level in cells.levels}
        return {level: one for level, one in found.items() if one is not None}


@dataclass(frozen=True)
class FlywheelResult:
    """A wheel as it stands. done: all its stages, in the order in which they were done."""

    recipe: FlywheelRecipe
    generations: Sequence[Generation]
    done: Sequence[StageResult]

    @property
    def finished(self) -> bool:
        """Whether it has come to its end, and not only to that of a generation."""
        return bool(self.generations) and self.generations[-1].data is None

    @cached_property
    def models(self) -> list[Model]:
        """Of what is compared, each once: the first teacher and its base, then bases and students."""
        named = [(one, "the first teacher's base") for one in self.done if one.stage == "teacher_base"]
        named += [(one, "the first teacher") for one in self.done if one.stage == "teacher"]
        for turn in self.generations:
            named += [(turn.base, f"generation {turn.number}: base"), (turn.student, f"generation {turn.number}: student")]
        return [Model(title, one) for one, title in named]

    def of(self, done: StageResult) -> Model:
        """One of the models, by the stage that made it."""
        return next(model for model in self.models if model.done.name == done.name)

    def cost(self, generation: int | None = None) -> Cost:
        """Of a generation's stages, whenever they were done; of all where none is named."""
        part = [one for one in self.done if generation in (None, one.generation)]
        return Cost(sum(one.rollouts for one in part), sum(one.seconds for one in part) / 3600, sum(one.dollars for one in part))


def as_json(turned: FlywheelResult) -> dict[str, Any]:
    """All of it for a program."""
    return {
        "name": turned.recipe.name,
        "suite": turned.recipe.suite,
        "samples": turned.recipe.samples,
        "finished": turned.finished,
        "cost": asdict(turned.cost()),
        "generations": [
            {
                "generation": one.number,
                "models": {
                    role: {"name": model.name, "digest": model.digest, **asdict(turned.of(model).rate())}
                    for role, model in one.roles.items()
                },
                "duel": one.duel.figures(),
                "winner": one.winner.name,
                "stalled": one.stalled,
                "data": {"name": one.data.name, **one.data.result} if one.data else None,
                "cost": asdict(turned.cost(one.number)),
            }
            for one in turned.generations
        ],
    }
