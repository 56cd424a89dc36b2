"""What is read off a run of reinforcement learning; and the names of all measures."""

import itertools

import numpy as np
from pydantic import Field

from .flywheel_measures import WHEEL_MEASURES
from .measure import Measure
from .rl_result import Point, RLResult


class RolloutsTo(Measure):
    """Rollouts written until the validation pass rate (of one level, where said) reaches `target`; where it does not, all of the
    run's, a lower bound. The curve is smoothed over three looks, and read between them in proportion."""

    compared = "ratio"
    less_is_better = True

    type: str = "rollouts_to"
    target: float = Field(gt=0, lt=1)
    level: int | None = None

    @property
    def label(self) -> str:
        return f"rollouts to {self.target:g}" + (f" at level {self.level}" if self.level is not None else "")

    def of(self, result: RLResult) -> float | None:
        found = self._crossing(result)
        return float(result.rollouts) if found is None else found

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
    """The validation pass rate once so many rollouts are written, read between two looks in proportion."""

    type: str = "pass_rate_at"
    rollouts: int = Field(ge=1)

    @property
    def label(self) -> str:
        return f"pass rate at {self.rollouts:,} rollouts"

    def of(self, result: RLResult) -> float | None:
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

    def of(self, result: RLResult) -> float | None:
        return result.after


class OverPrepared(Measure):
    """pass@1 after training, less that of what was prepared under `name` (a teacher): is the student better?"""

    type: str = "over_prepared"
    name: str

    @property
    def label(self) -> str:
        return f"pass@1 after, less {self.name}'s"

    def of(self, result: RLResult) -> float | None:
        return result.after - result.prepared[self.name] if self.name in result.prepared else None


class Alarm(Measure):
    """Whether an alarm rang that the teacher is being fooled: of an arm, the share of its runs."""

    less_is_better = True

    type: str = "alarm"

    @property
    def label(self) -> str:
        return "share of runs with an alarm"

    def of(self, result: RLResult) -> float | None:
        return float(result.alarm is not None)


class LostBeforeAlarm(Measure):
    """The best validation pass rate until the first alarm, less that at the alarm; smoothed as for `rollouts_to`. None where no
    alarm rang."""

    less_is_better = True

    type: str = "lost_before_alarm"

    @property
    def label(self) -> str:
        return "pass rate lost before the alarm"

    def of(self, result: RLResult) -> float | None:
        if result.alarm is None:
            return None
        points = _smoothed([(point.rollouts, point.pass_rate) for point in result.curve])
        at = float(np.interp(result.alarm, [rollouts for rollouts, _ in points], [rate for _, rate in points]))
        return max([at, *(rate for rollouts, rate in points if rollouts <= result.alarm)]) - at


class Tokens(Measure):
    """Mean completion on the recipe's suite after training."""

    compared = "ratio"
    less_is_better = True

    type: str = "tokens"

    @property
    def label(self) -> str:
        return "tokens a completion"

    def of(self, result: RLResult) -> float | None:
        return result.tokens


class Retention(Measure):
    """pass@1, after training, of the training problems themselves (`problems` of them, the same for all arms of a seed, `samples`
    each)."""

    type: str = "retention"
    problems: int = Field(default=240, ge=1)
    samples: int = Field(default=4, ge=1)

    @property
    def label(self) -> str:
        return "pass@1 of training problems after"

    def of(self, result: RLResult) -> float | None:
        return result.retention

    def known(self, result: RLResult) -> bool:
        return result.retention is not None


class Lost(Measure):
    """Share of mastered problems (all right at two visits in a row) that have a wrong answer among the samples of `retention`."""

    less_is_better = True

    type: str = "lost"

    @property
    def label(self) -> str:
        return "mastered problems with a wrong answer at the end"

    def of(self, result: RLResult) -> float | None:
        return result.lost


class LaterFailed(Measure):
    """Share of mastered problems, visited again, that had a wrong answer then."""

    less_is_better = True

    type: str = "later_failed"

    @property
    def label(self) -> str:
        return "mastered problems that failed later, of those visited again"

    def of(self, result: RLResult) -> float | None:
        return result.failed / result.visited_again if result.visited_again else None


MEASURES: dict[str, type[Measure]] = {
    "rollouts_to": RolloutsTo,
    "pass_rate_at": PassRateAt,
    "pass@1": PassAt1,
    "over_prepared": OverPrepared,
    "tokens": Tokens,
    "alarm": Alarm,
    "lost_before_alarm": LostBeforeAlarm,
    "retention": Retention,
    "lost": Lost,
    "later_failed": LaterFailed,
    **WHEEL_MEASURES,
}


def _smoothed(points: list[tuple[int, float]]) -> list[tuple[int, float]]:
    rates = [rate for _, rate in points]
    means = [sum(part) / len(part) for part in (rates[max(0, at - 1) : at + 2] for at in range(len(rates)))]
    return [(rollouts, mean) for (rollouts, _), mean in zip(points, means, strict=True)]
