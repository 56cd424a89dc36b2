"""One step's learning: rollouts with advantages in, weights moved, a few figures out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

from ..algorithms.losses.clipped_surrogate import policy_loss, token_weights, truncated_importance
from ..config.schema import LearnSection
from ..core.errors import OutgrowError, SpoiledError
from ..core.oom_backoff import AutoBatchSize
from ..core.rng import python_rng
from ..policy import Policy, Sampling, completion_logprobs
from ..policy.lora import merged_lora
from ..types import Rollout
from .distill import DistillTarget, distillation_advantage, reverse_kl
from .microbatches import TrainRow, by_prompt, microbatch_bounds, microbatches
from .optimizer import Optimizer


@dataclass(frozen=True)
class AdvantagedRollout:
    """A rollout and its advantage."""

    rollout: Rollout
    advantage: float


def update(
    policy: Policy,
    reference: Policy,
    optimizer: Optimizer,
    groups: Sequence[Sequence[AdvantagedRollout]],
    section: LearnSection,
    sampling: Sampling,
    step: int,
    seed: int,
    size: AutoBatchSize,
    check_stop: Callable[[], None],
    guide: DistillTarget | None = None,
) -> dict[str, float]:
    """Move the policy's weights by `section.updates_per_step` optimizer steps over these groups, each on a share of them.

    Where the ratio starts from is `section.old_logprobs`. size: tokens in one forward and backward pass. check_stop is called
    between passes until the first optimizer step, so that an interrupted call has either moved nothing or finishes. guide: the
    teacher whose word on each token is added to the advantages. Returns the step's figures. Raises OutgrowError where memory does
    not suffice for one rollout, SpoiledError where some weights have moved by then.
    """
    order = list(groups)
    python_rng(seed, "minibatch", step).shuffle(order)
    updates = min(section.updates_per_step, len(order))
    shares = [_rows(order[index::updates], section, sampling) for index in range(updates)]
    if section.old_logprobs == "learner":  # of the first share they are those of its own pass
        later = partial(_with_old, policy, shares[1:], sampling, check_stop)
        shares[1:] = size.run(later, *microbatch_bounds([row.rollout for group in groups for row in group]))
    figures: dict[str, float] = {}
    for index, rows in enumerate(shares):
        work = partial(_accumulate, policy, reference, rows, section, sampling, guide, check_stop if index == 0 else _go_on)
        try:
            found = size.run(work, *microbatch_bounds([row for group in rows for row in group]), optimizer.clear)
        except OutgrowError as error:
            raise (error if index == 0 else SpoiledError(str(error))) from error
        found["train/grad_norm"], found["train/lr"] = optimizer.step(step)
        # The engine's gap to the learner means something only while the learner has not moved; the rest is averaged.
        for name, value in found.items():
            if name.startswith("train_infer_logprob_gap/"):
                figures.setdefault(name, value)
            else:
                figures[name] = figures.get(name, 0.0) + value / updates
    return figures


def _go_on() -> None:
    """The weights have moved, so the step in hand can no longer be dropped."""


def _rows(groups: Sequence[Sequence[AdvantagedRollout]], section: LearnSection, sampling: Sampling) -> list[list[TrainRow]]:
    """With the weight of each one's tokens among all of these."""
    lengths = torch.tensor([len(row.rollout.completion_ids) for group in groups for row in group], device="cpu")
    weights = iter(token_weights(lengths, section.averaging, sampling.max_tokens).tolist())
    engines = section.old_logprobs == "engine"
    return [
        [TrainRow(row.rollout, row.advantage, next(weights), row.rollout.logprobs if engines else None) for row in group]
        for group in groups
    ]


@torch.no_grad()
def _with_old(
    policy: Policy, shares: list[list[list[TrainRow]]], sampling: Sampling, check_stop: Callable[[], None], tokens: int
) -> list[list[list[TrainRow]]]:
    """With the log-probabilities that the learner gives them before any weight has moved."""
    old: dict[int, list[float]] = {}
    for rows in microbatches([group for groups in shares for group in groups], tokens):
        check_stop()
        logprobs_BT, _, _ = completion_logprobs(
            policy, [row.prompt_ids for row in rows], [row.completion_ids for row in rows], sampling
        )
        for row, logprobs in zip(rows, logprobs_BT.tolist(), strict=True):
            old[id(row)] = logprobs[: len(row.rollout.completion_ids)]
    return [[[replace(row, old=old[id(row)]) for row in group] for group in groups] for groups in shares]


