"""The charts of a run's page, with their captions."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from ..core.metrics import GROUPS, METRICS, group_of, is_share, pattern_of
from ..core.row_table import RowTable
from ..evaluate.change import Comparison
from ..judge.canaries import KINDS
from .chart import Chart
from .curves import BUCKETS, bucket_counts, figure_keys, smoothing_width, steps_of, visit_windows
from .data import RunData
from .figures import curves, stacked_seconds, stacked_shares
from .marks import with_marks
from .pass_rate_charts import count_of, pass_rate_charts
from .words import span_label

_HISTOGRAM_WINDOWS = 20


@dataclass(frozen=True)
class _Panel:
    """A chart of metrics of one group."""

    title: str
    keys: tuple[str, ...]
    """Metrics it shows, as far as a run has them; a `*` stands for the rest of a name."""
    axis: str
    note: str = ""
    """What to look for; the caption goes on with what each metric is."""
    caption: str = ""
    """In place of what each metric is."""
    log: bool = False
    smoothed: bool = True
    first: bool = False
    """Whether a report shows it before the others."""
    counted_by: str = ""
    """Metric that counts the problems, for the title."""


_UNGRADED = ("rollouts/truncated_frac", "rollouts/no_answer_frac", "rollouts/verifier_failed_frac")
# Percentages in one panel are shares of the same set (`Metric.of`).
_PANELS = (
    _Panel("Completion length", ("rollouts/mean_tokens",), "tokens", first=True),
    _Panel(
        "Rollouts that could not be graded right or wrong",
        _UNGRADED,
        "share of rollouts",
        caption="Cut at sampling.max_tokens, ended without a final answer, or the verifier failed.",
        first=True,
    ),
    _Panel("Groups", ("groups/mixed_frac", "groups/trained_frac"), "share of groups"),
    _Panel("Reward", ("reward/*",), "reward of a rollout"),
    _Panel("Advantage of right answers by level", ("advantage_correct/level_*",), "advantage"),
    _Panel("KL to the reference", ("policy/kl_to_reference",), "nats per token", first=True),
    _Panel("Loss", ("train/loss",), "loss"),
    _Panel("KL in the loss", ("train/kl_in_loss",), "nats per token"),
    _Panel("Entropy", ("train/entropy",), "nats per token"),
    _Panel("Clipped tokens", ("train/clipped_low_frac", "train/clipped_high_frac"), "share of tokens"),
    _Panel("Gradient norm", ("train/grad_norm",), "norm"),
    _Panel("Learning rate", ("train/lr",), "learning rate", smoothed=False),
    _Panel(
        "Difference of log-probabilities",
        ("train_infer_logprob_gap/mean", "train_infer_logprob_gap/p99", "train_infer_logprob_gap/max"),
        "nats per token",
        "Logarithmic scale.",
        log=True,
    ),
    _Panel(
        "Judge and checker on the same rollouts",
        ("judge/score", "rollouts/pass_rate"),
        "mean score, and share right",
        caption="If the score rises while the pass rate falls, the policy exploits the judge.",
        first=True,
    ),
    _Panel("Two judges on the same rollouts", ("judge/first_score", "judge/second_score"), "mean score"),
    _Panel(
        "Held-out problems, by the checker", ("judge/heldout_pass_rate",), "share right", first=True, counted_by="judge/heldout_n"
    ),
    _Panel("Judge's scores of right and wrong answers", ("judge/right", "judge/wrong"), "mean score"),
    _Panel("How often the judge ranks a right answer above a wrong one", ("judge/auc",), "share of pairs"),
    _Panel("Right answers in the judge's best tenth", ("judge/top",), "share right"),
    _Panel("Answers without content", tuple(f"judge/canary_{kind}" for kind in KINDS), "mean score", smoothed=False),
    _Panel("Answers without a score", ("judge/unscored",), "share of finished answers", smoothed=False),
    _Panel("Alarms and the judge's weight", ("judge/alarm", "judge/weight"), "alarm, and weight", smoothed=False),
    _Panel("Validation by level", ("validation/level_*",), "share right", counted_by="validation/n"),
    _Panel("KL to the teacher", ("distill/kl_to_teacher",), "nats per token"),
)
# Metrics without a chart of their own: the pass-rate charts show them, or they only help to read another metric.
_NO_PANEL = {
    "rollouts/pass_rate",
    "validation/pass_rate",
    "validation/n",
    "rollouts/count",
    "rollouts/steps_behind",
    "judge/top_n",
    "judge/id",
    "judge/heldout_n",
    "judge/second_n",
}
_FINE_TUNING_FIRST = ("train/loss", "train/grad_norm", "train/lr")
_LABELS = {
    "rollouts/pass_rate": "checker's pass rate",
    "reward/total": "total",
    "judge/score": "judge's score",
    "judge/first_score": "judge",
    "judge/second_score": "second judge",
    "judge/right": "right answers",
    "judge/wrong": "wrong answers",
}


def learning_charts(data: RunData, pass_at_1: Comparison | None) -> list[Chart]:
    """Return the metrics of metrics.jsonl as charts, group by group. A metric without a panel gets a chart under its own name.

    Where the run was changed when it was resumed, each chart has a mark.
    """
    keys = figure_keys(data.metrics)
    width = smoothing_width(len(data.metrics))
    steps = steps_of(data.metrics)
    shown = {key for panel in _PANELS for pattern in panel.keys for key in keys if _matches(key, pattern)}
    own = [_Panel(key, (key,), key) for key in keys if key not in shown | _NO_PANEL]
    charts = pass_rate_charts(data, pass_at_1)
    for panel in sorted((*_PANELS, *own), key=_group_order):
        present = _keys_of(panel, keys)
        if not present or ("rollouts/pass_rate" in present and "judge/score" not in keys):
            continue
        curves_by_label = {_label(key): data.metrics.column(key) for key in present}
        share = all(is_share(key) for key in present)
        figure = curves(steps, curves_by_label, panel.axis, width if panel.smoothed else 1, share=share, log=panel.log)
        first = panel.first or (data.recipe.kind == "sft" and panel.keys[0] in _FINE_TUNING_FIRST)
        charts.append(Chart(_title(panel, data), _caption(panel, present), figure, group=_heading(panel), first=first))
    return [replace(chart, figure=with_marks(chart.figure, data.changes)) for chart in charts]


def chart_groups(charts: Sequence[Chart]) -> list[tuple[str, list[Chart]]]:
    """Return neighbouring charts of the same group together, with the group's heading."""
    return [(heading, list(group)) for heading, group in groupby(charts, key=lambda chart: chart.group)]


