"""A run's folder: made whole, opened with care, held by one process at a time."""

import fcntl
import os
import platform
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ..config import Recipe, dump_recipe, parse_recipe
from ..core.errors import OutgrowError, UsageError
from ..core.estimate import Estimate
from ..core.files import new_folder, write_atomic


def pass_at_1(row: Mapping[str, Any]) -> Estimate:
    """Return pass@1 of a row of summary.json: of `before`, of `after`, or the change of it in `paired_delta`."""
    low, high = row["ci95"]
    return Estimate(row["pass@1"], low, high, row["n"])


def versions() -> dict[str, str]:
    """What a run was made with."""
    packages = ("outgrow", "torch", "transformers", "tokenizers", "safetensors", "numpy", "pyarrow", "math-verify", "peft")
    return {"python": platform.python_version(), **{package: version(package) for package in packages}}


def create_run(path: Path, recipe: Recipe, digests: dict[str, str]) -> None:
    """Make the folder of a new run, with its resolved recipe in it. Raises UsageError where the folder is taken."""
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise UsageError(f"{path} already exists; continue it with: outgrow resume {path}   (or choose another --out)")
    try:
        # A folder appears under its name with its recipe already inside, so a kill never leaves one that cannot be resumed.
        with new_folder(path, suffix=f".{os.getpid()}") as unfinished:
            write_recipe(unfinished, recipe, digests)
    except OSError as error:
        raise OutgrowError(f"{path}: cannot make this run's folder ({error.strerror})") from error


def write_recipe(path: Path, recipe: Recipe, digests: dict[str, str]) -> None:
    """Write recipe.toml: the resolved recipe, and what it was made with: versions, and the digests of its models by name."""
    made_with = {"made_with": {**versions(), **digests}}
    write_atomic(path / "recipe.toml", dump_recipe(recipe, made_with).encode())


def read_recipe(path: Path, overrides: list[str] | None = None) -> tuple[Recipe, dict[str, Any]]:
    """A run's recipe, and what it was made with. Raises UsageError where there is none."""
    file = path / "recipe.toml"
    if not file.is_file():
        raise UsageError(f"{path}: no run here (no recipe.toml); start one with: outgrow train RECIPE --out {path}")
    try:
        values = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{file}: cannot read this recipe: {error}") from error
    made_with = values.pop("made_with", {})
    return parse_recipe(values, overrides or [], str(file)), made_with


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Hold a run so that no second process trains into it. Raises OutgrowError where one already does."""
    with (path / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise OutgrowError(f"{path}: another process is training into this run; wait for it, or stop it") from error
        yield  # the lock goes with the file handle, also when the process is killed
