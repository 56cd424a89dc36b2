"""On-policy distillation in a step: which teacher, and for how long. The formulas are in algorithms/losses/distillation.py."""

from collections.abc import Sequence
from dataclasses import dataclass

from ..config import RLRecipe
from ..config.sections import DistillSection
from ..engines import check_room
from ..policy import Policy


@dataclass(frozen=True)
class DistillTarget:
    """What a step distils from."""

    teacher: Policy
    section: DistillSection


def distill_target(step: int, recipe: RLRecipe, teacher: Policy | None, prompts: Sequence[Sequence[int]]) -> DistillTarget | None:
    """Return what step `step` (1 ..) distils from; None where it learns only from rewards.

    prompts: those of the step. Raises UsageError where the teacher's context is too short for them and their completions.
    """
    section = recipe.distill
    if section is None or teacher is None or (section.steps is not None and step > section.steps):
        return None
    check_room(recipe.sampling, teacher.context, prompts, whose=f"the context of {section.model}")
    return DistillTarget(teacher, section)
