"""What is compared: evaluations of runs and files, by suite."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..core.errors import UsageError
from .open_model import is_run

if TYPE_CHECKING:
    from ..evaluate import Evaluation
    from ..evaluate.compare import Side


Suites = dict[str, "list[Side]"]


def by_suite(sides: Sequence[str]) -> Suites:
    """Suite -> what is compared on it, the first being the baseline. Raises UsageError where nothing pairs up."""
    from ..evaluate.compare import Side

    named = [_named(side) for side in sides]
    if len(named) == 1:
        [(_, paths)] = named
        if not all(is_run(str(path)) for path in paths):
            raise UsageError(
                f"{sides[0]}: with what shall it be compared? Name a second side (a run alone is compared with its start)"
            )
        found = [("before", [of_run(path, "before") for path in paths]), ("after", [of_run(path, "after") for path in paths])]
    else:
        found = [(name, [_of(path) for path in paths]) for name, paths in named]
    if len({name for name, _ in found}) < len(found):
        raise UsageError("two sides have the same name; give them others, as NAME=PATH")
    everywhere = [one for _, seeds in found for one in seeds]
    if all(len(one) == 1 for one in everywhere):  # one suite, whatever each calls it
        return {"": [Side(name, [only(one) for one in seeds]) for name, seeds in found]}
    shared = [suite for suite in everywhere[0] if all(suite in one for one in everywhere)]
    if not shared:
        raise UsageError(
            "these were not measured on any suite in common; measure them with: outgrow eval MODEL --on SUITES --out FOLDER"
        )
    return {suite: [Side(name, [one[suite] for one in seeds]) for name, seeds in found] for suite in shared}


def _named(side: str) -> tuple[str, list[Path]]:
    name, equals, rest = ("", "", side) if Path(side).exists() else side.partition("=")
    rest = rest if equals else side
    paths = [Path(part) for part in rest.split(",") if part]
    if not paths:
        raise UsageError(f"{side!r}: no path; give [NAME=]PATH[,PATH...]")
    return (name if equals else paths[0].stem if paths[0].suffix == ".parquet" else paths[0].name), paths


def _of(path: Path) -> "dict[str, Evaluation]":
    """Suite -> what was measured of one policy."""
    from ..evaluate import Evaluation

    if is_run(str(path)):
        return of_run(path, "after")
    if path.is_dir():
        found = {file.stem: Evaluation.load(file) for file in sorted(path.glob("*.parquet"))}
        if not found:
            raise UsageError(
                f"{path}: neither a run nor a folder of measurements; make one with: outgrow eval MODEL --on SUITES --out {path}"
            )
        return found
    if not path.is_file():
        raise UsageError(f"{path}: there is no such file or folder")
    return {path.stem: Evaluation.load(path)}


def of_run(run: Path, when: str) -> "dict[str, Evaluation]":
    """Its suite -> what was measured of a run, before or after training. Raises UsageError where it was not."""
    from ..evaluate import Evaluation
    from ..runs.folder import read_recipe

    file = run / "evals" / f"{when}.parquet"
    if not file.is_file():
        raise UsageError(f"{run}: not measured {when} training; end the run with: outgrow resume {run}")
    return {read_recipe(run)[0].evaluate.suite: Evaluation.load(file)}


def only(measured: "dict[str, Evaluation]") -> "Evaluation":
    """Of the one suite that there is."""
    [evaluation] = measured.values()
    return evaluation
