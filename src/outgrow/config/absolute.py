"""Recipes whose paths mean the same from every folder, so that a run can be continued from any of them."""

from pathlib import Path
from typing import Any

from ..core.errors import UsageError
from ..core.inputs import InputKind, map_inputs
from ..policy.load import model_folder
from ..problems.chains.shape import THEN
from ..problems.held_out import HELD_OUT
from ..problems.named_table import absolute
from ..problems.suites import GROUPS, SUITES
from .schema import Recipe


def with_absolute_paths(recipe: Recipe) -> Recipe:
    """Return the recipe with absolute paths of files, runs, models and suites on this machine; other names stay as they are."""
    return map_inputs(recipe, _absolute)


def _absolute(kind: InputKind, name: Any) -> Any:
    if kind == "suite":
        if THEN in name and not Path(name).exists():
            return THEN.join(_absolute(kind, part.strip()) for part in name.split(THEN))
        return name if name in SUITES or name in GROUPS or name == HELD_OUT else absolute(name)
    place = Path(name).expanduser()
    if kind == "model" and not _is_local_model(name, place):
        return name
    return type(name)(place.absolute())


def _is_local_model(name: str, place: Path) -> bool:
    """Whether a model's name is a path: of a run, of a model's folder, or of a file."""
    if (place / "checkpoints").is_dir():
        return True
    try:
        return place.exists() and model_folder(name) == str(Path(name))
    except UsageError:
        return False
