"""What one step of a recipe does, in rollouts, rows and tokens."""

import math
from dataclasses import dataclass

from ..errors import UsageError
from ..policy.load import Dtype
from ..recipes import RLRecipe
from ..recipes.schema import DistillSection
from .gpus import Assumptions
from .shape import Shape, adapted, adapter_parameters, parameters

# Rollouts on which a step measures KL.
KL_ROLLOUTS = 32


@dataclass(frozen=True)
class Teacher:
    """What a recipe distils: it reads every rollout, once. width: bytes of one of its numbers. share: of the steps."""

    shape: Shape
    width: int
    share: float


@dataclass(frozen=True)
class Work:
    """One step. Lengths are in tokens; `width` is the bytes of one number of the model."""

    steps: int
    problems: int
    group: int
    prompt: int  # longest
    limit: int  # longest completion
    completion: float  # mean completion
    decoded: int  # rollouts decoded at the same time
    read: int  # prompts in one learning pass
    learned: int  # rollouts in one learning pass
    passes: int  # learning passes
    width: int
    truncates: bool  # top-k or top-p
    against_reference: bool  # the loss holds a KL divergence
    adapter: int | None  # parameters of the adapters; None where every weight learns
    adapted: int  # parameters of the matrices that they adapt
    teacher: Teacher | None

    @property
    def rollouts(self) -> int:
        return self.problems * self.group


def work_of(recipe: RLRecipe, shape: Shape, assumptions: Assumptions, teacher: Shape | None = None) -> Work:
    """What a step of `recipe` does. teacher: the shape of what it distils, if anything.

    Raises UsageError where its settings cannot work with this model.
    """
    learn, limit, lora = recipe.learn, recipe.sampling.max_tokens, recipe.policy.lora
    prompt = min(assumptions.prompt_tokens, shape.context - limit)
    if prompt < 1:
        raise UsageError(
            f"sampling.max_tokens={limit} leaves no room for a prompt in the model's context of {shape.context}; lower it"
        )
    if lora and not adapted(shape, lora.targets):
        raise UsageError(f"policy.lora.targets={list(lora.targets)}: no linear layer of this model has a name that ends so")
    rollouts = learn.problems_per_step * learn.group_size
    updates = min(learn.updates_per_step, learn.problems_per_step)
    share = math.ceil(learn.problems_per_step / updates) * learn.group_size  # rollouts of one optimizer step
    learned = _rows_in(learn.tokens_per_pass, prompt, limit, learn.group_size, share)
    return Work(
        steps=learn.steps,
        problems=learn.problems_per_step,
        group=learn.group_size,
        prompt=prompt,
        limit=limit,
        completion=limit * assumptions.completion_share,
        decoded=min(rollouts, max(1, recipe.engine.max_rows // learn.group_size) * learn.group_size),
        read=math.ceil(learned / learn.group_size),
        learned=learned,
        passes=updates * math.ceil(share / learned),
        width=_width(recipe.policy.dtype),
        truncates=recipe.sampling.truncates,
        against_reference=learn.kl_weight > 0,
        adapter=adapter_parameters(shape, lora.rank, lora.targets) if lora else None,
        adapted=shape.layers * sum(i * o for i, o in adapted(shape, lora.targets)) if lora else 0,
        teacher=_teacher(recipe.distill, learn.steps, teacher) if recipe.distill and teacher else None,
    )


def _teacher(distill: DistillSection, steps: int, shape: Shape) -> Teacher:
    return Teacher(shape, _width(distill.dtype), min(distill.steps or steps, steps) / steps)


def _width(dtype: Dtype) -> int:
    return 2 if dtype == "bfloat16" else 4


def _rows_in(tokens: int, prompt: int, limit: int, group: int, most: int) -> int:
    """The rollouts that a pass over so many tokens holds, with each group's prompt once; one at least."""
    whole, rest = divmod(tokens, prompt + group * limit)
    return max(1, min(most, whole * group + max(0, rest - prompt) // limit))


def learning_parameters(work: Work, shape: Shape) -> int:
    """Parameters that the optimizer moves."""
    return parameters(shape) if work.adapter is None else work.adapter
