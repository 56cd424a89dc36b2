"""Measures of an RL run, and the registry of all measures."""

import itertools
from collections.abc import Sequence

import numpy as np
from pydantic import Field, field_validator

from ..core.errors import nearest
from ..problems.chains.shape import ATOM, SPLITS
from .flywheel_measures import FLYWHEEL_MEASURES
from .measure import Measure
from .rl_result import Point, RLResult


class RolloutsTo(Measure):
    """Rollouts written until the validation pass rate (with `level`, of that level) reaches `target`. Where it never does: all
    rollouts of the run, as a lower bound. The curve is smoothed over three points and interpolated linearly."""

    comparison = "ratio"
    less_is_better = True

    type: str = "rollouts_to"
    target: float = Field(gt=0, lt=1)
    level: int | None = None

    @property
    def label(self) -> str:
        return f"rollouts to {self.target:g}" + (f" at level {self.level}" if self.level is not None else "")

    def value(self, result: RLResult) -> float | None:
        crossing = self._crossing(result)
        return float(result.rollouts) if crossing is None else crossing

    def reached(self, result: RLResult) -> bool:
        return self._crossing(result) is not None

    def _crossing(self, result: RLResult) -> float | None:
        points = _smoothed([(point.rollouts, self._rate(point)) for point in result.curve])
        if points[0][1] >= self.target:
            return float(points[0][0])
        for (before, low), (after, high) in itertools.pairwise(points):
            if low < self.target <= high:
                return before + (after - before) * (self.target - low) / (high - low)
        return None

    def _rate(self, point: Point) -> float:
        return point.pass_rate if self.level is None else point.levels[str(self.level)]


class PassRateAt(Measure):
    """The validation pass rate after `rollouts` rollouts, interpolated linearly between two points of the curve."""

    type: str = "pass_rate_at"
    rollouts: int = Field(ge=1)

    @property
    def label(self) -> str:
        return f"pass rate at {self.rollouts:,} rollouts"

    def value(self, result: RLResult) -> float | None:
        points = [(point.rollouts, point.pass_rate) for point in result.curve]
        for (before, low), (after, high) in itertools.pairwise(points):
            if before <= self.rollouts <= after:
                return low + (high - low) * (self.rollouts - before) / (after - before)
        return None


class PassAt1(Measure):
    """pass@1 on the recipe's suite after training."""

    type: str = "pass@1"

    @property
    def label(self) -> str:
        return "pass@1 after"

    def value(self, result: RLResult) -> float | None:
        return result.after


class Gain(Measure):
    """pass@1 on the recipe's suite after training minus that before."""

    null = 0.0

    type: str = "gain"

    @property
    def label(self) -> str:
        return "change of pass@1"

    def value(self, result: RLResult) -> float | None:
        return result.after - result.before


class OverPrepared(Measure):
    """pass@1 after training minus that of the prepared model `name`, such as a teacher."""

    type: str = "over_prepared"
    name: str

    @property
    def label(self) -> str:
        return f"pass@1 after minus {self.name}'s"

    def value(self, result: RLResult) -> float | None:
        return result.after - result.prepared[self.name] if self.name in result.prepared else None


class Alarm(Measure):
    """Whether there was an alarm that the judge is being gamed. The mean over an arm is the share of its runs."""

    less_is_better = True

    type: str = "alarm"

    @property
    def label(self) -> str:
        return "share of runs with an alarm"

    def value(self, result: RLResult) -> float | None:
        return float(result.alarm is not None)


class LostBeforeAlarm(Measure):
    """The best validation pass rate until the first alarm minus that at the alarm, smoothed as for `rollouts_to`. None without an
    alarm."""

    less_is_better = True

    type: str = "lost_before_alarm"

    @property
    def label(self) -> str:
        return "pass rate lost before the alarm"

    def value(self, result: RLResult) -> float | None:
        if result.alarm is None:
            return None
        points = _smoothed([(point.rollouts, point.pass_rate) for point in result.curve])
        at = float(np.interp(result.alarm, [rollouts for rollouts, _ in points], [rate for _, rate in points]))
        return max([at, *(rate for rollouts, rate in points if rollouts <= result.alarm)]) - at


