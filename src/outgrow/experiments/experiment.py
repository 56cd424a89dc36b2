"""What an experiment is: a question, a recipe, what all arms change in it, and the arms."""

import re
import tomllib
from functools import cached_property
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SerializeAsAny, ValidationError, model_validator

from ..config import raw_recipe
from ..core.errors import UsageError, nearest
from ..core.registry import build, explain
from .kinds import KINDS, TrialKind
from .measure import Measure
from .rl_measures import MEASURES
from .trial import Trial, key_of

# Where the models are that arms need; a part of these arms' recipes, so the same wherever a lab is run.
PREPARED = Path("runs/lab/prepared")
_NAMED = re.compile(r"prepared:([\w-]+)")

AnyMeasure = Annotated[SerializeAsAny[Measure], BeforeValidator(lambda value: build(value, MEASURES, "measure"))]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Arm(_Strict):
    """One way to do it. set: recipe lines, as --set takes them."""

    name: str
    set: tuple[str, ...] = ()


class Prepared(_Strict):
    """A model that arms need, trained once for all of them. `prepared:NAME` in a line stands for its run's folder; what is
    prepared may itself name what stands before it."""

    name: str
    recipe: str
    set: tuple[str, ...] = ()


class Set(_Strict):
    """What several arms are run on, where an experiment asks its question of more than one; `arms` names them, all if left out."""

    name: str
    set: tuple[str, ...] = ()
    arms: tuple[str, ...] = ()


class Experiment(_Strict):
    """A file of labs/. baseline: the arm that the others are compared with. Its seeds are first_seed and those
    after it, `seeds` in all: settings are chosen at other ones than those that are reported."""

    name: str
    title: str
    question: str
    recipe: str
    seeds: int = Field(ge=2)
    first_seed: int = Field(default=0, ge=0)
    baseline: str
    set: tuple[str, ...] = ()
    prepare: tuple[Prepared, ...] = ()
    arms: tuple[Arm, ...] = Field(min_length=2)
    on: tuple[Set, ...] = (Set(name=""),)
    measures: tuple[AnyMeasure, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _arms_known(self) -> "Experiment":
        names = [arm.name for arm in self.arms]
        if len(set(names)) < len(names):
            raise ValueError("two arms have the same name")
        for name in (self.baseline, *(arm for one in self.on for arm in one.arms)):
            if name not in names:
                raise ValueError(f"no arm called {name!r}{nearest(name, names)}")
        return self

    @model_validator(mode="after")
    def _measures_fit(self) -> "Experiment":
        for measure in self.measures:
            if measure.reads is not self.kind.result:
                fitting = sorted(name for name, one in MEASURES.items() if one.reads is self.kind.result)
                raise ValueError(f"{self.recipe} has no measure {measure.type!r}; take some of: {', '.join(fitting)}")
        return self

    @cached_property
    def kind(self) -> TrialKind:
        """What its runs are. Raises ValueError where no experiment is made of such recipes."""
        name = raw_recipe(self.recipe).get("kind", "rl")
        if name not in KINDS:
            raise ValueError(f"{self.recipe} is a recipe of kind {name!r}; arms are of kind {' or '.join(KINDS)}")
        return KINDS[name]

    def arms_on(self, one: Set) -> list[Arm]:
        """The arms that are run on a set."""
        return [arm for arm in self.arms if not one.arms or arm.name in one.arms]

    @property
    def all_seeds(self) -> range:
        """The seeds of every arm."""
        return range(self.first_seed, self.first_seed + self.seeds)

    @cached_property
    def prepared(self) -> dict[str, Trial]:
        """Name -> run of what is prepared, in order."""
        runs: dict[str, Trial] = {}
        for one in self.prepare:
            recipe = KINDS["rl"].load(one.recipe, [_placed(line, runs) for line in one.set])
            runs[one.name] = Trial("", one.name, recipe.seed, key_of(KINDS["rl"].decides(recipe)), recipe)
        return runs

    @cached_property
    def runs(self) -> list[Trial]:
        """Every run, one seed after another, so that a part of them is balanced."""
        runs = [self._run(seed, one, arm) for seed in self.all_seeds for one in self.on for arm in self.arms_on(one)]
        first: dict[str, Trial] = {}
        for run in runs:
            same = first.setdefault(run.key, run)
            if same is not run:
                raise UsageError(f"{self.name}: the arms {same.arm!r} and {run.arm!r} are the same recipe; drop one")
        return runs

    def _run(self, seed: int, one: Set, arm: Arm) -> Trial:
        lines = [_placed(line, self.prepared) for line in (*self.set, *one.set, *arm.set)]
        recipe = self.kind.load(self.recipe, [*lines, f"seed={seed}"])
        return Trial(one.name, arm.name, seed, key_of(self.kind.decides(recipe)), recipe)


def _placed(line: str, prepared: dict[str, Trial]) -> str:
    """A recipe line with folders in place of the names of what is prepared."""

    def folder(found: re.Match[str]) -> str:
        if found[1] not in prepared:
            raise UsageError(f"{found[0]}: nothing of that name is prepared before it{nearest(found[1], list(prepared))}")
        return str(PREPARED / prepared[found[1]].key)

    return _NAMED.sub(folder, line)


def load_experiment(name: str) -> Experiment:
    """The experiment in a .toml file, or of that name in the folder labs/. Raises UsageError in one line."""
    path = Path(name) if name.endswith(".toml") else Path("labs") / f"{name}.toml"
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        known = sorted(found.stem for found in Path("labs").glob("*.toml"))
        raise UsageError(f"no experiment {path}{nearest(name, known)}; give a .toml file, or run it beside labs/") from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{path}: cannot read this experiment: {error}") from error
    try:
        return Experiment.model_validate({"name": path.stem, **values})
    except ValidationError as error:
        raise UsageError(f"{path}: {explain(error, Experiment)}") from error
