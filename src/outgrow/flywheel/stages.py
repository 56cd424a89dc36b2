"""The wheel: what follows what, from a teacher to the next generation. Every stage is done once and kept (workshop.py)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .lineage import Role
from .promotion import Promotion
from .recipe import FlywheelRecipe
from .stage_cache import StageCache, StageResult
from .stage_recipes import asked_recipe, base_recipe, judge_recipe, student_recipe, teacher_base_recipe, teacher_recipe
from .tasks import compare, make, measure, merged_path, run


@dataclass(frozen=True)
class Generation:
    """One turn. data: what the better of teacher and student made for the next; None where nothing follows.

    stalled: generations in a row, this one the last, whose student is not shown to be better than the best before it.
    """

    number: int
    teacher: StageResult
    base: StageResult
    judge: StageResult | None
    student: StageResult
    duel: Promotion
    data: StageResult | None
    stalled: int

    @property
    def roles(self) -> dict[str, StageResult]:
        """The models that are measured, the student the last."""
        return {"base": self.base, "teacher": self.teacher, "student": self.student}

    @property
    def winner(self) -> StageResult:
        """Who makes the data and teaches the next generation."""
        return self.student if self.duel.promotes else self.teacher


def run_generations(wheel: FlywheelRecipe, shop: StageCache) -> Iterator[Generation]:
    """One generation after another, until there are as many as the recipe asks for, or held-out problems show no better students
    any more.

    Raises OutgrowError, StopRequested or BudgetReached; what is done is kept.
    """
    teacher = first_teacher(wheel, shop)
    runs = [teacher]  # their rollouts, right and wrong, are what a judge learns from
    made: list[StageResult] = []
    best: StageResult | None = None  # of the students so far
    stalled = 0
    for number in range(1, wheel.generations + 1):
        base = fresh_base(wheel, shop, number, made)
        judge = judge_of(wheel, shop, number, teacher, runs)
        student = student_of(wheel, shop, number, base, teacher, judge)
        duel = compare(shop, number, student, teacher, best)
        winner = student if duel.promotes else teacher
        stalled = 0 if duel.improves else stalled + 1
        is_last = number == wheel.generations or stalled == wheel.patience
        data = None if is_last else make(shop, number, winner, student, wheel.data)
        yield Generation(number, teacher, base, judge, student, duel, data, stalled)
        if data is None:
            return
        teacher, best = winner, student if duel.improves else best
        runs, made = [*runs, student], [*made, data]


def first_teacher(wheel: FlywheelRecipe, shop: StageCache) -> StageResult:
    """Trained by reinforcement learning, from a base of its own where the recipe makes one; or a model that is there already."""
    if wheel.teacher.model is not None:
        return measure(shop, "teacher", wheel.teacher.model, asked_recipe(wheel, wheel.teacher.model))
    if wheel.teacher_base is None:
        return run(shop, 1, "teacher", teacher_recipe(wheel, None))
    base = run(shop, 1, "teacher_base", teacher_base_recipe(wheel))
    return run(shop, 1, "teacher", teacher_recipe(wheel, merged_path(base)), [(base, "base of")])


def fresh_base(wheel: FlywheelRecipe, shop: StageCache, number: int, made: Sequence[StageResult]) -> StageResult:
    """Begun anew in every generation: fine-tuned on its recipe's problems and on the data of the generations before.

    The first may be a model that is there already.
    """
    if number == 1 and wheel.first_base is not None:
        return measure(shop, "base", wheel.first_base, asked_recipe(wheel, wheel.first_base))
    used = made if wheel.accumulate else made[-1:]
    recipe = base_recipe(wheel, [str(data.path / "made") for data in used])
    return run(shop, number, "base", recipe, [(data, "trained on") for data in used])


def judge_of(
    wheel: FlywheelRecipe, shop: StageCache, number: int, teacher: StageResult, runs: Sequence[StageResult]
) -> StageResult | None:
    """The teacher, taught to tell right answers from wrong ones."""
    if wheel.judge is None:
        return None
    recipe = judge_recipe(wheel, merged_path(teacher), [str(one.path) for one in runs])
    return run(shop, number, "judge", recipe, [(teacher, "base of"), *((one, "trained on") for one in runs)])


def student_of(
    wheel: FlywheelRecipe, shop: StageCache, number: int, base: StageResult, teacher: StageResult, judge: StageResult | None
) -> StageResult:
    """Reinforcement learning by the checker; by the judge's scores and the teacher's words as well, where the recipe has them."""
    recipe = student_recipe(wheel, merged_path(base), teacher.model, judge.model if judge else None)
    parents: list[tuple[StageResult, Role]] = [(base, "base of")]
    if judge is not None:
        parents.append((judge, "judge of"))
    if recipe.distill is not None:
        parents.append((teacher, "teacher of"))
    return run(shop, number, "student", recipe, parents)
