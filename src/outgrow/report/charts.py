"""The charts of a run's page, with their captions."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from ..core.metrics import GROUPS, METRICS, group_of, is_share, pattern_of
from ..evaluate.change import Comparison
from ..judge.canaries import KINDS
from .curves import BUCKETS, bucket_counts, figure_keys, series, smoothing_width, visit_windows
from .data import RunData
from .figures import Figure, curves, interval_point, stacked_seconds, stacked_shares
from .marks import with_marks
from .words import span_label

_HISTOGRAM_WINDOWS = 20


@dataclass(frozen=True)
class Chart:
    """A figure with its heading and caption."""

    title: str
    caption: str
    figure: Figure
    wide: bool = False
    """Whether it takes the page's whole width."""
    group: str = ""
    """Heading of the charts that it belongs to."""


@dataclass(frozen=True)
class _Panel:
    """A chart of metrics of one group."""

    title: str
    keys: tuple[str, ...]
    """Metrics it shows, as far as a run has them; a `*` stands for the rest of a name."""
    axis: str
    note: str = ""
    """What to look for; the caption goes on with what each metric is."""
    log: bool = False
    smoothed: bool = True


_UNGRADED = ("rollouts/truncated_frac", "rollouts/no_answer_frac", "rollouts/verifier_failed_frac")
_JUDGE_AND_CHECKER = ("judge/score", "rollouts/pass_rate", "judge/heldout_pass_rate", "judge/second_score")
_PANELS = (
    _Panel("Completion length", ("rollouts/mean_tokens",), "tokens"),
    _Panel("Rollouts that could not be graded right or wrong", _UNGRADED, "share of rollouts"),
    _Panel("Groups", ("groups/mixed_frac", "groups/trained_frac"), "share of groups"),
    _Panel("Reward", ("reward/*",), "reward of a rollout"),
    _Panel("Advantage of right answers by level", ("advantage_correct/level_*",), "advantage"),
    _Panel("KL to the reference", ("policy/kl_to_reference",), "nats per token"),
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
        "Judge and checker",
        _JUDGE_AND_CHECKER,
        "mean score, and share right",
        "If the score rises while the pass rate falls, the policy exploits the judge.",
    ),
    _Panel("Judge's scores", ("judge/right", "judge/wrong", "judge/auc", "judge/top"), "score, and share right"),
    _Panel(
        "Answers without content",
        tuple(f"judge/canary_{kind}" for kind in KINDS),
        "mean score",
        smoothed=False,
    ),
    _Panel("Alarms", ("judge/alarm", "judge/weight", "judge/unscored"), "share", smoothed=False),
    _Panel("Validation by level", ("validation/level_*",), "share right"),
    _Panel("KL to the teacher", ("distill/kl_to_teacher",), "nats per token"),
)
# Metrics without a chart of their own: the pass-rate chart shows them, or they only help to read another metric.
_NO_PANEL = {
    "rollouts/pass_rate",
    "validation/pass_rate",
    "rollouts/count",
    "judge/top_n",
    "judge/id",
    "judge/heldout_n",
    "judge/first_score",
    "judge/second_n",
}
_LABELS = {
    "rollouts/pass_rate": "checker's pass rate",
    "reward/total": "total",
    "judge/score": "judge's score",
    "judge/heldout_pass_rate": "held-out pass rate",
    "judge/second_score": "second judge's score",
    "judge/right": "right answers",
    "judge/wrong": "wrong answers",
    "judge/auc": "AUC",
    "judge/top": "best tenth right",
}


def learning_charts(data: RunData, pass_at_1: Comparison | None) -> list[Chart]:
    """Return the metrics of metrics.jsonl as charts, group by group. A metric without a panel gets a chart under its own name.

    Where the run was changed when it was resumed, each chart has a mark.
    """
    keys = figure_keys(data.metrics)
    width = smoothing_width(len(data.metrics))
    steps = [row["step"] for row in data.metrics]
    shown = {key for panel in _PANELS for key in _keys_of(panel, keys)}
    own = [_Panel(key, (key,), key) for key in keys if key not in shown | _NO_PANEL]
    charts = [_pass_rate_chart(data, steps, width, pass_at_1)] if "rollouts/pass_rate" in keys else []
    for panel in sorted((*_PANELS, *own), key=_group_order):
        present = _keys_of(panel, keys)
        if not present or (panel.keys == _JUDGE_AND_CHECKER and "judge/score" not in keys):
            continue
        curves_by_label = {_label(key): series(data.metrics, key) for key in present}
        share = all(is_share(key) or key.startswith("judge/") for key in present)
        figure = curves(steps, curves_by_label, panel.axis, width if panel.smoothed else 1, share=share, log=panel.log)
        charts.append(Chart(panel.title, _caption(panel, present), figure, group=_heading(panel)))
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


