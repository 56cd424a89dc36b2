"""Where training helped and where it failed: kinds of failure, won and lost problems, pass rates by difficulty and length."""

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
_LENGTHS = 5  # parts of equal size, by length


@dataclass(frozen=True)
class FailureRow:
    """One kind of failure, before and after training."""

    failure: Failure
    shares: Comparison
    """Share of a problem's samples that fail this way."""
    count_before: int
    count_after: int
    before: list[Sample]
    """Examples, of different problems."""
    after: list[Sample]
    """Examples, of different problems."""


@dataclass(frozen=True)
class Transitions:
    """Numbers of problems by their greedy answers before and after training."""

    won: int
    """Wrong before, right after."""
    lost: int
    """Right before, wrong after."""
    kept: int
    """Right both times."""
    never: int
    """Wrong both times."""


@dataclass(frozen=True)
class Part:
    """Pass rates before and after training of one part of the problems, or of the answers."""

    label: str
    compared: Comparison


@dataclass(frozen=True)
class Analysis:
    """The whole analysis. What is not measured yet is empty or None."""

    failures: list[FailureRow]
    transitions: Transitions | None
    by_base: list[Part]
    by_length: list[Part]
    journeys: list[Journey]

    def fates(self) -> dict[Fate, int]:
        """Return the number of problems of each fate that occurs."""
        counts = Counter(journey.fate for journey in self.journeys)
        return {fate: counts[fate] for fate in FATES if counts[fate]}


def analyze(data: RunData) -> Analysis:
    """Analyze a run as far as it has come. Raises OutgrowError where before and after are of different problems."""
    before, after = data.before, data.after
    both = (before, after) if before and after else None
    if both and both[0].pass_rates().keys() != both[1].pass_rates().keys():
        raise OutgrowError("the measurements before and after training are of different problems, so they cannot be compared")
    return Analysis(
        failures=_failures(before, after),
        transitions=_transitions(*both) if both else None,
        by_base=_by_base(*both) if both else [],
        by_length=_by_length(before, after),
        journeys=journeys(data.visits.in_training()),
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
    """Return for each problem the share of its samples that are among these; None where nothing was measured."""
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
    """Return the gains by how often the base was right.

    One half of the base's samples sorts the problems, the other half is compared. With the same samples for both, weak problems
    would seem to gain and strong ones to lose (regression to the mean).
    """
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
    """Return the pass rates from the shortest to the longest answers, in parts of equal size over both sides."""
    sides = [[s for part in side.drawn().values() for s in part] if side else [] for side in (before, after)]
    lengths = sorted(sample.length for side in sides for sample in side if sample.length is not None)
    if not lengths:
        return []
    ends = sorted({lengths[len(lengths) * part // _LENGTHS - 1] for part in range(1, _LENGTHS + 1)})
    parts, start = [], lengths[0]
    for end in ends:
        first, second = (
            mean_estimate(_rates([s for s in side if s.length is not None and start <= s.length <= end])) for side in sides
        )
        parts.append(Part(f"{start}–{end}" if start < end else str(end), Comparison(first, second, None)))
        start = end + 1
    return parts


def _rates(samples: Sequence[Sample]) -> list[float]:
    """Return the share of right samples of each problem."""
    by_problem: dict[str, list[Sample]] = {}
    for sample in samples:
        by_problem.setdefault(sample.problem_id, []).append(sample)
    return [_share_right(part) for part in by_problem.values()]


def _share_right(samples: Sequence[Sample]) -> float:
    return sum(sample.right for sample in samples) / len(samples)
