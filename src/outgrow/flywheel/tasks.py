"""The kinds of stages: a training run, the measurement of an existing model, a comparison, and synthetic data."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..config import Recipe, dump_recipe, filled, unsaid, with_absolute_paths
from ..config.sections import DataSection
from ..core.determinism import deterministic
from ..core.files import write_atomic
from ..evaluate.measured import suites_of
from ..policy import Policy
from ..policy.export import export
from ..problems.held_out import HELD_OUT
from ..runs.cost import Budget, Meter
from ..runs.folder import RunFolder, read_recipe
from ..runs.input_digests import PathDigest, digest_of
from ..runs.models import base_policy, run_policy
from ..runs.practice_problems import practice_problems
from ..runs.session import local_model, verifier_for
from ..runs.signals import Interrupt
from ..synthetic import DataRequest, SyntheticRow, make_data, read_summary, rows_from_run
from ..synthetic.pipeline import matching_problems
from ..train.before_after import Outcome
from ..train.loop import resume, train
from ..train.watcher import Watcher
from ..types import Problem
from ..verify.extraction.extract import THINK_OPEN
from .cache_key import recipe_key
from .promotion import Promotion
from .stage_cache import StageOutput, StageResult, StageSpec

_SAMPLING_KEYS = ("prompt", "sampling", "engine", "verify", "run")  # the parts of a recipe that decide how a model is sampled


class TrainStage(StageSpec):
    """A training run: what `outgrow train` and `outgrow sft` make, and `outgrow resume` continues."""

    def cache_key(self, path_digest: PathDigest) -> dict[str, Any]:
        return recipe_key(self.recipe, path_digest)

    def run(self, path: Path, watcher: Watcher, budget: Budget) -> StageOutput:
        files = RunFolder(path)
        if not files.is_run():
            train(self.recipe, path, watcher, budget)
        else:
            stored, made_with = read_recipe(path)
            recipe = with_absolute_paths(self.recipe)
            if unsaid(recipe):
                recipe = filled(recipe, base_policy(recipe).parameters)
            if stored != recipe:  # they differ only in words, prices and the places of files
                write_atomic(files.recipe, dump_recipe(recipe, {"made_with": made_with}).encode())
            resume(path, [], watcher, budget)
        summary = files.read_summary()
        return StageOutput(summary["policy_sha256"], summary["rollouts"], summary)


class MeasureStage(StageSpec):
    """The measurement of a model that existed before the flywheel, on the suites of a recipe; in the first generation."""

    def __init__(self, stage: str, recipe: Recipe, model: str) -> None:
        super().__init__(1, stage, recipe, model=model)

    def cache_key(self, path_digest: PathDigest) -> dict[str, Any]:
        values = recipe_key(self.recipe, path_digest)
        return {key: values[key] for key in ("policy", "evaluate", *_SAMPLING_KEYS)}

    def run(self, path: Path, watcher: Watcher, budget: Budget) -> StageOutput:
        with deterministic(self.recipe.run.threads), _session(path, self.recipe, budget) as (meter, interrupt):
            policy, engine = base_policy(self.recipe), self.recipe.engine.exact().build(watcher.warn)
            outcome = Outcome(self.recipe, path, engine, meter, watcher.phase, watcher.answering, interrupt.check_stop)
            outcome.measure("after", policy, 0)
            return StageOutput(policy.digest())


class PromotionStage(StageSpec):
    """The comparison that decides whether a student is promoted. models: those compared, the student first."""

    kind = "measurement"

    def __init__(self, generation: int, promotion: Promotion, models: Sequence[StageResult]) -> None:
        super().__init__(generation, "promotion", models[0].recipe, [(model, "compared with") for model in models])
        self.promotion = promotion

    def cache_key(self, path_digest: PathDigest) -> dict[str, Any]:
        return {"compared": [[model.inputs, model.digest] for model, _ in self.parents]}

    def run(self, path: Path, watcher: Watcher, budget: Budget) -> StageOutput:
        path.mkdir(exist_ok=True)
        figures = self.promotion.as_json()
        return StageOutput(digest_of(figures), result=figures)


class DataStage(StageSpec):
    """Synthetic data for the next base: the maker's answers to the student's training problems.

    Where the section says so, the student's own training rollouts are added, or take the place of drawn answers.
    """

    kind = "data"

    def __init__(self, generation: int, maker: StageResult, student: StageResult, section: DataSection) -> None:
        makers = [maker] if section.k else []
        makers += [student] if section.rollouts and student not in makers else []
        super().__init__(generation, "data", maker.recipe, [(model, "made by") for model in makers])
        self.maker, self.student, self.section = maker, student, section

    def cache_key(self, path_digest: PathDigest) -> dict[str, Any]:
        maker, student = recipe_key(self.maker.recipe, path_digest), recipe_key(self.student.recipe, path_digest)
        return {
            **{key: maker[key] for key in _SAMPLING_KEYS},
            **{key: student[key] for key in ("problems", "evaluate", "seed")},
            "maker": self.maker.digest if self.section.k else None,
            "rollouts": digest_of([self.student.inputs, self.student.digest]) if self.section.rollouts else None,
            "data": self.section.model_dump(mode="json"),
            "generation": self.generation,
        }

    def run(self, path: Path, watcher: Watcher, budget: Budget) -> StageOutput:
        out = path / "made"
        with deterministic(self.recipe.run.threads), _session(path, self.recipe, budget) as (meter, interrupt):
            if not out.exists():
                self._make(out, watcher, meter, interrupt)
            meter.write(0, "making")
        summary = read_summary(out)
        figures = {**asdict(summary), "made_by": [model.name for model, _ in self.parents]}
        del figures["path"]  # the place of the folder says nothing about the data
        return StageOutput(summary.sha256, summary.cost, figures)

    def _make(self, out: Path, watcher: Watcher, meter: Meter, interrupt: Interrupt) -> None:
        recipe, trained_by = self.recipe, self.student.recipe
        problems = practice_problems(trained_by, watcher.warn)

        def check_stop() -> None:
            interrupt.check_stop()
            meter.check_now()

        request = DataRequest(
            problems,
            self.section,
            recipe.sampling,
            recipe.seed,
            self.generation,
            suites=[name for name in (*suites_of(trained_by), trained_by.evaluate.validation) if name != HELD_OUT],
            existing_rows=_training_rows(self.student, problems, self.generation) if self.section.rollouts else (),
        )
        with verifier_for(recipe) as verifier:
            make_data(
                local_model(stage_policy(self.maker), recipe.engine.exact().build(watcher.warn)) if self.section.k else None,
                verifier,
                request,
                out,
                warn=watcher.warn,
                check_stop=check_stop,
                on_written=watcher.answering("making data", self.section.k * len(matching_problems(problems, self.section))),
            )


def stage_policy(result: StageResult) -> Policy:
    """Return the policy that a stage made, or measured."""
    return run_policy(result.path) if result.is_run else base_policy(result.recipe)


def _training_rows(student: StageResult, problems: Sequence[Problem], generation: int) -> list[SyntheticRow]:
    """Return the student's training rollouts to these problems, as rows of data."""
    policy = run_policy(student.path)
    opener = THINK_OPEN if policy.opens_think else ""
    conversations = {problem.id: policy.conversation(problem.question, problem.turns) for problem in problems}
    return rows_from_run(student.path, conversations, opener, student.digest, generation)


def merged_path(result: StageResult) -> str:
    """Return a model that training can start from: the stage's own, or a run's adapter merged into one ordinary folder."""
    if not result.is_run or result.recipe.policy.lora is None:
        return result.model
    merged = result.path / "merged"
    if not merged.exists():
        with deterministic(result.recipe.run.threads):
            export(run_policy(result.path), merged)
    return str(merged)


@contextmanager
def _session(path: Path, recipe: Recipe, budget: Budget) -> Iterator[tuple[Meter, Interrupt]]:
    """Open what a run's session has: a meter that counts its seconds, and a signal handler that is polled."""
    path.mkdir(exist_ok=True)
    meter = Meter(RunFolder(path).timings, recipe.run.dollars_per_hour, time.perf_counter(), budget)
    with Interrupt() as interrupt:
        try:
            meter.rewind(0)
            yield meter, interrupt
        finally:
            meter.close()
