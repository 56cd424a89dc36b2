"""How the wheel has a stage done: once for the same inputs, in a folder named by their digest, and continued where it was stopped.

FOLDER/gen-1/student-1a2b3c4d/    an ordinary run, or data, or what a model that was there already was measured at
    stage.json                    written last: what it was made from, what came of it, what it cost. With it, the stage is done
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

from ..errors import OutgrowError
from ..evaluate import Evaluation
from ..learn.loop import Watcher, resume, train
from ..learn.policies import run_policy
from ..policy.export import export
from ..recipes import Recipe, dump_recipe
from ..runs.files import read_lines, write_json
from ..runs.folder import read_recipe, write_recipe
from ..runs.spending import Budget, BudgetReached, Spent, seconds_by_phase
from .digest import asked_by, digest_of
from .lineage import Artifact, Edge, Kind, Lineage, Record, Role

_NAMED_BY = 8  # hexadecimal digits of the digest


class Onlooker(Protocol):
    """Who is told how the wheel turns (the terminal)."""

    def stage(self, text: str) -> None:
        """A stage begins, goes on, or was done in an earlier call."""

    def run(self) -> AbstractContextManager[Watcher]:
        """Who watches one stage."""

    def counting(self, what: str, whole: int) -> AbstractContextManager[Callable[[int], None]]:
        """Who is told how many of so many are done."""


@dataclass(frozen=True)
class Left:
    """What doing a stage left behind. digest: of its content."""

    digest: str
    rollouts: int = 0
    result: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Done:
    """A stage that is done. name: its place inside the wheel's folder. model: what a recipe calls it by, where it is one.

    inputs, digest: of what it was made from, and of what it made. seconds, dollars: of all its sessions.
    """

    name: str
    generation: int
    stage: str
    path: Path
    model: str
    inputs: str
    digest: str
    rollouts: int
    seconds: float
    dollars: float
    result: Mapping[str, Any]

    def evaluation(self, on: str | None = None) -> Evaluation:
        """What it was measured at when it was done: on the suite that decides, or on another."""
        evals = self.path / "evals"
        return Evaluation.load((evals / on.replace("/", "+") if on else evals) / "after.parquet")


Parents = Sequence[tuple[Done, Role]]
Work = Callable[[Path, Watcher, Budget], Left]


class Workshop:
    """Does stages in one folder, and remembers those of this call in `done`."""

    def __init__(self, folder: Path, lineage: Lineage, onlooker: Onlooker, budget: Budget) -> None:
        self.folder = folder.resolve()  # recipes name what is in it: that must hold from wherever they are continued
        self.lineage, self.onlooker, self.budget = lineage, onlooker, budget
        self.done: list[Done] = []

    def train(self, generation: int, stage: str, recipe: Recipe, parents: Parents = ()) -> Done:
        """An ordinary run. Raises as `learn.loop.train` does."""

        def work(path: Path, watcher: Watcher, budget: Budget) -> Left:
            if not (path / "recipe.toml").is_file():
                train(recipe, path, watcher, budget)
            else:
                stored, made_with = read_recipe(path)
                if stored != recipe:  # the same but for words, prices, and where things lie
                    write_recipe(path, recipe, made_with["base_sha256"])
                resume(path, [], watcher, budget)
            summary = json.loads((path / "summary.json").read_text())
            return Left(summary["policy_sha256"], summary["rollouts"], summary)

        return self.once(generation, stage, "model", recipe, asked_by(recipe, self.known), work, parents)

    def once(
        self, generation: int, stage: str, kind: Kind, recipe: Recipe, asked: Mapping[str, Any], work: Work,
        parents: Parents = (), model: str = "",
    ) -> Done:  # fmt: skip
        """Do this work where what is asked was not done before. model: the name of one that was there already.

        Raises what the work raises, an error with the stage's name before it; BudgetReached with what the whole wheel has spent.
        """
        inputs = digest_of(asked)
        name = f"gen-{generation}/{stage}-{inputs[:_NAMED_BY]}"
        path, title = self.folder / name, f"generation {generation}, {stage.replace('_', ' ')}"
        if (path / "stage.json").is_file():
            self.onlooker.stage(f"{title}: done before ({name})")
        else:
            self.onlooker.stage(f"{title}: {'going on in' if path.exists() else 'into'} {name}")
            self._do(path, title, work, recipe.run.dollars_per_hour, {"inputs": inputs, "asked": asked})
        done = self._read(generation, stage, name, inputs, model)
        self._remember(done, kind, dump_recipe(recipe, {}), parents)
        return done

    def whole(self, done: Done) -> str:
        """A model that training can start from: the run itself, or its adapter multiplied into one ordinary folder."""
        if not (done.path / "recipe.toml").is_file() or read_recipe(done.path)[0].policy.lora is None:
            return done.model
        merged = done.path / "merged"
        if not merged.exists():
            export(run_policy(done.path), merged)
        return str(merged)

    def known(self, key: str, path: str) -> str | None:
        """The digest of what a stage of this call made; of a run's rollouts, that of all it was made from as well."""
        for done in self.done:
            if path == done.model or Path(path).is_relative_to(done.path):
                return digest_of([done.inputs, done.digest]) if key == "runs" else done.digest
        return None

    def spent(self) -> Spent:
        """On the stages of this call, whenever they were done."""
        return Spent(sum(done.seconds for done in self.done) / 3600, sum(done.dollars for done in self.done))

    def _do(self, path: Path, title: str, work: Work, price: float, made_from: Mapping[str, Any]) -> None:
        before = self.spent()
        self.budget.check(before)
        left_over = Budget(self.budget.hours - before.hours, self.budget.dollars - before.dollars)
        path.parent.mkdir(exist_ok=True)
        try:
            with self.onlooker.run() as watcher:
                left = work(path, watcher, left_over)
        except BudgetReached:
            hours = _seconds(path) / 3600
            self.budget.check(Spent(before.hours + hours, before.dollars + hours * price))
            raise
        except OutgrowError as error:
            raise type(error)(f"{title}: {error}") from error
        seconds = _seconds(path)
        cost = {"seconds": round(seconds, 2), "dollars": round(seconds / 3600 * price, 4)}
        write_json(path / "stage.json", {**made_from, **asdict(left), **cost, "created": round(time.time(), 3)})

    def _read(self, generation: int, stage: str, name: str, inputs: str, model: str) -> Done:
        path = self.folder / name
        try:
            stored = json.loads((path / "stage.json").read_bytes())
            kept = {key: stored[key] for key in ("inputs", "digest", "rollouts", "seconds", "dollars", "result")}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise OutgrowError(f"{path / 'stage.json'}: cannot be read ({error}); remove it to have the stage looked at again") from error
        if stored["inputs"] != inputs:
            raise OutgrowError(f"{path} was made from other inputs than its name says; move it away")
        return Done(name=name, generation=generation, stage=stage, path=path, model=model or str(path), **kept)

    def _remember(self, done: Done, kind: Kind, recipe: str, parents: Parents) -> None:
        self.done.append(done)
        created = json.loads((done.path / "stage.json").read_bytes())["created"]
        artifact = Artifact(done.name, done.digest, kind, done.generation, done.stage, created)
        record = Record(done.inputs, recipe, done.rollouts, done.seconds, done.dollars, dict(done.result))
        self.lineage.write(artifact, record, [Edge(done.name, parent.name, role) for parent, role in parents])


def _seconds(path: Path) -> float:
    """What a stage took, over all its sessions."""
    return sum(seconds_by_phase(read_lines(path / "timings.jsonl")).values())
