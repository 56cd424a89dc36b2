"""Writes the page of an experiment, from its results only."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from ..core.estimate import Estimate
from ..core.files import write_atomic
from .compare import MIN_SEEDS, arm_statistics, winner
from .experiment import Condition, Experiment
from .measure import AnyResult, Measure
from .plot import draw


def write_page(experiment: Experiment, results: Mapping[str, AnyResult], docs: Path) -> Path:
    """Write docs/NAME.md and docs/NAME.svg. Returns the page's path. results: key -> result."""
    page = docs / f"{experiment.name}.md"
    draw(experiment, results, docs / f"{experiment.name}.svg")
    write_atomic(page, "\n".join(_lines(experiment, results)).encode())
    return page


def _lines(experiment: Experiment, results: Mapping[str, AnyResult]) -> list[str]:
    lines = [
        f"# {experiment.title}",
        "",
        experiment.question,
        "",
        _source(experiment, results),
        "",
        f"![{experiment.kind.rate_label} by rollouts]({experiment.name}.svg)",
    ]
    for condition in experiment.on:
        if condition.name:
            lines += ["", f"## {condition.name}"]
        for measure in experiment.measures:
            lines += ["", *_table(experiment, condition, measure, results)]
    if experiment.prepare:
        lines += ["", "## Prepared models", "", "Trained once, for all arms and seeds:", ""]
        lines += ["| name | recipe | overrides |", "|---|---|---|"]
        lines += [f"| {model.name} | {model.recipe} | {_code(model.set)} |" for model in experiment.prepare]
    lines += ["", "## Arms", "", f"Recipe `{experiment.recipe}`, with these overrides in all arms:", "", "```"]
    lines += [*experiment.set, "```", "", "| arm | overrides |", "|---|---|"]
    lines += [f"| {arm.name} | {_code(arm.set) or 'none'} |" for arm in experiment.arms]
    for condition in experiment.on:
        if condition.set:
            lines += ["", f"{condition.name}: {_code(condition.set)}"]
    return [*lines, ""]


def _source(experiment: Experiment, results: Mapping[str, AnyResult]) -> str:
    """Return the paragraph that says where the figures come from and how to read them."""
    name, seeds = experiment.name, experiment.all_seeds
    versions = len({result.code for result in results.values()})
    hours = sum(result.wall_s for result in results.values()) / 3600
    return (
        f"Written by `outgrow lab {name}` from [{name}.jsonl]({name}.jsonl), which has one line per run: {len(results)} of "
        f"{len(experiment.runs)} runs (seeds {seeds[0]} to {seeds[-1]}), {hours:.1f} core hours, {versions} "
        f"version{'s' if versions > 1 else ''} of the code. {experiment.kind.rollouts_note}"
        f"{_rollouts([result.rollouts for result in results.values()])} Brackets show 95% intervals, bootstrapped over seeds (at "
        f"least {MIN_SEEDS}). Arms are compared seed by seed, without a correction for their number: of twenty arms without any "
        "effect, one is expected to differ."
    )


def _code(overrides: Sequence[str]) -> str:
    return ", ".join(f"`{line}`" for line in overrides)


def _table(experiment: Experiment, condition: Condition, measure: Measure, results: Mapping[str, AnyResult]) -> list[str]:
    comparison = f"{'ratio to' if measure.comparison == 'ratio' else 'minus'} {experiment.baseline}"
    lines = [f"| arm | n | {measure.label} | {comparison} | |", "|---|---:|---:|---:|---|"]
    for row in arm_statistics(experiment, condition, measure, results):
        n = str(row.n) if row.n_reached == row.n else f"{row.n} ({row.n_reached} reached the target)"
        cells = (row.arm, n, _mean(row.mean), _comparison(row.vs_baseline, measure), row.verdict)
        lines.append(f"| {' | '.join(cells)} |")
    best = winner(experiment, condition, measure, results)
    summary = f"Better than every other arm: **{best}**." if best else "No arm is shown to be better than every other arm."
    return [*lines, "", summary]


def _rollouts(rollouts: Sequence[int]) -> str:
    """Return the sentence that says whether arms are compared at equal rollouts; empty without results."""
    if not rollouts:
        return ""
    least, most = min(rollouts), max(rollouts)
    return f" Each run wrote {most:,}." if least == most else f" Runs wrote {least:,} to {most:,}."


def _mean(mean: Estimate | None) -> str:
    return "" if mean is None else mean.text(",.0f" if mean.value >= 100 else ".3g" if mean.value >= 2 else ".3f")


def _comparison(vs_baseline: Estimate | None, measure: Measure) -> str:
    return "" if vs_baseline is None else vs_baseline.text(".2f" if measure.comparison == "ratio" else "+.3f")
