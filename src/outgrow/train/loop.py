"""The loop every run goes through: measure, advance step by step, measure again; stop and continue at any moment.

What is on disk is always ahead of, or level with, the newest checkpoint; continuing drops whatever is ahead of it.
"""

import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from ..config import Recipe, RLRecipe, filled, unsaid, with_absolute_paths, with_plugins
from ..core.callbacks import Note, once
from ..core.changes import changed_values, flat
from ..core.determinism import deterministic
from ..core.errors import OutgrowError, SpoiledError, UsageError
from ..core.fresh_folder import FreshFolder
from ..core.json_lines import append_line, keep_lines_through
from ..core.plugins import plugins_imported
from ..core.threads import require_threads
from ..engines import build_engines
from ..evaluate.measured import suites_of
from ..evaluate.worse import early_end
from ..policy import Policy
from ..policy.learnable import require_learnable
from ..runs.checkpoint import drop_checkpoints_after, point_latest
from ..runs.cost import Budget, BudgetReached, Meter
from ..runs.folder import RunFolder, create_run, held, read_recipe, versions
from ..runs.models import (
    base_policy,
    check_engine,
    digests,
    distilled_policy,
    learner_and_reference,
    require_base,
    require_distilled,
)
from ..runs.practice_problems import suite_problems
from ..runs.records import require_records
from ..runs.resolve_model import resolve_model
from ..runs.sessions import recorded_session
from ..runs.signals import Interrupt, StopRequested
from ..runs.trackers import Track, require_packages, tracking
from .before_after import Outcome
from .changes import Changes, is_finished, record_data, require_more_steps, require_other_training
from .checkpointer import Checkpointer, newest_checkpoint
from .guard import Guard
from .job import Job
from .logged import LoggedWatcher
from .ranks.front import shared_out
from .ranks.rules import require_shareable
from .rl import RLJob
from .sft import SFTJob
from .start import explained, loading, removed_if_start_fails, steps_done
from .watcher import Watcher

_NO_LIMIT = Budget()


@plugins_imported()
def train(recipe: Recipe, path: Path, watcher: Watcher, budget: Budget = _NO_LIMIT) -> None:
    """Start a run in a new folder and take it to its end.

    Raises OutgrowError, StopRequested after a signal, or BudgetReached; what is done is saved then. Where it fails before its first
    step is done, and no person stopped it, the folder is removed.
    """
    began = time.perf_counter()
    logged = LoggedWatcher(watcher, path)
    recipe = with_absolute_paths(with_plugins(recipe))
    with deterministic(recipe.run.threads, keep_buffers=recipe.learn.ranks == 1):
        check_prerequisites(recipe, budget)
        suites_of(recipe)  # a wrong name is told before anything is made
        with loading(recipe):
            base = base_policy(recipe)
            _require_model(recipe, base)
            recipe = _filled(recipe, base, logged)
            distilled = distilled_policy(recipe, base, logged.warn)
            if distilled is not None:  # the learner computes its log-probabilities too
                require_learnable(distilled, "the model of [distill]")
        fresh = FreshFolder.of(path)
        create_run(path, recipe, digests(base, distilled))
        stopped = _run(recipe, path, base, distilled, logged, budget, began, fresh=fresh)
        del base, distilled  # what learned is in them, and the memory is needed
    if stopped:
        resume(path, [], logged, budget)


def _filled(recipe: Recipe, base: Policy, watcher: Watcher) -> Recipe:
    """Return the recipe with every key said; tell what was chosen for it."""
    keys, parameters = unsaid(recipe), base.parameters
    recipe = filled(recipe, parameters)
    if keys:
        values = flat(recipe.model_dump(mode="json"))
        chosen = ", ".join(f"{key}={values[key]:g}" for key in keys)
        watcher.warn(Note(f"chosen for a model of {parameters:,} parameters, since the recipe does not say them: {chosen}"))
    return recipe


