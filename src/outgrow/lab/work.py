"""One run of an experiment, in a process of its own with one thread."""

import time
from pathlib import Path

from ..curriculum import Ledger
from ..evaluate.sample import sample_problems
from ..keyed import python_random
from ..learn.job import StepResult
from ..learn.loop import resume, train
from ..learn.policies import engine_of, run_policy
from ..learn.sources import distinct, training_problems
from ..problems.source import quiet
from ..recipes import Recipe
from ..rollout import Local
from ..runs.files import append_line, read_lines
from ..runs.spending import Spent
from ..verify import Verifier
from .mastery import mastery
from .measures import Retention
from .result import Result, read_result


class _Silent:
    """Nobody watches a single run of a lab."""

    def phase(self, text: str) -> None: ...

    def training(self, done: int, steps: int) -> None: ...

    def step(self, result: StepResult, spent: Spent) -> None: ...

    def note(self, text: str) -> None: ...


def work(path: Path, recipe: Recipe, key: str, on: str, arm: str, retention: Retention | None) -> Result:
    """Run it in this folder, or go on with it there, and read off what is kept. Raises as `train` does."""
    began = time.perf_counter()
    if (path / "recipe.toml").exists():
        resume(path, [], _Silent())
    else:
        train(recipe, path, _Silent())
    retained = _retention(path, recipe, retention) if retention else None
    append_line(path / "lab.jsonl", {"seconds": time.perf_counter() - began})
    seconds = sum(row["seconds"] for row in read_lines(path / "lab.jsonl"))
    return read_result(path, key, on, arm, recipe.seed, retained, seconds)


def _retention(path: Path, recipe: Recipe, asked: Retention) -> float | None:
    """pass@1 of the run's policy on problems that it had mastered; None where there are none."""
    with Ledger(path / "ledger.sqlite") as ledger:
        mastered = mastery(ledger.visits()).mastered
    problems = [problem for source in distinct(training_problems(recipe, quiet)) for problem in source if problem.id in mastered]
    if not problems:
        return None
    chosen = python_random(recipe.seed, "retention").sample(problems, min(asked.problems, len(problems)))
    policy, engine = run_policy(path), engine_of(recipe)
    engine.update(policy)
    sampling = recipe.sampling.model_copy(update={"temperature": recipe.evaluate.temperature})
    with Verifier(recipe.verify.extract, recipe.verify.exact) as verifier:
        samples = sample_problems(Local(policy, engine), verifier, chosen, asked.samples, sampling, recipe.seed)
    return sum(sample.right for sample in samples) / len(samples)
