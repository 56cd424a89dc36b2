"""Where training helped and where it failed: kinds of failure, turns of problems, and what goes with length and difficulty."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from ..core.errors import OutgrowError
from ..evaluate import Evaluation
from ..evaluate.change import Comparison, compared, only
from ..evaluate.failure_kinds import Failure, failure_of
from ..evaluate.sample import Sample
from ..evaluate.statistics import mean_estimate
from .data import RunData
from .journeys import FATES, Fate, Journey, journeys

_EXAMPLES = 3
_LENGTHS = 5  # parts of equal size that answers are sorted into by their length


@dataclass(frozen=True)
class FailureRow:
    """One kind of failure: its share of a problem's samples before and after, and examples of different problems of each."""

    failure: Failure
    shares: Comparison
    count_before: int
    count_after: int
    before: list[Sample]
    after: list[Sample]


@dataclass(frozen=True)
class Transitions:
    """Problems by their greedy answers, before and after."""

    won: int
    lost: int
    kept: int
    never: int


@dataclass(frozen=True)
class Part:
    """Pass rates before and after of one part of the problems, or of the answers."""

    label: str
    compared: Comparison


@dataclass(frozen=True)
class Analysis:
    """All of it; what was not measured yet is empty or None."""

    failures: list[FailureRow]
    transitions: Transitions | None
    by_base: list[Part]
    by_length: list[Part]
    journeys: list[Journey]

    def fates(self) -> dict[Fate, int]:
        """How many problems met each fate, those that none met left out."""
        counts = Counter(journey.fate for journey in self.journeys)
        return {fate: counts[fate] for fate in FATES if counts[fate]}


def analyze(data: RunData) -> Analysis:
    """Of a run as far as it is."""
    before, after = data.before, data.after
    both = (before, after) if before and after else None
    if both and both[0].pass_rates().keys() != both[1].pass_rates().keys():
        raise OutgrowError("the before and after measurements of this run are of different problems, so they cannot be compared")
    return Analysis(
        failures=_failures(before, after),
        transitions=_transitions(*both) if both else None,
        by_base=_by_base(*both) if both else [],
        by_length=_by_length(before, after),
        journeys=journeys(visit for visit in data.visits if visit.step > 0),
    )


def _failures(before: Evaluation | None, after: Evaluation | None) -> list[FailureRow]:
    first, second = (_by_kind(evaluation) if evaluation else {} for evaluation in (before, after))
    return [
        FailureRow(
            failure=kind,
            shares=compared(_shares(before, first.get(kind, [])), _shares(after, second.get(kind, []))),
            count_before=len(first.get(kind, [])),
            count_after=len(second.get(kind, [])),
            before=_of_different_problems(first.get(kind, [])),
            after=_of_different_problems(second.get(kind, [])),
        )
        for kind in Failure
        if kind in first or kind in second
    ]


def _by_kind(evaluation: Evaluation) -> dict[Failure, list[Sample]]:
    kinds: dict[Failure, list[Sample]] = {}
    for samples in evaluation.drawn().values():
        for sample in samples:
            if failure := failure_of(sample):
                kinds.setdefault(failure, []).append(sample)
    return kinds


def _shares(evaluation: Evaluation | None, samples: Sequence[Sample]) -> dict[str, float] | None:
    """Problem -> the share of its samples that are among these; None where nothing was measured."""
    if evaluation is None:
        return None
    counts = Counter(sample.problem_id for sample in samples)
    return {problem: counts[problem] / evaluation.k for problem in evaluation.pass_rates()}


def _of_different_problems(samples: Sequence[Sample]) -> list[Sample]:
    first: dict[str, Sample] = {}
    for sample in samples:
        first.setdefault(sample.problem_id, sample)
    return list(first.values())[:_EXAMPLES]


def _transitions(before: Evaluation, after: Evaluation) -> Transitions:
    first, second = before.measures()["greedy"], after.measures()["greedy"]
    counts = Counter((first[problem], second[problem]) for problem in first)
    return Transitions(won=counts[0, 1], lost=counts[1, 0], kept=counts[1, 1], never=counts[0, 0])


def _by_base(before: Evaluation, after: Evaluation) -> list[Part]:
    """Gains by how often the base was right. Its samples are split: one half says where a problem belongs, the other is compared;
    the same ones for both would show gains of the weak and losses of the strong where there are none (regression to the mean)."""
    drawn, second = before.drawn(), after.pass_rates()
    if before.k < 2:
        return []
    parts: dict[float, list[str]] = {}
    first: dict[str, float] = {}
    for problem, samples in drawn.items():
        sorting, rest = samples[::2], samples[1::2]
        first[problem] = _share_right(rest)
        parts.setdefault(_share_right(sorting), []).append(problem)
    return [Part(f"{rate:.0%} right", compared(only(first, parts[rate]), only(second, parts[rate]))) for rate in sorted(parts)]


def _by_length(before: Evaluation | None, after: Evaluation | None) -> list[Part]:
    """Pass rates of the shortest answers to the longest; the answers of both sides together are cut into equal parts."""
    sides = [[s for part in side.drawn().values() for s in part] if side else [] for side in (before, after)]
    lengths = sorted(sample.length for side in sides for sample in side)
    if not lengths:
        return []
    ends = sorted({lengths[len(lengths) * part // _LENGTHS - 1] for part in range(1, _LENGTHS + 1)})
    parts, start = [], lengths[0]
    for end in ends:
        first, second = (mean_estimate(_rates([s for s in side if start <= s.length <= end])) for side in sides)
        parts.append(Part(f"{start}–{end}" if start < end else str(end), Comparison(first, second, None)))
        start = end + 1
    return parts


def _rates(samples: Sequence[Sample]) -> list[float]:
    """Of each problem among them, the share that is right."""
    by_problem: dict[str, list[Sample]] = {}
    for sample in samples:
        by_problem.setdefault(sample.problem_id, []).append(sample)
    return [_share_right(part) for part in by_problem.values()]


def _share_right(samples: Sequence[Sample]) -> float:
    return sum(sample.right for sample in samples) / len(samples)
