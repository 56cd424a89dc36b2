"""One flywheel of an experiment, in a process of its own with one thread."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ..engines import LocalModel
from ..evaluate.sample import sample_problems
from ..evaluate.statistics import pass_at_k
from ..flywheel import run_flywheel
from ..flywheel.stage_cache import StageResult
from ..problems.suites import suite
from ..runs.cost import Budget
from ..runs.models import base_policy, build_engine, run_policy
from ..runs.signals import Interrupt
from ..train.loop import configure_determinism
from ..verify import Verifier
from .flywheel_measures import PassAtK
from .flywheel_result import FlywheelTrialResult, read_flywheel_result
from .measure import Measure
from .rl_trial import Silent, seconds_in, session
from .trial import Trial


class _Progress(Silent):
    """Nobody watches; between two stages it is asked whether a signal has come."""

    def __init__(self, check_stop: Callable[[], None]) -> None:
        self._poll = check_stop

    def stage(self, text: str) -> None:
        self._poll()

    @contextmanager
    def watch(self) -> "Iterator[_Progress]":
        yield self

    def counting(self, what: str, whole: int) -> Callable[[int], None]:
        return lambda done: None


def run_flywheel_trial(path: Path, run: Trial, measures: Sequence[Measure], prepared: dict[str, Path]) -> FlywheelTrialResult:
    """Turn it in this folder, or go on with it there, and read off what is kept. Raises as `run_flywheel` does."""
    sizes = {measure.k for measure in measures if isinstance(measure, PassAtK)}
    with session(path), Interrupt() as interrupt:
        turned = run_flywheel(run.recipe, path, _Progress(interrupt.check_stop), Budget())
        ends = (turned.generations[0].base, turned.generations[-1].student)
        found = {done.name: _pass_at(done, sizes, interrupt.check_stop) for done in ends}
    return read_flywheel_result(turned, run, found, seconds_in(path))


def _pass_at(done: StageResult, sizes: set[int], check_stop: Callable[[], None]) -> dict[str, float]:
    """k -> pass@k on the suite that decides, with as many samples a problem as the largest k; nothing where none is asked for."""
    if not sizes:
        return {}
    recipe, n = done.recipe, max(sizes)
    configure_determinism(recipe)
    policy, engine = run_policy(done.path) if done.is_run else base_policy(recipe), build_engine(recipe)
    engine.update(policy)
    sampling = recipe.sampling.model_copy(update={"temperature": recipe.evaluate.temperature})
    problems = suite(recipe.evaluate.suite).load()
    with Verifier(recipe.verify.extract, recipe.verify.exact) as verifier:
        samples = sample_problems(LocalModel(policy, engine), verifier, problems, n, sampling, recipe.seed, check_stop)
    right = Counter(sample.problem_id for sample in samples if sample.right)
    return {str(k): sum(pass_at_k(n, right[problem.id], k) for problem in problems) / len(problems) for k in sorted(sizes)}
