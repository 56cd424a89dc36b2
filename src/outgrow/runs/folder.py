"""A run's folder: made whole, opened with care, held by one process at a time."""

import copy
import fcntl
import os
import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from ..config import Recipe, dump_recipe, parse_recipe, with_absolute_paths
from ..config.load import option_layers
from ..config.recipe_error import RecipeError
from ..config.written import FileLayer
from ..core.disk import fault_of
from ..core.errors import OutgrowError, UsageError, reason
from ..core.estimate import Estimate
from ..core.files import (
    is_empty,
    is_temporary,
    new_folder,
    open_plain,
    parse_json,
    read_plain,
    remove_temporary,
    require_writable,
    write_atomic,
)
from ..core.new_path import require_folders_above
from ..core.rollout_log import rollouts_folder
from ..core.shell import command_line
from ..core.toml_file import read_toml

When = Literal["before", "after"]
"""When a run was measured: before or after training."""


@dataclass(frozen=True)
class RunFolder:
    """The files of a run's folder, by name. A run that is not finished lacks some of them."""

    path: Path

    @property
    def recipe(self) -> Path:
        """The resolved recipe, and what it was made with. A folder with it is a run."""
        return self.path / "recipe.toml"

    @property
    def metrics(self) -> Path:
        """A JSON line of figures for each step; equal for equal runs."""
        return self.path / "metrics.jsonl"

    @property
    def validation(self) -> Path:
        """A JSON line for each look at the validation problems: how often each one was answered right."""
        return self.path / "validation.jsonl"

    @property
    def worse(self) -> Path:
        """That held-out problems got worse, why, and what to change; there only where they did."""
        return self.path / "worse.json"

    @property
    def timings(self) -> Path:
        """JSON lines of seconds by phase, over all sessions."""
        return self.path / "timings.jsonl"

    @property
    def actors(self) -> Path:
        """A JSON line for each step of what each actor did; there only with `engine.actors`."""
        return self.path / "actors.jsonl"

    @property
    def warnings(self) -> Path:
        """A JSON line for each warning, with its time and step."""
        return self.path / "warnings.jsonl"

    @property
    def sessions(self) -> Path:
        """A JSON line for each session: when it began, and how it ended."""
        return self.path / "sessions.jsonl"

    @property
    def data(self) -> Path:
        """A digest of every problem that the run reads."""
        return self.path / "data.parquet"

    @property
    def ledger(self) -> Path:
        """Problems and visits (SQLite); SFT keeps none."""
        return self.path / "ledger.sqlite"

    @property
    def judge_cache(self) -> Path:
        """A judge's scores (SQLite)."""
        return self.path / "judge.sqlite"

    @property
    def rollouts(self) -> Path:
        """Parquet files of rollouts, one a step, and one for every 100 finished steps; SFT writes none."""
        return rollouts_folder(self.path)

    @property
    def checkpoints(self) -> Path:
        """The folder of checkpoints."""
        return self.path / "checkpoints"

    @property
    def latest(self) -> Path:
        """A link to the newest checkpoint."""
        return self.checkpoints / "latest"

    def checkpoint(self, step: int) -> Path:
        """Return the folder of the checkpoint of a step."""
        return self.checkpoints / self.checkpoint_name(step)

    @staticmethod
    def checkpoint_name(step: int) -> str:
        """Return the name of the folder of the checkpoint of a step."""
        return f"step-{step:06d}"

    @property
    def evals(self) -> Path:
        """The folder of measurements."""
        return self.path / "evals"

    def evaluation(self, when: When, suite: str | None = None) -> Path:
        """Return the file of samples from before or after training, on the run's own suite or on another one it names."""
        return (self.evals / suite.replace("/", "+") if suite else self.evals) / f"{when}.parquet"

    @property
    def calibration(self) -> Path:
        """How good the ledger's estimates are."""
        return self.evals / "calibration.json"

    @property
    def drift(self) -> Path:
        """Other suites over the checkpoints."""
        return self.evals / "drift.json"

    @property
    def summary(self) -> Path:
        """The figures before and after; written last."""
        return self.path / "summary.json"

    @property
    def report(self) -> Path:
        """The run's page."""
        return self.path / "report.html"

    @property
    def lock(self) -> Path:
        """Held by the process that trains."""
        return self.path / ".lock"

    def is_run(self) -> bool:
        """Return whether this is the folder of a run."""
        return self.recipe.exists()

    def read_summary(self) -> dict[str, Any]:
        """Return what summary.json holds. Raises OSError or ValueError where it cannot be read."""
        summary = parse_json(read_plain(self.summary))
        if not isinstance(summary, dict):
            raise ValueError("it is not a JSON object")
        return summary


