"""What is compared: evaluations of runs and files, by suite."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..core.errors import OutgrowError, UsageError
from ..core.shell import command_line
from .open_model import is_run

if TYPE_CHECKING:
    from ..evaluate import Evaluation
    from ..evaluate.compare import Side
    from ..runs.folder import When

Suites = dict[str, "list[Side]"]


def by_suite(sides: Sequence[str]) -> tuple[Suites, list[OutgrowError]]:
    """Return suite -> what is compared on it, the baseline first; and why the sides that are missing there cannot be read.

    Raises UsageError if the sides share no suite, and OutgrowError if the baseline, or every other side, cannot be read.
    """
    from ..evaluate.compare import Side

    named = [_named(side) for side in sides]
    unread: list[OutgrowError] = []
    if len(named) == 1:
        [(_, paths)] = named
        require_existing(paths)
        if not all(is_run(str(path)) for path in paths):
            raise UsageError(
                f"{sides[0]}: nothing to compare with; give a second path (a single run is compared with its own start)"
            )
        moments: tuple[When, ...] = ("before", "after")
        seeds_of: list[tuple[str, list[dict[str, Evaluation]]]] = [
            (when, [of_run(path, when) for path in paths]) for when in moments
        ]
    else:
        (baseline, first), *others = named
        seeds_of = [(baseline, [_measured(path) for path in first])]
        for name, paths in others:
            try:
                seeds_of.append((name, [_measured(path) for path in paths]))
            except OutgrowError as error:
                unread.append(error)
        if len(seeds_of) == 1:
            raise unread[0]
    if len({name for name, _ in seeds_of}) < len(seeds_of):
        raise UsageError("two sides have the same name; name them apart: NAME=PATH")
    everything = [measured for _, seeds in seeds_of for measured in seeds]
    if all(len(measured) == 1 for measured in everything):  # a single suite, whatever each file calls it
        return {"": [Side(name, [only(measured) for measured in seeds]) for name, seeds in seeds_of]}, unread
    shared = [suite for suite in everything[0] if all(suite in measured for measured in everything)]
    if not shared:
        raise UsageError(
            "these were not measured on a common suite; measure them with: outgrow eval MODEL --on SUITES --out FOLDER"
        )
    return {suite: [Side(name, [measured[suite] for measured in seeds]) for name, seeds in seeds_of] for suite in shared}, unread


def _named(side: str) -> tuple[str, list[Path]]:
    """Return the name and the paths of [NAME=]PATH[,PATH...]."""
    name, equals, rest = ("", "", side) if Path(side).exists() else side.partition("=")
    rest = rest if equals else side
    paths = [Path(part) for part in rest.split(",") if part]
    if not paths:
        raise UsageError(f"{side!r}: no path; write [NAME=]PATH[,PATH...]")
    return (name if equals else paths[0].stem if paths[0].suffix == ".parquet" else paths[0].name), paths


def _measured(path: Path) -> "dict[str, Evaluation]":
    """Return suite -> evaluation of a run, a folder of Parquet files, or a Parquet file."""
    from ..evaluate import Evaluation

    if is_run(str(path)):
        return of_run(path, "after")
    if path.is_dir():
        evaluations = {file.stem: Evaluation.load(file) for file in sorted(path.glob("*.parquet"))}
        if not evaluations:
            raise UsageError(
                f"{path}: neither a run nor a folder of evaluations; make one with: outgrow eval MODEL --on SUITES --out {path}"
            )
        return evaluations
    require_existing([path])
    return {path.stem: Evaluation.load(path)}


def require_existing(paths: Sequence[Path]) -> None:
    """Raise UsageError where one of the files or folders does not exist."""
    for path in paths:
        if not path.exists():
            raise UsageError(f"{path}: this file or folder does not exist")


def of_run(run: Path, when: "When") -> "dict[str, Evaluation]":
    """Return a run's suite -> its evaluation before or after training. Raises UsageError if it was not measured then."""
    from ..evaluate import Evaluation
    from ..problems.named_table import label
    from ..runs.folder import RunFolder, read_recipe

    file = RunFolder(run).evaluation(when)
    if not file.exists():
        raise UsageError(f"{run}: not measured {when} training; finish the run with: {command_line('resume', run)}")
    return {label(read_recipe(run)[0].evaluate.suite): Evaluation.load(file)}


def only(measured: "dict[str, Evaluation]") -> "Evaluation":
    """Return the evaluation on the only suite."""
    [evaluation] = measured.values()
    return evaluation
