"""A flywheel's result in sentences and tables, for the terminal and the page."""

from typing import Any

from ..core.amounts import duration, money
from ..core.counted import counted
from ..core.estimate import Estimate
from ..evaluate.compare import Against
from ..evaluate.statistics import mean_estimate
from ..report import words
from ..report.cells import Toned, toned
from ..report.tables import Table
from .result import FlywheelResult
from .stage_cache import StageResult


def headline(result: FlywheelResult) -> str:
    """Return the result of the last generation, with its interval and n."""
    if not result.generations:
        return "No generation is done yet."
    last = result.generations[-1]
    comparison, k = last.promotion.teacher, result.recipe.samples
    n = comparison.change.n
    return f"Generation {last.number}'s student {_against(comparison, 'its teacher')}, n = {n:,} problems × {counted(k, 'sample')}."


def sentences(result: FlywheelResult) -> list[str]:
    """Return the results generation by generation, without what the headline says."""
    lines = []
    for generation in result.generations:
        comparisons = [] if generation is result.generations[-1] else [_against(generation.promotion.teacher, "its teacher")]
        if generation.promotion.best:
            comparisons.append(_against(generation.promotion.best, "the best student before it"))
        if comparisons:
            lines.append(f"Generation {generation.number}'s student {', and '.join(comparisons)}.")
        if generation.data is not None:
            maker = (
                "The student was promoted and" if generation.promotion.promotes else "The student was not promoted, so its teacher"
            )
            lines.append(f"{maker} made the data of the next base: {_data(generation.data)}.")
    return [*lines, _end(result)]


def _end(result: FlywheelResult) -> str:
    recipe, done = result.recipe, len(result.generations)
    if done == recipe.generations:
        return "The one generation of the recipe is done." if done == 1 else f"All {done} generations of the recipe are done."
    if not result.finished:
        return f"{done} of {recipe.generations} generations are done; the flywheel is not finished."
    stalled = result.generations[-1].stalled
    times = "its student is" if stalled == 1 else f"the students of {stalled} generations in a row are"
    where = f"Stopped after generation {done} of {recipe.generations}"
    return f"{where}: {times} not shown to be better than the best before, on {recipe.suite}."


def spent(result: FlywheelResult) -> str:
    """Return the rollouts, time and price of all stages."""
    cost = result.cost()
    price = f", {money(cost.dollars)}" if cost.dollars else ""
    return f"{cost.rollouts:,} rollouts, {duration(3600 * cost.hours)}{price}"


def short_table(result: FlywheelResult) -> Table:
    """Return a row for each model of each generation: as much of `generation_table` as a terminal has room for."""
    rows = []
    for generation in result.generations:
        rates = {role: words.share_estimate(result.model_of(stage).rate()) for role, stage in generation.roles.items()}
        rows += [[f"{generation.number} {role}", rate, "", ""] for role, rate in rates.items()]
        rows[-1][2:] = [
            _change(generation.promotion.teacher),
            _change(generation.promotion.best) if generation.promotion.best else "",
        ]
    return Table(["", "pass@1", "minus its teacher", "minus the best before"], rows)


def generation_table(result: FlywheelResult) -> Table:
    """Return a row for each generation: pass@1 of its models, and the student's changes."""
    priced = result.cost().dollars > 0
    heads = ["generation", "base", "teacher", "student", "student − teacher", "student − best before", "rollouts", "time"]
    rows = []
    for generation in result.generations:
        rates = [words.share_estimate(result.model_of(stage).rate()) for stage in generation.roles.values()]
        changes = [_change(generation.promotion.teacher), _change(generation.promotion.best) if generation.promotion.best else ""]
        cost = result.cost(generation.number)
        costs = [f"{cost.rollouts:,}", duration(3600 * cost.hours), *([money(cost.dollars)] if priced else [])]
        rows.append([str(generation.number), *rates, *changes, *costs])
    return Table([*heads, *(["price"] if priced else [])], rows)


