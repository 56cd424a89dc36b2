"""What each step came to, as columns: a run of 100,000 steps keeps 4 MB, and a sampler's sum over them grows by one step a step."""

from array import array
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import astuple, dataclass
from typing import Any, TypeVar, overload

from ..types import Visit

T = TypeVar("T")


@dataclass(frozen=True)
class StepTotals:
    """Counts over the visits of one step."""

    step: int
    groups: int = 0
    mixed: int = 0
    """Groups with both right and wrong rollouts."""
    n: int = 0
    """Rollouts."""
    right: int = 0
    """Right rollouts."""


_WIDTH = len(astuple(StepTotals(0)))


class StepHistory(Sequence[StepTotals]):
    """The totals of every step that had visits, in order."""

    def __init__(self, flat: bytes = b"") -> None:
        """flat: what `as_bytes` returned. Raises ValueError where it is not."""
        self._flat = array("q")
        self._flat.frombytes(flat)
        if len(self._flat) % _WIDTH:
            raise ValueError("not whole totals of steps")
        self._sums: dict[Hashable, tuple[int, Any]] = {}

    def as_bytes(self) -> bytes:
        """Return all totals, eight bytes a number."""
        return self._flat.tobytes()

    def __len__(self) -> int:
        return len(self._flat) // _WIDTH

    @overload
    def __getitem__(self, index: int) -> StepTotals: ...

    @overload
    def __getitem__(self, index: slice) -> list[StepTotals]: ...

    def __getitem__(self, index: int | slice) -> StepTotals | list[StepTotals]:
        places = range(len(self))[index]
        return self._at(places) if isinstance(places, int) else [self._at(place) for place in places]

    def __iter__(self) -> Iterator[StepTotals]:
        return (self._at(place) for place in range(len(self)))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, StepHistory) and self._flat == other._flat

    __hash__ = None  # type: ignore[assignment]

    def _at(self, place: int) -> StepTotals:
        return StepTotals(*self._flat[_WIDTH * place : _WIDTH * (place + 1)])

    def observe(self, visit: Visit) -> None:
        """Count a visit; steps come in order."""
        flat = self._flat
        if not flat or flat[-_WIDTH] != visit.step:
            flat.extend((visit.step, 0, 0, 0, 0))
        flat[-4] += 1
        flat[-3] += 0 < visit.right < visit.n
        flat[-2] += visit.n
        flat[-1] += visit.right

    def fold(self, key: Hashable, start: T, advance: Callable[[T, StepTotals], T], before: int) -> T:
        """Return `advance` over the totals of all steps earlier than `before`, from `start`.

        What was summed for an earlier call with this key is not summed again: a key stands for one `start` and one `advance`.
        """
        done, value = 0, start
        known: tuple[int, T] | None = self._sums.get(key)
        if known is not None:
            done, value = known
        if done and self._flat[_WIDTH * (done - 1)] >= before:
            done, value = 0, start
        last = len(self) - 1
        for place in range(done, len(self)):
            totals = self._at(place)
            if totals.step >= before:
                break
            value = advance(value, totals)
            if place < last:  # the last step may still grow
                self._sums[key] = place + 1, value
        return value
