"""Who is better, and whether that is shown: the comparisons that move the roles up and stop the wheel."""

from dataclasses import asdict, dataclass
from typing import Any

from ..evaluate import Evaluation
from ..evaluate.compare import Against, Side, against

_MARGIN = 0.02  # pass@1; in the words of a verdict alone


@dataclass(frozen=True)
class Promotion:
    """A generation's student less its teacher, and less the best student before it (None in the first generation).

    Paired problem by problem on the same held-out problems.
    """

    teacher: Against
    best: Against | None

    @property
    def promotes(self) -> bool:
        """Whether the student takes the teacher's place: only where it is shown to be better.

        Both roads are open where nothing is shown. To say that a student has outgrown its teacher is a claim, so it takes its
        interval; and what the next base learns from should not get worse by chance, as it would half of the time if the student
        took over whenever the two look alike.
        """
        return self.teacher.verdict == "better"

    @property
    def improves(self) -> bool:
        """Whether this student is shown to be better than any before; the first one is."""
        return self.best is None or self.best.verdict == "better"

    def figures(self) -> dict[str, Any]:
        """Return both comparisons as the wheel's files keep them."""
        sides = {"teacher": self.teacher, "best": self.best}
        return {name: _figures(side) for name, side in sides.items() if side is not None}


def promotion(student: Evaluation, teacher: Evaluation, best: Evaluation | None) -> Promotion:
    """Compare what three models were measured at. Raises UsageError where that was on different problems."""
    one = Side("student", [student])
    return Promotion(
        against(one, Side("teacher", [teacher]), _MARGIN),
        against(one, Side("best student before", [best]), _MARGIN) if best else None,
    )


def _figures(side: Against) -> dict[str, Any]:
    values = asdict(side)
    return {**values, "n": values["change"].pop("n"), "verdict": side.verdict}