def _label(key: str) -> str:
    """Return what a chart's legend calls a metric: the rest of its name after its group."""
    rest = key.partition("/")[2] or key
    return _LABELS.get(key) or rest.removeprefix("canary_").removesuffix("_frac").replace("_", " ")


def _caption(panel: _Panel, keys: Sequence[str]) -> str:
    """Return a panel's note and what its metrics are, each with its name in the legend where there are several."""
    sentences = {pattern: key for key in keys if (pattern := pattern_of(key))}
    named = len(sentences) > 1
    texts = []
    for pattern, key in sentences.items():
        described = METRICS[pattern].description
        texts.append(f"{_label(key)}: {described}" if named and not pattern.endswith("*") else described)
    return " ".join([panel.note, *texts] if panel.note else texts)


def _pass_rate_chart(data: RunData, steps: list[float], width: int, pass_at_1: Comparison | None) -> Chart:
    labels = {"rollouts/pass_rate": "training", "validation/pass_rate": "validation"}
    named = {label: series(data.metrics, key) for key, label in labels.items()}
    named = {name: values for name, values in named.items() if any(value is not None for value in values)}
    figure = curves(steps, named, "share of right answers", width, share=True)
    section = data.recipe.evaluate
    caption = "Training problems are picked by the curriculum, so their curve shows what was practised, not how good the policy is."
    if "validation" in named:
        samples = section.validation_samples
        caption += f" Validation always uses the same held-out problems ({section.validation}), {samples} samples each."
    if pass_at_1:
        ends = (("before", pass_at_1.before, 0, "@c3"), ("after", pass_at_1.after, data.recipe.learn.steps, "@c4"))
        figure["data"] += [
            interval_point(f"test, {when}", step, estimate, colour) for when, estimate, step, colour in ends if estimate
        ]
        caption += f" Diamonds are pass@1 on the test suite ({section.suite}) with 95% intervals."
    figure["layout"]["showlegend"] = True
    return Chart("Pass rate", caption, figure, wide=True, group=GROUPS["rollouts"])


def drift_charts(data: RunData) -> list[Chart]:
    """Return pass@1, turnover and divergence from the base on other suites, over the checkpoints that were measured."""
    if not data.drift:
        return []
    steps = sorted({row.step for row in data.drift})
    names = list(dict.fromkeys(row.suite for row in data.drift))
    rows = {(row.suite, row.step): row for row in data.drift}

    def chart(title: str, caption: str, axis: str, key: str, share: bool) -> Chart:
        named = {name: [getattr(rows[name, step], key) if (name, step) in rows else None for step in steps] for name in names}
        return Chart(title, caption, curves([float(step) for step in steps], named, axis, 1, share=share))

    return [
        chart(
            "Other suites",
            "pass@1; step 0 is the base. The table holds the intervals.",
            "share of right answers",
            "pass_at_1",
            True,
        ),
        chart(
            "Turnover",
            "Problems whose greedy answer changed between right and wrong.",
            "share of problems",
            "turnover",
            True,
        ),
        chart("Divergence from the base", "KL(base ‖ policy) on the base's answers to the suite.", "nats per token", "kl", False),
    ]


def seconds_chart(data: RunData) -> Chart | None:
    """Return the seconds of every step by phase."""
    rows = [row for row in data.timings if "learning" in row]  # other lines are of a session, not of a step
    if not rows:
        return None
    named = {key: series(rows, key) for key in figure_keys(rows)}
    return Chart("Seconds per step", "", stacked_seconds([row["step"] for row in rows], named), wide=True)


def histogram_chart(data: RunData) -> Chart | None:
    """Return how the pass rates of visited problems shift over the run."""
    if not data.visits:
        return None
    spans = visit_windows(data.visits, _HISTOGRAM_WINDOWS)
    caption = (
        "A visit is one group of rollouts of one problem. Groups that are all right or all wrong do not show which answer is "
        "better; the policy learns from the groups between."
    )
    figure = stacked_shares([span_label(span) for span in spans], BUCKETS, bucket_counts(data.visits, spans))
    return Chart("Shares by pass rate", caption, figure, wide=True)
