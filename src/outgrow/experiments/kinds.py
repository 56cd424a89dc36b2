"""What the trials of an experiment can be: a run of reinforcement learning or of supervised fine-tuning, or a whole flywheel."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from ..config import Recipe, load_recipe, table_values
from ..core.errors import UsageError
from ..flywheel import FlywheelRecipe, load_flywheel
from ..flywheel.stage_recipes import stage_recipes
from .flywheel_result import FlywheelTrialResult, from_flywheel_line
from .flywheel_trial import run_flywheel_trial
from .measure import AnyResult, Measure
from .rl_result import RLResult, from_rl_line
from .rl_trial import run_rl_trial
from .trial import Trial

# Words and extra suites change nothing that is measured here.
_WORDS = {"name": "", "description": "", "expected": ""}
_NOT_MEASURED = {"evaluate": {"extra_suites"}}


class TrialKind(ABC):
    """All that depends on what the trials of an experiment are."""

    result: ClassVar[type[AnyResult]]
    rate_label: ClassVar[str]
    """Label of the curves' vertical axis."""
    axis: ClassVar[str] = "rollouts written"
    """Label of their horizontal axis."""
    rollouts_note: ClassVar[str]
    """Sentence for the page: which rollouts are counted."""

    @abstractmethod
    def load(self, name: str, overrides: Sequence[str]) -> Any:
        """Return the recipe, every part of it with one thread. Raises UsageError.

        Sums depend on the number of threads, so with one thread the results are the same on any number of cores.
        """

    @abstractmethod
    def deciding_values(self, recipe: Any) -> dict[str, Any]:
        """Return the recipe's plain values that decide what is measured."""

    @abstractmethod
    def run(self, path: Path, trial: Trial, measures: Sequence[Measure], prepared: dict[str, Path]) -> AnyResult:
        """Run a trial in this folder, or continue it there.

        measures: those of the experiment; some need samples that are drawn after training. prepared: name -> run of each prepared
        model.
        """

    @abstractmethod
    def read(self, row: dict[str, Any]) -> AnyResult:
        """Return the result that a line of docs/lab/NAME.jsonl holds."""

    def curve(self, result: Any) -> list[tuple[float, float]]:
        """Return what is drawn of a trial, from left to right. result: one that `read` returns."""
        return [(point.rollouts, point.pass_rate) for point in result.curve]


class RLTrialKind(TrialKind):
    """A trial is a run of reinforcement learning."""

    result = RLResult
    rate_label = "validation pass rate"
    rollouts_note = "Rollouts include those of profiles and of screening."

    def load(self, name: str, overrides: Sequence[str]) -> Recipe:
        recipe = load_recipe(name, [*overrides, "run.threads=1"])
        if recipe.learn.ranks > 1:
            raise UsageError(f"{name}: learn.ranks={recipe.learn.ranks}: a trial trains in one process; set learn.ranks=1")
        return recipe

    def deciding_values(self, recipe: Recipe) -> dict[str, Any]:
        values = recipe.model_copy(update=_WORDS).model_dump(mode="json", exclude_none=True, exclude=_NOT_MEASURED)
        return {**values, **table_values(recipe)}

    def run(self, path: Path, trial: Trial, measures: Sequence[Measure], prepared: dict[str, Path]) -> RLResult:
        return run_rl_trial(path, trial, measures, prepared)

    def read(self, row: dict[str, Any]) -> RLResult:
        return from_rl_line(row)


class SFTTrialKind(RLTrialKind):
    """A trial is a run of supervised fine-tuning, which measures nothing on its way."""

    rate_label = "pass@1 after training"
    axis = "level"
    rollouts_note = "Rollouts are the solutions that are read."

    def curve(self, result: Any) -> list[tuple[float, float]]:
        return sorted((int(level), rate) for level, rate in result.levels.items())


class FlywheelTrialKind(TrialKind):
    """A trial is a whole flywheel."""

    result = FlywheelTrialResult
    rate_label = "the student's pass@1"
    rollouts_note = (
        "A run is a whole flywheel. Rollouts include those of all generations and of synthetic data, but not those of prepared "
        "models, which are the same for all arms."
    )

    def load(self, name: str, overrides: Sequence[str]) -> FlywheelRecipe:
        stages = stage_recipes(load_flywheel(name, overrides))
        return load_flywheel(name, [*overrides, *(f"{stage}.run.threads=1" for stage in stages)])

    def deciding_values(self, recipe: FlywheelRecipe) -> dict[str, Any]:
        stages = stage_recipes(recipe)
        own = recipe.model_copy(update=_WORDS).model_dump(mode="json", exclude_none=True, exclude={"extra_suites", *stages})
        return {**own, **{name: RL.deciding_values(stage) for name, stage in stages.items()}}

    def run(self, path: Path, trial: Trial, measures: Sequence[Measure], prepared: dict[str, Path]) -> FlywheelTrialResult:
        return run_flywheel_trial(path, trial, measures)

    def read(self, row: dict[str, Any]) -> FlywheelTrialResult:
        return from_flywheel_line(row)


RL = RLTrialKind()
KINDS: dict[str, TrialKind] = {"rl": RL, "sft": SFTTrialKind(), "flywheel": FlywheelTrialKind()}
