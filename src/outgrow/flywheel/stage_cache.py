"""Runs each stage once for the same inputs, in a folder named by their digest, and continues one that was stopped.

FOLDER/gen-1/student-1a2b3c4d/    the folder of a run, of synthetic data, or of a measurement
    stage.json                    written last, so it marks a finished stage: its inputs, its result and its cost
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..config import Recipe, dump_recipe
from ..core.errors import OutgrowError
from ..core.files import read_json, write_json
from ..core.fresh_folder import FreshFolder, undone_on_failure
from ..core.inputs import InputKind
from ..core.json_lines import read_lines
from ..evaluate import Evaluation
from ..runs.cost import Budget, BudgetReached, Spent, seconds_by_phase
from ..runs.folder import RunFolder
from ..runs.input_digests import PathDigest, digest_of
from ..runs.sessions import STOPS
from ..train.watcher import Watcher
from .lineage import Artifact, Edge, Kind, Lineage, Record, Role

_NAME_DIGITS = 8  # hexadecimal digits of the digest in a folder's name


@dataclass(frozen=True)
class StageOutput:
    """What running a stage produced."""

    digest: str
    """Digest of its content: weights, rows or figures."""
    rollouts: int = 0
    """Rollouts that were written for it; those of evaluations do not count."""
    result: Mapping[str, Any] = field(default_factory=dict)
    """Its figures, as JSON."""


@dataclass(frozen=True)
class StageResult:
    """A finished stage."""

    name: str
    """Its folder, relative to the flywheel's."""
    generation: int
    stage: str
    recipe: Recipe
    path: Path
    model: str
    """What a recipe calls its model; of a stage without a model, its folder."""
    inputs: str
    """Digest of what it was made from."""
    digest: str
    """Digest of what it made."""
    rollouts: int
    seconds: float
    """Time of all its sessions."""
    dollars: float
    """Price of all its sessions."""
    created: float
    """Time at which it was finished, in seconds since 1970."""
    result: Mapping[str, Any]
    """Its figures, as JSON."""

    @property
    def is_run(self) -> bool:
        """Whether its folder is that of a run."""
        return RunFolder(self.path).is_run()

    def evaluation(self, suite: str | None = None) -> Evaluation:
        """Load what its model was measured at: on this suite. Default: the suite that decides promotions."""
        return Evaluation.load(RunFolder(self.path).evaluation("after", suite))


class StageSpec(ABC):
    """A stage to run: what decides its result, and how to run it. One subclass for each kind of stage (tasks.py)."""

    kind: Kind = "model"

    def __init__(
        self, generation: int, stage: str, recipe: Recipe, parents: Sequence[tuple[StageResult, Role]] = (), model: str = ""
    ) -> None:
        """Describe a stage. recipe: of the run, or how the model is sampled. model: name of a model that existed before."""
        self.generation, self.stage, self.recipe, self.parents, self.model = generation, stage, recipe, parents, model

    @property
    def title(self) -> str:
        """Name of the stage in messages."""
        return f"generation {self.generation}, {self.stage.replace('_', ' ')}"

    @abstractmethod
    def cache_key(self, path_digest: PathDigest) -> dict[str, Any]:
        """Return all that decides the result, in plain values, with digests in place of paths."""

    @abstractmethod
    def run(self, path: Path, watcher: Watcher, budget: Budget) -> StageOutput:
        """Run the stage in this folder, or continue what an earlier call left there."""


class ProcessFull(Exception):
    """The next stage needs another process: this one holds an engine that allows no second one and stays until the process ends."""


