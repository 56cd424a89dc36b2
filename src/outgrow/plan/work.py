"""The work of one step of a recipe: rollouts, sequences and tokens."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from ..config import RLRecipe
from ..config.sections import DistillSection
from ..core.addresses import is_served
from ..core.errors import UsageError
from ..engines import check_room, second_engine
from ..engines.openai_server import AT_ONCE
from ..judge.config import SECOND_ROLLOUTS, JudgeSection
from ..judge.rubric import fill
from ..policy.load import Dtype
from .gpus import Assumptions
from .shape import Shape, adapted, adapter_parameters, memory_parameters, parameters

_LETTERS_PER_TOKEN = 4  # of a rubric


@dataclass(frozen=True)
class Distilled:
    """The teacher that a recipe distils. It reads every rollout once."""

    shape: Shape
    width: int
    """Bytes of one of its numbers."""
    share: float
    """Share of the steps that distil."""


@dataclass(frozen=True)
class Judge:
    """A model that scores a step's answers: it reads each after the rubric and the question, and writes replies."""

    role: str
    """"judge" or "second judge"."""
    model: str
    """Its name in the recipe."""
    shape: Shape
    width: int
    """Bytes of one of its numbers."""
    local: bool
    """Whether it runs in this process, on the same GPU; otherwise a server runs it on another GPU."""
    frame: int
    """Tokens of rubric and question."""
    answers: int
    """Answers that it scores."""
    replies: int
    """Replies to all answers."""
    decoded: int
    """Replies written at the same time."""
    limit: int
    """Tokens of the longest reply."""
    share: float
    """How often it scores per step; canaries count as once more."""

    def prompt(self, completion: float) -> float:
        """Return the tokens it reads for one answer of `completion` tokens, cut where no room for a reply would be left."""
        return min(self.frame + completion, self.shape.context - self.limit)


@dataclass(frozen=True)
class Work:
    """The work of one step."""

    steps: int
    """Steps of the whole run."""
    problems: int
    group: int
    """Rollouts of each problem."""
    learned: int
    """Rollouts of each problem that are learned from."""
    prompt: int
    """Tokens of the longest prompt."""
    limit: int
    """Tokens of the longest completion."""
    completion: float
    """Tokens of the mean completion."""
    max_sequences: int
    """Limit of sequences decoded at the same time."""
    decoded: int
    """Rollouts decoded at the same time."""
    held_out: int
    """Answers to the judge's held-out problems."""
    microbatch_prompts: int
    """Prompts in one micro-batch."""
    microbatch_rollouts: int
    """Rollouts in one micro-batch."""
    microbatches: int
    """Micro-batches of a step."""
    width: int
    """Bytes of one of the model's numbers."""
    truncates: bool
    """Whether sampling uses top-k or top-p."""
    against_reference: bool
    """Whether the loss holds a KL divergence from the reference."""
    adapter: int | None
    """Parameters of the adapters; None where every weight learns."""
    memory: int
    """Parameters of the memories that learn next to a frozen base; 0 where every weight learns."""
    adapted: int
    """Parameters of the matrices that are adapted."""
    distilled: Distilled | None
    """The teacher that is distilled."""
    judges: tuple[Judge, ...]
    """The judges whose shape is known."""

    @property
    def rollouts(self) -> int:
        """Rollouts of a step."""
        return self.problems * self.group