class Tokens(Measure):
    """Mean length of a completion on the recipe's suite after training, in tokens."""

    comparison = "ratio"
    less_is_better = True

    type: str = "tokens"

    @property
    def label(self) -> str:
        return "tokens per completion"

    def value(self, result: RLResult) -> float | None:
        return result.tokens


class Retention(Measure):
    """pass@1 on training problems after training: `problems` of them, the same for all arms of a seed, with `samples` each."""

    type: str = "retention"
    problems: int = Field(default=240, ge=1)
    samples: int = Field(default=4, ge=1)

    @property
    def label(self) -> str:
        return "pass@1 on training problems after"

    def value(self, result: RLResult) -> float | None:
        return result.retention

    def is_measured(self, result: RLResult) -> bool:
        return result.retention is not None


class Lost(Measure):
    """Share of mastered problems (all right at two visits in a row) with a wrong answer among the samples of `retention`."""

    less_is_better = True

    type: str = "lost"

    @property
    def label(self) -> str:
        return "share of mastered problems with a wrong answer at the end"

    def value(self, result: RLResult) -> float | None:
        return result.lost


class LaterFailed(Measure):
    """Share of the mastered problems that were visited again which had a wrong answer then."""

    less_is_better = True

    type: str = "later_failed"

    @property
    def label(self) -> str:
        return "share of revisited mastered problems that failed"

    def value(self, result: RLResult) -> float | None:
        return result.failed / result.visited_again if result.visited_again else None


class LevelRate(Measure):
    """pass@1 after training on the problems of one level."""

    type: str = "pass@1_at_level"
    level: int

    @property
    def label(self) -> str:
        return f"pass@1 after, level {self.level}"

    def value(self, result: RLResult) -> float | None:
        return result.levels.get(str(self.level))


class SplitRate(Measure):
    """pass@1 after training on the chains of one split (problems/chains/shape.py)."""

    type: str = "pass@1_of"
    split: str

    @field_validator("split")
    @classmethod
    def _known_split(cls, split: str) -> str:
        return _require_split(split, SPLITS)

    @property
    def label(self) -> str:
        return f"pass@1 after, {self.split}"

    def value(self, result: RLResult) -> float | None:
        return result.splits[self.split].rate if self.split in result.splits else None


class SplitGap(Measure):
    """Synthesis gap after training on the chains of one split: pass@1 minus the product of their parts' (evaluate/synthesis.py).

    It also rises where training loses the parts.
    """

    null = 0.0
    neutral = True

    type: str = "gap_of"
    split: str

    @field_validator("split")
    @classmethod
    def _split_of_chains(cls, split: str) -> str:
        return _require_split(split, [other for other in SPLITS if other != ATOM])

    @property
    def label(self) -> str:
        return f"synthesis gap after, {self.split}"

    def value(self, result: RLResult) -> float | None:
        return result.splits[self.split].gap if self.split in result.splits else None


MEASURES: dict[str, type[Measure]] = {
    "rollouts_to": RolloutsTo,
    "pass_rate_at": PassRateAt,
    "pass@1": PassAt1,
    "gain": Gain,
    "over_prepared": OverPrepared,
    "tokens": Tokens,
    "alarm": Alarm,
    "lost_before_alarm": LostBeforeAlarm,
    "retention": Retention,
    "lost": Lost,
    "later_failed": LaterFailed,
    "pass@1_at_level": LevelRate,
    "pass@1_of": SplitRate,
    "gap_of": SplitGap,
    **FLYWHEEL_MEASURES,
}


def _require_split(split: str, known: Sequence[str]) -> str:
    if split not in known:
        raise ValueError(f"no split called {split!r} has this measure{nearest(split, known)}")
    return split


def _smoothed(points: list[tuple[int, float]]) -> list[tuple[int, float]]:
    rates = [rate for _, rate in points]
    means = [sum(part) / len(part) for part in (rates[max(0, at - 1) : at + 2] for at in range(len(rates)))]
    return [(rollouts, mean) for (rollouts, _), mean in zip(points, means, strict=True)]
