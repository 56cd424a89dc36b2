"""What is read off a flywheel. The last student is that of the last generation, whether or not it was shown to be the best."""

from pydantic import Field

from .flywheel_result import FlywheelTrialResult, Score
from .measure import Measure


class WheelMeasure(Measure):
    """One that is read off a flywheel."""

    reads = FlywheelTrialResult


class Student(WheelMeasure):
    """pass@1 of the last student on the suite that decides, of one level where said."""

    type: str = "student"
    level: int | None = None

    @property
    def label(self) -> str:
        return "last student's pass@1" + (f" at level {self.level}" if self.level is not None else "")

    def of(self, result: FlywheelTrialResult) -> float | None:
        return _rate(result.turns[-1].student, self.level)


class OverTeacher(WheelMeasure):
    """pass@1 of the last student, less that of the teacher it was beside, which may be the student before it; with `first`, less
    that of the teacher that the wheel began with: has it outgrown it?"""

    type: str = "over_teacher"
    first: bool = False

    @property
    def label(self) -> str:
        return f"last student's pass@1, less {'the first' if self.first else 'its'} teacher's"

    def of(self, result: FlywheelTrialResult) -> float | None:
        return result.turns[-1].student.rate - result.turns[0 if self.first else -1].teacher.rate


class BaseGain(WheelMeasure):
    """pass@1 of the last base, which learned from the data of the generations before, less that of the first, which had none.
    Below 0, the data spoils what learns from it: collapse."""

    type: str = "base_gain"
    level: int | None = None

    @property
    def label(self) -> str:
        return "last base's pass@1, less the first's" + (f", at level {self.level}" if self.level is not None else "")

    def of(self, result: FlywheelTrialResult) -> float | None:
        first, last = (_rate(turn.base, self.level) for turn in (result.turns[0], result.turns[-1]))
        return None if first is None or last is None else last - first


class Precision(WheelMeasure):
    """Share of the made rows of all generations whose label is right by the known answers."""

    type: str = "precision"

    @property
    def label(self) -> str:
        return "label precision"

    def of(self, result: FlywheelTrialResult) -> float | None:
        made = [turn.data for turn in result.turns if turn.data is not None and turn.data.precision is not None]
        rows = sum(data.kept for data in made)
        return sum(data.kept * (data.precision or 0.0) for data in made) / rows if rows else None


class PassAtK(WheelMeasure):
    """pass@k of the last student, less that of the first base, with k samples a problem at least: does the wheel lose what the base
    could do now and then?"""

    type: str = "pass@k"
    k: int = Field(default=64, ge=1)

    @property
    def label(self) -> str:
        return f"last student's pass@{self.k}, less the first base's"

    def of(self, result: FlywheelTrialResult) -> float | None:
        return result.last_student[str(self.k)] - result.first_base[str(self.k)]

    def known(self, result: FlywheelTrialResult) -> bool:
        return str(self.k) in result.last_student


WHEEL_MEASURES: dict[str, type[Measure]] = {
    "student": Student,
    "over_teacher": OverTeacher,
    "base_gain": BaseGain,
    "precision": Precision,
    "pass@k": PassAtK,
}


def _rate(score: Score, level: int | None) -> float | None:
    return score.rate if level is None else score.levels.get(str(level))