def model_table(result: FlywheelResult) -> Table:
    """Return a row for each model: what it was measured at on the suite that decides promotions."""
    pass_at_k = f"pass@{result.recipe.samples}"
    rows = []
    for model in result.models:
        shares = (model.rate(name) for name in dict.fromkeys(("pass@1", "greedy", pass_at_k, "truncated")))
        rows.append([model.title, *map(words.share_estimate, shares), words.token_estimate(model.rate("length"))])
    return Table(["model", *dict.fromkeys(("pass@1", "greedy", pass_at_k, "truncated")), "tokens"], rows)


def data_table(result: FlywheelResult) -> Table:
    """Return a row for each generation's data: who made it, what was drawn and kept, and how good the labels are."""
    counted, quality = ["problems", "drawn", "right", "kept"], ["label precision", "sound steps", "contaminated"]
    rows = []
    for generation in result.generations:
        if generation.data is None:
            continue
        data = generation.data.result
        counts = [f"{data[key]:,}" for key in counted]
        bands = ", ".join(f"{band['kept']:,} {band['band']}" for band in data["by_band"])
        shares = [_share(data["precision"]), _share(data["sound"])]
        rows.append(
            [f"generation {generation.number}", ", ".join(data["made_by"]), *counts, bands, *shares, f"{data['contaminated']:,}"]
        )
    return Table(["data", "made by", *counted, "kept by pass rate", *quality], rows, text=("made by", "kept by pass rate"))


def other_table(result: FlywheelResult) -> Table:
    """Return every model's pass@1 on the suites that decide nothing."""
    suites = list(result.generations[0].student.recipe.evaluate.extra_suites) if result.generations else []
    rows = []
    for model in result.models:
        rates = [mean_estimate(list(model.stage.evaluation(on).pass_rates().values())) for on in suites]
        rows.append([model.title, *(f"{words.share_estimate(rate)}, n = {rate.n:,}" if rate else "" for rate in rates)])
    return Table(["model", *suites], rows if suites else [])


def stage_table(result: FlywheelResult) -> Table:
    """Return a row for each stage: its folder, recipe and cost."""
    rows = [
        [
            stage.name,
            stage.recipe.name,
            f"{stage.rollouts:,}" if stage.rollouts else "",
            duration(stage.seconds),
            money(stage.dollars) if stage.dollars else "",
            stage.digest[:12],
        ]
        for stage in result.stages
    ]
    return Table(
        ["stage", "recipe", "rollouts", "time", "price", "digest of its result"], rows, text=("recipe", "digest of its result")
    )


def _against(comparison: Against, other: str) -> str:
    """Return what a comparison says of the student, as the end of a sentence."""
    change = comparison.change
    if comparison.verdict == "too few problems to say":
        return f"cannot be told apart from {other} on {comparison.change.n} problems"
    if change.low <= 0 <= change.high:
        return f"shows no difference from {other}: {words.share_change(change)}"
    verb, ends = ("beats", (change.low, change.high)) if change.low > 0 else ("falls short of", (-change.high, -change.low))
    low, high = (f"{100 * end:.1f}" for end in ends)
    return f"{verb} {other} by {abs(100 * change.value):.1f} points ({low}–{high})"


def _change(comparison: Against) -> Toned:
    return toned(words.point_change(comparison.change), comparison.change)


def _data(data: StageResult) -> str:
    result = data.result
    before = f", {result['written']:,} of them written in training" if result["written"] else ""
    text = f"{result['kept']:,} answers kept of {result['drawn']:,} to {result['problems']:,} problems{before}"
    for name, what in (("precision", "labels right"), ("sound", "steps sound")):
        if result[name]:
            text += f", {what} {_share(result[name])}"
    return text


def _share(share: dict[str, Any] | None) -> str:
    """Return a share of rows, with its interval and n."""
    if not share:
        return ""
    return f"{words.share_estimate(Estimate(**share))}, n = {share['n']:,}"
