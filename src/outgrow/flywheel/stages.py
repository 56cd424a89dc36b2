"""The wheel: what follows what, from a teacher to the next generation. Every stage is done once and kept (see workshop.py)."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..runs.folder import held
from ..runs.spending import Budget
from .duel import Duel
from .making import make, measure
from .recipe import FlywheelRecipe
from .resolve import base_recipe, judge_recipe, student_recipe, teacher_base_recipe, teacher_recipe
from .workshop import Done, Onlooker, Workshop


@dataclass(frozen=True)
class Generation:
    """One turn. teacher: of this generation. data: what the better of the two made for the next; None where nothing follows."""

    number: int
    teacher: Done
    base: Done
    judge: Done | None
    student: Done
    duel: Duel
    data: Done | None


def turn(wheel: FlywheelRecipe, shop: Workshop, told: Callable[[list[Generation]], None]) -> list[Generation]:
    """All generations, until there are as many as the recipe asks for, or the students no longer get better.

    told: what there is, after each. Raises OutgrowError, StopRequested or BudgetReached; what is done is kept.
    """
    teacher = first_teacher(wheel, shop)
    runs = [teacher]  # whose rollouts a judge learns from
    made: list[Done] = []
    best: Done | None = None  # of the students so far
    waited = 0  # generations since the students last got better
    generations: list[Generation] = []
    for number in range(1, wheel.generations + 1):
        base = fresh_base(wheel, shop, number, made)
        judge = judge_of(wheel, shop, number, teacher, runs)
        student = student_of(wheel, shop, number, base, teacher, judge)
        found = shop.duel(number, student, teacher, best)
        winner = student if found.moves_up else teacher
        waited = 0 if found.rises else waited + 1
        last = number == wheel.generations or waited == wheel.patience
        data = None if last else make(wheel, shop, number, winner, student)
        generations.append(Generation(number, teacher, base, judge, student, found, data))
        told(generations)
        if data is None:
            break
        teacher, best = winner, student if found.rises else best
        runs, made = [*runs, student], [*made, data]
    return generations


def first_teacher(wheel: FlywheelRecipe, shop: Workshop) -> Done:
    """Trained by reinforcement learning, from a base of its own where the recipe makes one; or a model that is there, measured."""
    if wheel.teacher.model is not None:
        return measure(wheel, shop, wheel.teacher.model)
    if wheel.teacher_base is None:
        return shop.train(1, "teacher", teacher_recipe(wheel, None))
    base = shop.train(1, "teacher_base", teacher_base_recipe(wheel))
    return shop.train(1, "teacher", teacher_recipe(wheel, shop.whole(base)), [(base, "base of")])


def fresh_base(wheel: FlywheelRecipe, shop: Workshop, number: int, made: list[Done]) -> Done:
    """From nothing (or the recipe's own model) again: fine-tuned on its recipe's problems and on the data of earlier generations."""
    used = made if wheel.accumulate else made[-1:]
    recipe = base_recipe(wheel, [str(data.path / "made") for data in used])
    return shop.train(number, "base", recipe, [(data, "trained on") for data in used])


def judge_of(wheel: FlywheelRecipe, shop: Workshop, number: int, teacher: Done, runs: list[Done]) -> Done | None:
    """The teacher, taught to tell right answers from wrong ones, which the rollouts of earlier runs are."""
    if wheel.judge is None:
        return None
    recipe = judge_recipe(wheel, shop.whole(teacher), [str(run.path) for run in runs])
    return shop.train(number, "judge", recipe, [(teacher, "base of"), *((run, "trained on") for run in runs)])


def student_of(wheel: FlywheelRecipe, shop: Workshop, number: int, base: Done, teacher: Done, judge: Done | None) -> Done:
    """Reinforcement learning by the checker, and by judge and teacher where the recipe has them."""
    recipe = student_recipe(wheel, shop.whole(base), teacher.model, judge.model if judge else None)
    ...
