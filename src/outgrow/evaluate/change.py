"""What training did to the policy: before, after and change, each with its interval, over all, by cell and by problem."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ..core.errors import OutgrowError
from ..core.estimate import Estimate
from .evaluation import Evaluation
from .sample import Sample
from .statistics import mean_estimate

# A bootstrap over fewer problems than this is too narrow to say "changed" of a single cell.
_FEWEST_PROBLEMS = 5


@dataclass(frozen=True)
class Comparison:
    """One figure before and after, and its paired change. None where it was not measured yet."""

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
    """Return name of a measure -> its comparison; every measure is a mean over problems, so all have the same n.

    Raises OutgrowError where the two evaluations are of different problems.
    """
    first = before.measures() if before else {}
    second = after.measures() if after else {}
    if before and after and first["pass@1"].keys() != second["pass@1"].keys():
        raise OutgrowError("the before and after measurements of this run are of different problems, so they cannot be compared")
    return {name: compared(first.get(name), second.get(name), shares=name != "length") for name in {**first, **second}}


def grid(before: Evaluation | None, after: Evaluation | None) -> Grid:
    """Return pass rates by field and level, with means of each row, of each column and of all."""
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
        cells={cell: compared(only(first, problems), only(second, problems)) for cell, problems in members.items()},
    )


def largest_changes(before: Evaluation, after: Evaluation, count: int) -> tuple[list[ProblemChange], list[ProblemChange]]:
    """Return the most surprising gains and losses, up to `count` of each.

    A gain is more surprising the larger it is and the fewer problems of its field and level are solved after training; a loss the
    more of them are. Fields and levels take turns, so that none of them fills the list.
    """
    first, second = before.pass_rates(), after.pass_rates()
    drawn_before, drawn_after = before.drawn(), after.drawn()
    places = {problem: (samples[0].field, samples[0].level) for problem, samples in drawn_after.items()}
    usual = {cell: _mean(rates) for cell, rates in after.cells().items()}

    def shown(problem: str, won: bool) -> ProblemChange:
        return ProblemChange(
            before_rate=first[problem],
            after_rate=second[problem],
            before=_example(drawn_before[problem], right=not won),
            after=_example(drawn_after[problem], right=won),
        )

    def ranked(won: bool) -> list[ProblemChange]:
        surprise = {
            problem: abs(second[problem] - first[problem]) * abs(usual[places[problem]] - won)
            for problem in first
            if (second[problem] - first[problem]) * (1 if won else -1) > 0
        }
        turns: Counter[tuple[str, int]] = Counter()
        order: list[tuple[int, str]] = []
        for problem in sorted(surprise, key=lambda problem: -surprise[problem]):
            order.append((turns[places[problem]], problem))
            turns[places[problem]] += 1
        return [shown(problem, won) for _, problem in sorted(order, key=lambda pair: pair[0])[:count]]

    return ranked(won=True), ranked(won=False)


def compared(before: Mapping[str, float] | None, after: Mapping[str, float] | None, shares: bool = True) -> Comparison:
    """Return the means over problems, and of the differences problem by problem; both sides hold the same problems.

    shares: whether the values are shares.
    """
    paired = [after[problem] - before[problem] for problem in before] if before and after else None
    first, second = (list(values.values()) if values else None for values in (before, after))
    least, least_change = (0.0, -1.0) if shares else (None, None)
    return Comparison(mean_estimate(first, least), mean_estimate(second, least), mean_estimate(paired, least_change))


def shows_change(change: Estimate) -> bool:
    """Return whether a change of one cell excludes 0, over enough problems to say so."""
    return change.excludes() and change.n >= _FEWEST_PROBLEMS


def only(rates: Mapping[str, float] | None, problems: Sequence[str]) -> dict[str, float] | None:
    return {problem: rates[problem] for problem in problems} if rates else None


def _example(samples: Sequence[Sample], right: bool) -> Sample:
    """Return the first sample that is right (or that is not), else the first of all."""
    return next((sample for sample in samples if sample.right is right), samples[0])


def _mean(values: Iterable[float]) -> float:
    numbers = list(values)
    return sum(numbers) / len(numbers)
