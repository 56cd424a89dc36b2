"""Suites over a run's checkpoints: its base, every checkpoint that is still there, one after the other."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from ..core.callbacks import Answering, Warn, unwatched
from ..core.errors import UsageError
from ..core.shell import command_line
from ..engines import ChatModel, Tally
from ..problems.suites import samples_for
from ..runs.checkpoint import whole_checkpoints
from ..runs.folder import read_recipe
from ..runs.models import base_policy, require_base, saved_policy
from ..runs.practice_problems import suite_problems
from ..runs.session import open_session
from . import evaluate
from .drift import Drift, drift
from .evaluation import Evaluation


def drift_of(
    run: Path, suites: Sequence[str], samples: int | None, seed: int, warn: Warn,
    check_stop: Callable[[], None] = lambda: None, cached: Callable[[ChatModel], ChatModel] = lambda model: model,
    answering: Answering = unwatched,
) -> Iterator[Drift]:  # fmt: skip
    """Yield the drift of each suite at the base, then at each whole checkpoint.

    samples: of each problem. Default: what the suite's size needs. cached: wraps a model so that its answers are cached.
    answering: told how far each measurement is.
    Raises UsageError where the run has no checkpoint yet, or its base is no longer the same.
    """
    recipe, made_with = read_recipe(run)
    checkpoints = whole_checkpoints(run)
    if not checkpoints:
        raise UsageError(f"{run}: no whole checkpoint yet; continue it first: {command_line('resume', run)}")
    base = base_policy(recipe)
    require_base(run, recipe, base, made_with)
    problems = {name: suite_problems(recipe, name, warn) for name in suites}
    engine = recipe.engine.exact().build(warn)
    before: dict[str, Evaluation] = {}
    number, measurements = 0, (1 + len(checkpoints)) * len(problems)
    for checkpoint in (None, *checkpoints):
        policy = base
        if checkpoint:
            under = base_policy(recipe) if recipe.policy.lora is not None else None
            policy = saved_policy(recipe, checkpoint.policy, under)
        with open_session(recipe, policy, engine=engine) as session:
            model = cached(session.model)
            for name, asked in problems.items():
                k, step = samples or samples_for(len(asked)), checkpoint.step if checkpoint else 0
                number += 1
                what = f"step {step}, {name} (measurement {number} of {measurements})"
                tally = Tally(answering(what, (k + 1) * len(asked)))
                counted, watch = tally.wrap(model), tally.watching(check_stop)
                now = evaluate(counted, session.verifier, asked, k, session.evaluation_sampling, seed, watch)
                before.setdefault(name, now)
                yield drift(name, asked, step, base, policy, before[name], now)
