"""What an experiment is: a question, a recipe, overrides for all arms, and the arms."""

import re
from functools import cached_property
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SerializeAsAny, ValidationError, model_validator

from ..config import raw_recipe
from ..core.errors import UsageError, nearest, reason
from ..core.refusals import explain_file
from ..core.registry import build
from ..core.toml_file import read_toml
from .kinds import KINDS, RL, TrialKind
from .measure import Measure
from .rl_measures import MEASURES
from .trial import Trial, trial_key

# Folder of the prepared models. It is part of the recipes of the arms that use them, so it is the same wherever a lab is run.
PREPARED = Path("runs/lab/prepared")
_MAX_RUNS = 100_000  # more than anybody trains; each is listed before the first starts
_PREPARED_NAME = re.compile(r"prepared:([\w-]+)")

AnyMeasure = Annotated[SerializeAsAny[Measure], BeforeValidator(lambda value: build(value, Measure, MEASURES, "measure"))]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Arm(_Strict):
    """One of the settings that an experiment compares. set: recipe overrides, as --set takes them.

    recipe: a recipe of its own, as for supervised fine-tuning beside reinforcement learning; the overrides of all arms are not
    applied to it. Default: the experiment's.
    """

    name: str
    recipe: str | None = None
    set: tuple[str, ...] = ()


class Prepared(_Strict):
    """A model that arms need, trained once for all of them. In an override, `prepared:NAME` stands for the folder of its run. A
    prepared model may itself name one above it."""

    name: str
    recipe: str
    set: tuple[str, ...] = ()


class Condition(_Strict):
    """A table [[on]]: overrides under which arms are compared, such as a set of problems. arms: their names. Default: all arms."""

    name: str
    set: tuple[str, ...] = ()
    arms: tuple[str, ...] = ()


class Experiment(_Strict):
    """A file of labs/. answer: what its figures say, added once they are known. baseline: the arm that the others are compared
    with. Its seeds are `seeds` numbers from first_seed on; settings are chosen at other seeds than those that are reported."""

    name: str
    title: str
    question: str
    answer: str = ""
    recipe: str
    seeds: int = Field(ge=2)
    first_seed: int = Field(default=0, ge=0)
    baseline: str
    set: tuple[str, ...] = ()
    prepare: tuple[Prepared, ...] = ()
    arms: tuple[Arm, ...] = Field(min_length=2)
    on: tuple[Condition, ...] = (Condition(name=""),)
    measures: tuple[AnyMeasure, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _arms_known(self) -> "Experiment":
        names = [arm.name for arm in self.arms]
        if len(set(names)) < len(names):
            raise ValueError("two arms have the same name")
        for name in (self.baseline, *(arm for condition in self.on for arm in condition.arms)):
            if name not in names:
                raise ValueError(f"no arm called {name!r}{nearest(name, names)}")
        return self

    @model_validator(mode="after")
    def _runs_can_be_listed(self) -> "Experiment":
        runs = self.seeds * sum(len(self.arms_on(condition)) for condition in self.on)
        if runs > _MAX_RUNS:
            raise ValueError(f"{runs:,} runs (seeds x arms x conditions); at most {_MAX_RUNS:,}: set seeds to a smaller number")
        return self

    @model_validator(mode="after")
    def _arms_are_of_its_kind(self) -> "Experiment":
        for arm in self.arms:
            kind = raw_recipe(arm.recipe).get("kind", "rl") if arm.recipe else None
            if kind == "flywheel" or (kind and self.kind.result is not RL.result):
                raise ValueError(f"{arm.name}: {arm.recipe} is a recipe of kind {kind!r}, which this experiment cannot compare")
        return self

    @model_validator(mode="after")
    def _measures_fit(self) -> "Experiment":
        for measure in self.measures:
            if measure.reads is not self.kind.result:
                fitting = sorted(name for name, measure_class in MEASURES.items() if measure_class.reads is self.kind.result)
                raise ValueError(f"{self.recipe} has no measure {measure.type!r}; choose from: {', '.join(fitting)}")
        return self

    @cached_property
    def kind(self) -> TrialKind:
        """What its trials are. Raises ValueError where the recipe is of a kind that no experiment compares."""
        name = raw_recipe(self.recipe).get("kind", "rl")
        if name not in KINDS:
            raise ValueError(f"{self.recipe} is a recipe of kind {name!r}; arms are of kind {', '.join(KINDS)}")
        return KINDS[name]

    def arms_on(self, condition: Condition) -> list[Arm]:
        """Return the arms that are compared under a condition."""
        return [arm for arm in self.arms if not condition.arms or arm.name in condition.arms]

    @property
    def all_seeds(self) -> range:
        """The seeds of every arm."""
        return range(self.first_seed, self.first_seed + self.seeds)

    @cached_property
    def prepared(self) -> dict[str, Trial]:
        """Name -> run of each prepared model, in order."""
        runs: dict[str, Trial] = {}
        for model in self.prepare:
            recipe = RL.load(model.recipe, [_with_folders(line, runs) for line in model.set])
            runs[model.name] = Trial("", model.name, recipe.seed, trial_key(RL.deciding_values(recipe)), recipe)
        return runs

    @cached_property
    def runs(self) -> list[Trial]:
        """Every trial, seed by seed, so that a part of them is balanced. Raises UsageError where two arms are the same recipe."""
        trials = [
            self._trial(seed, condition, arm) for seed in self.all_seeds for condition in self.on for arm in self.arms_on(condition)
        ]
        first: dict[str, Trial] = {}
        for trial in trials:
            same = first.setdefault(trial.key, trial)
            if same is not trial:
                raise UsageError(f"{self.name}: the arms {same.arm!r} and {trial.arm!r} are the same recipe; drop one")
        return trials

    def _trial(self, seed: int, condition: Condition, arm: Arm) -> Trial:
        lines = arm.set if arm.recipe else (*self.set, *condition.set, *arm.set)
        overrides = [_with_folders(line, self.prepared) for line in lines]
        recipe = self.kind.load(arm.recipe or self.recipe, [*overrides, f"seed={seed}"])
        return Trial(condition.name, arm.name, seed, trial_key(self.kind.deciding_values(recipe)), recipe)


def _with_folders(line: str, prepared: dict[str, Trial]) -> str:
    """Return an override with folders in place of the names of prepared models."""

    def folder(match: re.Match[str]) -> str:
        if match[1] not in prepared:
            raise UsageError(f"{match[0]}: no table [[prepare]] above it has this name{nearest(match[1], list(prepared))}")
        return str(PREPARED / prepared[match[1]].key)

    return _PREPARED_NAME.sub(folder, line)


def load_experiment(name: str) -> Experiment:
    """Return the experiment in a .toml file, or of this name in the folder labs/. Raises UsageError in one line."""
    path = Path(name) if name.endswith(".toml") else Path("labs") / f"{name}.toml"
    try:
        text, values = read_toml(path)
    except FileNotFoundError as error:
        known = sorted(file.stem for file in Path("labs").glob("*.toml"))
        raise UsageError(
            f"no experiment {path}{nearest(name, known)}; give a .toml file, or run this in the folder that holds labs/"
        ) from error
    except (OSError, ValueError) as error:  # ValueError: not TOML, not UTF-8, or a name that no file can have
        raise UsageError(f"{path}: cannot read this experiment: {reason(error)}") from error
    try:
        return Experiment.model_validate({"name": path.stem, **values})
    except ValidationError as error:
        raise UsageError(explain_file(str(path), text, error, Experiment)) from error
