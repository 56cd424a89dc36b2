"""How well a judge tells right answers from wrong ones: a run's judge metrics (metrics.py), with intervals."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..core.estimate import Estimate
from ..core.rng import seed_from
from .metrics import score_metrics

_RESAMPLES = 1000


@dataclass(frozen=True)
class ScoredAnswer:
    """An answer with its known verdict and the judge's score."""

    problem_id: str
    level: int
    right: bool
    score: float | None
    """From 0 to 1; None where the judge gave none."""


@dataclass(frozen=True)
class Quality:
    """The quality of a judge. All values count only answers with a score; None where they cannot be computed."""

    n: int
    """Answers."""
    problems: int
    """Problems that they answer."""
    unscored: int
    """Answers without a score."""
    top_n: int
    """Answers that count as best-scored."""
    right: Estimate | None
    """Share of right answers."""
    mean_right: Estimate | None
    """Mean score of right answers."""
    mean_wrong: Estimate | None
    """Mean score of wrong answers."""
    auc: Estimate | None
    """Chance that a right answer scores above a wrong one, ties counting half."""
    top: Estimate | None
    """Share of right answers among the `top_n` best-scored."""


def quality(answers: Sequence[ScoredAnswer]) -> Quality:
    """Return the quality of a judge from its scores of these answers.

    Intervals are for other problems, so whole problems are resampled, each with all its answers (percentile bootstrap). The same
    answers give the same intervals.
    """
    scored = [(answer.problem_id, answer.right, answer.score) for answer in answers if answer.score is not None]
    by_problem: dict[str, list[int]] = {}
    for index, (problem_id, _, _) in enumerate(scored):
        by_problem.setdefault(problem_id, []).append(index)
    clusters = list(by_problem.values())

    def metrics_of(indices: Sequence[int]) -> dict[str, float]:
        right = [scored[index][1] for index in indices]
        return {**score_metrics([scored[index][2] for index in indices], right), "right": sum(right) / len(right)}

    metrics = metrics_of(range(len(scored))) if scored else {}
    resampled: dict[str, list[float]] = {name: [] for name in metrics}
    rng = np.random.default_rng(seed_from("judge quality", len(clusters)))
    for _ in range(_RESAMPLES if scored else 0):
        indices = [index for cluster in rng.integers(0, len(clusters), len(clusters)) for index in clusters[cluster]]
        for name, value in metrics_of(indices).items():  # a resample without right, or without wrong answers has fewer metrics
            resampled.setdefault(name, []).append(value)

    def estimate(name: str) -> Estimate | None:
        if name not in metrics:
            return None
        low, high = np.percentile(resampled[name], [2.5, 97.5])
        return Estimate(metrics[name], float(low), float(high), n=len(clusters))

    return Quality(
        n=len(answers),
        problems=len({answer.problem_id for answer in answers}),
        unscored=len(answers) - len(scored),
        top_n=int(metrics.get("judge/top_n", 0)),
        right=estimate("right"),
        mean_right=estimate("judge/right"),
        mean_wrong=estimate("judge/wrong"),
        auc=estimate("judge/auc"),
        top=estimate("judge/top"),
    )