def work_of(
    recipe: RLRecipe,
    shape: Shape,
    assumptions: Assumptions,
    distilled: Shape | None = None,
    judges: Mapping[str, Shape] | None = None,
) -> Work:
    """Return the work of a step of `recipe`. distilled: shape of its teacher. judges: shapes of its judges by their names.

    Raises UsageError where its settings cannot work with this model.
    """
    learn, limit, lora = recipe.learn, recipe.sampling.max_tokens, recipe.policy.lora
    check_room(recipe.sampling, shape.context)
    prompt = prompt_tokens(shape, limit, assumptions)
    if lora and not lora.rank and not memory_parameters(shape):
        raise UsageError("policy.lora.rank=0: this model has no memory, so nothing learns; raise the rank or set policy.memory")
    if lora and not adapted(shape, lora.targets):
        raise UsageError(
            f"policy.lora.targets={list(lora.targets)}: no linear layer of this model has a name with one of these endings"
        )
    rollouts = learn.problems_per_step * learn.group_size
    updates = min(learn.updates_per_step, learn.problems_per_step)
    learned = learn.group_size if recipe.distill else learn.keep or learn.group_size
    share = math.ceil(learn.problems_per_step / updates) * learned  # rollouts of one optimizer step
    microbatch_rollouts = _rollouts_in(learn.tokens_per_microbatch, prompt, limit, learned, share)
    return Work(
        steps=learn.steps,
        problems=learn.problems_per_step,
        group=learn.group_size,
        learned=learned,
        prompt=prompt,
        limit=limit,
        completion=limit * assumptions.completion_share,
        max_sequences=recipe.engine.max_sequences,
        decoded=at_once(rollouts, recipe.engine.max_sequences, learn.group_size),
        held_out=recipe.judge.watch.heldout_problems if recipe.judge else 0,
        microbatch_prompts=math.ceil(microbatch_rollouts / learned),
        microbatch_rollouts=microbatch_rollouts,
        microbatches=updates * math.ceil(share / microbatch_rollouts),
        width=bytes_of(recipe.policy.dtype),
        truncates=recipe.sampling.truncates,
        against_reference=recipe.loss.kl_weight > 0,
        adapter=adapter_parameters(shape, lora.rank, lora.targets) if lora else None,
        memory=shape.layers * memory_parameters(shape) if lora else 0,
        adapted=shape.layers * sum(i * o for i, o in adapted(shape, lora.targets)) if lora and lora.rank else 0,
        distilled=_distilled(recipe.distill, learn.steps, distilled) if recipe.distill and distilled else None,
        judges=_judges(recipe.judge, second_engine(recipe.engine).max_sequences, rollouts, prompt, judges)
        if recipe.judge and judges
        else (),
    )


def _distilled(distill: DistillSection, steps: int, shape: Shape) -> Distilled:
    return Distilled(shape, bytes_of(distill.dtype), min(distill.steps or steps, steps) / steps)


def _judges(
    section: JudgeSection, max_sequences: int, rollouts: int, prompt: int, shapes: Mapping[str, Shape]
) -> tuple[Judge, ...]:
    watch = section.watch
    probes = 1 / watch.every
    roles = [("judge", section.model, rollouts, 1 + probes * (watch.canaries > 0))]
    if watch.second_model:
        roles.append(("second judge", watch.second_model, min(SECOND_ROLLOUTS, rollouts), probes))
    frame = prompt + math.ceil(len(section.system + fill(section.rubric, "", "", "")) / _LETTERS_PER_TOKEN)
    return tuple(
        Judge(
            role=role,
            model=model,
            shape=shapes[model],
            width=2 if is_served(model) else bytes_of(section.dtype),  # servers load a model in the type that it was saved in
            local=not is_served(model),
            frame=frame,
            answers=answers,
            replies=answers * section.samples,
            decoded=min(answers * section.samples, AT_ONCE)
            if is_served(model)
            else at_once(answers * section.samples, max_sequences, section.samples),
            limit=section.max_tokens,
            share=share,
        )
        for role, model, answers, share in roles
        if model in shapes
    )


def prompt_tokens(shape: Shape, limit: int, assumptions: Assumptions) -> int:
    """Return the tokens of a prompt: as assumed, or what the context leaves next to completions of `limit` tokens."""
    return max(1, min(assumptions.prompt_tokens, shape.context - limit))


def at_once(sequences: int, limit: int, group: int) -> int:
    """Return the sequences that the native engine decodes at the same time: whole groups only."""
    return min(sequences, max(1, limit // group) * group)


def bytes_of(dtype: Dtype) -> int:
    """Return the bytes of one number."""
    return 2 if dtype == "bfloat16" else 4


def _rollouts_in(tokens: int, prompt: int, limit: int, group: int, available: int) -> int:
    """Return the rollouts that a micro-batch of `tokens` tokens holds, with each group's prompt once; one at least."""
    groups, rest = divmod(tokens, prompt + group * limit)
    return max(1, min(available, groups * group + max(0, rest - prompt) // limit))


def learning_parameters(work: Work, shape: Shape) -> int:
    """Return the number of parameters that the optimizer changes."""
    return parameters(shape) if work.adapter is None else work.adapter + work.memory
