"""What training did to chains: pass rates and synthesis gaps by split, pass@k, and pairs of fields, before and after."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from ..core.errors import OutgrowError
from ..problems.chains.shape import Shape, shape_of_field, split_of_chain
from .change import Comparison
from .evaluation import Evaluation
from .shared_parts import mean_over_chains
from .synthesis import chains_of, gaps, parts_of, splits_of

ALL_CHAINS = "all chains"


@dataclass(frozen=True)
class SplitChange:
    """A split of chains, before and after training; also of all chains together, and of the problems that are no chains."""

    split: str
    pass_at_1: Comparison
    gap: Comparison
    """None three times where it has no chain all of whose parts were measured."""
    pass_at_k: Mapping[int, Comparison]
    """k -> pass@k, for k from 2."""


@dataclass(frozen=True)
class Pair:
    """The chains of two fields; of all pairs that begin or end with a field where the other is None."""

    first: str | None
    second: str | None
    split: str
    """Empty where a field is None."""
    pass_at_1: Comparison


def compare_splits(before: Evaluation | None, after: Evaluation | None, practised: Collection[Shape]) -> list[SplitChange]:
    """Return every split that the evaluations have, in the order of SPLITS, and then all chains; nothing without chains.

    Raises OutgrowError where the two are of different problems.
    """
    known = _known(before, after)
    if known is None or not (chains := chains_of(known)):
        return []
    first, second = (evaluation.measures() if evaluation else {} for evaluation in (before, after))
    gap_before, gap_after = (gaps(evaluation) if evaluation else None for evaluation in (before, after))
    parts = parts_of(known)
    sizes = sorted(int(name.removeprefix("pass@")) for name in {**first, **second} if name.startswith("pass@"))
    return [
        SplitChange(
            split=split,
            pass_at_1=_compared(first.get("pass@1"), second.get("pass@1"), problems, parts),
            gap=_compared(gap_before, gap_after, problems, parts, least=-1),
            pass_at_k={k: _compared(first.get(f"pass@{k}"), second.get(f"pass@{k}"), problems, parts) for k in sizes if k > 1},
        )
        for split, problems in {**splits_of(known, practised), ALL_CHAINS: list(chains)}.items()
    ]


def compare_pairs(before: Evaluation | None, after: Evaluation | None, practised: Collection[Shape]) -> list[Pair]:
    """Return the pass rates of every pair of fields that the evaluations have, of each first, of each second, and of all pairs.

    Chains of more than two fields are not among them. Raises OutgrowError where the two are of different problems.
    """
    known = _known(before, after)
    if known is None:
        return []
    members: dict[tuple[str | None, str | None], list[str]] = defaultdict(list)
    splits: dict[tuple[str | None, str | None], str] = {}
    for problem, sample in chains_of(known).items():
        shape = shape_of_field(sample.field)
        if shape and shape.depth == 2:
            first, second = shape.fields
            splits[first, second] = split_of_chain(shape, practised)
            for place in ((first, second), (first, None), (None, second), (None, None)):
                members[place].append(problem)
    rates_before, rates_after = (evaluation.pass_rates() if evaluation else None for evaluation in (before, after))
    parts = parts_of(known)
    return [
        Pair(*place, splits.get(place, ""), _compared(rates_before, rates_after, problems, parts))
        for place, problems in members.items()
    ]


def _known(before: Evaluation | None, after: Evaluation | None) -> Evaluation | None:
    if before and after and before.pass_rates().keys() != after.pass_rates().keys():
        raise OutgrowError("the measurements before and after training are of different problems, so they cannot be compared")
    return before or after


def _compared(
    before: Mapping[str, float] | None,
    after: Mapping[str, float] | None,
    problems: Collection[str],
    parts: Mapping[str, Collection[str]],
    least: float = 0.0,
) -> Comparison:
    """Return the means over these problems, as far as each side knows them; the change is of those that both know.

    least: the smallest that a value can be.
    """
    first, second = (
        {problem: side[problem] for problem in problems if problem in side} if side else {} for side in (before, after)
    )
    changes = {problem: second[problem] - first[problem] for problem in first if problem in second}
    return Comparison(
        mean_over_chains(first, parts, least), mean_over_chains(second, parts, least), mean_over_chains(changes, parts, least=-1)
    )
