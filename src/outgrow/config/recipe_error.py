"""What is wrong in a recipe, in one line: where it is written, which key, what the key takes, and what to write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from ..core.errors import UsageError
from ..core.refusals import Refusal, example_of, refusals, sentence, toml_line
from ..core.type_words import listed, toml
from .hints import Stage, hints, tell
from .written import FileLayer, Layer, Place, place_of

_KINDS = {"rl": "train", "sft": "sft", "flywheel": "flywheel"}
"""Kind of a recipe -> the command that runs it."""


class RecipeError(UsageError):
    """A recipe that its schema refuses."""

    def __init__(
        self,
        name: str,
        values: Mapping[str, Any],
        error: ValidationError,
        model: type[BaseModel],
        stage: Stage | None = None,
        layers: Sequence[Layer] = (),
    ) -> None:
        """name: what the recipe is called where no line is known. values: its TOML values. error, model: what refused it. stage:
        of a flywheel, a table with the keys of a recipe. layers: where its keys are written, the one that counts first.
        """
        self._about = (name, values, error, model, stage)
        super().__init__(_told(*self._about, layers))

    def located(self, layers: Sequence[Layer]) -> RecipeError:
        """Return the same error with the file and line, or the option, that it is about."""
        return RecipeError(*self._about, layers)

    def caused_by_kind(self, layers: Sequence[Layer]) -> UsageError | None:
        """Return the error of a layer that sets another kind than the recipe below it has, where a key of that recipe is refused.

        None where another thing is wrong.
        """
        _, values, error, model, _ = self._about
        kinds = [layer.depth(("kind",)) == 1 for layer in layers]
        if True not in kinds or (first := refusals(error, model)[0]).kind != "extra_forbidden":
            return None
        above, below = layers[: kinds.index(True) + 1], layers[kinds.index(True) + 1 :]
        if not _deepest(first.path, below) > _deepest(first.path, above):
            return None
        place = place_of(("kind",), layers)
        base = next(layer.name for layer in below if isinstance(layer, FileLayer))
        kind = toml(values["kind"])
        return UsageError(
            f"{_where(place, base)}: kind = {kind} does not fit the recipe {base!r} below it, since a recipe of this kind has no "
            f"{first.key}; remove this line, or extend a recipe of kind {kind}"
        )


def _deepest(path: tuple[int | str, ...], layers: Sequence[Layer]) -> int:
    return max((layer.depth(path) for layer in layers), default=0)


def _told(
    name: str,
    values: Mapping[str, Any],
    error: ValidationError,
    model: type[BaseModel],
    stage: Stage | None,
    layers: Sequence[Layer],
) -> str:
    refused = refusals(error, model)
    found = hints(values, refused, model, stage)
    if found:
        place = place_of(found[0].path, layers)
        return f"{_where(place, name)}: {tell(found, place)}"
    first = refused[0]
    place = place_of(first.path, layers)
    return f"{_where(place, name)}: {_one(first, place)}"


def _where(place: Place | None, name: str) -> str:
    return place.where if place is not None else name


def _one(refusal: Refusal, place: Place | None) -> str:
    """Return what is wrong, and what to write at this place."""
    path, given = refusal.field_path, refusal.given
    if path == ("kind",):
        known = listed([f"{toml(kind)} (outgrow {command})" for kind, command in _KINDS.items()])
        return f"kind takes {known}, not {toml(given)}"
    if path == ("extends",):
        return 'extends is read from a file only; write it in the first line of a .toml file, for example: extends = "micro"'
    said = sentence(refusal, ["extends"] if len(path) == 1 else [])
    value = example_of(refusal)
    if value is None:
        return said
    return f"{said}; for example: {place.write(path, value) if place is not None else toml_line(path, value)}"