def _accumulate(
    policy: Policy,
    reference: Policy,
    groups: list[list[TrainRow]],
    section: LearnSection,
    sampling: Sampling,
    guide: DistillTarget | None,
    check_stop: Callable[[], None],
    tokens: int,
) -> dict[str, float]:
    """The gradient of the loss over these rows, added to the weights' own pass by pass, and figures of the whole."""
    totals: dict[str, float] = {}
    gaps: list[Tensor] = []
    with merged_lora(policy.model):
        for rows in microbatches(groups, tokens):
            check_stop()
            part, gap_N = _backward(policy, reference, rows, section, sampling, guide)
            gaps.append(gap_N)
            for name, value in part.items():
                totals[name] = totals.get(name, 0.0) + value
    gap_N = torch.cat(gaps)
    return {**totals, "train_infer_logprob_gap/p99": gap_N.quantile(0.99).item(), "train_infer_logprob_gap/max": gap_N.max().item()}


def _backward(
    policy: Policy, reference: Policy, rows: list[TrainRow], section: LearnSection, sampling: Sampling, guide: DistillTarget | None
) -> tuple[dict[str, float], Tensor]:
    """One pass: its share of the gradient, its share of the figures, and each token's gap between engine and learner."""
    prompts = [row.prompt_ids for row in rows]
    completions = [row.completion_ids for row in rows]
    # The policies that stay as they are come first: their passes keep nothing, and so never lie on top of what the learner's keeps.
    with torch.no_grad():
        reference_BT = completion_logprobs(reference, prompts, completions, sampling)[0] if section.kl_weight > 0 else None
        teacher_BT = completion_logprobs(guide.teacher, prompts, completions, sampling)[0] if guide else None
    logprobs_BT, entropy_BT, mask_BT = completion_logprobs(policy, prompts, completions, sampling)
    drawn_BT = _padded([row.rollout.logprobs for row in rows], mask_BT)
    old_BT = logprobs_BT.detach() if rows[0].old is None else _padded([row.old or [] for row in rows], mask_BT)
    weights_BT = torch.tensor([row.weight for row in rows], device=mask_BT.device).unsqueeze(-1) * mask_BT
    advantages = torch.tensor([row.advantage for row in rows], device=logprobs_BT.device)
    if guide is not None and teacher_BT is not None:
        of_teacher_BT = distillation_advantage(teacher_BT, old_BT, guide.section.advantage_clip)
        advantages = advantages.unsqueeze(-1) + guide.section.weight * of_teacher_BT
    importance_BT = None
    if section.old_logprobs == "learner":
        importance_BT = truncated_importance(old_BT, drawn_BT, section.importance_cap)
    result = policy_loss(
        logprobs_BT,
        old_BT,
        advantages,
        weights_BT,
        section.clip_low,
        section.clip_high,
        reference_BT,
        section.kl_weight,
        importance_BT,
    )
    result.loss.backward()
    gap_BT = (logprobs_BT.detach() - drawn_BT).abs()
    figures = {
        "train/loss": result.loss.item(),
        "train/clipped_low_frac": result.clipped_low.item(),
        "train/clipped_high_frac": result.clipped_high.item(),
        "train/entropy": (weights_BT * entropy_BT).sum().item(),
        "train_infer_logprob_gap/mean": (weights_BT * gap_BT).sum().item(),
    }
    if teacher_BT is not None:
        figures["distill/kl_to_teacher"] = reverse_kl(teacher_BT, old_BT, weights_BT).item()
    return figures, gap_BT[mask_BT > 0]


def _padded(logprobs: Sequence[Sequence[float]], mask_BT: Tensor) -> Tensor:
    """Rows of log-probabilities, 0 where a row has no token, on the mask's device."""
    width = mask_BT.shape[1]
    return torch.tensor([[*row, *([0.0] * (width - len(row)))] for row in logprobs], device=mask_BT.device)


@torch.no_grad()
def kl_to_reference(reference: Policy, rollouts: Sequence[Rollout], sampling: Sampling, tokens: int) -> float:
    """Mean KL(policy ‖ reference) per token, estimated (k3) on rollouts that the policy itself drew. tokens: in one pass."""
    total = 0.0
    for batch in microbatches(by_prompt(rollouts), tokens):
        theirs_BT, _, mask_BT = completion_logprobs(
            reference, [r.prompt_ids for r in batch], [r.completion_ids for r in batch], sampling
        )
        delta = theirs_BT - _padded([r.logprobs for r in batch], mask_BT)
        total += float((mask_BT * (delta.exp() - delta - 1)).sum())
    return total / sum(len(r.completion_ids) for r in rollouts)
