"""Rollouts of the next step, written while a step is learned from (`learn.ahead`)."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter

from ..core.callbacks import CheckStop
from ..types import GradedGroup

_GROUPS = TypeAdapter(list[GradedGroup])


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
        """Return what `state_dict` was made of. Raises ValueError or KeyError where nothing was."""
        whole, screened = (_GROUPS.validate_python(state[name], strict=False) for name in ("whole", "screened"))
        return cls(int(state["step"]), whole, screened)


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
