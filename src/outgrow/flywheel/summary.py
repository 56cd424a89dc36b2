"""What came of the wheel, in words and tables: for the terminal and for the page."""

from typing import Any

from ..core.estimate import Estimate
from ..evaluate.compare import Against
from ..evaluate.statistics import mean_estimate
from ..report import words
from ..report.tables import Table
from .result import FlywheelResult
from .stage_cache import StageResult


def headline(turned: FlywheelResult) -> str:
    """What came of the last generation, with its interval and its n."""
    if not turned.generations:
        return "No generation is done yet."
    last = turned.generations[-1]
    found, k = last.duel.teacher, turned.recipe.samples
    return f"Generation {last.number}'s student {_against(found, 'its teacher')}, n = {found.change.n:,} problems × {k} samples."


def sentences(turned: FlywheelResult) -> list[str]:
    """The wheel's story, generation by generation, but for what the headline says."""
    told = []
    for one in turned.generations:
        found = [] if one is turned.generations[-1] else [_against(one.duel.teacher, "its teacher")]
        if one.duel.best:
            found.append(_against(one.duel.best, "the best student before it"))
        if found:
            told.append(f"Generation {one.number}'s student {', and '.join(found)}.")
        if one.data is not None:
            maker = "The student" if one.duel.promotes else "Its teacher, which is not shown to be outgrown,"
            told.append(f"{maker} made the data of the next base: {_made(one.data)}.")
    return [*told, _end(turned)]


def _end(turned: FlywheelResult) -> str:
    wheel, done = turned.recipe, len(turned.generations)
    if done == wheel.generations:
        return "The one generation of the recipe is done." if done == 1 else f"All {done} generations of the recipe are done."
    if not turned.finished:
        return f"{done} of {wheel.generations} generations are done; the wheel has not come to its end."
    stalled = turned.generations[-1].stalled
    times = "its student is" if stalled == 1 else f"the students of {stalled} generations in a row are"
    where = f"Stopped after generation {done} of {wheel.generations}"
    return f"{where}: {times} not shown to be better than the best before, on {wheel.suite}."


def spent(turned: FlywheelResult) -> str:
    """What all of it took."""
    cost = turned.cost()
    price = f", ${cost.dollars:,.2f}" if cost.dollars else ""
    return f"{cost.rollouts:,} rollouts, {words.duration(3600 * cost.hours)}{price}"


def short_table(turned: FlywheelResult) -> Table:
    """Of `generation_table` what a terminal has room for: a row for each model of a generation."""
    rows = []
    for one in turned.generations:
        rates = {role: words.share_estimate(turned.of(model).rate()) for role, model in one.roles.items()}
        rows += [[f"{one.number} {role}", rate, "", ""] for role, rate in rates.items()]
        rows[-1][2:] = [_change(one.duel.teacher), _change(one.duel.best) if one.duel.best else ""]
    return Table(["", "pass@1", "less its teacher", "less the best before"], rows)


def generation_table(turned: FlywheelResult) -> Table:
    """A row a generation: what its models are measured at, and the student beside those before it."""
    priced = turned.cost().dollars > 0
    heads = ["generation", "base", "teacher", "student", "student − teacher", "student − best before", "rollouts", "hours"]
    rows = []
    for one in turned.generations:
        rates = [words.share_estimate(turned.of(model).rate()) for model in one.roles.values()]
        changes = [_change(one.duel.teacher), _change(one.duel.best) if one.duel.best else ""]
        cost = turned.cost(one.number)
        paid = [f"{cost.rollouts:,}", f"{cost.hours:.2f}", *([f"{cost.dollars:,.2f}"] if priced else [])]
        rows.append([str(one.number), *rates, *changes, *paid])
    return Table([*heads, *(["$"] if priced else [])], rows)


def model_table(turned: FlywheelResult) -> Table:
    """A row a model: what it was measured at, on the suite that decides."""
    most = f"pass@{turned.recipe.samples}"
    rows = []
    for model in turned.models:
        shares = (model.rate(name) for name in dict.fromkeys(("pass@1", "greedy", most, "truncated")))
        rows.append([model.title, *map(words.share_estimate, shares), words.token_estimate(model.rate("length"))])
    return Table(["model", *dict.fromkeys(("pass@1", "greedy", most, "truncated")), "tokens"], rows)


def data_table(turned: FlywheelResult) -> Table:
    """A row for each generation's data: who made it, what was drawn and kept, and how good the labels are."""
    counted, judged = ["problems", "drawn", "right", "kept"], ["label precision", "sound steps", "held out"]
    rows = []
    for one in turned.generations:
        if one.data is None:
            continue
        found = one.data.result
        counts = [f"{found[key]:,}" for key in counted]
        bands = ", ".join(f"{band['kept']:,} {band['band']}" for band in found["by_band"])
        shares = [_share(found["precision"]), _share(found["sound"])]
        rows.append(
            [f"generation {one.number}", ", ".join(found["made_by"]), *counts, bands, *shares, f"{found['contaminated']:,}"]
        )
    return Table(["data", "made by", *counted, "kept by pass rate", *judged], rows)


def other_table(turned: FlywheelResult) -> Table:
    """The suites that decide nothing: every model's pass@1 there."""
    suites = list(turned.generations[0].student.recipe.evaluate.extra_suites) if turned.generations else []
    rows = []
    for model in turned.models:
        found = [mean_estimate(list(model.done.evaluation(on).pass_rates().values())) for on in suites]
        rows.append([model.title, *(f"{words.share_estimate(one)}, n = {one.n:,}" if one else "" for one in found)])
    return Table(["model", *suites], rows if suites else [])


def stage_table(turned: FlywheelResult) -> Table:
    """A row a stage: where it is, by what recipe, and what it took."""
    rows = [
        [
            one.name,
            one.recipe.name,
            f"{one.rollouts:,}" if one.rollouts else "",
            words.duration(one.seconds),
            f"{one.dollars:,.2f}" if one.dollars else "",
            one.digest[:12],
        ]
        for one in turned.done
    ]
    return Table(["stage", "recipe", "rollouts", "time", "$", "digest of what it made"], rows)


def _against(found: Against, other: str) -> str:
    """What a comparison says of the student, as the end of a sentence."""
    change = found.change
    if found.verdict == "too few problems to say":
        return f"cannot be told from {other} by {found.change.n} problems"
    if change.low <= 0 <= change.high:
        return f"shows no difference from {other}: {words.share_change(found.change)}"
    verb, ends = ("beats", (change.low, change.high)) if change.low > 0 else ("falls short of", (-change.high, -change.low))
    low, high = (f"{100 * end:.1f}" for end in ends)
    return f"{verb} {other} by {abs(100 * change.value):.1f} points ({low}–{high})"


def _change(found: Against) -> str:
    return words.point_change(found.change)


def _made(data: StageResult) -> str:
    found = data.result
    before = f", {found['written']:,} of them written in training" if found["written"] else ""
    told = f"{found['kept']:,} answers kept of {found['drawn']:,} to {found['problems']:,} problems{before}"
    for name, what in (("precision", "labels right"), ("sound", "steps sound")):
        if found[name]:
            told += f", {what} {_share(found[name])}"
    return told


def _share(found: dict[str, Any] | None) -> str:
    """A share of made rows, with its interval and its n."""
    if not found:
        return ""
    return f"{words.share_estimate(Estimate(**found))}, n = {found['n']:,}"