def _keys_of(panel: _Panel, keys: Sequence[str]) -> list[str]:
    """Return the metrics of a run that a panel shows. A total is missing where it equals its only part."""
    present = [key for pattern in panel.keys for key in keys if _matches(key, pattern)]
    return [key for key in present if key != "reward/total"] if len(present) == 2 and "reward/total" in present else present


def _matches(key: str, pattern: str) -> bool:
    return key.startswith(pattern[:-1]) if pattern.endswith("*") else key == pattern


def _group_order(panel: _Panel) -> int:
    group = _group(panel)
    return list(GROUPS).index(group) if group in GROUPS else len(GROUPS)


def _group(panel: _Panel) -> str:
    return group_of(panel.keys[0])


def _heading(panel: _Panel) -> str:
    return GROUPS.get(_group(panel), "Other metrics")


def _title(panel: _Panel, data: RunData) -> str:
    """Return a panel's title, with the number of problems where a metric counts them."""
    n = count_of(data.metrics, panel.counted_by) if panel.counted_by else None
    return f"{panel.title}, n = {n:,}" if n else panel.title


def _label(key: str) -> str:
    """Return what a chart's legend calls a metric: the rest of its name after its group."""
    rest = key.partition("/")[2] or key
    return _LABELS.get(key) or rest.removeprefix("canary_").removesuffix("_frac").replace("_", " ")


def _caption(panel: _Panel, keys: Sequence[str]) -> str:
    """Return a panel's note and what its metrics are, each with its name in the legend where there are several."""
    if panel.caption:
        return panel.caption
    sentences = {pattern: key for key in keys if (pattern := pattern_of(key))}
    named = len(sentences) > 1
    texts = []
    for pattern, key in sentences.items():
        described = METRICS[pattern].description
        texts.append(f"{_label(key)}: {described}" if named and not pattern.endswith("*") else described)
    return " ".join([panel.note, *texts] if panel.note else texts)


def seconds_chart(data: RunData) -> Chart | None:
    """Return the seconds of every step by phase."""
    # Other lines are of a session, not of a step.
    rows = RowTable.of(row for row in data.timings if "learning" in row)
    if not rows:
        return None
    named = {key: rows.column(key) for key in figure_keys(rows)}
    return Chart("Seconds per step", "", stacked_seconds(steps_of(rows), named), wide=True)


def histogram_chart(data: RunData) -> Chart | None:
    """Return how the pass rates of visited problems shift over the run."""
    if not len(data.visits):
        return None
    spans = visit_windows(data.visits, _HISTOGRAM_WINDOWS)
    caption = (
        "A visit is one group of rollouts of one problem. Groups that are all right or all wrong do not show which answer is "
        "better; the policy learns from the groups between."
    )
    figure = stacked_shares([span_label(span) for span in spans], BUCKETS, bucket_counts(data.visits, spans))
    return Chart("Shares by pass rate", caption, figure, wide=True)