class StageCache:
    """Runs stages in one folder and keeps the results of this call in `results`."""

    def __init__(self, folder: Path, lineage: Lineage, watcher: Watcher, budget: Budget, check_stop: Callable[[], None]) -> None:
        """check_stop: called before each stage; raises StopRequested after a signal."""
        self.folder = folder.resolve()  # recipes name what is in it, and must hold wherever the flywheel is continued from
        self.lineage, self.watcher, self.budget = lineage, watcher, budget
        self._check_stop = check_stop
        self.results: list[StageResult] = []
        self._process_full = False

    def run(self, spec: StageSpec) -> StageResult:
        """Run a stage, unless a stage with the same inputs was finished before.

        Raises what the stage raises, an OutgrowError with the stage's title in front; BudgetReached with what the whole flywheel
        has spent; ProcessFull; StopRequested.
        """
        self._check_stop()
        key = spec.cache_key(self.path_digest)
        inputs = digest_of(key)
        name = f"gen-{spec.generation}/{spec.stage}-{inputs[:_NAME_DIGITS]}"
        if (self.folder / name / "stage.json").is_file():
            self.watcher.stage(f"{spec.title}: done before ({name})")
        else:
            self._run(spec, self.folder / name, key)
        result = self._read(spec, name, inputs)
        self.results.append(result)
        artifact = Artifact(name, result.digest, spec.kind, spec.generation, spec.stage, result.created)
        record = Record(inputs, dump_recipe(spec.recipe, {}), result.rollouts, result.seconds, result.dollars, dict(result.result))
        self.lineage.write(artifact, record, [Edge(name, parent.name, role) for parent, role in spec.parents])
        return result

    def path_digest(self, kind: InputKind, path: str) -> str | None:
        """Return the digest of what a stage of this call made at this path; None elsewhere.

        Rollouts of a run (`kind` is "runs") are not in the digest of its weights, so there the run's inputs count too.
        """
        for result in self.results:
            if path == result.model or Path(path).is_relative_to(result.path):
                return digest_of([result.inputs, result.digest]) if kind == "runs" else result.digest
        return None

    def spent(self) -> Spent:
        """Return what the stages of this call cost, whenever they were run."""
        return Spent(sum(result.seconds for result in self.results) / 3600, sum(result.dollars for result in self.results))

    def _run(self, spec: StageSpec, path: Path, key: Mapping[str, Any]) -> None:
        before, price = self.spent(), spec.recipe.run.dollars_per_hour
        self.budget.check(before)
        if self._process_full:
            raise ProcessFull
        self._process_full = spec.recipe.engine.one_per_process
        fresh = FreshFolder.of(path)
        path.parent.mkdir(exist_ok=True)
        self.watcher.stage(f"{spec.title}: {'continuing in' if path.exists() else 'into'} {path.relative_to(self.folder)}")
        try:
            budget = Budget(self.budget.hours - before.hours, self.budget.dollars - before.dollars)
            with undone_on_failure(fresh, lambda: _has_work(path), STOPS):
                output = spec.run(path, self.watcher, budget)
        except BudgetReached:
            hours = _seconds(path) / 3600
            self.budget.check(Spent(before.hours + hours, before.dollars + hours * price))
            raise
        except OutgrowError as error:
            raise type(error)(f"{spec.title}: {error}") from error
        seconds = _seconds(path)
        cost = {"seconds": round(seconds, 2), "dollars": round(seconds / 3600 * price, 4), "created": round(time.time(), 3)}
        write_json(path / "stage.json", {"inputs": digest_of(key), "asked": key, **asdict(output), **cost})

    def _read(self, spec: StageSpec, name: str, inputs: str) -> StageResult:
        path, keys = self.folder / name, ("inputs", "digest", "rollouts", "seconds", "dollars", "created", "result")
        try:
            stored = read_json(path / "stage.json")
            values = {key: stored[key] for key in keys}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise OutgrowError(
                f"{path / 'stage.json'}: cannot be read ({error}); remove it, and the stage is checked again"
            ) from error
        if values["inputs"] != inputs:
            raise OutgrowError(f"{path}: its inputs do not match its name; move the folder away, and the stage is run again")
        return StageResult(
            name=name,
            generation=spec.generation,
            stage=spec.stage,
            recipe=spec.recipe,
            path=path,
            model=spec.model or str(path),
            **values,
        )


def _has_work(path: Path) -> bool:
    """Whether a stage that failed has left something to continue from: more than the seconds it took."""
    return path.is_dir() and any(entry.name != RunFolder(path).timings.name for entry in path.iterdir())


def _seconds(path: Path) -> float:
    """Return the time of a stage over all its sessions."""
    return sum(seconds_by_phase(read_lines(RunFolder(path).timings)).values())
