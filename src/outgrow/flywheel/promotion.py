"""Promotion: whether a student takes its teacher's place, and whether it is better than any student before it."""

from dataclasses import asdict, dataclass
from typing import Any

from ..evaluate import Evaluation
from ..evaluate.compare import Against, Side, against

_MARGIN = 0.02  # pass@1; only the words of a verdict use it


@dataclass(frozen=True)
class Promotion:
    """A generation's student compared with two other models, paired problem by problem on the same held-out problems."""

    teacher: Against
    """The student less its teacher."""
    best: Against | None
    """The student less the best student before it; None in the first generation."""

    @property
    def promotes(self) -> bool:
        """Whether the student takes the teacher's place: only where it is shown to be better.

        To say that a student has outgrown its teacher is a claim, so it takes an interval above 0. And the data for the next base
        should not get worse by chance, as it would half of the time if the student took over whenever the two look alike.
        """
        return self.teacher.verdict == "better"

    @property
    def improves(self) -> bool:
        """Whether this student is shown to be better than any before; the first one is."""
        return self.best is None or self.best.verdict == "better"

    def as_json(self) -> dict[str, Any]:
        """Return the comparisons as plain values."""
        comparisons = {"teacher": self.teacher, "best": self.best}
        return {name: _as_json(comparison) for name, comparison in comparisons.items() if comparison is not None}


def promotion(student: Evaluation, teacher: Evaluation, best: Evaluation | None) -> Promotion:
    """Compare a student with its teacher and the best student before. Raises UsageError where their problems differ."""
    side = Side("student", [student])
    return Promotion(
        against(side, Side("teacher", [teacher]), _MARGIN),
        against(side, Side("best student before", [best]), _MARGIN) if best else None,
    )


def _as_json(comparison: Against) -> dict[str, Any]:
    values = asdict(comparison)
    return {**values, "n": values["change"].pop("n"), "verdict": comparison.verdict}
