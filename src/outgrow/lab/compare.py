"""What the results of an experiment say: each arm's numbers, and each arm beside the baseline, seed by seed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..evaluate.statistics import bootstrap_ci95, paired_ci95
from .experiment import Experiment, Set
from .measures import Measure
from .result import Result


@dataclass(frozen=True)
class Interval:
    """A value with its 95% interval."""

    value: float
    low: float
    high: float

    def excludes(self, null: float) -> bool:
        """Whether the interval lies on one side of it."""
        return self.low > null or self.high < null


# A bootstrap over fewer seeds than this is too narrow to be compared by.
_FEWEST_SEEDS = 6


@dataclass(frozen=True)
class ArmNumbers:
    """One measure of one arm. mean: over its seeds. against: the baseline, paired over the seeds that both have; None where there
    is nothing to pair."""

    arm: str
    n: int
    mean: Interval | None
    against: Interval | None


def numbers(experiment: Experiment, one: Set, measure: Measure, results: Mapping[str, Result]) -> list[ArmNumbers]:
    """A line for each arm."""
    values = {arm.name: _values(experiment, one, measure, results, arm.name) for arm in experiment.arms_on(one)}
    baseline = values.get(experiment.baseline, {})
    return [
        ArmNumbers(
            arm=name,
            n=len(found),
            mean=Interval(sum(found.values()) / len(found), *bootstrap_ci95(list(found.values()))) if found else None,
            against=_paired(found, baseline, measure) if name != experiment.baseline else None,
        )
        for name, found in values.items()
    ]


def winner(experiment: Experiment, one: Set, measure: Measure, results: Mapping[str, Result]) -> str | None:
    """The arm that is better than every other one with all intervals on one side; None where there is none such."""
    values = {arm.name: _values(experiment, one, measure, results, arm.name) for arm in experiment.arms_on(one)}
    if not all(values.values()):
        return None
    means = {name: sum(found.values()) / len(found) for name, found in values.items()}
    best = min(means, key=lambda name: means[name] if measure.less_is_better else -means[name])
    null = null_of(measure)
    for name, found in values.items():
        if name != best:
            paired = _paired(values[best], found, measure)
            if paired is None or not paired.excludes(null):
                return None
    return best


def null_of(measure: Measure) -> float:
    """What a comparison is when there is no difference."""
    return 1.0 if measure.compared == "ratio" else 0.0


def _values(experiment: Experiment, one: Set, measure: Measure, results: Mapping[str, Result], arm: str) -> dict[int, float]:
    found = {}
    for run in experiment.runs:
        if (run.on, run.arm) == (one.name, arm) and run.key in results:
            value = measure.of(results[run.key])
            if value is not None:
                found[run.seed] = value
    return found


def _paired(values: Mapping[int, float], baseline: Mapping[int, float], measure: Measure) -> Interval | None:
    seeds: Sequence[int] = sorted(values.keys() & baseline.keys())
    if len(seeds) < _FEWEST_SEEDS:
        return None
    ours, theirs = [values[seed] for seed in seeds], [baseline[seed] for seed in seeds]
    if measure.compared == "ratio" and min(theirs) <= 0:
        return None
    return Interval(*paired_ci95(ours, theirs, measure.compared == "ratio"))
