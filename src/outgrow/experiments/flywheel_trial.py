"""One flywheel of an experiment, in a process of its own with one thread."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from ..core.callbacks import CheckStop
from ..evaluate.sample import sample_problems
from ..evaluate.statistics import pass_at_k
from ..flywheel import run_flywheel
from ..flywheel.stage_cache import StageResult
from ..flywheel.tasks import stage_policy
from ..problems.suites import suite
from ..runs.cost import Budget
from ..runs.session import open_session
from ..runs.signals import Interrupt
from ..train.loop import configure_determinism
from ..train.watcher import SilentWatcher
from .flywheel_measures import PassAtK
from .flywheel_result import FlywheelTrialResult, read_flywheel_result
from .measure import Measure
from .rl_trial import seconds_in, session
from .trial import Trial


class _StopsBetweenStages(SilentWatcher):
    """Shows nothing; looks between two stages whether a signal has come."""

    def __init__(self, check_stop: CheckStop) -> None:
        self._check_stop = check_stop

    def stage(self, text: str) -> None:
        self._check_stop()


def run_flywheel_trial(path: Path, run: Trial, measures: Sequence[Measure], prepared: dict[str, Path]) -> FlywheelTrialResult:
    """Turn it in this folder, or go on with it there, and read off what is kept. Raises as `run_flywheel` does."""
    sizes = {measure.k for measure in measures if isinstance(measure, PassAtK)}
    with session(path), Interrupt() as interrupt:
        turned = run_flywheel(run.recipe, path, _StopsBetweenStages(interrupt.check_stop), Budget())
        ends = (turned.generations[0].base, turned.generations[-1].student)
        found = {done.name: _pass_at(done, sizes, interrupt.check_stop) for done in ends}
    return read_flywheel_result(turned, run, found, seconds_in(path))


def _pass_at(done: StageResult, sizes: set[int], check_stop: CheckStop) -> dict[str, float]:
    """k -> pass@k on the suite that decides, with as many samples a problem as the largest k; nothing where none is asked for."""
    if not sizes:
        return {}
    recipe, n = done.recipe, max(sizes)
    configure_determinism(recipe)
    problems = suite(recipe.evaluate.suite).load()
    with open_session(recipe, stage_policy(done)) as session:
        sampling = session.evaluation_sampling
        samples = sample_problems(session.model, session.verifier, problems, n, sampling, recipe.seed, check_stop)
    right = Counter(sample.problem_id for sample in samples if sample.right)
    return {str(k): sum(pass_at_k(n, right[problem.id], k) for problem in problems) / len(problems) for k in sorted(sizes)}
