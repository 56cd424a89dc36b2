"""An analysis as finished text: sentences for the top of the page, and tables, for the page and the terminal alike."""

from collections.abc import Iterator

from ..core.estimate import Estimate
from ..evaluate.change import Comparison, Grid, grid
from ..judge.hacking_alarm import evidence
from . import words
from .analysis import Analysis, Part
from .data import RunData
from .journeys import FATES
from .tables import Table

_NOT_YET = "not yet"
_CHANGE = "change, in points"
_JOURNEYS_SHOWN = 20


def sentences(data: RunData, analysis: Analysis, own: Grid) -> Iterator[str]:
    """What a reader in a hurry should know beside the headline: on what, what was lost, what fails, what else it did, the cost."""
    yield from _where(own)
    yield from _worse(data, own)
    if moved := analysis.transitions:
        n = moved.won + moved.lost + moved.kept + moved.never
        yield (
            f"Of {n:,} problems {moved.won:,} were won and {moved.lost:,} lost ({words.percent(moved.lost / n)}) by the greedy "
            f"answer; {moved.kept:,} were right both times, {moved.never:,} never."
        )
    left = [(row.shares.after.value, row.failure) for row in analysis.failures if row.shares.after and row.count_after]
    if left:
        most = ", ".join(f"{failure} {words.percent(share)}" for share, failure in sorted(left, reverse=True)[:3])
        yield f"What still fails, of all answers: {most}."
    fates = {fate: count for fate, count in analysis.fates().items() if fate != "undecided"}
    if fates:
        parts = ", ".join(f"{count:,} {fate}" for fate, count in fates.items())
        yield f"Of the practised problems whose visits tell: {parts}."
    yield from _taught(data)
    if data.after:
        yield _elsewhere(data)
    if seconds := sum(data.seconds().values()):
        price = data.recipe.run.dollars_per_hour
        yield f"It took {words.duration(seconds)}{f' and {words.cost(seconds, price)}' if price else ''}, measuring included."


def _taught(data: RunData) -> Iterator[str]:
    """What its judge was worth: how well it told right from wrong, and when it seemed to be fooled, by which evidence."""
    rows = [row for row in data.metrics if "judge/score" in row]
    if not rows:
        return
    seen = [row["judge/auc"] for row in rows if "judge/auc" in row]
    if seen:
        yield f"The judge scored a right answer above a wrong one in {words.percent(sum(seen) / len(seen))} of cases."
    if rang := [place for place, row in enumerate(rows, 1) if row.get("judge/alarm")]:
        first = int(rows[rang[0] - 1]["step"])
        said = "; ".join(evidence(rows[: rang[0]]))
        yield f"The judge seemed to be fooled at {len(rang):,} of {len(rows):,} steps, at step {first:,} first: {said}."


def _elsewhere(data: RunData) -> str:
    """What training did to other suites, by the last checkpoint that was measured."""
    last = max((row.step for row in data.drift), default=0)
    if not last:
        return (
            "What it did to other suites was not measured (evaluate.extra_suites in the recipe, or outgrow drift RUN --on SUITES)."
        )
    parts = [
        f"{row.suite} {words.share_change(row.change_estimate)} from "
        f"{words.percent(row.pass_at_1 - row.change)}, n = {row.n:,} × {row.k}, KL to the base {row.kl:.2g} a token"
        for row in data.drift
        if row.step == last
    ]
    return f"Other suites by step {last:,}: {'; '.join(parts)}."


def failure_table(analysis: Analysis) -> Table:
    """Every kind that occurs, as a share of all answers."""
    rows = [
        [str(row.failure), *("none" if cell.startswith("0.0% (0.0–0.0)") else cell for cell in _compared(row.shares))]
        for row in analysis.failures
    ]
    return Table(["kind", "before", "after", _CHANGE], rows)


def base_table(analysis: Analysis) -> Table:
    """Gains by how often the base was right."""
    return Table(["the base was", "n", "before", "after", _CHANGE], [_part(part) for part in analysis.by_base])


def length_table(analysis: Analysis) -> Table:
    """Pass rates by length."""
    rows = [
        [part.label, *(_share(one) if one else "no answer so long" for one in (part.compared.before, part.compared.after))]
        for part in analysis.by_length
    ]
    return Table(["tokens", "before", "after"], rows)


def fate_table(analysis: Analysis) -> Table:
    """What became of the problems practised."""
    return Table(
        ["problems", "number", "at their visits"],
        [[fate, f"{count:,}", FATES[fate]] for fate, count in analysis.fates().items()],
    )


def turns_table(analysis: Analysis) -> Table:
    """Problems that were forgotten, or came back: the step of every turn. Those with the most turns first."""
    eventful = [journey for journey in analysis.journeys if journey.fate in ("forgotten", "relearned")]
    eventful.sort(key=lambda journey: -len(journey.turns))
    rows = [
        [
            journey.problem_id,
            journey.fate,
            str(journey.visits),
            ", ".join(f"step {turn.step} {'can' if turn.can else 'cannot'}" for turn in journey.turns),
        ]
        for journey in eventful[:_JOURNEYS_SHOWN]
    ]
    return Table(["problem", "fate", "visits", "turns"], rows)


def _where(own: Grid) -> Iterator[str]:
    """Which fields, and which levels, moved most and least."""
    for name, cells in (
        ("Fields", [(field, own.cells.get((field, None))) for field in own.fields]),
        ("Levels", [(str(level), own.cells.get((None, level))) for level in own.levels]),
    ):
        moved = [(cell.change, label) for label, cell in cells if cell and cell.change]
        if len(moved) > 1:
            ranked = sorted(moved, key=lambda pair: -pair[0].value)
            told = [f"{label} {words.points(change.value)}" for change, label in ranked]
            yield f"{name}, in points: {', '.join(told if len(told) <= 4 else [*told[:2], '…', *told[-2:]])}."


def _worse(data: RunData, own: Grid) -> Iterator[str]:
    """Which fields and levels, of any suite, are shown to have got worse."""
    changes = list(_margins(own))
    for suite, ends in data.others.items():
        changes += [(f"{suite}: {label}", change) for label, change in _margins(grid(*ends))]
    fallen = [f"{label} {words.point_change(change)}" for label, change in changes if change.high < 0]
    if fallen:
        yield f"Worse, in points: {', '.join(fallen)}."
    elif changes:
        yield "No field and no level is shown to be worse."


def _margins(cells: Grid) -> Iterator[tuple[str, Estimate]]:
    """The change of each field, and of each level, where there is more than one."""
    places: list[tuple[str, tuple[str | None, int | None]]] = []
    if len(cells.fields) > 1:
        places += [(field, (field, None)) for field in cells.fields]
    if len(cells.levels) > 1:
        places += [(f"level {level}", (None, level)) for level in cells.levels]
    for label, place in places:
        if change := cells.cells[place].change:
            yield label, change


def _part(part: Part) -> list[str]:
    known = part.compared.before or part.compared.after
    return [part.label, f"{known.n:,}" if known else "", *_compared(part.compared)]


def _compared(compared: Comparison) -> list[str]:
    return [_share(compared.before), _share(compared.after), words.point_change(compared.change) if compared.change else ""]


def _share(estimate: Estimate | None) -> str:
    if estimate is None:
        return _NOT_YET
    return words.share_estimate(estimate)
