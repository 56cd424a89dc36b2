"""What the results of an experiment say: each arm's numbers, and each arm beside the baseline, seed by seed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..core.estimate import Estimate
from ..evaluate.statistics import paired_ci95, seeds_ci95
from .experiment import Experiment, Set
from .measure import AnyResult, Measure

# A bootstrap over fewer seeds than this is too narrow to be compared by.
FEWEST_SEEDS = 6


@dataclass(frozen=True)
class ArmNumbers:
    """One measure of one arm. n: its seeds; reached: how many of them have the number itself, not a bound. mean: over its seeds.
    against: the baseline, paired over the seeds that both have; None where there are too few. said: better, worse, or neither."""

    arm: str
    n: int
    reached: int
    mean: Estimate | None
    against: Estimate | None
    said: str


@dataclass(frozen=True)
class _Values:
    """Seed -> value, and the seeds whose value is just a lower bound."""

    values: dict[int, float]
    bounds: set[int]


def numbers(experiment: Experiment, one: Set, measure: Measure, results: Mapping[str, AnyResult]) -> list[ArmNumbers]:
    """A line for each arm."""
    arms = {arm.name: _values(experiment, one, measure, results, arm.name) for arm in experiment.arms_on(one)}
    baseline = arms.get(experiment.baseline, _Values({}, set()))
    return [_line(name, found, baseline, measure, name == experiment.baseline) for name, found in arms.items()]


def _line(arm: str, found: _Values, baseline: _Values, measure: Measure, itself: bool) -> ArmNumbers:
    values = list(found.values.values())
    mean = Estimate(sum(values) / len(values), *seeds_ci95(values), n=len(values)) if len(values) >= FEWEST_SEEDS else None
    against = None if itself else _paired(found.values, baseline.values, measure)
    said = "" if against is None else _said(against, found, baseline, measure)
    return ArmNumbers(arm, len(values), len(values) - len(found.bounds), mean, against, said)


def winner(experiment: Experiment, one: Set, measure: Measure, results: Mapping[str, AnyResult]) -> str | None:
    """The arm that is better than every other one with all intervals on one side; None where there is none such."""
    arms = {arm.name: _values(experiment, one, measure, results, arm.name) for arm in experiment.arms_on(one)}
    for name, found in arms.items():
        others = [(other, _paired(found.values, other.values, measure)) for rival, other in arms.items() if rival != name]
        if all(paired is not None and _said(paired, found, other, measure) == "better" for other, paired in others):
            return name
    return None


def _said(against: Estimate, ours: _Values, theirs: _Values, measure: Measure) -> str:
    """A lower bound can make its own side look better than it is, never worse; so such a side is not called the better one."""
    null = 1.0 if measure.compared == "ratio" else 0.0
    if not against.excludes(null):
        return "no difference shown"
    better = (against.value < null) == measure.less_is_better
    if (ours if better else theirs).bounds:
        return "not shown: the target was not always reached"
    return "better" if better else "worse"


def _values(experiment: Experiment, one: Set, measure: Measure, results: Mapping[str, AnyResult], arm: str) -> _Values:
    values, bounds = {}, set()
    for run in experiment.runs:
        if (run.on, run.arm) == (one.name, arm) and run.key in results:
            value = measure.of(results[run.key])
            if value is not None:
                values[run.seed] = value
                if not measure.reached(results[run.key]):
                    bounds.add(run.seed)
    return _Values(values, bounds)


def _paired(values: Mapping[int, float], baseline: Mapping[int, float], measure: Measure) -> Estimate | None:
    seeds: Sequence[int] = sorted(values.keys() & baseline.keys())
    if len(seeds) < FEWEST_SEEDS:
        return None
    ours, theirs = [values[seed] for seed in seeds], [baseline[seed] for seed in seeds]
    if measure.compared == "ratio" and min(theirs) <= 0:
        return None
    return Estimate(*paired_ci95(ours, theirs, measure.compared == "ratio"), n=len(seeds))
