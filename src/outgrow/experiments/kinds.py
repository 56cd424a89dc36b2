"""What the runs of an experiment can be: reinforcement learning, or a whole flywheel. All that differs between the two is here."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..config import Recipe, load_recipe
from ..flywheel import FlywheelRecipe, load_flywheel
from ..flywheel.stage_recipes import stage_recipes
from .flywheel_result import FlywheelTrialResult, from_flywheel_line
from .flywheel_trial import run_flywheel_trial
from .measure import AnyResult, Measure
from .rl_result import RLResult, from_line
from .rl_trial import run_rl_trial
from .trial import Trial

# Words, and other suites, change nothing that is measured here.
_WORDS = {"name": "", "description": "", "expected": ""}
_ALSO = {"evaluate": {"also"}}


@dataclass(frozen=True)
class TrialKind:
    """load: a recipe from its name and lines, every part of it with one thread. decides: its values, as far as they change what is
    measured. work: do a run in a folder, or go on with it there; asked for its extra sampling are the measures, and last come the
    folders of what was prepared. read: a result from its line. rate: what curves show. counted: what rollouts are counted."""

    result: type[AnyResult]
    load: Callable[[str, Sequence[str]], Any]
    decides: Callable[[Any], dict[str, Any]]
    work: Callable[[Path, Trial, Sequence[Measure], dict[str, Path]], AnyResult]
    read: Callable[[dict[str, Any]], AnyResult]
    rate: str
    counted: str


# One thread: sums depend on how many there are, so results are the same on any number of cores.
def _load_run(name: str, lines: Sequence[str]) -> Recipe:
    return load_recipe(name, [*lines, "run.threads=1"])


def _load_wheel(name: str, lines: Sequence[str]) -> FlywheelRecipe:
    stages = stage_recipes(load_flywheel(name, lines))
    return load_flywheel(name, [*lines, *(f"{stage}.run.threads=1" for stage in stages)])


def _run_decides(recipe: Recipe) -> dict[str, Any]:
    return recipe.model_copy(update=_WORDS).model_dump(mode="json", exclude_none=True, exclude=_ALSO)


def _wheel_decides(wheel: FlywheelRecipe) -> dict[str, Any]:
    stages = stage_recipes(wheel)
    own = wheel.model_copy(update=_WORDS).model_dump(mode="json", exclude_none=True, exclude={"also", *stages})
    return {**own, **{name: _run_decides(recipe) for name, recipe in stages.items()}}


KINDS: dict[str, TrialKind] = {
    "rl": TrialKind(
        result=RLResult,
        load=_load_run,
        decides=_run_decides,
        work=run_rl_trial,
        read=from_line,
        rate="validation pass rate",
        counted="All rollouts count, those of profiles and of screening too.",
    ),
    "flywheel": TrialKind(
        result=FlywheelTrialResult,
        load=_load_wheel,
        decides=_wheel_decides,
        work=run_flywheel_trial,
        read=from_flywheel_line,
        rate="the student's pass@1",
        counted="A run is a whole flywheel. All rollouts of all its generations count, those that data is made of too; what "
        "was prepared, the same for all arms, does not.",
    ),
}
