"""The findings of an analysis as text: sentences and tables, for the page and the terminal."""

from collections.abc import Iterator
from itertools import islice

from ..core.amounts import duration
from ..core.counted import counted
from ..core.estimate import Estimate
from ..evaluate import Evaluation
from ..evaluate.change import Comparison, Grid, grid, shows_change
from ..judge.hacking_alarm import HackingAlarm
from ..runs.changed import by_step, when
from ..types import Verdict
from . import words
from .analysis import Analysis, Part
from .cells import Good, Toned, toned
from .data import RunData
from .journeys import FATES
from .tables import Table

_NOT_YET = "not yet"
_CHANGE = "change in points"
_JOURNEYS_SHOWN = 20
_WORSE_SHOWN = 6
_OFTEN = 0.05  # change of the share of answers with a final answer, from which on it is told


def sentences(data: RunData, analysis: Analysis, own: Grid) -> Iterator[str]:
    """Yield what a hurried reader should know after the headline: where it changed, what got worse, what fails, the cost."""
    yield from _form(data)
    yield from _where(own)
    yield from _worse(data, own)
    if moved := analysis.transitions:
        n = moved.won + moved.lost + moved.kept + moved.never
        yield (
            f"By the greedy answers to {counted(n, 'problem')}, {moved.won:,} were won and {moved.lost:,} lost; "
            f"{moved.kept:,} were right before and after, {moved.never:,} neither time."
        )
    left = [(row.shares.after.value, row.failure) for row in analysis.failures if row.shares.after and row.count_after]
    if left:
        most = ", ".join(f"{failure} {words.percent(share)}" for share, failure in sorted(left, reverse=True)[:3])
        yield f"Most frequent failures, as shares of all answers: {most}."
    fates = analysis.fates()
    open_ = fates.pop("undecided", 0)
    if fates:
        parts = ", ".join(f"{count:,} {fate}" for fate, count in fates.items())
        rest = f"; the visits to the other {open_:,} do not say" if open_ else ""
        yield f"Of {counted(open_ + sum(fates.values()), 'practised problem')}: {parts}{rest}."
    yield from _judge(data)
    if data.after:
        yield _other_suites(data)
    if data.changes:
        told = [f"{when(step)} {', '.join(map(str, group))}" for step, group in by_step(data.changes).items()]
        yield f"Changed when the run was resumed: {'; '.join(told)}."
    if seconds := sum(data.seconds().values()):
        price = data.recipe.run.dollars_per_hour
        yield f"Time: {duration(seconds)}{f', {words.cost(seconds, price)}' if price else ''}, with measurements."


def _form(data: RunData) -> Iterator[str]:
    """Yield how often answers ended with a final one, and how often those were right, where that often changed."""
    if data.before is None or data.after is None:
        return
    (ended_before, right_before), (ended, right) = map(_final_answers, (data.before, data.after))
    if abs(ended - ended_before) < _OFTEN or right is None or right_before is None:
        return
    only = ended > ended_before and right <= right_before
    yield (
        f"Answers that end with a final answer: {words.percent(ended_before)} before, {words.percent(ended)} after. Of these, "
        f"{words.percent(right_before)} and {words.percent(right)} were right"
        + ("; so what was gained is the form of answers." if only else ".")
    )


def _final_answers(evaluation: Evaluation) -> tuple[float, float | None]:
    """Return the share of samples with a final answer, and the share of these that is right; None where there are none."""
    verdicts = [sample.verdict for samples in evaluation.drawn().values() for sample in samples]
    final = [verdict is Verdict.RIGHT for verdict in verdicts if verdict in (Verdict.RIGHT, Verdict.WRONG)]
    return len(final) / len(verdicts), sum(final) / len(final) if final else None


def _judge(data: RunData) -> Iterator[str]:
    """Yield how well the judge separated right from wrong answers, and when an alarm reported that it was exploited."""
    if "judge/score" not in data.metrics.keys:
        return
    aucs = [auc for auc in data.metrics.column("judge/auc") if auc is not None]
    if aucs:
        yield f"The judge scored a right answer above a wrong one in {words.percent(sum(aucs) / len(aucs))} of pairs."
    if alarms := [place for place, alarm in enumerate(data.metrics.column("judge/alarm")) if alarm]:
        judged = sum(score is not None for score in data.metrics.column("judge/score"))
        through = (row for row in islice(data.metrics, alarms[0] + 1) if "judge/score" in row)
        reasons = "; ".join(HackingAlarm.of(through).evidence())
        first = int(data.metrics[alarms[0]]["step"])
        text = f"alarms in {len(alarms):,} of {judged:,} steps, the first at step {first:,}: {reasons}."
        yield Toned(f"The policy may have exploited the judge: {text}", "loss")


