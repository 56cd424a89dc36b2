"""What a stage can be: a run, the measurement of a model that is there already, a duel, or the making of data."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path

from ..config import Recipe, dump_recipe
from ..config.schema import DataSection
from ..core.files import write_atomic
from ..policy import Policy
from ..policy.export import export
from ..runs.cost import Budget, Meter
from ..runs.folder import RunFolder, read_recipe
from ..runs.models import base_policy, run_policy
from ..runs.practice_problems import practice_problems
from ..runs.session import local_model, verifier_for
from ..runs.signals import Interrupt
from ..synthetic import SyntheticRow, make_data, read_summary, written_rows
from ..train.before_after import Outcome, suites_of
from ..train.loop import deterministic, resume, train
from ..train.watcher import Watcher
from ..types import Problem
from ..verify.extract import THINK_OPEN
from .cache_key import digest_of, recipe_key
from .lineage import Role
from .promotion import Promotion, promotion
from .stage_cache import StageCache, StageOutput, StageResult, StageSpec

_ASKING = ("prompt", "sampling", "engine", "verify", "run")  # how a model is asked, of all that its recipe says


def run(
    shop: StageCache, generation: int, stage: str, recipe: Recipe, parents: Sequence[tuple[StageResult, Role]] = ()
) -> StageResult:
    """An ordinary run: what `outgrow train` and `outgrow sft` make, and `outgrow resume` continues."""

    def work(path: Path, watcher: Watcher, budget: Budget) -> StageOutput:
        files = RunFolder(path)
        if not files.is_run():
            train(recipe, path, watcher, budget)
        else:
            stored, made_with = read_recipe(path)
            if stored != recipe:  # the same but for words, prices, and where things lie
                write_atomic(files.recipe, dump_recipe(recipe, {"made_with": made_with}).encode())
            resume(path, [], watcher, budget)
        summary = files.read_summary()
        return StageOutput(summary["policy_sha256"], summary["rollouts"], summary)

    return shop.once(StageSpec(generation, stage, "model", recipe, recipe_key(recipe, shop.known), work, parents))


def measure(shop: StageCache, stage: str, model: str, recipe: Recipe) -> StageResult:
    """A model that is there already, asked and graded as this recipe says, on the suites that it names; in the first generation."""
    values = recipe_key(recipe, shop.known)
    asked = {key: values[key] for key in ("policy", "evaluate", *_ASKING)}

    def work(path: Path, watcher: Watcher, budget: Budget) -> StageOutput:
        with deterministic(recipe), _session(path, recipe, budget) as (meter, interrupt):
            policy, engine = base_policy(recipe), recipe.engine.build(watcher.warn)
            Outcome(recipe, path, engine, meter, watcher.phase, interrupt.check_stop).measure("after", policy, 0)
            return StageOutput(policy.digest())

    return shop.once(StageSpec(1, stage, "model", recipe, asked, work, model=model))


def compare(shop: StageCache, generation: int, student: StageResult, teacher: StageResult, best: StageResult | None) -> Promotion:
    """The student against its teacher and the best student before it, by what they were measured at."""
    sides = [one for one in (student, teacher, best) if one is not None]
    found = promotion(student.evaluation(), teacher.evaluation(), best.evaluation() if best else None)

    def work(path: Path, watcher: Watcher, budget: Budget) -> StageOutput:
        path.mkdir(exist_ok=True)
        return StageOutput(digest_of(found.figures()), result=found.figures())

    asked = {"compared": [[one.inputs, one.digest] for one in sides]}
    shop.once(StageSpec(generation, "duel", "measurement", student.recipe, asked, work, [(one, "compared with") for one in sides]))
    return found


def make(shop: StageCache, generation: int, maker: StageResult, student: StageResult, section: DataSection) -> StageResult:
    """Data for the next base: the maker's answers to the student's training problems, and what the student wrote to them while it
    learned, as the section has it; as far as they are worth learning from."""
    recipe, practised = maker.recipe, student.recipe
    makers = [maker] if section.k else []
    makers += [student] if section.rollouts and student not in makers else []
    how, what = recipe_key(recipe, shop.known), recipe_key(practised, shop.known)
    asked = {
        **{key: how[key] for key in _ASKING},
        **{key: what[key] for key in ("problems", "evaluate", "seed")},
        "maker": maker.digest if section.k else None,
        "rollouts": digest_of([student.inputs, student.digest]) if section.rollouts else None,
        "data": section.model_dump(mode="json"),
        "generation": generation,
    }

    def work(path: Path, watcher: Watcher, budget: Budget) -> StageOutput:
        out = path / "made"
        with deterministic(recipe), _session(path, recipe, budget) as (meter, interrupt):
            if not out.exists():
                problems = practice_problems(practised, watcher.warn)

                def check_stop() -> None:
                    interrupt.check_stop()
                    meter.check_now()

                with verifier_for(recipe) as verifier:
                    make_data(
                        local_model(stage_policy(maker), recipe.engine.build(watcher.warn)) if section.k else None,
                        verifier,
                        problems,
                        section,
                        written=lambda wanted: _written(student, wanted, generation) if section.rollouts else (),
                        seed=recipe.seed,
                        generation=generation,
                        out=out,
                        sampling=recipe.sampling,
                        suites=[*suites_of(practised), practised.evaluate.validation],
                        gold=problems,
                        warn=watcher.warn,
                        check_stop=check_stop,
                        on_progress=watcher.counting("making data", len(problems)),
                    )
            meter.write(0, "making")
        made = read_summary(out)
        figures = {**asdict(made), "made_by": [one.name for one in makers]}
        del figures["path"]  # which says where the wheel lies, and nothing of the data
        return StageOutput(made.sha256, made.cost, figures)

    return shop.once(StageSpec(generation, "data", "data", recipe, asked, work, [(one, "made by") for one in makers]))


def stage_policy(done: StageResult) -> Policy:
    """Return the policy that a stage made, or measured."""
    return run_policy(done.path) if done.is_run else base_policy(done.recipe)


def _written(student: StageResult, problems: Sequence[Problem], generation: int) -> list[SyntheticRow]:
    """The student's rollouts to these problems."""
    policy = run_policy(student.path)
    ids, opener = {problem.id for problem in problems}, THINK_OPEN if policy.opens_think else ""
    asked = partial(policy.prompt.messages, tokenizer=policy.tokenizer)
    return written_rows(student.path, ids, asked, opener, student.digest, generation)


def merged_path(done: StageResult) -> str:
    """A model that training can start from: as it is, or a run's adapter multiplied into one ordinary folder."""
    if not done.is_run or done.recipe.policy.lora is None:
        return done.model
    merged = done.path / "merged"
    if not merged.exists():
        with deterministic(done.recipe):
            export(run_policy(done.path), merged)
    return str(merged)


@contextmanager
def _session(path: Path, recipe: Recipe, budget: Budget) -> Iterator[tuple[Meter, Interrupt]]:
    """What a run's session has: its seconds are counted from here, and a signal is answered where it is polled."""
    path.mkdir(exist_ok=True)
    meter = Meter(RunFolder(path).timings, recipe.run.dollars_per_hour, time.perf_counter(), budget)
    with Interrupt() as interrupt:
        try:
            meter.rewind(0)
            yield meter, interrupt
        finally:
            meter.close()
