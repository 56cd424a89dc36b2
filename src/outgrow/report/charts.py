"""Which charts a run's page has, with the words that go with each."""

from collections.abc import Mapping
from dataclasses import dataclass

from ..config import SFTRecipe
from ..evaluate.change import Comparison
from ..judge.canaries import KINDS
from .curves import BUCKETS, bucket_counts, figure_keys, series, smoothing_width, visit_windows
from .data import RunData
from .figures import Figure, curves, interval_point, stacked_seconds, stacked_shares
from .words import span_label

_HISTOGRAM_WINDOWS = 20


@dataclass(frozen=True)
class Chart:
    """A figure with its heading and what to see in it. wide: over the page's whole width."""

    title: str
    caption: str
    figure: Figure
    wide: bool = False


@dataclass(frozen=True)
class _Panel:
    """A chart of figures of metrics.jsonl. curves: metrics key -> what the legend says."""

    title: str
    caption: str
    axis: str
    curves: Mapping[str, str]
    share: bool = False
    log: bool = False
    smoothed: bool = True


_SHARES = {
    "rollouts/pass_rate": "training",
    "validation/pass_rate": "validation",
    "groups/mixed_frac": "informative groups",
    "groups/trained_frac": "learned from",
    "rollouts/truncated_frac": "truncated",
    "rollouts/no_answer_frac": "no answer",
    "rollouts/verifier_failed_frac": "verifier failed",
    "train/clipped_low_frac": "clipped low",
    "train/clipped_high_frac": "clipped high",
}

_TAUGHT = {
    "judge/score": "judge's mean score",
    "rollouts/pass_rate": "right by the checker, the same rollouts",
    "judge/heldout_pass_rate": "right, held-out slice",
    "judge/second_score": "second judge",
}
_PANELS = (
    _Panel(
        "The judge and the checker",
        "A score that rises while less is right means that the judge is being fooled.",
        "mean score, and share right",
        _TAUGHT,
        share=True,
    ),
    _Panel(
        "What the judge sees",
        "Mean score of right and of wrong answers; the chance that a right one scores above a wrong one; how much of its "
        "best-scored tenth is right.",
        "score, and share",
        {
            "judge/right": "right answers",
            "judge/wrong": "wrong answers",
            "judge/auc": "chance",
            "judge/top": "best tenth right",
        },
        share=True,
    ),
    _Panel(
        "Answers that say nothing",
        "What the judge gives to canaries. It should give nothing.",
        "mean score",
        {f"judge/canary_{kind}": kind for kind in KINDS},
        share=True,
        smoothed=False,
    ),
    _Panel(
        "Alarms",
        "Steps at which the judge seemed to be fooled, the judge's share of the reward, and answers without a score.",
        "share",
        {"judge/alarm": "alarm", "judge/weight": "judge's share", "judge/unscored": "without a score"},
        share=True,
        smoothed=False,
    ),
    _Panel("Completion length", "How long the policy's answers are.", "tokens", {"rollouts/mean_tokens": "mean length"}),
    _Panel(
        "Informative groups",
        "Groups whose rewards differ, and groups learned from: the same ones, unless an advantage remembers what was expected.",
        "share of groups",
        {"groups/mixed_frac": "informative groups", "groups/trained_frac": "learned from"},
        share=True,
    ),
    _Panel(
        "Answers that could not be graded right or wrong",
        "Cut at the token limit, without a final answer, or given up on by the verifier.",
        "share of rollouts",
        {name: _SHARES[name] for name in ("rollouts/truncated_frac", "rollouts/no_answer_frac", "rollouts/verifier_failed_frac")},
        share=True,
    ),
    _Panel(
        "Entropy",
        "How undecided the policy is over its next token. A fall to 0 ends exploration.",
        "nats a token",
        {"train/entropy": "entropy"},
    ),
    _Panel(
        "KL to the starting policy",
        "How far the policy has moved, on answers it drew itself.",
        "nats a token",
        {"policy/kl_to_reference": "KL"},
    ),
    _Panel(
        "KL to the teacher",
        "How far the policy is from what it distils, likewise.",
        "nats a token",
        {"distill/kl_to_teacher": "KL"},
    ),
    _Panel(
        "Clipped tokens",
        "Tokens whose probability ratio left the clip range, so that they stop pulling.",
        "share of tokens",
        {name: _SHARES[name] for name in ("train/clipped_low_frac", "train/clipped_high_frac")},
        share=True,
    ),
    _Panel(
        "Engine and learner apart",
        "Absolute difference of the log-probabilities the engine sampled with and the learner computes; logarithmic.",
        "nats a token",
        {
            "train_infer_logprob_gap/mean": "mean",
            "train_infer_logprob_gap/p99": "99 in 100 below",
            "train_infer_logprob_gap/max": "largest",
        },
        log=True,
    ),
    _Panel(
        "Loss",
        "What the optimizer lowers: nats a token in fine-tuning; in reinforcement learning its level alone says little.",
        "loss",
        {"train/loss": "loss"},
    ),
    _Panel("Gradient norm", "Before clipping.", "norm", {"train/grad_norm": "gradient norm"}),
    _Panel("Learning rate", "As scheduled.", "learning rate", {"train/lr": "learning rate"}, smoothed=False),
)


_NO_CURVE = {
    "rollouts/pass_rate",
    "validation/pass_rate",
    "reward/total",
    "rollouts/count",
    "judge/top_n",
    "judge/id",
    "judge/heldout_n",
    "judge/first_score",
    "judge/second_n",
}


def is_share(key: str) -> bool:
    """Whether a figure of metrics.jsonl is a share, to be shown in percent."""
    return key in _SHARES or key.startswith("validation/level_")


