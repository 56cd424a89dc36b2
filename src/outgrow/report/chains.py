"""What training did to chains, suite by suite: the tables and heat maps of the section "Chains"."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from ..core.estimate import Estimate
from ..evaluate import Evaluation
from ..evaluate.chain_kinds import ChainKind, kinds_of_chains
from ..evaluate.change import Comparison, compared, shows_change
from ..evaluate.failure_kinds import Failure
from ..evaluate.sample import Sample
from ..evaluate.synthesis import chains_of, practised_shapes
from ..evaluate.synthesis_change import ALL_CHAINS, Pair, SplitChange, compare_pairs, compare_splits
from ..problems.chains.shape import SEEN, UNSEEN, Shape
from ..problems.named_table import label
from . import words
from .cells import Toned, toned
from .data import RunData
from .heat_maps import HeatCell, HeatMap, heat_cell
from .tables import Table

_NOT_YET = "not yet"
_CHANGE = "change in points"
_LEGEND = (
    "Percent of right answers. Framed: the pair was not practised. A dashed frame: it was practised in the other order, or one of "
    "its fields was in no practised chain."
)


@dataclass(frozen=True)
class ChainSection:
    """The chains of one suite, as finished tables. A table without rows has nothing to show."""

    suite: str
    practised: str
    """A sentence that names the practised chains."""
    splits: Table
    gaps: Table
    kinds: Table
    pass_at_k: Table
    pairs: Table
    maps: list[HeatMap]

    def tables(self) -> Iterator[tuple[str, Table]]:
        """Yield each table with its title."""
        yield "chains: pass@1 by split", self.splits
        yield "chains: synthesis gap in points (chains minus the product of their parts)", self.gaps
        yield "chains: kinds of answers, as shares of all answers to chains", self.kinds
        yield "chains: pass@k", self.pass_at_k
        yield "chains: pass@1 by pair of fields", self.pairs


def chain_sections(data: RunData) -> list[ChainSection]:
    """Return a section for every suite of a run that has chains, its own suite first."""
    practised = practised_shapes(data.practised)
    suites: dict[str, tuple[Evaluation | None, Evaluation | None]] = {data.recipe.evaluate.suite: (data.before, data.after)}
    for name, ends in data.others.items():
        suites.setdefault(name, ends)
    return [
        _section(label(name), before, after, practised)
        for name, (before, after) in suites.items()
        if any(side and chains_of(side) for side in (before, after))
    ]


def _section(suite: str, before: Evaluation | None, after: Evaluation | None, practised: Collection[Shape]) -> ChainSection:
    splits, pairs = compare_splits(before, after, practised), compare_pairs(before, after, practised)
    known = after or before
    return ChainSection(
        suite=suite,
        practised=_practised(practised),
        splits=_split_table(splits),
        gaps=_gap_table(splits),
        kinds=_kind_table(before, after),
        pass_at_k=_pass_at_k_table(splits),
        pairs=_pair_table(pairs),
        maps=_pair_maps(pairs, known.k if known else 0),
    )


def _practised(practised: Collection[Shape]) -> str:
    names = sorted(shape.name for shape in practised if shape.depth > 1)
    return f"Practised chains: {', '.join(names)}." if names else "No chain was practised, so each counts as new."


def _split_table(splits: Sequence[SplitChange]) -> Table:
    """Return pass@1 of every split."""
    rows = [[row.split, _n(row.pass_at_1), *_shares(row.pass_at_1), _change(row.pass_at_1)] for row in splits]
    return Table(["split", "n", "before", "after", _CHANGE], rows)


def _gap_table(splits: Sequence[SplitChange]) -> Table:
    """Return the synthesis gap of every split; n counts the chains all of whose parts were measured.

    A change is called neither better nor worse: a gap also rises where the parts are lost.
    """
    rows = [
        [row.split, _n(row.gap), *(words.point_change(end) if end else _NOT_YET for end in _ends(row.gap)), _change(row.gap, None)]
        for row in splits
        if any(_ends(row.gap))
    ]
    return Table(["split", "n", "gap before", "gap after", _CHANGE], rows)


def _pass_at_k_table(splits: Sequence[SplitChange]) -> Table:
    """Return pass@k: of all chains for every k, of each split for the largest."""
    rows = [
        [f"{row.split}, pass@{k}", _n(comparison), *_shares(comparison), _change(comparison)]
        for row in splits
        for k, comparison in row.pass_at_k.items()
        if row.split == ALL_CHAINS or k == max(row.pass_at_k)
    ]
    return Table(["split and k", "n", "before", "after", _CHANGE], rows)


def _kind_table(before: Evaluation | None, after: Evaluation | None) -> Table:
    """Return the kinds of answers to chains. More answers that are right by luck are neither better nor worse."""
    first, second = (kinds_of_chains(side) if side else {} for side in (before, after))
    rows = []
    for kind in (*ChainKind, *Failure):
        if kind in first or kind in second:
            shares = compared(_shares_of(before, first.get(kind, [])), _shares_of(after, second.get(kind, [])))
            good: Literal["down"] | None = None if kind is ChainKind.LUCK else "down"
            rows.append([str(kind), *_shares(shares), _change(shares, good)])
    return Table(["kind", "before", "after", _CHANGE], rows)


def _shares_of(evaluation: Evaluation | None, samples: Sequence[Sample]) -> dict[str, float] | None:
    """Return for each chain the share of its samples that are among these; None where nothing was measured."""
    if evaluation is None:
        return None
    counts = Counter(sample.problem_id for sample in samples)
    return {chain: counts[chain] / evaluation.k for chain in chains_of(evaluation)}


def _pair_table(pairs: Sequence[Pair]) -> Table:
    """Return every pair of fields with its split and its intervals."""
    rows = [
        [f"{pair.first}>{pair.second}", pair.split, _n(pair.pass_at_1), *_shares(pair.pass_at_1), _change(pair.pass_at_1)]
        for pair in pairs
        if pair.first is not None and pair.second is not None
    ]
    return Table(["pair", "split", "n", "before", "after", _CHANGE], rows, text=("split",))


def _pair_maps(pairs: Sequence[Pair], k: int) -> list[HeatMap]:
    """Return the maps of first × second field, before and after, as far as measured."""
    cells = {(pair.first, pair.second): pair for pair in pairs}
    firsts = [*dict.fromkeys(pair.first for pair in pairs if pair.first is not None), None]
    seconds = [*dict.fromkeys(pair.second for pair in pairs if pair.second is not None), None]

    def table(title: str, part: Literal["before", "after"]) -> HeatMap:
        rows = [
            ("all" if first is None else first, [_cell(cells, first, second, part, k) for second in seconds]) for first in firsts
        ]
        return HeatMap(title, _LEGEND, ["all" if second is None else second for second in seconds], rows)

    maps = []
    if any(pair.pass_at_1.before for pair in pairs):
        maps.append(table("Before, first field (rows) and second", "before"))
    if any(pair.pass_at_1.after for pair in pairs):
        maps.append(table("After, first field (rows) and second", "after"))
    return maps


def _cell(
    cells: Mapping[tuple[str | None, str | None], Pair],
    first: str | None,
    second: str | None,
    part: Literal["before", "after"],
    k: int,
) -> HeatCell:
    pair = cells.get((first, second))
    place = f"{first or 'any field'} > {second or 'any field'}"
    if pair is None:
        return heat_cell(None, place, k, None)
    if not pair.split:
        return heat_cell(getattr(pair.pass_at_1, part), place, k, None)
    frame: Literal["", "solid", "dashed"] = "" if pair.split == SEEN else "solid" if pair.split == UNSEEN else "dashed"
    return heat_cell(getattr(pair.pass_at_1, part), f"{place} ({pair.split})", k, None, frame)


def _ends(comparison: Comparison) -> tuple[Estimate | None, Estimate | None]:
    return comparison.before, comparison.after


def _n(comparison: Comparison) -> str:
    known = comparison.before or comparison.after
    return f"{known.n:,}" if known else ""


def _shares(comparison: Comparison) -> list[str]:
    return [words.share_estimate(end) if end else _NOT_YET for end in _ends(comparison)]


def _change(comparison: Comparison, good: Literal["up", "down"] | None = "up") -> Toned:
    change = comparison.change
    if change is None:
        return Toned("", "none")
    text = words.point_change(change)
    return toned(text, change if shows_change(change) else None, good) if good else Toned(text, "none")
