"""Charts of right answers. Percentages of different sets of problems have charts of their own, each titled with its set and n."""

from collections.abc import Sequence

from ..config import RLRecipe
from ..core.counted import counted
from ..core.estimate import Estimate
from ..core.row_table import Rows
from ..evaluate.change import Comparison
from ..problems.named_table import label
from .chart import Chart
from .curves import smoothing_width, steps_of
from .data import RunData
from .figures import curves, estimates, interval_point

_GROUP = "Right answers"
_AXIS = "share of right answers"


def pass_rate_charts(data: RunData, pass_at_1: Comparison | None) -> list[Chart]:
    """Return the pass rates of practised problems, of the validation problems, and of the test suite before and after training.

    Where validation problems are the test suite's problems, one chart shows both.
    """
    return [*_training(data), *_validation(data, pass_at_1), *_before_and_after(data, pass_at_1)]


def suite_charts(data: RunData) -> list[Chart]:
    """Return for each other suite its pass@1 and turnover over the checkpoints that were measured, and the KL on all of them."""
    if not data.drift:
        return []
    names = list(dict.fromkeys(row.suite for row in data.drift))
    rows = {name: sorted((row for row in data.drift if row.suite == name), key=lambda row: row.step) for name in names}
    charts = []
    for name, measured in rows.items():
        size = f"{name}, n = {measured[0].n:,} problems × {counted(measured[0].k, 'sample')}"
        steps = [float(row.step) for row in measured]
        rates: dict[str, Sequence[Estimate | None]] = {name: [row.estimate for row in measured]}
        caption = "pass@1 with 95% intervals; step 0 is the base."
        charts.append(Chart(size, caption, estimates(steps, rates, "step", _AXIS), group=name))
        turnover = curves(steps, {name: [row.turnover for row in measured]}, "share of problems", 1, share=True)
        caption = "Problems whose greedy answer changed between right and wrong since step 0."
        charts.append(Chart(f"Turnover: {size}", caption, turnover, group=name))
    steps = sorted({float(row.step) for row in data.drift})
    kl = {name: {row.step: row.kl for row in measured} for name, measured in rows.items()}
    named = {name: [known.get(int(step)) for step in steps] for name, known in kl.items()}
    caption = "KL(base ‖ policy) on the base's answers to each suite."
    return [*charts, Chart("Divergence from the base", caption, curves(steps, named, "nats per token", 1), group="All suites")]


def count_of(rows: Rows, key: str) -> int | None:
    """Return how many problems a metric counts; None where no row has it."""
    counts = [count for count in rows.column(key) if count is not None]
    return int(max(counts)) if counts else None


def _training(data: RunData) -> list[Chart]:
    rates = data.metrics.column("rollouts/pass_rate")
    if not isinstance(data.recipe, RLRecipe) or not any(rate is not None for rate in rates):
        return []
    learn = data.recipe.learn
    steps = steps_of(data.metrics)
    figure = curves(steps, {"training": rates}, _AXIS, smoothing_width(len(steps)), share=True)
    title = f"Training: practised problems, {learn.problems_per_step:,} × {learn.group_size} rollouts a step"
    caption = "The curriculum picks these problems, so the curve shows what was practised, not how good the policy is."
    return [Chart(title, caption, figure, group=_GROUP, first=True)]


def _validation(data: RunData, pass_at_1: Comparison | None) -> list[Chart]:
    rates = data.metrics.column("validation/pass_rate")
    if not isinstance(data.recipe, RLRecipe) or not any(rate is not None for rate in rates):
        return []
    section = data.recipe.evaluate
    n = count_of(data.metrics, "validation/n")
    steps = steps_of(data.metrics)
    figure = curves(steps, {"validation": rates}, _AXIS, smoothing_width(len(steps)), share=True)
    samples = counted(section.validation_samples, "sample")
    size = f", n = {n:,} problems × {samples}" if n else f", {samples} a problem"
    caption = "The same held-out problems at every measurement."
    if pass_at_1 and _same_set(data, pass_at_1):
        figure["data"] += [
            interval_point(when, step, estimate, colour) for when, step, estimate, colour in _ends(data, pass_at_1) if estimate
        ]
        figure["layout"]["showlegend"] = True
        caption += " Diamonds: pass@1 before and after training, with 95% intervals."
    return [Chart(f"Validation: {label(section.validation)}{size}", caption, figure, group=_GROUP, first=True)]


def _before_and_after(data: RunData, pass_at_1: Comparison | None) -> list[Chart]:
    known = pass_at_1 and (pass_at_1.after or pass_at_1.before)
    evaluation = data.after or data.before
    if not pass_at_1 or not known or not evaluation or _same_set(data, pass_at_1):
        return []
    ends = _ends(data, pass_at_1)
    rates = {"pass@1": [estimate for _, _, estimate, _ in ends]}
    figure = estimates([step for _, step, _, _ in ends], rates, "step", _AXIS)
    size = f"n = {known.n:,} problems × {counted(evaluation.k, 'sample')}"
    title = f"Before and after: {label(data.recipe.evaluate.suite)}, {size}"
    return [Chart(title, "pass@1 on the test suite, with 95% intervals.", figure, group=_GROUP, first=True)]


def _ends(data: RunData, pass_at_1: Comparison) -> list[tuple[str, float, Estimate | None, str]]:
    """Return name, step, estimate and colour of the measurements before and after training."""
    return [("before", 0.0, pass_at_1.before, "@c3"), ("after", float(data.last_step), pass_at_1.after, "@c4")]


def _same_set(data: RunData, pass_at_1: Comparison) -> bool:
    """Return whether validation and test are the same problems: of one suite, and equally many."""
    known = pass_at_1.after or pass_at_1.before
    if not isinstance(data.recipe, RLRecipe) or not known:
        return False
    section = data.recipe.evaluate
    return section.validation == section.suite and count_of(data.metrics, "validation/n") == known.n
