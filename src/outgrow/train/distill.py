"""On-policy distillation: of every token that the student wrote, how much likelier the teacher would have made it.

The student learns where it itself goes, from its own samples, and not on paths that only the teacher takes (GKD, arXiv 2306.13649,
section 3, with the reverse KL divergence). ∇KL(π ‖ π_T) at one token is E_π[∇log π · (log π − log π_T)], so log π_T − log π is the
advantage whose policy gradient lowers it (Thinking Machines, On-Policy Distillation, 2025). A token answers for its own place
alone, not for the divergence further on that it leads to.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from ..config import RLRecipe
from ..config.schema import DistillSection
from ..engines import check_room
from ..policy import Policy


@dataclass(frozen=True)
class DistillTarget:
    """What a step distils with."""

    teacher: Policy
    section: DistillSection


def distill_target(step: int, recipe: RLRecipe, teacher: Policy | None, prompts: Sequence[Sequence[int]]) -> DistillTarget | None:
    """What step `step` (1 ..) distils with; None where rewards alone teach. prompts: the step's own.

    Raises UsageError where the teacher's context is too short for them and what is written behind them.
    """
    section = recipe.distill
    if section is None or teacher is None or (section.steps is not None and step > section.steps):
        return None
    check_room(recipe.sampling, teacher.context, prompts, whose=f"the context of {section.model}")
    return DistillTarget(teacher, section)


def distillation_advantage(teacher_logprobs_BT: Tensor, old_logprobs_BT: Tensor, bound: float) -> Tensor:
    """log π_T − log π_old of each token (B, T), nats, held within ±bound; no gradient.

    old_logprobs_BT: what the ratio of the loss starts from. Both are of the distribution that the tokens were drawn from:
    its temperature and truncation. A drawn token that the teacher's own truncation would drop stays in its support, so that it
    is unlikely there, not impossible.
    """
    return (teacher_logprobs_BT - old_logprobs_BT).detach().clamp(-bound, bound)


def reverse_kl(teacher_logprobs_BT: Tensor, old_logprobs_BT: Tensor, weights_BT: Tensor) -> Tensor:
    """Σ w · (log π_old − log π_T): what KL(π_old ‖ π_T) comes to on tokens that π_old drew (a scalar, nats; nothing is held back).

    It is unbiased, and so may fall below 0 where the two are close.
    """
    return (weights_BT * (old_logprobs_BT - teacher_logprobs_BT)).sum().detach()
