"""Policies side by side on the same problems: each against the first, paired problem by problem, over training seeds."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..core.changes import differences, sentence
from ..core.errors import UsageError
from ..core.estimate import Estimate
from .conditions import CHANCE
from .evaluation import Evaluation
from .power import Needed, needed
from .statistics import crossed_ci95, mcnemar

_FEWEST = 20  # problems; the interval of fewer is too narrow


@dataclass(frozen=True)
class Side:
    """One way to train, or one policy.

    Raises UsageError where its evaluations differ in problems, in samples a problem, or in settings that change pass@1.
    """

    name: str
    evaluations: Sequence[Evaluation]
    """One for each training seed."""

    def __post_init__(self) -> None:
        first = self.evaluations[0]
        for other in self.evaluations[1:]:
            if unequal := _samples(first, other):
                raise UsageError(f"{self.name}: its seeds were measured on {unequal}")
            if _problems(other) != _problems(first) or other.k != first.k:
                raise UsageError(
                    f"{self.name}: its seeds were measured on different problems, or with different numbers of samples"
                )
            if changed := _unlike(first, other):
                raise UsageError(f"{self.name}: its seeds were measured differently ({sentence(changed)}); measure all alike")

    def values(self, measure: str) -> NDArray[np.float64]:
        """Return (S, N), a measure of each seed's policy on each problem."""
        by_seed = [evaluation.measures()[measure] for evaluation in self.evaluations]
        return np.array([[values[problem] for problem in by_seed[0]] for values in by_seed], dtype=np.float64)


@dataclass(frozen=True)
class Against:
    """A side compared with the first one."""

    name: str
    """The side's name."""
    change: Estimate
    """pass@1 of the side minus that of the first one, over problems and seeds."""
    won: int | None
    """Problems whose greedy answer became right; None where a side has several seeds."""
    lost: int | None
    """Problems whose greedy answer became wrong; None where a side has several seeds."""
    p: float | None
    """McNemar's exact p of `won` against `lost`; None where a side has several seeds."""
    needed: Needed
    """How many problems or seeds would show a change of `margin`."""
    margin: float
    """The change of pass@1 that would matter."""

    @property
    def verdict(self) -> str:
        """The result in words. Not worse: the whole interval lies above −margin (non-inferiority at 2.5%, one-sided)."""
        if self.change.n < _FEWEST:
            return "too few problems to say"
        low, high = self.change.low, self.change.high
        points = f"{100 * self.margin:g} points"
        if low > 0:
            return "better"
        if high < 0:
            return f"worse, by less than {points}" if low > -self.margin else "worse"
        if low > -self.margin:
            return f"no difference shown, {'within' if high < self.margin else 'not worse by'} {points}"
        return "no difference shown"


def mean_of(side: Side, measure: str) -> Estimate:
    """Return a side's mean of a measure."""
    return _mean(side.values(measure))


def against(side: Side, baseline: Side, margin: float) -> Against:
    """Return side minus baseline, seed by seed in their order; a baseline of one seed is compared with each seed of the side.

    margin: the change that would matter. Raises UsageError where the two are of different problems, or cannot be paired.
    """
    _require_pairs(side, baseline)
    differences_SN = _paired(side, baseline, "pass@1")
    won = lost = p = None
    if len(side.evaluations) == 1:
        greedy = _paired(side, baseline, "greedy")
        won, lost = int((greedy > 0).sum()), int((greedy < 0).sum())
        p = mcnemar(won, lost)
    return Against(side.name, _mean(differences_SN), won, lost, p, needed(differences_SN, margin), margin)


def unlike(side: Side, baseline: Side) -> dict[str, str]:
    """Return key -> "old → new" of each setting that the side was measured with and the baseline was not.

    Settings of chance (`conditions.CHANCE`) and measurements whose settings were not recorded are no difference.
    """
    return _unlike(baseline.evaluations[0], side.evaluations[0])


def _unlike(old: Evaluation, new: Evaluation) -> dict[str, str]:
    if old.conditions is None or new.conditions is None:
        return {}
    changed = differences(old.conditions.settings(), new.conditions.settings())
    return {key: text for key, text in changed.items() if key not in CHANCE}


def _paired(side: Side, baseline: Side, measure: str) -> NDArray[np.float64]:
    order = side.evaluations[0].pass_rates()
    place = {problem: column for column, problem in enumerate(baseline.evaluations[0].pass_rates())}
    return side.values(measure) - baseline.values(measure)[:, [place[problem] for problem in order]]


def _require_pairs(side: Side, baseline: Side) -> None:
    if unequal := _samples(baseline.evaluations[0], side.evaluations[0]):
        raise UsageError(f"{baseline.name} and {side.name} were measured on {unequal}")
    problems = [_problems(evaluation) for part in (baseline, side) for evaluation in part.evaluations]
    if any(others != problems[0] for others in problems):
        raise UsageError(f"{side.name} and {baseline.name} were measured on different problems, so they cannot be compared")
    if len(baseline.evaluations) not in (1, len(side.evaluations)):
        raise UsageError(
            f"{side.name} has {len(side.evaluations)} seeds and {baseline.name} {len(baseline.evaluations)}: "
            f"give both the same number, or one seed of {baseline.name}"
        )


def _samples(old: Evaluation, new: Evaluation) -> str:
    """Return how two samples of a set of problems differ, and what to do; empty where they do not, or the sets' sizes differ."""
    sizes = [evaluation.limit.of if evaluation.limit else len(evaluation.pass_rates()) for evaluation in (old, new)]
    if old.limit == new.limit or sizes[0] != sizes[1]:
        return ""
    first, second = (f"n = {evaluation.limit or f'all {sizes[0]:,}'}" for evaluation in (old, new))
    return f"different samples of the problems ({first}; {second}): measure both with one --limit and one --seed"


def _problems(evaluation: Evaluation) -> set[tuple[str, str, str]]:
    return {(sample.problem_id, sample.question, sample.answer) for sample in evaluation.samples}


def _mean(values_SN: NDArray[np.float64]) -> Estimate:
    return Estimate(float(values_SN.mean()), *crossed_ci95(values_SN.tolist()), n=values_SN.shape[1])
