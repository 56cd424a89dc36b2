"""What one step of a recipe does, in rollouts, rows and tokens."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from ..config import RLRecipe
from ..config.schema import DistillSection
from ..core.errors import UsageError
from ..engines import is_served
from ..judge.config import JudgeSection
from ..judge.rubric import fill
from ..policy.load import Dtype
from .gpus import Assumptions
from .shape import Shape, adapted, adapter_parameters, parameters

# Rollouts on which a step measures KL, and those that a second judge scores.
KL_ROLLOUTS, SECOND_ROLLOUTS = 32, 64
# Replies that are written at the same time: by a judge's own engine, and by a server that is asked.
JUDGE_ROWS, SERVER_ROWS = 512, 16
_LETTERS = 4  # of a rubric, in a token


@dataclass(frozen=True)
class Distilled:
    """What a recipe distils: it reads every rollout, once. width: bytes of one of its numbers. share: of the steps."""

    shape: Shape
    width: int
    share: float


@dataclass(frozen=True)
class Judge:
    """What scores a step's answers: it reads each behind the rubric and the question, and writes replies. Lengths in tokens."""

    role: str  # judge, or second judge
    model: str  # as the recipe names it
    shape: Shape
    width: int
    here: bool  # in this process, on the same GPU; else at an address, on a GPU of its own
    framed: int  # rubric and question
    answers: int
    replies: int  # to all of them
    decoded: int  # replies at the same time
    limit: int  # longest reply
    share: float  # how often a step, canaries counted as once more

    def prompt(self, completion: float) -> float:
        """Tokens of what it reads for one answer of so many; what leaves no room for a reply is not asked."""
        return min(self.framed + completion, self.shape.context - self.limit)


@dataclass(frozen=True)
class Work:
    """One step. Lengths are in tokens; `width` is the bytes of one number of the model."""

    steps: int
    problems: int
    group: int
    prompt: int  # longest
    limit: int  # longest completion
    completion: float  # mean completion
    rows: int  # decoded at the same time, at most
    decoded: int  # of the rollouts
    held_out: int  # answers of a teacher's held-out slice
    read: int  # prompts in one learning pass
    learned: int  # rollouts in one learning pass
    passes: int  # learning passes
    width: int
    truncates: bool  # top-k or top-p
    against_reference: bool  # the loss holds a KL divergence
    adapter: int | None  # parameters of the adapters; None where every weight learns
    adapted: int  # parameters of the matrices that they adapt
    distilled: Distilled | None
    judges: tuple[Judge, ...]  # those that can be counted

    @property
    def rollouts(self) -> int:
        return self.problems * self.group


def work_of(
    recipe: RLRecipe,
    shape: Shape,
    assumptions: Assumptions,
    distilled: Shape | None = None,
    judges: Mapping[str, Shape] | None = None,
) -> Work:
    """What a step of `recipe` does. distilled: the shape of what it distils, if anything. judges: those of its judges by their
    names, as far as known.

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
    learned = _rows_in(learn.tokens_per_microbatch, prompt, limit, learn.group_size, share)
    return Work(
        steps=learn.steps,
        problems=learn.problems_per_step,
        group=learn.group_size,
        prompt=prompt,
        limit=limit,
        completion=limit * assumptions.completion_share,
        rows=recipe.engine.max_sequences,
        decoded=_at_once(rollouts, recipe.engine.max_sequences, learn.group_size),
        held_out=recipe.judge.watch.heldout_problems if recipe.judge else 0,
        read=math.ceil(learned / learn.group_size),
        learned=learned,
        passes=updates * math.ceil(share / learned),
        width=bytes_of(recipe.policy.dtype),
        truncates=recipe.sampling.truncates,
        against_reference=recipe.loss.kl_weight > 0,
        adapter=adapter_parameters(shape, lora.rank, lora.targets) if lora else None,
        adapted=shape.layers * sum(i * o for i, o in adapted(shape, lora.targets)) if lora else 0,
        distilled=_distilled(recipe.distill, learn.steps, distilled) if recipe.distill and distilled else None,
        judges=_judges(recipe.judge, rollouts, prompt, judges) if recipe.judge and judges else (),
    )


def _distilled(distill: DistillSection, steps: int, shape: Shape) -> Distilled:
    return Distilled(shape, bytes_of(distill.dtype), min(distill.steps or steps, steps) / steps)


def _judges(section: JudgeSection, rollouts: int, prompt: int, shapes: Mapping[str, Shape]) -> tuple[Judge, ...]:
    watch = section.watch
    looks = 1 / watch.every
    asked = [("judge", section.model, rollouts, 1 + looks * (watch.canaries > 0))]
    if watch.second_model:
        asked.append(("second judge", watch.second_model, min(SECOND_ROLLOUTS, rollouts), looks))
    frame = prompt + math.ceil(len(section.system + fill(section.rubric, "", "", "")) / _LETTERS)
    return tuple(
        Judge(
            role=role,
            model=model,
            shape=shapes[model],
            width=2 if is_served(model) else bytes_of(section.dtype),  # servers load what a model was saved as
            here=not is_served(model),
            framed=frame,
            answers=answers,
            replies=answers * section.samples,
            decoded=min(answers * section.samples, SERVER_ROWS)
            if is_served(model)
            else _at_once(answers * section.samples, JUDGE_ROWS, section.samples),
            limit=section.max_tokens,
            share=share,
        )
        for role, model, answers, share in asked
        if model in shapes
    )


def _at_once(rows: int, most: int, group: int) -> int:
    """Rows that our engine decodes at the same time: groups are always whole."""
    return min(rows, max(1, most // group) * group)


def bytes_of(dtype: Dtype) -> int:
    return 2 if dtype == "bfloat16" else 4


def _rows_in(tokens: int, prompt: int, limit: int, group: int, most: int) -> int:
    """The rollouts that a pass over so many tokens holds, with each group's prompt once; one at least."""
    whole, rest = divmod(tokens, prompt + group * limit)
    return max(1, min(most, whole * group + max(0, rest - prompt) // limit))


def learning_parameters(work: Work, shape: Shape) -> int:
    """Parameters that the optimizer moves."""
    return parameters(shape) if work.adapter is None else work.adapter
