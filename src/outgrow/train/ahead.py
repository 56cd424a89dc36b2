"""Rollouts of the next step, written while a step is learned from (`learn.ahead`)."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError

from ..config import RLRecipe
from ..core.callbacks import CheckStop, Warn
from ..core.changes import differences, flat, sentence
from ..types import GradedGroup

_GROUPS = TypeAdapter(list[GradedGroup])
_DECIDING: dict[str, Any] = {
    **dict.fromkeys(("seed", "problems", "prompt", "sampling", "verify", "curriculum"), True),
    "learn": {"problems_per_step", "group_size", "steps"},
    "evaluate": {"suite", "validation"},  # what is held out is not practised
}


@dataclass(frozen=True)
class Collected:
    """The groups of one step."""

    step: int
    whole: Sequence[GradedGroup]
    screened: Sequence[GradedGroup]
    """Groups that screening ended early."""

    @property
    def rollouts(self) -> int:
        """Number of rollouts of all groups."""
        return sum(len(group.rollouts) for group in (*self.whole, *self.screened))

    def state_dict(self) -> dict[str, Any]:
        """Return it as JSON values, floats to the last bit: a checkpoint keeps it, since the weights that wrote it are gone."""
        groups = {name: _GROUPS.dump_python(list(getattr(self, name)), mode="json") for name in ("whole", "screened")}
        return {"step": self.step, **groups}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> "Collected":
        """Return what `state_dict` was made of. Raises ValueError, KeyError or TypeError where nothing was."""
        whole, screened = (_groups(state, name) for name in ("whole", "screened"))
        if {group.step for group in (*whole, *screened)} != {state["step"]}:
            raise ValueError(f"rollouts written ahead: they are not of step {state['step']!r}")
        return cls(state["step"], whole, screened)


def _groups(state: dict[str, Any], name: str) -> list[GradedGroup]:
    try:
        return _GROUPS.validate_python(state[name], strict=False)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, (name, *first["loc"])))
        raise ValueError(f"rollouts written ahead: {place}: {first['msg']}") from error


def deciding(recipe: RLRecipe) -> dict[str, Any]:
    """Return the settings that decide which groups a step has, by their keys in a recipe, as JSON values."""
    return flat(recipe.model_dump(mode="json", include=_DECIDING))


def taken_over(state: dict[str, Any], recipe: RLRecipe, warn: Warn) -> Collected | None:
    """Return the groups that a checkpoint holds of the next step; None where the recipe would write others now, which is told.

    state: of `Collected`, with the `deciding` settings that they were written with. Raises as `Collected.from_state` does.
    """
    found, now = Collected.from_state(state), deciding(recipe)
    changed = differences(state.get("settings", now), now)
    if recipe.learn.ahead and not changed:
        return found
    why = f"written with other settings ({sentence(changed)})" if recipe.learn.ahead else "learn.ahead is 0 now"
    warn(f"{found.rollouts} rollouts that were written ahead are dropped: {why}")
    return None


class _CancelledError(Exception):
    pass


class InBackground:
    """One collection that goes on in a thread of its own.

    The picks follow from the ledger as it is at the start, so the ledger must not change before `result`.
    """

    def __init__(self, collect: Callable[[CheckStop], Collected], check_stop: CheckStop) -> None:
        """Start it. collect: does the work. check_stop: may raise, here as in the thread of the caller."""
        self._cancelled = threading.Event()
        self._found: Collected | None = None
        self._error: BaseException | None = None

        def stop() -> None:
            if self._cancelled.is_set():
                raise _CancelledError
            check_stop()

        def work() -> None:
            try:
                self._found = collect(stop)
            except BaseException as error:  # it is raised again in the thread that asks for the result
                self._error = error

        self._thread = threading.Thread(target=work, name="ahead", daemon=True)
        self._thread.start()

    def result(self) -> Collected:
        """Wait for the end and return what was collected. Raises what the collection raised; may be called again."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        assert self._found is not None
        return self._found

    def cancel(self) -> None:
        """End it at its next token, and wait for that."""
        self._cancelled.set()
        self._thread.join()
