"""Measures of a flywheel. The last student is that of the last generation, also where an earlier one was better."""

from pydantic import Field

from .flywheel_result import FlywheelTrialResult, Score
from .measure import Measure


class FlywheelMeasure(Measure):
    """A measure of a flywheel's result."""

    reads = FlywheelTrialResult


class Student(FlywheelMeasure):
    """pass@1 of the last student on the suite that decides; with `level`, of that level."""

    type: str = "student"
    level: int | None = None

    @property
    def label(self) -> str:
        return "last student's pass@1" + (f" at level {self.level}" if self.level is not None else "")

    def value(self, result: FlywheelTrialResult) -> float | None:
        return _rate(result.turns[-1].student, self.level)


class OverTeacher(FlywheelMeasure):
    """pass@1 of the last student minus that of its teacher, which may be the student before it; with `first`, minus that of the
    first teacher."""

    type: str = "over_teacher"
    first: bool = False

    @property
    def label(self) -> str:
        return f"last student's pass@1 minus {'the first' if self.first else 'its'} teacher's"

    def value(self, result: FlywheelTrialResult) -> float | None:
        return result.turns[-1].student.rate - result.turns[0 if self.first else -1].teacher.rate


class BaseGain(FlywheelMeasure):
    """pass@1 of the last base, which learned from the data of earlier generations, minus that of the first, which had no such data.
    A value below 0 means that the data makes the model worse (collapse)."""

    type: str = "base_gain"
    level: int | None = None

    @property
    def label(self) -> str:
        return "last base's pass@1 minus the first's" + (f" at level {self.level}" if self.level is not None else "")

    def value(self, result: FlywheelTrialResult) -> float | None:
        first, last = (_rate(turn.base, self.level) for turn in (result.turns[0], result.turns[-1]))
        return None if first is None or last is None else last - first


class Precision(FlywheelMeasure):
    """Share of the synthetic rows of all generations whose label is right by the known answers."""

    type: str = "precision"

    @property
    def label(self) -> str:
        return "label precision"

    def value(self, result: FlywheelTrialResult) -> float | None:
        checked = [turn.data for turn in result.turns if turn.data is not None and turn.data.precision is not None]
        rows = sum(data.kept for data in checked)
        return sum(data.kept * (data.precision or 0.0) for data in checked) / rows if rows else None


class PassAtK(FlywheelMeasure):
    """pass@k of the last student minus that of the first base. Below 0, the flywheel has lost answers that the base gives rarely.
    Each problem is sampled max(k) times, over all measures of this type."""

    type: str = "pass@k"
    k: int = Field(default=64, ge=1)

    @property
    def label(self) -> str:
        return f"last student's pass@{self.k} minus the first base's"

    def value(self, result: FlywheelTrialResult) -> float | None:
        return result.last_student[str(self.k)] - result.first_base[str(self.k)]

    def is_measured(self, result: FlywheelTrialResult) -> bool:
        return str(self.k) in result.last_student


FLYWHEEL_MEASURES: dict[str, type[Measure]] = {
    "student": Student,
    "over_teacher": OverTeacher,
    "base_gain": BaseGain,
    "precision": Precision,
    "pass@k": PassAtK,
}


def _rate(score: Score, level: int | None) -> float | None:
    return score.rate if level is None else score.levels.get(str(level))
