"""The metrics of metrics.jsonl: what each one is, and its unit. The report's captions and the docs' page of metrics use it."""

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

Unit = Literal["share", "count", "tokens", "nats per token", "score", ""]
"""share: from 0 to 1, shown in percent. score: from 0 to 1, shown as a number. Empty: a number without a unit."""

GROUPS = {
    "rollouts": "Rollouts",
    "groups": "Groups of rollouts",
    "reward": "Reward",
    "advantage_correct": "Advantage of right answers",
    "policy": "Policy",
    "train": "Update",
    "train_infer_logprob_gap": "Gap between engine and learner",
    "judge": "Judge",
    "validation": "Validation",
    "distill": "Distillation",
}
"""First part of a metric's name -> heading, in the order of pages."""


@dataclass(frozen=True)
class Metric:
    """What a metric is."""

    description: str
    """One sentence."""
    unit: Unit = ""
    of: str = ""
    """Of a share: the set that it is a share of. Shares of different sets are never drawn on one axis."""


METRICS = {
    "step": Metric("Training step, from 1.", "count"),
    "rollouts/count": Metric("Rollouts of the step, those of screened groups included.", "count"),
    "rollouts/pass_rate": Metric("Share of rollouts with a right answer.", "share", of="rollouts"),
    "rollouts/truncated_frac": Metric("Share of rollouts cut at sampling.max_tokens.", "share", of="rollouts"),
    "rollouts/no_answer_frac": Metric("Share of rollouts that ended without a final answer.", "share", of="rollouts"),
    "rollouts/verifier_failed_frac": Metric("Share of rollouts on which the verifier failed.", "share", of="rollouts"),
    "rollouts/mean_tokens": Metric("Mean length of a completion.", "tokens"),
    "rollouts/steps_behind": Metric("Updates that the weights which wrote the rollouts are older than those they move.", "count"),
    "groups/mixed_frac": Metric("Share of groups whose rollouts have different rewards.", "share", of="groups"),
    "groups/trained_frac": Metric("Share of groups that the update used.", "share", of="groups"),
    "reward/total": Metric("Mean reward of a rollout: the sum of its parts."),
    "reward/*": Metric("Mean of one part of the reward, after its weight."),
    "advantage_correct/level_*": Metric("Mean advantage of right answers of one level; it falls as the level is mastered."),
    "policy/kl_to_reference": Metric("KL divergence of the policy from the reference, on its own rollouts.", "nats per token"),
    "train/loss": Metric("Loss of the step. In reinforcement learning its level says little.", "nats per token"),
    "train/kl_in_loss": Metric("KL divergence term of the loss, before its weight.", "nats per token"),
    "train/entropy": Metric("Entropy of the next-token distribution; near 0 the policy no longer explores.", "nats per token"),
    "train/clipped_low_frac": Metric("Share of tokens whose probability ratio fell below the clip range.", "share", of="tokens"),
    "train/clipped_high_frac": Metric("Share of tokens whose probability ratio rose above the clip range.", "share", of="tokens"),
    "train/grad_norm": Metric("Norm of the gradient before clipping."),
    "train/lr": Metric("Learning rate."),
    "train_infer_logprob_gap/mean": Metric(
        "Mean difference between the log-probabilities of engine and learner for the sampled tokens.", "nats per token"
    ),
    "train_infer_logprob_gap/p99": Metric("The difference that 99% of the tokens stay below.", "nats per token"),
    "train_infer_logprob_gap/max": Metric("Largest difference of a token.", "nats per token"),
    "judge/score": Metric("Judge's mean score of the rollouts.", "score"),
    "judge/right": Metric("Judge's mean score of right answers.", "score"),
    "judge/wrong": Metric("Judge's mean score of other answers.", "score"),
    "judge/auc": Metric("Chance that the judge scores a right answer above a wrong one; 0.5 is chance level.", "score"),
    "judge/top": Metric("Share of right answers in the tenth that the judge scores best.", "share", of="the judge's best tenth"),
    "judge/top_n": Metric("Rollouts in that tenth.", "count"),
    "judge/unscored": Metric("Share of finished answers without a score.", "share", of="finished answers"),
    "judge/weight": Metric("Judge's share of its part of the reward; alarms can lower it.", "share", of="a part of the reward"),
    "judge/id": Metric("Number that identifies the judge's weights or server."),
    "judge/alarm": Metric("1 where the policy may be exploiting the judge, else 0."),
    "judge/heldout_pass_rate": Metric(
        "Share of right answers to held-out problems, by the checker.", "share", of="held-out problems"
    ),
    "judge/heldout_n": Metric("Held-out problems that were answered.", "count"),
    "judge/canary_*": Metric("Judge's mean score of one kind of answer without content; it should be 0.", "score"),
    "judge/first_score": Metric("Judge's mean score of the rollouts that the second judge scores.", "score"),
    "judge/second_score": Metric("Second judge's mean score of the same rollouts.", "score"),
    "judge/second_n": Metric("Rollouts that both judges scored.", "count"),
    "validation/pass_rate": Metric("Share of right answers to the validation problems.", "share", of="validation problems"),
    "validation/n": Metric("Validation problems that were answered.", "count"),
    "validation/level_*": Metric(
        "Share of right answers to the validation problems of one level.", "share", of="validation problems"
    ),
    "distill/kl_to_teacher": Metric(
        "KL divergence of the policy from the distilled teacher, on its own rollouts.", "nats per token"
    ),
}
"""Name of a metric -> what it is; a `*` stands for the rest of a name."""


def pattern_of(key: str) -> str | None:
    """Return the name in METRICS that describes a key of metrics.jsonl; None for an unknown key.

    >>> pattern_of("reward/total"), pattern_of("reward/format"), pattern_of("mine")
    ('reward/total', 'reward/*', None)
    """
    if key in METRICS:
        return key
    return next((pattern for pattern in METRICS if "*" in pattern and fnmatchcase(key, pattern)), None)


def group_of(key: str) -> str:
    """Return the first part of a metric's name; empty for a name without parts.

    >>> group_of("judge/canary_echo"), group_of("step")
    ('judge', '')
    """
    return key.partition("/")[0] if "/" in key else ""


def is_share(key: str) -> bool:
    """Return whether a metric is a share, which is shown in percent."""
    pattern = pattern_of(key)
    return pattern is not None and METRICS[pattern].unit == "share"