def _other_suites(data: RunData) -> str:
    """Return the change on other suites at the last checkpoint that was measured."""
    last = max((row.step for row in data.drift), default=0)
    if not last:
        return "Other suites were not measured (set evaluate.extra_suites, or run: outgrow drift RUN --on SUITES)."
    parts = [
        f"{row.suite} {words.share_change(row.change_estimate)} from "
        f"{words.percent(row.pass_at_1 - row.change)}, n = {row.n:,} × {row.k}, KL from the base {row.kl:.2g} per token"
        for row in data.drift
        if row.step == last
    ]
    return f"Other suites at step {last:,}: {'; '.join(parts)}."


def failure_table(analysis: Analysis) -> Table:
    """Return each kind of failure as a share of all answers."""
    rows = [
        [str(row.failure), *(_none(cell) for cell in _ends(row.shares)), _change(row.shares, "down")] for row in analysis.failures
    ]
    return Table(["kind", "before", "after", _CHANGE], rows)


def base_table(analysis: Analysis) -> Table:
    """Return the gains by how often the base was right."""
    return Table(["the base was", "n", "before", "after", _CHANGE], [_part(part) for part in analysis.by_base])


def length_table(analysis: Analysis) -> Table:
    """Return the pass rates by length."""
    rows = [
        [part.label, *(_share(estimate) if estimate else "no answers" for estimate in (part.compared.before, part.compared.after))]
        for part in analysis.by_length
    ]
    return Table(["tokens", "before", "after"], rows)


def fate_table(analysis: Analysis) -> Table:
    """Return the number of practised problems of each fate."""
    return Table(
        ["fate", "problems", "meaning"],
        [[fate, f"{count:,}", FATES[fate]] for fate, count in analysis.fates().items()],
        text=("meaning",),
    )


def turns_table(analysis: Analysis) -> Table:
    """Return the problems that were forgotten or relearned, with the step of every turn; those with the most turns first."""
    eventful = [journey for journey in analysis.journeys if journey.fate in ("forgotten", "relearned")]
    eventful.sort(key=lambda journey: -len(journey.turns))
    rows = [
        [
            journey.problem_id,
            journey.fate,
            str(journey.visits),
            ", ".join(f"step {turn.step} {'solved' if turn.solved else 'not solved'}" for turn in journey.turns),
        ]
        for journey in eventful[:_JOURNEYS_SHOWN]
    ]
    return Table(["problem", "fate", "visits", "turns"], rows, text=("fate", "turns"))


def _where(own: Grid) -> Iterator[str]:
    """Yield which fields and which levels changed most and least."""
    for name, cells in (
        ("field", [(f"in {field}", own.cells.get((field, None))) for field in own.fields]),
        ("level", [(f"at level {level}", own.cells.get((None, level))) for level in own.levels]),
    ):
        moved = [(cell.change, label) for label, cell in cells if cell and cell.change]
        if len(moved) > 1:
            ranked = sorted(moved, key=lambda pair: -pair[0].value)
            texts = [f"{words.points(change.value)} {label}" for change, label in ranked]
            shown = "" if any(change.excludes() for change, _ in ranked) else f"; no {name} is shown to have changed"
            yield f"Change in points: {', '.join(texts if len(texts) <= 4 else [*texts[:2], '…', *texts[-2:]])}{shown}."


def _worse(data: RunData, own: Grid) -> Iterator[str]:
    """Yield which fields and levels, of any suite, are shown to be worse."""
    changes = list(_margins(own))
    for suite, ends in data.others.items():
        changes += [(f"{suite}: {label}", change) for label, change in _margins(grid(*ends))]
    fallen = sorted(((label, change) for label, change in changes if change.high < 0), key=lambda pair: pair[1].value)
    if fallen:
        parts = [f"{label} {words.point_change(change)}" for label, change in fallen[:_WORSE_SHOWN]]
        more = f", and {len(fallen) - _WORSE_SHOWN:,} more" if len(fallen) > _WORSE_SHOWN else ""
        yield Toned(f"Worse, change in points: {', '.join(parts)}{more}.", "loss")
    elif changes:
        yield "No field and no level is shown to be worse."


def _margins(cells: Grid) -> Iterator[tuple[str, Estimate]]:
    """Yield the change of each field and of each level, where there is more than one."""
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
    return [part.label, f"{known.n:,}" if known else "", *_ends(part.compared), _change(part.compared, "up")]


def _ends(compared: Comparison) -> list[str]:
    return [_share(compared.before), _share(compared.after)]


def _change(compared: Comparison, good: Good) -> Toned:
    change = compared.change
    return toned(words.point_change(change), change if shows_change(change) else None, good) if change else Toned("", "none")


def _none(share: str) -> str:
    return "none" if share.startswith("0.0% (0.0–0.0)") else share


def _share(estimate: Estimate | None) -> str:
    if estimate is None:
        return _NOT_YET
    return words.share_estimate(estimate)
