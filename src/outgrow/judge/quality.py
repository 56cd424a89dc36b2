"""How well a judge tells right answers from wrong ones: the figures that a run watches (watch.py), with their intervals."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..core.estimate import Estimate
from ..core.rng import seed_from
from .metrics import score_metrics

_RESAMPLES = 1000


@dataclass(frozen=True)
class Scored:
    """An answer whose verdict is known, and the judge's score, from 0 to 1; None where it gave none."""

    problem_id: str
    level: int
    right: bool
    score: float | None


@dataclass(frozen=True)
class Quality:
    """Of n answers to so many problems. All figures are of those that have a score.

    right: share of right ones. mean_right, mean_wrong: their mean scores. auc: the chance that a right one scores above a wrong
    one, ties counting half. top: share right of the `top_n` that score best. None where there is no right one, or no wrong one.
    """

    n: int
    problems: int
    unscored: int
    top_n: int
    right: Estimate | None
    mean_right: Estimate | None
    mean_wrong: Estimate | None
    auc: Estimate | None
    top: Estimate | None


def quality(answers: Sequence[Scored]) -> Quality:
    """The figures of these answers. Their intervals speak of other problems: these are what is resampled, each with all of its
    answers, which are right, and scored, together (percentile bootstrap). The same answers give the same intervals."""
    known = [(one.problem_id, one.right, one.score) for one in answers if one.score is not None]
    places: dict[str, list[int]] = {}
    for place, (problem_id, _, _) in enumerate(known):
        places.setdefault(problem_id, []).append(place)
    clusters = list(places.values())

    def figures_of(chosen: Sequence[int]) -> dict[str, float]:
        right = [known[place][1] for place in chosen]
        return {**score_metrics([known[place][2] for place in chosen], right), "right": sum(right) / len(right)}

    found = figures_of(range(len(known))) if known else {}
    drawn: dict[str, list[float]] = {name: [] for name in found}
    rng = np.random.default_rng(seed_from("judge quality", len(clusters)))
    for _ in range(_RESAMPLES if known else 0):
        chosen = [place for cluster in rng.integers(0, len(clusters), len(clusters)) for place in clusters[cluster]]
        for name, value in figures_of(chosen).items():  # without a right one, or a wrong one, some are left out
            drawn.setdefault(name, []).append(value)

    def estimate(name: str) -> Estimate | None:
        if name not in found:
            return None
        low, high = np.percentile(drawn[name], [2.5, 97.5])
        return Estimate(found[name], float(low), float(high), n=len(clusters))

    return Quality(
        n=len(answers),
        problems=len({one.problem_id for one in answers}),
        unscored=len(answers) - len(known),
        top_n=int(found.get("judge/top_n", 0)),
        right=estimate("right"),
        mean_right=estimate("judge/right"),
        mean_wrong=estimate("judge/wrong"),
        auc=estimate("judge/auc"),
        top=estimate("judge/top"),
    )
