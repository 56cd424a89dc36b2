"""One run of an experiment, in a process of its own with one thread."""

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ..config import Recipe
from ..core.callbacks import quiet
from ..core.files import append_line, read_lines, write_json
from ..core.rng import python_rng
from ..evaluate.sample import sample_problems
from ..ledger import Ledger
from ..runs.folder import RunFolder, read_recipe
from ..runs.models import run_policy
from ..runs.practice_problems import practice_problems
from ..runs.session import open_session
from ..train.loop import resume, train
from ..train.watcher import SilentWatcher
from .mastery import mastery
from .measure import Measure
from .rl_measures import Retention
from .rl_result import RetainedSkill, RLResult, code_digest, read_result
from .trial import Trial

_MADE_BY = "code.json"


def prepare(path: Path, recipe: Recipe) -> None:
    """Train what arms need in this folder, or go on with it there; nothing to do where that is done. Raises as `train` does."""
    if not RunFolder(path).summary.exists():
        _train(path, recipe)
        write_json(path / _MADE_BY, code_digest())


def made_otherwise(path: Path) -> bool:
    """Whether what was prepared in this folder is of another version of the code."""
    try:
        return bool(json.loads((path / _MADE_BY).read_bytes()) != code_digest())
    except (OSError, ValueError):
        return True


def run_rl_trial(path: Path, run: Trial, measures: Sequence[Measure], prepared: dict[str, Path]) -> RLResult:
    """Trial it in this folder, or go on with it there, and read off what is kept. Raises as `train` does."""
    retention = next((measure for measure in measures if isinstance(measure, Retention)), None)
    with session(path):
        _train(path, run.recipe)
        kept = _kept(path, run.recipe, retention) if retention else RetainedSkill()
    return read_result(path, run, kept, seconds_in(path), _measured(run.recipe, prepared))


@contextmanager
def session(path: Path) -> Iterator[None]:
    """Its seconds are kept in the run's folder, whether or not it comes to its end."""
    began = time.perf_counter()
    try:
        yield
    finally:
        if path.exists():
            append_line(path / "lab.jsonl", {"seconds": time.perf_counter() - began})


def seconds_in(path: Path) -> float:
    """Of all sessions."""
    total: float = sum(row["seconds"] for row in read_lines(path / "lab.jsonl"))
    return total


def _train(path: Path, recipe: Recipe) -> None:
    if RunFolder(path).is_run():
        resume(path, [], SilentWatcher())
    else:
        train(recipe, path, SilentWatcher())


def _measured(recipe: Recipe, prepared: dict[str, Path]) -> dict[str, float]:
    """pass@1 of what was prepared and measured on the suite that this recipe is measured on."""
    same = (name for name, path in prepared.items() if read_recipe(path)[0].evaluate.suite == recipe.evaluate.suite)
    return {name: RunFolder(prepared[name]).read_summary()["after"]["pass@1"] for name in same}


def _kept(path: Path, recipe: Recipe, asked: Retention) -> RetainedSkill:
    """What the run's policy still can, on the same training problems for every arm of a seed."""
    with Ledger(RunFolder(path).ledger) as ledger:
        mastered = mastery(ledger.visits()).mastered
    problems = practice_problems(recipe, quiet)
    chosen = python_rng(recipe.seed, "retention").sample(problems, min(asked.problems, len(problems)))
    with open_session(recipe, run_policy(path)) as session:
        sampling = session.evaluation_sampling
        samples = sample_problems(session.model, session.verifier, chosen, asked.samples, sampling, recipe.seed)
    right: dict[str, list[bool]] = {}
    for sample in samples:
        right.setdefault(sample.problem_id, []).append(sample.right)
    again = [all(row) for problem, row in right.items() if problem in mastered]
    return RetainedSkill(
        retention=sum(sample.right for sample in samples) / len(samples),
        lost=1 - sum(again) / len(again) if again else None,
    )
