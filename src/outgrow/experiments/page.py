"""The page of an experiment, written from its results alone."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from ..core.estimate import Estimate
from ..core.files import write_atomic
from .compare import numbers, winner
from .experiment import Experiment, Set
from .measure import AnyResult, Measure
from .plot import draw


def write_page(experiment: Experiment, results: Mapping[str, AnyResult], docs: Path) -> Path:
    """docs/NAME.md and docs/NAME.svg. Returns the page's path."""
    page = docs / f"{experiment.name}.md"
    draw(experiment, results, docs / f"{experiment.name}.svg")
    write_atomic(page, "\n".join(_lines(experiment, results)).encode())
    return page


def _lines(experiment: Experiment, results: Mapping[str, AnyResult]) -> list[str]:
    versions = len({result.code for result in results.values()})
    rollouts = [result.rollouts for result in results.values()]
    whole, hours = len(experiment.runs), sum(result.wall_s for result in results.values()) / 3600
    seeds = f"seeds {experiment.all_seeds[0]} to {experiment.all_seeds[-1]}"
    lines = [
        f"# {experiment.title}",
        "",
        experiment.question,
        "",
        f"Written by `outgrow lab {experiment.name}` from [{experiment.name}.jsonl]({experiment.name}.jsonl), a line a run: "
        f"{len(results)} of {whole} runs ({seeds}), {hours:.1f} hours of one core, {versions} "
        f"version{'s' if versions > 1 else ''} of the code. {experiment.kind.counted}{_all(rollouts)} "
        "Brackets hold 95% intervals, bootstrapped over seeds (six at least); arms are compared seed by seed. No correction is "
        "made for the number of arms: of twenty that differ in nothing, one is expected outside.",
        "",
        f"![{experiment.kind.rate} by rollouts]({experiment.name}.svg)",
    ]
    for one in experiment.on:
        if one.name:
            lines += ["", f"## {one.name}"]
        for measure in experiment.measures:
            lines += ["", *_measure(experiment, one, measure, results)]
    if experiment.prepare:
        lines += ["", "## Prepared", "", "Trained once, for all arms and seeds:", "", "| name | recipe | lines |", "|---|---|---|"]
        lines += [f"| {one.name} | {one.recipe} | {', '.join(f'`{line}`' for line in one.set)} |" for one in experiment.prepare]
    lines += ["", "## Arms", "", f"Recipe `{experiment.recipe}`, and in all arms:", "", "```"]
    lines += [*experiment.set, "```", "", "| arm | lines |", "|---|---|"]
    lines += [f"| {arm.name} | {', '.join(f'`{line}`' for line in arm.set) or 'none'} |" for arm in experiment.arms]
    for one in experiment.on:
        if one.set:
            lines += ["", f"{one.name}: " + ", ".join(f"`{line}`" for line in one.set)]
    return [*lines, ""]


def _measure(experiment: Experiment, one: Set, measure: Measure, results: Mapping[str, AnyResult]) -> list[str]:
    rows = numbers(experiment, one, measure, results)
    compared = f"{'over' if measure.compared == 'ratio' else 'less'} {experiment.baseline}"
    lines = [f"| arm | n | {measure.label} | {compared} | |", "|---|---|---|---|---|"]
    for row in rows:
        cells = (row.arm, _reached(row.n, row.reached), _written(row.mean, measure), _written(row.against, measure, True), row.said)
        lines.append(f"| {' | '.join(cells)} |")
    best = winner(experiment, one, measure, results)
    told = f"Better than every other arm: **{best}**." if best else "No arm is shown to be better than every other."
    return [*lines, "", told]


def _all(rollouts: Sequence[int]) -> str:
    """Whether arms are compared at equal rollouts."""
    if not rollouts:
        return ""
    least, most = min(rollouts), max(rollouts)
    return f" Every run wrote {most:,}." if least == most else f" A run wrote {least:,} to {most:,}."


def _reached(n: int, reached: int) -> str:
    return str(n) if reached == n else f"{n}, {reached} reached it"


def _written(estimate: Estimate | None, measure: Measure, against: bool = False) -> str:
    if estimate is None:
        return ""
    if against:
        return estimate.text(".2f" if measure.compared == "ratio" else "+.3f")
    return estimate.text(",.0f" if estimate.value >= 100 else ".3g" if estimate.value >= 2 else ".3f")
