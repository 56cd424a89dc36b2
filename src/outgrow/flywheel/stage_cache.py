"""How the wheel has a stage done: once for the same inputs, in a folder named by their digest, and continued where it was stopped.

FOLDER/gen-1/student-1a2b3c4d/    an ordinary run, or data, or what a model that was there already was measured at
    stage.json                    written last: what it was made from, what came of it, what it cost. With it, the stage is done
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..config import Recipe, dump_recipe
from ..core.errors import OutgrowError
from ..core.files import read_lines, write_json
from ..core.inputs import InputKind
from ..evaluate import Evaluation
from ..runs.cost import Budget, BudgetReached, Spent, seconds_by_phase
from ..runs.folder import RunFolder
from ..train.watcher import Watcher
from .cache_key import digest_of
from .lineage import Artifact, Edge, Kind, Lineage, Record, Role

_NAMED_BY = 8  # hexadecimal digits of the digest


@dataclass(frozen=True)
class StageOutput:
    """What doing a stage left behind. digest: of its content."""

    digest: str
    rollouts: int = 0
    result: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class StageSpec:
    """A stage to be done. asked: all that decides what comes of it, in plain values, with digests in place of paths.

    recipe: of a run, or by which a model is asked. work: does it, in this folder, also where it was begun there. model: the name of
    one that was there already.
    """

    generation: int
    stage: str
    kind: Kind
    recipe: Recipe
    asked: Mapping[str, Any]
    work: Callable[[Path, Watcher, Budget], StageOutput]
    parents: Sequence[tuple["StageResult", Role]] = ()
    model: str = ""

    @property
    def title(self) -> str:
        """For a person."""
        return f"generation {self.generation}, {self.stage.replace('_', ' ')}"


@dataclass(frozen=True)
class StageResult:
    """A stage that is done. name: its place inside the wheel's folder. model: what a recipe calls it by, where it is one.

    inputs, digest: of what it was made from, and of what it made. seconds, dollars: of all its sessions.
    """

    name: str
    generation: int
    stage: str
    recipe: Recipe
    path: Path
    model: str
    inputs: str
    digest: str
    rollouts: int
    seconds: float
    dollars: float
    created: float
    result: Mapping[str, Any]

    @property
    def is_run(self) -> bool:
        """Whether it is the folder of a run."""
        return RunFolder(self.path).is_run()

    def evaluation(self, on: str | None = None) -> Evaluation:
        """What it was measured at when it was done: on the suite that decides, or on another."""
        return Evaluation.load(RunFolder(self.path).evaluation("after", on))


class ProcessFull(Exception):
    """The next stage needs another process: this one holds an engine that allows no second one and stays until the process ends."""


class StageCache:
    """Does stages in one folder, and remembers those of this call in `done`."""

    def __init__(self, folder: Path, lineage: Lineage, watcher: Watcher, budget: Budget) -> None:
        self.folder = folder.resolve()  # recipes name what is in it: that must hold from wherever they are continued
        self.lineage, self.watcher, self.budget = lineage, watcher, budget
        self.done: list[StageResult] = []
        self._process_full = False

    def once(self, task: StageSpec) -> StageResult:
        """Do it where the same was not done before. Raises what its work raises, an error with the stage's name before it;
        BudgetReached with what the whole wheel has spent; ProcessFull."""
        inputs = digest_of(task.asked)
        name = f"gen-{task.generation}/{task.stage}-{inputs[:_NAMED_BY]}"
        path = self.folder / name
        if (path / "stage.json").is_file():
            self.watcher.stage(f"{task.title}: done before ({name})")
        else:
            self._do(task, path, inputs)
        done = self._read(task, name, inputs)
        self.done.append(done)
        artifact = Artifact(name, done.digest, task.kind, task.generation, task.stage, done.created)
        record = Record(inputs, dump_recipe(task.recipe, {}), done.rollouts, done.seconds, done.dollars, dict(done.result))
        self.lineage.write(artifact, record, [Edge(name, parent.name, role) for parent, role in task.parents])
        return done

    def known(self, kind: InputKind, path: str) -> str | None:
        """The digest of what a stage of this call made; of a run's rollouts, that of all it was made from as well."""
        for done in self.done:
            if path == done.model or Path(path).is_relative_to(done.path):
                return digest_of([done.inputs, done.digest]) if kind == "runs" else done.digest
        return None

    def spent(self) -> Spent:
        """On the stages of this call, whenever they were done."""
        return Spent(sum(done.seconds for done in self.done) / 3600, sum(done.dollars for done in self.done))

    def _do(self, task: StageSpec, path: Path, inputs: str) -> None:
        before, price = self.spent(), task.recipe.run.dollars_per_hour
        self.budget.check(before)
        if self._process_full:
            raise ProcessFull
        self._process_full = task.recipe.engine.one_per_process
        path.parent.mkdir(exist_ok=True)
        self.watcher.stage(f"{task.title}: {'going on in' if path.exists() else 'into'} {path.relative_to(self.folder)}")
        try:
            budget = Budget(self.budget.hours - before.hours, self.budget.dollars - before.dollars)
            left = task.work(path, self.watcher, budget)
        except BudgetReached:
            hours = _seconds(path) / 3600
            self.budget.check(Spent(before.hours + hours, before.dollars + hours * price))
            raise
        except OutgrowError as error:
            raise type(error)(f"{task.title}: {error}") from error
        seconds = _seconds(path)
        cost = {"seconds": round(seconds, 2), "dollars": round(seconds / 3600 * price, 4), "created": round(time.time(), 3)}
        write_json(path / "stage.json", {"inputs": inputs, "asked": task.asked, **asdict(left), **cost})

    def _read(self, task: StageSpec, name: str, inputs: str) -> StageResult:
        path, keys = self.folder / name, ("inputs", "digest", "rollouts", "seconds", "dollars", "created", "result")
        try:
            stored = json.loads((path / "stage.json").read_bytes())
            kept = {key: stored[key] for key in keys}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise OutgrowError(
                f"{path / 'stage.json'}: cannot be read ({error}); remove it, and the stage is looked at again"
            ) from error
        if kept["inputs"] != inputs:
            raise OutgrowError(f"{path} was made from other inputs than its name says; move it away")
        return StageResult(
            name=name,
            generation=task.generation,
            stage=task.stage,
            recipe=task.recipe,
            path=path,
            model=task.model or str(path),
            **kept,
        )


def _seconds(path: Path) -> float:
    """What a stage took, over all its sessions."""
    return sum(seconds_by_phase(read_lines(RunFolder(path).timings)).values())