def learning_charts(data: RunData, pass_at_1: Comparison | None) -> list[Chart]:
    """Every figure of metrics.jsonl as a curve; one that no panel knows gets a chart under its own name."""
    keys = figure_keys(data.metrics)
    width = smoothing_width(len(data.metrics))
    steps = [row["step"] for row in data.metrics]
    panels = [_reward_panel(keys), _earned_panel(keys), _levels_panel(keys), *_PANELS]
    if isinstance(data.recipe, SFTRecipe):
        panels.sort(key=lambda panel: "train/loss" not in panel.curves)  # the loss first: it is what there is to see
    known = {key for panel in panels for key in panel.curves} | _NO_CURVE
    panels += [_Panel(key, "", key, {key: key}) for key in keys if key not in known]
    charts = [_pass_rate_chart(data, steps, width, pass_at_1)] if "rollouts/pass_rate" in keys else []
    if "judge/score" not in keys:
        panels = [panel for panel in panels if panel.curves is not _TAUGHT]
    for panel in panels:
        named_series = {label: series(data.metrics, key) for key, label in panel.curves.items() if key in keys}
        if named_series:
            figure = curves(steps, named_series, panel.axis, width if panel.smoothed else 1, share=panel.share, log=panel.log)
            charts.append(Chart(panel.title, panel.caption, figure))
    return charts


def _reward_panel(keys: list[str]) -> _Panel:
    parts = {key: key.removeprefix("reward/") for key in keys if key.startswith("reward/") and key != "reward/total"}
    whole = {} if len(parts) == 1 else {"reward/total": "all together"}  # a single part is all there is
    return _Panel("Rewards", "What a rollout earns on average, by part, as paid (weighted).", "reward a rollout", whole | parts)


def _by_level(keys: list[str], prefix: str) -> dict[str, str]:
    return {key: f"level {key.removeprefix(prefix)}" for key in keys if key.startswith(prefix)}


def _levels_panel(keys: list[str]) -> _Panel:
    levels = _by_level(keys, "validation/level_")
    return _Panel("Validation by level", "Pass rate on the held-out problems of each level.", "share right", levels, share=True)


def _earned_panel(keys: list[str]) -> _Panel:
    levels = _by_level(keys, "advantage_correct/level_")
    caption = "Mean advantage of right answers: it falls as a level is mastered, and is high again on the next."
    return _Panel("What a right answer earns", caption, "advantage", levels)


def _pass_rate_chart(data: RunData, steps: list[float], width: int, pass_at_1: Comparison | None) -> Chart:
    named = {_SHARES[key]: series(data.metrics, key) for key in ("rollouts/pass_rate", "validation/pass_rate")}
    named = {name: values for name, values in named.items() if any(value is not None for value in values)}
    figure = curves(steps, named, "share of answers right", width, share=True)
    section = data.recipe.evaluate
    caption = (
        "Training problems are those the curriculum picked, so their curve tells what was practised, not how good the policy is."
    )
    if "validation" in named:
        samples = section.validation_samples
        caption += f" Validation is always the same held-out problems ({section.validation}), {samples} samples each."
    if pass_at_1:
        ends = (("before", pass_at_1.before, 0, "@c3"), ("after", pass_at_1.after, data.recipe.learn.steps, "@c4"))
        figure["data"] += [interval_point(f"test, {when}", step, found, colour) for when, found, step, colour in ends if found]
        caption += f" Diamonds are pass@1 on the test suite ({section.suite}) with its 95% interval."
    figure["layout"]["showlegend"] = True
    return Chart("Pass rate", caption, figure, wide=True)


def drift_charts(data: RunData) -> list[Chart]:
    """Other suites over the checkpoints that were measured: pass@1, turnover, and the divergence from the base."""
    if not data.drift:
        return []
    steps = sorted({row.step for row in data.drift})
    names = list(dict.fromkeys(row.suite for row in data.drift))
    found = {(row.suite, row.step): row for row in data.drift}

    def chart(title: str, caption: str, axis: str, key: str, share: bool) -> Chart:
        named = {name: [getattr(found[name, step], key) if (name, step) in found else None for step in steps] for name in names}
        return Chart(title, caption, curves([float(step) for step in steps], named, axis, 1, share=share))

    return [
        chart(
            "Other suites", "Pass@1; step 0 is the base. Intervals are in the table.", "share of answers right", "pass_at_1", True
        ),
        chart(
            "Turnover",
            "Problems whose greedy answer is right now and was not, or was and is not.",
            "share of problems",
            "turnover",
            True,
        ),
        chart("Divergence from the base", "KL(base ‖ policy) on what the base answers there.", "nats a token", "kl", False),
    ]


def seconds_chart(data: RunData) -> Chart | None:
    """Where the time of every step went."""
    rows = [row for row in data.timings if "learning" in row]  # the other lines are of a session, not of a step
    if not rows:
        return None
    named = {key: series(rows, key) for key in figure_keys(rows)}
    return Chart("Seconds a step", "", stacked_seconds([row["step"] for row in rows], named), wide=True)


def histogram_chart(data: RunData) -> Chart | None:
    """How the pass rates of visited problems shift over the run."""
    if not data.visits:
        return None
    spans = visit_windows(data.visits, _HISTOGRAM_WINDOWS)
    caption = (
        "A visit is one group of rollouts of one problem. Groups that are all wrong or all right say nothing about which "
        "answer is better; what lies between is what a policy learns from."
    )
    figure = stacked_shares([span_label(span) for span in spans], BUCKETS, bucket_counts(data.visits, spans))
    return Chart("Shares by pass rate", caption, figure, wide=True)
