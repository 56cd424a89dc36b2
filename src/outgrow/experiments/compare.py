"""The statistics of an experiment: each arm's mean, and each arm compared with the baseline seed by seed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..core.estimate import Estimate
from ..evaluate.statistics import paired_ci95, seeds_ci95
from .experiment import Condition, Experiment
from .measure import AnyResult, Measure

MIN_SEEDS = 6
"""With fewer seeds a bootstrap interval is too narrow, so none is given."""


_NOT_REACHED = "not shown: some runs did not reach the target"


@dataclass(frozen=True)
class ArmStatistics:
    """One measure of one arm."""

    arm: str
    n: int
    """Number of seeds."""
    n_reached: int
    """Number of seeds whose value is exact, not a lower bound."""
    mean: Estimate | None
    """Over its seeds; None with too few of them."""
    vs_baseline: Estimate | None
    """Ratio to, or difference from, the baseline, paired by seed; None of the baseline itself, and with too few common seeds."""
    verdict: str
    """better, worse (of a neutral measure: higher, lower), or why neither is claimed; empty without a comparison."""


@dataclass(frozen=True)
class _Values:
    """Seed -> value, and the seeds whose value is only a lower bound."""

    values: dict[int, float]
    bounds: set[int]


def arm_statistics(
    experiment: Experiment, condition: Condition, measure: Measure, results: Mapping[str, AnyResult]
) -> list[ArmStatistics]:
    """Return the statistics of each arm under a condition. results: key -> result."""
    arms = _by_arm(experiment, condition, measure, results)
    baseline = arms.get(experiment.baseline, _Values({}, set()))
    return [_statistics(arm, values, baseline, measure, arm == experiment.baseline) for arm, values in arms.items()]


def effect(mean: Estimate, measure: Measure) -> str:
    """Return whether a mean is shown to be better or worse than the measure's `null`, which must not be None."""
    assert measure.null is not None
    if not mean.excludes(measure.null):
        return "no difference shown"
    return "better" if (mean.value < measure.null) == measure.less_is_better else "worse"


def _statistics(arm: str, own: _Values, baseline: _Values, measure: Measure, is_baseline: bool) -> ArmStatistics:
    values = list(own.values.values())
    mean = Estimate(sum(values) / len(values), *seeds_ci95(values), n=len(values)) if len(values) >= MIN_SEEDS else None
    vs_baseline = None if is_baseline else _paired(own.values, baseline.values, measure)
    verdict = "" if vs_baseline is None else _verdict(vs_baseline, own, baseline, measure)
    return ArmStatistics(arm, len(values), len(values) - len(own.bounds), mean, vs_baseline, verdict)


def winner(experiment: Experiment, condition: Condition, measure: Measure, results: Mapping[str, AnyResult]) -> str | None:
    """Return the arm that is better than every other arm with all intervals on one side; None if no arm is, or there is one."""
    arms = _by_arm(experiment, condition, measure, results)
    for name, own in arms.items():
        comparisons = [(other, _paired(own.values, other.values, measure)) for rival, other in arms.items() if rival != name]
        if comparisons and all(
            paired is not None and _verdict(paired, own, other, measure) == "better" for other, paired in comparisons
        ):
            return name
    return None


def _verdict(paired: Estimate, ours: _Values, theirs: _Values, measure: Measure) -> str:
    """Return which side is better. A lower bound can only flatter its own side, so a side with bounds is not called better."""
    null = 1.0 if measure.comparison == "ratio" else 0.0
    if not paired.excludes(null):
        return _NOT_REACHED if ours.bounds or theirs.bounds else "no difference shown"
    if measure.neutral:
        return "lower" if paired.value < null else "higher"
    better = (paired.value < null) == measure.less_is_better
    if (ours if better else theirs).bounds:
        return _NOT_REACHED
    return "better" if better else "worse"


def _by_arm(experiment: Experiment, condition: Condition, measure: Measure, results: Mapping[str, AnyResult]) -> dict[str, _Values]:
    return {arm.name: _values(experiment, condition, measure, results, arm.name) for arm in experiment.arms_on(condition)}


def _values(experiment: Experiment, condition: Condition, measure: Measure, results: Mapping[str, AnyResult], arm: str) -> _Values:
    values, bounds = {}, set()
    for trial in experiment.runs:
        if (trial.on, trial.arm) == (condition.name, arm) and trial.key in results:
            value = measure.value(results[trial.key])
            if value is not None:
                values[trial.seed] = value
                if not measure.reached(results[trial.key]):
                    bounds.add(trial.seed)
    return _Values(values, bounds)


def _paired(values: Mapping[int, float], baseline: Mapping[int, float], measure: Measure) -> Estimate | None:
    seeds: Sequence[int] = sorted(values.keys() & baseline.keys())
    if len(seeds) < MIN_SEEDS:
        return None
    ours, theirs = [values[seed] for seed in seeds], [baseline[seed] for seed in seeds]
    if measure.comparison == "ratio" and min(theirs) <= 0:
        return None
    return Estimate(*paired_ci95(ours, theirs, measure.comparison == "ratio"), n=len(seeds))
