"""The order of stages: from the first teacher through each generation to the next. The stage cache runs each stage once."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .lineage import Role
from .promotion import Promotion, promotion
from .recipe import FlywheelRecipe
from .stage_cache import StageCache, StageResult
from .stage_recipes import base_recipe, judge_recipe, measure_recipe, student_recipe, teacher_base_recipe, teacher_recipe
from .tasks import DataStage, MeasureStage, PromotionStage, TrainStage, merged_path


@dataclass(frozen=True)
class Generation:
    """One generation: its models, which of them is promoted, and the data for the next."""

    number: int
    teacher: StageResult
    base: StageResult
    judge: StageResult | None
    student: StageResult
    promotion: Promotion
    data: StageResult | None
    """What the better of teacher and student made for the next base; None in the last generation."""
    stalled: int
    """Generations in a row, up to this one, whose student is not shown to be better than the best student before it."""

    @property
    def roles(self) -> dict[str, StageResult]:
        """The models that are measured, by role; the student is the last."""
        return {"base": self.base, "teacher": self.teacher, "student": self.student}

    @property
    def winner(self) -> StageResult:
        """The model that makes the data and teaches the next generation."""
        return self.student if self.promotion.promotes else self.teacher


def run_generations(flywheel: FlywheelRecipe, cache: StageCache) -> Iterator[Generation]:
    """Run one generation after another, until the recipe's number is reached or students have stopped improving.

    Raises OutgrowError, StopRequested or BudgetReached; finished stages are saved.
    """
    teacher = first_teacher(flywheel, cache)
    runs = [teacher]  # a judge learns from their rollouts, right and wrong
    data_sets: list[StageResult] = []
    best: StageResult | None = None  # of the students so far
    stalled = 0
    for number in range(1, flywheel.generations + 1):
        base = fresh_base(flywheel, cache, number, data_sets)
        judge = train_judge(flywheel, cache, number, teacher, runs)
        student = train_student(flywheel, cache, number, base, teacher, judge)
        decision = decide_promotion(cache, number, student, teacher, best)
        winner = student if decision.promotes else teacher
        stalled = 0 if decision.improves else stalled + 1
        is_last = number == flywheel.generations or stalled == flywheel.patience
        data = None if is_last else cache.run(DataStage(number, winner, student, flywheel.data))
        yield Generation(number, teacher, base, judge, student, decision, data, stalled)
        if data is None:
            return
        teacher, best = winner, student if decision.improves else best
        runs, data_sets = [*runs, student], [*data_sets, data]


def first_teacher(flywheel: FlywheelRecipe, cache: StageCache) -> StageResult:
    """Train the first teacher, after its own base where the recipe has one; or measure the model that the recipe names."""
    if flywheel.teacher.model is not None:
        return cache.run(MeasureStage("teacher", measure_recipe(flywheel, flywheel.teacher.model), flywheel.teacher.model))
    if flywheel.teacher_base is None:
        return cache.run(TrainStage(1, "teacher", teacher_recipe(flywheel, None)))
    base = cache.run(TrainStage(1, "teacher_base", teacher_base_recipe(flywheel)))
    return cache.run(TrainStage(1, "teacher", teacher_recipe(flywheel, merged_path(base)), [(base, "base of")]))


def fresh_base(flywheel: FlywheelRecipe, cache: StageCache, number: int, data_sets: Sequence[StageResult]) -> StageResult:
    """Fine-tune a new base on its recipe's problems and the data of earlier generations.

    The first base may be a model that the recipe names.
    """
    if number == 1 and flywheel.first_base is not None:
        return cache.run(MeasureStage("base", measure_recipe(flywheel, flywheel.first_base), flywheel.first_base))
    used = data_sets if flywheel.accumulate else data_sets[-1:]
    recipe = base_recipe(flywheel, [str(data.path / "made") for data in used])
    return cache.run(TrainStage(number, "base", recipe, [(data, "trained on") for data in used]))


def train_judge(
    flywheel: FlywheelRecipe, cache: StageCache, number: int, teacher: StageResult, runs: Sequence[StageResult]
) -> StageResult | None:
    """Fine-tune the teacher to tell right answers from wrong ones; None where the recipe has no judge."""
    if flywheel.judge is None:
        return None
    recipe = judge_recipe(flywheel, merged_path(teacher), [str(run.path) for run in runs])
    return cache.run(TrainStage(number, "judge", recipe, [(teacher, "base of"), *((run, "trained on") for run in runs)]))


def train_student(
    flywheel: FlywheelRecipe,
    cache: StageCache,
    number: int,
    base: StageResult,
    teacher: StageResult,
    judge: StageResult | None,
) -> StageResult:
    """Train the student by reinforcement learning, with the judge's scores and by distilling the teacher where the recipe does."""
    recipe = student_recipe(flywheel, merged_path(base), teacher.model, judge.model if judge else None)
    parents: list[tuple[StageResult, Role]] = [(base, "base of")]
    if judge is not None:
        parents.append((judge, "judge of"))
    if recipe.distill is not None:
        parents.append((teacher, "teacher of"))
    return cache.run(TrainStage(number, "student", recipe, parents))


def decide_promotion(
    cache: StageCache, number: int, student: StageResult, teacher: StageResult, best: StageResult | None
) -> Promotion:
    """Compare the student with its teacher and with the best student before it, by what they were measured at."""
    decision = promotion(student.evaluation(), teacher.evaluation(), best.evaluation() if best else None)
    cache.run(PromotionStage(number, decision, [model for model in (student, teacher, best) if model is not None]))
    return decision