def pass_at_1(row: Mapping[str, Any]) -> Estimate:
    """Return pass@1 of a row of summary.json: of `before`, of `after`, or the change of it in `paired_delta`."""
    low, high = row["ci95"]
    return Estimate(row["pass@1"], low, high, row["n"])


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that decide what a run computes."""
    packages = ("outgrow", "torch", "transformers", "tokenizers", "safetensors", "numpy", "pyarrow", "mpmath", "peft")
    return {"python": platform.python_version(), **{package: version(package) for package in packages}}


def create_run(path: Path, recipe: Recipe, digests: dict[str, str]) -> None:
    """Make the folder of a new run, with its resolved recipe in it. Raises UsageError where the folder is taken."""
    if path.exists() and (not path.is_dir() or not is_empty(path)):
        raise UsageError(f"{path} already exists; continue it with: {command_line('resume', path)}   (or choose another --out)")
    require_folders_above(path)
    try:
        if path.exists():  # empty, and kept: it may be the folder that a shell or this process works in
            write_recipe(path, recipe, {**versions(), **digests})
            return
        # A folder appears under its name with its recipe already inside, so a kill never leaves one that cannot be resumed.
        with new_folder(path, suffix=f".{os.getpid()}") as unfinished:
            write_recipe(unfinished, recipe, {**versions(), **digests})
    except OSError as error:
        raise OutgrowError(f"{path}: cannot make this run's folder ({error.strerror})") from error


def write_recipe(path: Path, recipe: Recipe, made_with: Mapping[str, Any]) -> None:
    """Write recipe.toml: the resolved recipe, and what it was made with.

    made_with: versions, the digests of its models by name, and under `changed` what was changed when it was resumed.
    """
    write_atomic(RunFolder(path).recipe, dump_recipe(recipe, {"made_with": dict(made_with)}).encode())


def read_recipe(path: Path, overrides: list[str] | None = None) -> tuple[Recipe, dict[str, Any]]:
    """Return a run's recipe, and what it was made with. overrides: their paths are meant from the present folder.

    Raises UsageError where this is not the folder of a run.
    """
    file = RunFolder(path).recipe
    if not file.exists():
        raise UsageError(f"{path}: no run here (no recipe.toml); start one with: outgrow train RECIPE --out {path}")
    try:
        text, values = read_toml(file)
    except (OSError, ValueError) as error:
        raise UsageError(f"{file}: cannot read this recipe: {reason(error)}") from error
    made_with = values.pop("made_with", {})
    if not isinstance(made_with, dict):
        raise UsageError(f"{file}: made_with is not a table; restore this recipe from a copy")
    layer = FileLayer(str(file), text, copy.deepcopy(values))
    try:
        recipe = parse_recipe(values, overrides or [], str(file))
    except RecipeError as error:
        raise error.located([*option_layers(overrides or []), layer]) from error
    return with_absolute_paths(recipe), made_with


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Hold a run so that no second process trains into it, and remove what a killed process left half written.

    Raises OutgrowError where another process holds it, where the folder cannot be written, or where a part of it is a link.
    """
    require_writable(path)
    require_no_links(path)
    files = RunFolder(path)
    try:
        lock = open_plain(files.lock, os.O_RDWR | os.O_CREAT)  # not emptied: it may be another file's other name
    except OSError as error:
        raise OutgrowError(f"{files.lock}: cannot be opened: {fault_of(error) or reason(error)}") from error
    with os.fdopen(lock, "r+b"):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise OutgrowError(f"{path}: another process is training into this run; wait for it, or stop it") from error
        except OSError as error:
            raise OutgrowError(f"{path}: cannot be locked: {fault_of(error) or reason(error)}") from error
        for folder in (path, files.rollouts, files.evals, files.checkpoints):
            remove_temporary(folder)
        yield  # the lock goes with the file handle, also when the process is killed


def require_no_links(path: Path) -> None:
    """Raise OutgrowError where a part of a run's folder is a link, so that a run of a stranger changes no file outside of it.

    The link to the newest checkpoint is the run's own, and so is one with a temporary name, which `held` removes. Files that are
    only ever replaced (rollouts) may be links.
    """
    files = RunFolder(path)
    written = (path, files.checkpoints, *files.checkpoints.glob("*"), files.evals, *files.evals.glob("**/"))
    for folder in dict.fromkeys(written):
        if folder.is_dir() and not folder.is_symlink():
            for entry in os.scandir(folder):
                if entry.is_symlink() and Path(entry.path) != files.latest and not is_temporary(entry.name):
                    raise OutgrowError(
                        f"{entry.path} is a link, and nothing is written through a link in a run's folder; remove it, or put a "
                        "copy of what it points to in its place"
                    )
