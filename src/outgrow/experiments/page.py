"""Writes the page of an experiment, from its results only."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from ..core.addresses import is_served, public_model
from ..core.counted import counted
from ..core.estimate import Estimate
from ..core.files import write_atomic
from .compare import MIN_SEEDS, ArmStatistics, arm_statistics, effect, winner
from .experiment import Arm, Condition, Experiment
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
        *([experiment.answer, ""] if experiment.answer else []),
        _source(experiment, results),
        "",
        f"![{experiment.kind.rate_label} by {experiment.kind.axis.split()[0]}]({experiment.name}.svg)",
    ]
    for measure in experiment.measures:
        if measure.null is not None:
            lines += ["", *_effects(experiment, measure, results)]
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
    lines += [*map(_public, experiment.set), "```", "", "| arm | overrides |", "|---|---|"]
    lines += [f"| {arm.name} | {_of_arm(arm)} |" for arm in experiment.arms]
    for condition in experiment.on:
        if condition.set:
            lines += ["", f"{condition.name}: {_code(condition.set)}"]
    return [*lines, ""]


def _of_arm(arm: Arm) -> str:
    """Return the overrides of an arm, after its own recipe where it has one."""
    own = f"recipe `{arm.recipe}`, without the overrides of all arms" if arm.recipe else ""
    return "; ".join(filter(None, (own, _code(arm.set)))) or "none"


def _effects(experiment: Experiment, measure: Measure, results: Mapping[str, AnyResult]) -> list[str]:
    """Return a table that counts, of each arm, the conditions under which its mean is shown to differ from no effect."""
    shown = {arm.name: {"better": 0, "worse": 0, "no difference shown": 0} for arm in experiment.arms}
    for condition in experiment.on:
        for row in arm_statistics(experiment, condition, measure, results):
            if row.mean is not None:
                shown[row.arm][effect(row.mean, measure)] += 1
    lines = [
        f"Of how many settings the {measure.label} is shown to be better or worse than {measure.null:g} (its 95% interval over the "
        "seeds excludes it):",
        "",
        "| arm | settings | better | no difference shown | worse |",
        "|---|---|---|---|---|",
    ]
    for arm, counts in shown.items():
        if total := sum(counts.values()):
            lines.append(f"| {arm} | {total} | {counts['better']} | {counts['no difference shown']} | {counts['worse']} |")
    return lines


def _source(experiment: Experiment, results: Mapping[str, AnyResult]) -> str:
    """Return the paragraph that says where the figures come from and how to read them."""
    name, seeds = experiment.name, experiment.all_seeds
    versions = len({result.code for result in results.values()})
    hours = sum(result.wall_s for result in results.values()) / 3600
    return (
        f"Written by `outgrow lab {name}` from [{name}.jsonl]({name}.jsonl), which has one line per run: {len(results)} of "
        f"{len(experiment.runs)} runs (seeds {seeds[0]} to {seeds[-1]}), {hours:.1f} core hours, "
        f"{counted(versions, 'version')} of the code. {experiment.kind.rollouts_note}"
        f"{_rollouts([result.rollouts for result in results.values()])} Brackets show 95% intervals, bootstrapped over seeds (at "
        f"least {MIN_SEEDS}). Arms are compared seed by seed, without a correction for their number: of twenty arms without any "
        "effect, one is expected to differ."
    )


def _code(overrides: Sequence[str]) -> str:
    return ", ".join(f"`{_public(line)}`" for line in overrides)


def _public(override: str) -> str:
    """Return an override KEY=VALUE without the address of a server."""
    key, _, value = override.partition("=")
    value = value.strip("\"' ")
    return f"{key}={public_model(value)}" if is_served(value) else override


def _table(experiment: Experiment, condition: Condition, measure: Measure, results: Mapping[str, AnyResult]) -> list[str]:
    comparison = f"{'ratio to' if measure.comparison == 'ratio' else 'minus'} {experiment.baseline}"
    lines = [f"| arm | n | {measure.label} | {comparison} | |", "|---|---:|---:|---:|---|"]
    for row in arm_statistics(experiment, condition, measure, results):
        n = str(row.n) if row.n_reached == row.n else f"{row.n} ({row.n_reached} reached the target)"
        cells = (row.arm, n, _mean(row), _comparison(row.vs_baseline, measure), row.verdict)
        lines.append(f"| {' | '.join(cells)} |")
    if measure.neutral or len(experiment.arms_on(condition)) < 2:
        return lines
    best = winner(experiment, condition, measure, results)
    summary = f"Better than every other arm: **{best}**." if best else "No arm is shown to be better than every other arm."
    return [*lines, "", summary]


def _rollouts(rollouts: Sequence[int]) -> str:
    """Return the sentence that says whether arms are compared at equal rollouts; empty without results."""
    if not rollouts:
        return ""
    least, most = min(rollouts), max(rollouts)
    return f" Each run wrote {most:,}." if least == most else f" Runs wrote {least:,} to {most:,}."


def _mean(row: ArmStatistics) -> str:
    """Return the mean and its interval; of an arm with runs that count with a lower bound, the least that it can be."""
    if row.mean is None:
        return ""
    spec = ",.0f" if row.mean.value >= 100 else ".3g" if row.mean.value >= 2 else ".3f"
    return row.mean.text(spec) if row.n_reached == row.n else f"at least {row.mean.value:{spec}}"


def _comparison(vs_baseline: Estimate | None, measure: Measure) -> str:
    return "" if vs_baseline is None else vs_baseline.text(".2f" if measure.comparison == "ratio" else "+.3f")
