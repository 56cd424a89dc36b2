"""Runs a flywheel trial, in a process with one thread."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from ..core.callbacks import CheckStop
from ..core.determinism import deterministic
from ..evaluate.sample import sample_problems
from ..evaluate.statistics import pass_at_k
from ..flywheel.run import run_flywheel
from ..flywheel.stage_cache import StageResult
from ..flywheel.tasks import stage_policy
from ..runs.cost import Budget
from ..runs.practice_problems import suite_problems
from ..runs.session import open_session
from ..runs.signals import Interrupt
from ..train.watcher import SilentWatcher
from .flywheel_measures import PassAtK
from .flywheel_result import FlywheelTrialResult, read_flywheel_result
from .measure import Measure
from .rl_trial import session_seconds, timed_session
from .trial import Trial


class _StopsBetweenStages(SilentWatcher):
    """Shows nothing. Checks between two stages whether a signal has arrived."""

    def __init__(self, check_stop: CheckStop) -> None:
        self._check_stop = check_stop

    def stage(self, text: str) -> None:
        self._check_stop()


def run_flywheel_trial(path: Path, trial: Trial, measures: Sequence[Measure]) -> FlywheelTrialResult:
    """Run a trial in this folder, or continue it there, and return its result. Raises as `run_flywheel` does."""
    ks = {measure.k for measure in measures if isinstance(measure, PassAtK)}
    with timed_session(path), Interrupt() as interrupt:
        flywheel = run_flywheel(trial.recipe, path, _StopsBetweenStages(interrupt.check_stop), Budget())
        ends = (flywheel.generations[0].base, flywheel.generations[-1].student)
        pass_at = {stage.name: _pass_at(stage, ks, interrupt.check_stop) for stage in ends}
    return read_flywheel_result(flywheel, trial, pass_at, session_seconds(path))


def _pass_at(stage: StageResult, ks: set[int], check_stop: CheckStop) -> dict[str, float]:
    """Return k -> pass@k of a stage's model on the suite that decides, with max(ks) samples a problem; empty without ks."""
    if not ks:
        return {}
    recipe, n = stage.recipe, max(ks)
    problems = suite_problems(recipe, recipe.evaluate.suite)
    with deterministic(recipe.run.threads), open_session(recipe, stage_policy(stage)) as session:
        sampling = session.evaluation_sampling
        samples = sample_problems(session.model, session.verifier, problems, n, sampling, recipe.seed, check_stop)
    right = Counter(sample.problem_id for sample in samples if sample.right)
    return {str(k): sum(pass_at_k(n, right[problem.id], k) for problem in problems) / len(problems) for k in sorted(ks)}