@plugins_imported()
def resume(path: Path, overrides: list[str], watcher: Watcher, budget: Budget = _NO_LIMIT, *, accept_loss: bool = False) -> bool:
    """Continue a run exactly where its newest whole checkpoint stands; return False where it was finished already.

    A run that ended early because it was worse trains on only where `overrides` change how it trains. accept_loss: continue where
    files that belong to the checkpoint are lost or changed.

    Raises as `train` does, and UsageError where `overrides` would change the records of a finished run.
    """
    began = time.perf_counter()
    logged = watcher if isinstance(watcher, LoggedWatcher) else LoggedWatcher(watcher, path)  # it tells nothing twice
    stored, made_with = read_recipe(path)
    recipe, _ = read_recipe(path, overrides)
    if is_finished(path, stored):
        if recipe == stored:
            return False
        if worse := early_end(path):
            require_other_training(path, worse, recipe, stored)
        else:
            require_more_steps(path, recipe, stored)
    if recipe.policy != stored.policy:
        raise UsageError(f"{path}: a run keeps the policy it was started with; for another one, start a new run")
    with deterministic(recipe.run.threads, keep_buffers=recipe.learn.ranks == 1):
        check_prerequisites(recipe, budget)
        with loading(recipe):
            base = base_policy(recipe)
        require_base(path, recipe, base, made_with)
        _require_model(recipe, base)
        with loading(recipe):
            distilled = distilled_policy(recipe, base, logged.warn)
        require_distilled(path, recipe, stored, distilled, made_with)
        newer = [f"{name} {made_with.get(name)} → {now}" for name, now in versions().items() if made_with.get(name) != now]
        if newer:
            logged.warn(
                f"continuing with other versions than it began with ({', '.join(newer)}); results may differ in the last bits"
            )
        made_with |= digests(base, distilled)
        settings = (flat(each.model_dump(mode="json", exclude_none=True)) for each in (stored, recipe))
        changed = changed_values(*settings)
        stopped = _run(recipe, path, base, distilled, logged, budget, began, Changes(recipe, made_with, changed, accept_loss))
        del base, distilled
    if stopped:
        resume(path, [], logged, budget)
    return True


def check_prerequisites(recipe: Recipe, budget: Budget) -> None:
    """Raise UsageError, before anything is made, where what the run needs is not there."""
    require_packages(recipe.run.trackers)
    require_threads(recipe.run.threads)
    check_engine(recipe)
    if isinstance(recipe, RLRecipe) and recipe.judge is not None:
        for judge in filter(None, (recipe.judge.model, recipe.judge.watch.second_model)):
            resolve_model(judge)
    budget.require_price(recipe.run.dollars_per_hour)


def _require_model(recipe: Recipe, base: Policy) -> None:
    """Raise UsageError, before anything is made or changed, where this model cannot learn, or be decoded as the recipe says."""
    engine = recipe.engine if isinstance(recipe, RLRecipe) else recipe.engine.exact()
    engine.require_model(base.spec())
    require_learnable(base, recipe.policy.model or "this model")
    require_shareable(recipe, base)


