"""What training did to the policy: before, after and change, each with its interval, over all, by cell and by problem."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ..errors import OutgrowError
from ..evaluate import Evaluation
from ..evaluate.sample import Sample
from ..evaluate.statistics import bootstrap_ci95

# A bootstrap over fewer problems than this is too narrow to say "changed" of a single cell.
_FEWEST_PROBLEMS = 5


@dataclass(frozen=True)
class Estimate:
    """A mean over n problems, with its 95% interval."""

    value: float
    low: float
    high: float
    n: int

    @property
    def excludes_zero(self) -> bool:
        """Whether the interval lies on one side of 0."""
        return self.low > 0 or self.high < 0

    @property
    def shows_change(self) -> bool:
        """For a change: whether it is told apart from none, over problems enough to say so."""
        return self.excludes_zero and self.n >= _FEWEST_PROBLEMS


@dataclass(frozen=True)
class Comparison:
    """One figure before and after, and its paired change. What was not measured yet is None."""

    before: Estimate | None
    after: Estimate | None
    change: Estimate | None


@dataclass(frozen=True)
class Grid:
    """Pass rates by field and level. A field or level of None stands for all of them."""

    fields: list[str]
    levels: list[int]
    cells: Mapping[tuple[str | None, int | None], Comparison]


@dataclass(frozen=True)
class ProblemChange:
    """A problem whose pass rate moved, with one completion from before and one from after that show it."""

    before_rate: float
    after_rate: float
    before: Sample
    after: Sample


def compare(before: Evaluation | None, after: Evaluation | None) -> dict[str, Comparison]:
    """Name of a measure -> its comparison; every measure is a mean over problems, so that all have the same n.

    Raises OutgrowError where the two evaluations are of different problems.
    """
    first = before.measures() if before else {}
    second = after.measures() if after else {}
    if before and after and first["pass@1"].keys() != second["pass@1"].keys():
        raise OutgrowError("the before and after measurements of this run are of different problems, so they cannot be compared")
    return {name: _comparison(first.get(name), second.get(name)) for name in {**first, **second}}


def grid(before: Evaluation | None, after: Evaluation | None) -> Grid:
    """Pass rate by field and level, with each row, each column and the whole summed up."""
    known = before or after
    if known is None:
        return Grid([], [], {})
    places = {sample.problem_id: (sample.field, sample.level) for sample in known.samples}
    members: dict[tuple[str | None, int | None], list[str]] = defaultdict(list)
    for problem in known.pass_rates():
        field, level = places[problem]
        for cell in ((field, level), (field, None), (None, level), (None, None)):
            members[cell].append(problem)
    first, second = (evaluation.pass_rates() if evaluation else None for evaluation in (before, after))
    return Grid(
        fields=list(dict.fromkeys(field for field, _ in places.values())),
        levels=sorted({level for _, level in places.values()}),
        cells={cell: _comparison(_only(first, problems), _only(second, problems)) for cell, problems in members.items()},
    )


def largest_changes(before: Evaluation, after: Evaluation, count: int) -> tuple[list[ProblemChange], list[ProblemChange]]:
    """The problems whose pass rate rose most, and those whose pass rate fell most; at most `count` of each.

    Among equal changes, fields take turns, so that one field does not fill the list.
    """
    first, second = before.pass_rates(), after.pass_rates()
    drawn_before, drawn_after = before.drawn(), after.drawn()
    turns: Counter[tuple[str, float]] = Counter()
    ranked: list[tuple[float, int, str]] = []
    for problem in first:
        change = second[problem] - first[problem]
        turn = (drawn_before[problem][0].field, change)
        ranked.append((change, turns[turn], problem))
        turns[turn] += 1

    def shown(problem: str, won: bool) -> ProblemChange:
        return ProblemChange(
            before_rate=first[problem],
            after_rate=second[problem],
            before=_example(drawn_before[problem], right=not won),
            after=_example(drawn_after[problem], right=won),
        )

    won = sorted((row for row in ranked if row[0] > 0), key=lambda row: (-row[0], row[1]))
    lost = sorted((row for row in ranked if row[0] < 0), key=lambda row: (row[0], row[1]))
    return [shown(row[2], True) for row in won[:count]], [shown(row[2], False) for row in lost[:count]]


def _comparison(before: Mapping[str, float] | None, after: Mapping[str, float] | None) -> Comparison:
    paired = [after[problem] - before[problem] for problem in before] if before and after else None
    first, second = (list(values.values()) if values else None for values in (before, after))
    return Comparison(_estimate(first), _estimate(second), _estimate(paired))


def _estimate(values: Sequence[float] | None) -> Estimate | None:
    """Mean and interval; None where nothing was measured."""
    return Estimate(_mean(values), *bootstrap_ci95(values), n=len(values)) if values else None


def _only(rates: Mapping[str, float] | None, problems: Sequence[str]) -> dict[str, float] | None:
    return {problem: rates[problem] for problem in problems} if rates else None


def _example(samples: Sequence[Sample], right: bool) -> Sample:
    """The first sample that is right (or is not), or the first of all where none is."""
    return next((sample for sample in samples if sample.right is right), samples[0])


def _mean(values: Iterable[float]) -> float:
    numbers = list(values)
    return sum(numbers) / len(numbers)
