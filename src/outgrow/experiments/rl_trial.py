"""Runs an RL trial, in a process with one thread."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ..config import Recipe
from ..core.callbacks import quiet
from ..core.determinism import deterministic
from ..core.files import read_json, write_json
from ..core.json_lines import append_line, read_lines
from ..core.rng import python_rng
from ..evaluate.sample import sample_problems
from ..ledger import Ledger
from ..runs.folder import RunFolder, read_recipe
from ..runs.models import run_policy
from ..runs.practice_problems import practice_problems
from ..runs.session import open_session
from ..train.loop import resume, train
from ..train.watcher import SilentWatcher
from .code_digest import code_digest
from .mastery import mastery
from .measure import Measure
from .rl_measures import Retention
from .rl_result import RetainedSkill, RLResult, read_rl_result
from .trial import Trial

_CODE_FILE = "code.json"  # in a prepared model's folder: digest of the code that trained it


def prepare(path: Path, recipe: Recipe) -> None:
    """Train a model that arms need in this folder, or continue it there. Does nothing where it is done. Raises as `train` does."""
    if not RunFolder(path).summary.exists():
        _train(path, recipe)
        write_json(path / _CODE_FILE, code_digest())


def is_outdated(path: Path) -> bool:
    """Return whether the model in this folder was prepared by another version of the code."""
    try:
        return bool(read_json(path / _CODE_FILE) != code_digest())
    except (OSError, ValueError):
        return True


def run_rl_trial(path: Path, trial: Trial, measures: Sequence[Measure], prepared: dict[str, Path]) -> RLResult:
    """Run a trial in this folder, or continue it there, and return its result. Raises as `train` does."""
    retention = next((measure for measure in measures if isinstance(measure, Retention)), None)
    with timed_session(path):
        _train(path, trial.recipe)
        retained = _retained_skill(path, trial.recipe, retention) if retention else RetainedSkill()
    return read_rl_result(path, trial, retained, session_seconds(path), _prepared_scores(trial.recipe, prepared))


@contextmanager
def timed_session(path: Path) -> Iterator[None]:
    """Add the seconds spent inside to the folder's lab.jsonl, also where an error ends them."""
    began = time.perf_counter()
    try:
        yield
    finally:
        if path.exists():
            append_line(path / "lab.jsonl", {"seconds": time.perf_counter() - began})


def session_seconds(path: Path) -> float:
    """Return the seconds of all sessions in this folder."""
    total: float = sum(row["seconds"] for row in read_lines(path / "lab.jsonl"))
    return total


def _train(path: Path, recipe: Recipe) -> None:
    if RunFolder(path).is_run():
        resume(path, [], SilentWatcher())
    else:
        train(recipe, path, SilentWatcher())


def _prepared_scores(recipe: Recipe, prepared: dict[str, Path]) -> dict[str, float]:
    """Return name -> pass@1 of the prepared models that were measured on this recipe's suite."""
    same = (name for name, path in prepared.items() if read_recipe(path)[0].evaluate.suite == recipe.evaluate.suite)
    return {name: RunFolder(prepared[name]).read_summary()["after"]["pass@1"] for name in same}


def _retained_skill(path: Path, recipe: Recipe, measure: Retention) -> RetainedSkill:
    """Sample the trained policy on training problems, which are the same for all arms of a seed."""
    with Ledger(RunFolder(path).ledger) as ledger:
        mastered = mastery(ledger.visits()).mastered
    problems = practice_problems(recipe, quiet)
    chosen = python_rng(recipe.seed, "retention").sample(problems, min(measure.problems, len(problems)))
    with deterministic(recipe.run.threads), open_session(recipe, run_policy(path)) as session:
        sampling = session.evaluation_sampling
        samples = sample_problems(session.model, session.verifier, chosen, measure.samples, sampling, recipe.seed)
    right: dict[str, list[bool]] = {}
    for sample in samples:
        right.setdefault(sample.problem_id, []).append(sample.right)
    still_right = [all(answers) for problem, answers in right.items() if problem in mastered]
    return RetainedSkill(
        retention=sum(sample.right for sample in samples) / len(samples),
        lost=1 - sum(still_right) / len(still_right) if still_right else None,
    )
