"""What a run costs: every second of its sessions is a figure in timings.jsonl, and the machine has a price an hour."""

import math
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ..core.amounts import PRICES, TIMES, dollars, duration, hours, money, typed_dollars, typed_hours
from ..core.errors import UsageError
from ..core.json_lines import append_line, read_lines, write_lines

Timing = Mapping[str, float]


@dataclass(frozen=True)
class Spent:
    """What all sessions of a run took so far. dollars is 0 where the recipe names no price."""

    hours: float
    dollars: float


class BudgetReached(Exception):
    """A run has spent its budget. str() says what was spent; `options` are for the `outgrow resume` that continues it."""

    def __init__(self, spent: Spent, options: str) -> None:
        price = f" and {money(spent.dollars)}" if spent.dollars else ""
        super().__init__(f"{duration(3600 * spent.hours)}{price}")
        self.options = options


@dataclass(frozen=True)
class Budget:
    """What a run may spend over all its sessions. Default: no limit."""

    hours: float = math.inf
    dollars: float = math.inf

    def require_price(self, dollars_per_hour: float) -> None:
        """Raise UsageError where dollars are limited and the price of an hour is not set."""
        if math.isfinite(self.dollars) and not dollars_per_hour:
            raise UsageError("a budget in dollars needs the price of the machine; add, for example: --set run.dollars_per_hour=2.5")

    def check(self, spent: Spent) -> None:
        """Raise BudgetReached once one of the two limits is reached. It proposes twice the limit, and the other as it is."""
        limits = ((typed_hours, spent.hours, self.hours), (typed_dollars, spent.dollars, self.dollars))
        if any(used >= limit for _, used, limit in limits):
            again = [
                typed(limit if used < limit else _doubled(max(used, limit)))
                for typed, used, limit in limits
                if math.isfinite(limit)
            ]
            raise BudgetReached(spent, f"--budget {','.join(again)}")


def parse_budget(texts: Sequence[str]) -> Budget:
    """Return the budget that a person wrote: a time, an amount of dollars, or both, in one text with a comma or in two texts.

    Raises UsageError where a text is neither, and where two are of the same kind.

    >>> parse_budget(["10h,$25"]), parse_budget([])
    (Budget(hours=10.0, dollars=25.0), Budget(hours=inf, dollars=inf))
    """
    limits: dict[str, float] = {}
    for text in (part.strip() for whole in texts for part in whole.split(",")):
        kind = "dollars" if re.search(r"[$]|usd|dollar", text.lower()) else "hours"
        if kind in limits:
            raise UsageError(
                f"--budget {','.join(texts)}: give one time and one amount of dollars, for example: --budget 10h,25usd"
            )
        try:
            limits[kind] = dollars(text) if kind == "dollars" else hours(text)
        except UsageError as error:
            raise UsageError(
                f"--budget {','.join(texts)}: {text!r} is neither a time ({TIMES}) nor an amount of dollars ({PRICES})"
            ) from error
    return Budget(**limits)


def _doubled(value: float) -> float:
    """Return twice the value to three digits: a proposal reads better as 20 than as 20.0412."""
    return float(f"{2 * value:.3g}")


def seconds_by_phase(timings: Iterable[Timing]) -> dict[str, float]:
    """Return phase -> seconds, summed over the lines of timings.jsonl.

    >>> seconds_by_phase([{"step": 0, "loading": 2.0}, {"step": 1, "learning": 3.5}, {"step": 2, "learning": 4.0}])
    {'loading': 2.0, 'learning': 7.5}
    """
    totals: dict[str, float] = {}
    for row in timings:
        for phase, seconds in row.items():
            if phase != "step":
                totals[phase] = totals.get(phase, 0.0) + seconds
    return totals


def spent(timings: Iterable[Timing], dollars_per_hour: float) -> Spent:
    """Return hours and dollars of the lines of timings.jsonl.

    >>> spent([{"step": 1, "generation": 1500.0, "learning": 300.0}], dollars_per_hour=2.5)
    Spent(hours=0.5, dollars=1.25)
    """
    hours = sum(seconds_by_phase(timings).values()) / 3600
    return Spent(hours, hours * dollars_per_hour)


def folded(timings: Iterable[Timing], step: int) -> list[Timing]:
    """Return the lines through `step` and one with the seconds of all later ones: that work is done again, but was paid for.

    >>> folded([{"step": 1, "learning": 3.0}, {"step": 2, "learning": 4.0}, {"step": 3, "learning": 5.0}], 1)
    [{'step': 1, 'learning': 3.0}, {'step': 1, 'lost': 9.0}]
    """
    rows = list(timings)
    kept = [row for row in rows if row["step"] <= step]
    lost = sum(seconds_by_phase(row for row in rows if row["step"] > step).values())
    return [*kept, {"step": step, "lost": round(lost, 4)}] if lost else kept


class Meter:
    """Writes timings.jsonl so that its figures add up to the wall-clock of every session, from `began` to the last line.

    Only what kill −9 takes is not in it: the seconds since the last line, a step or a measurement at most.
    """

    def __init__(self, file: Path, dollars_per_hour: float, began: float, budget: Budget) -> None:
        """began: of this session, by time.perf_counter()."""
        self._file, self._dollars_per_hour, self._last, self._budget = file, dollars_per_hour, began, budget
        self._step, self.seconds = 0, 0.0

    def rewind(self, step: int) -> None:
        """Fold the lines of later steps into one (see `folded`): training continues after `step`."""
        rows = folded(read_lines(self._file), step)
        write_lines(self._file, rows)
        self._step, self.seconds = step, sum(seconds_by_phase(rows).values())

    def spent(self) -> Spent:
        """Return what the run took so far, through the last line."""
        return spent([{"step": self._step, "all": self.seconds}], self._dollars_per_hour)

    def check(self) -> None:
        """Raise BudgetReached once the run has spent its budget, through the last line."""
        self._budget.check(self.spent())

    def check_now(self) -> None:
        """Raise as `check`, with the time since the last line: for work that writes no lines for long."""
        since = time.perf_counter() - self._last
        self._budget.check(spent([{"step": self._step, "all": self.seconds + since}], self._dollars_per_hour))

    def write(self, step: int, rest: str, seconds: Timing | None = None) -> None:
        """Write a line for the time since the last one: `seconds` by phase, and what is left under the name `rest`."""
        now = time.perf_counter()
        phases = dict(seconds or {})
        phases[rest] = round(max(0.0, now - self._last - sum(phases.values())), 4)
        append_line(self._file, {"step": step, **phases})
        self._step, self._last = step, now
        self.seconds += sum(phases.values())

    def close(self) -> None:
        """Write down the time since the last line: of a step that was given up, of putting things away."""
        with suppress(OSError):  # a full disk has been reported already
            self.write(self._step, "other")