def _run(
    recipe: Recipe, path: Path, base: Policy, distilled: Policy | None, watcher: LoggedWatcher, budget: Budget, began: float,
    changes: Changes | None = None, fresh: FreshFolder | None = None,
) -> bool:  # fmt: skip
    """Train, or continue; return True where its end is yet to be measured, by `resume`.

    changes: what a resumed run is continued with. fresh: the folder of a new run, before its start.
    """
    files = RunFolder(path)
    with (
        held(path),
        Interrupt() as interrupt,
        removed_if_start_fails(fresh, path, interrupt, watcher.warn),
        explained(recipe, path),
        ExitStack() as stack,
    ):
        early = ended = early_end(path)
        if ended and changes and changes.train_otherwise():
            ended = None  # it goes on from the checkpoint that it ended with
        if ended and ended.policy_step is not None:
            drop_checkpoints_after(path, ended.policy_step)  # a kill may have come before
        checkpoint = newest_checkpoint(path, watcher.warn)
        if checkpoint is None:  # they were removed, to begin again
            ended = None
        else:
            require_records(path, checkpoint, bool(changes and changes.accept_loss), watcher.warn)
        if early and ended is None:
            files.worse.unlink()
        done = checkpoint.step if checkpoint else 0
        if recipe.learn.steps < done:
            raise UsageError(f"{path} has done {done} steps, more than learn.steps={recipe.learn.steps}; give {done} or more")
        stack.enter_context(recorded_session(path, done, partial(steps_done, path)))
        watcher.log.open(ended.step if ended else done)
        if changes:
            changes.record_settings(path, done, watcher.warn)
        if checkpoint:
            point_latest(checkpoint)  # a kill may have come before the link was set
        meter = Meter(files.timings, recipe.run.dollars_per_hour, began, budget)
        stack.callback(meter.close)
        engine, measuring = build_engines(recipe.engine, once(watcher.warn), interrupt.check_stop)
        engines = {"engine": engine} if measuring is engine else {"engine": engine, "measuring_engine": measuring}
        for each in engines.values():
            stack.callback(each.close)
        policy, reference = learner_and_reference(recipe, base, checkpoint)
        policy.model.eval()  # no dropout: the log-probabilities of the learner must be those of the engine
        trains = ended is None and done < recipe.learn.steps
        policy, reference, ranks = stack.enter_context(shared_out(recipe, policy, reference, path, trains))
        check_stop = partial(ranks.check_stop, interrupt.check_stop) if ranks else interrupt.check_stop
        job: Job = (
            RLJob(recipe, policy, reference, engine, path, watcher.warn, distilled, watcher.answering, measuring, ranks)
            if isinstance(recipe, RLRecipe)
            else SFTJob(recipe, policy, path, watcher.warn, ranks)
        )
        stack.callback(job.close)
        suites = {name: suite_problems(recipe, name) for name in suites_of(recipe)}
        record_data(recipe, path, job, suites, changes, done, watcher.warn)
        guard = Guard(path, recipe, job.problems, watcher)
        checkpointer = Checkpointer(path, recipe.run, job, engines, meter, guard)
        if checkpoint:
            checkpointer.restore(checkpoint)
        through = ended.step if ended else done  # what it did after its last good checkpoint stays to be looked at
        keep_lines_through(files.metrics, through)
        job.rewind(through)
        guard.rewind(through, ended)
        meter.rewind(through)
        meter.write(through, "loading")
        outcome = Outcome(recipe, path, measuring, meter, watcher.phase, watcher.answering, check_stop, watcher.warn, suites)
        outcome.measure("before", reference, 0)
        if ranks:
            ranks.drop_reference()
        if ended and ended.policy_step != done:  # its checkpoint is torn, and the one before is used
            outcome.forget()
            ended = guard.end(ended, done)
        if ended is None and done < job.steps:
            outcome.forget()
            with tracking(recipe.run.trackers, path, recipe.model_dump(mode="json"), done, watcher.warn) as track:
                if _advance(path, job, done, checkpointer, guard, check_stop, watcher, meter, track) or ranks:
                    return True
        steps = done if ended else job.steps
        outcome.measure("after", policy, steps)
        if not files.summary.exists():
            outcome.summarise(reference, policy, steps, job.rollouts(), partial(guard.conclude, ended))
        return False


def _advance(
    path: Path,
    job: Job,
    done: int,
    checkpointer: Checkpointer,
    guard: Guard,
    check_stop: Callable[[], None],
    watcher: Watcher,
    meter: Meter,
    track: Track,
) -> bool:
    """Do the steps that are left; return True where the run ends before, because it is worse."""
    watcher.training(done, job.steps)
    if guard.stops:
        checkpointer.save(done)
    while done < job.steps:
        try:
            meter.check()
            result = job.advance(done + 1, check_stop)
        except SpoiledError:
            raise
        except (StopRequested, BudgetReached, OutgrowError):
            checkpointer.save(done)  # the step in hand has moved nothing yet
            check_stop()  # a signal to a whole group may have ended a server that the step asked
            raise
        result.commit()
        append_line(RunFolder(path).metrics, result.metrics)
        done += 1
        meter.write(done, "other", result.seconds)
        track(result.metrics)
        watcher.step(result, meter.spent())
        if result.look and guard.ends(result.look):
            return True
        if checkpointer.due(done):
            checkpointer.save(done)
    return False
