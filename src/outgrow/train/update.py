"""One step's learning: rollouts with advantages in, moved weights and metrics out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

from ..algorithms.advantages.base import RolloutAdvantage
from ..algorithms.losses import Loss, LossBatch, PolicyLoss
from ..algorithms.losses.aggregation import token_weights
from ..algorithms.losses.distillation import distillation_advantage, reverse_kl
from ..algorithms.losses.importance import truncated_importance
from ..config.sections import LearnSection
from ..core.callbacks import CheckStop, never_stop
from ..core.errors import OutgrowError, SpoiledError
from ..core.memory import give_back_much
from ..core.oom_backoff import AutoBatchSize
from ..core.rng import python_rng
from ..policy import Policy, Sampling
from ..policy.logprobs import completion_logprobs
from ..policy.lora import merged_lora
from ..types import Rollout
from .distill import DistillTarget
from .microbatches import TrainRow, by_prompt
from .negligible import without_negligible
from .optimizer import Optimizer
from .passes import Ranks, run_passes

_GAP = "train_infer_logprob_gap"
Group = list[TrainRow]


@dataclass(frozen=True)
class AdvantagedRollout:
    """A rollout and its advantage: one number for all of its T tokens, or a tensor (T,)."""

    rollout: Rollout
    advantage_T: RolloutAdvantage


@dataclass(frozen=True)
class Learner:
    """What moves the policy's weights in reinforcement learning."""

    policy: Policy
    reference: Policy
    """The policy as it was before step 1; the loss is charged with the KL divergence to it."""
    optimizer: Optimizer
    section: LearnSection
    loss: Loss
    sampling: Sampling
    """How the rollouts were drawn: log-probabilities are of that distribution."""
    seed: int
    batch_size: AutoBatchSize
    """Tokens in one forward and backward pass."""
    ranks: Ranks | None = None
    """Processes that compute the passes; None where this one does."""

    def update(
        self,
        groups: Sequence[Sequence[AdvantagedRollout]],
        step: int,
        check_stop: CheckStop = never_stop,
        target: DistillTarget | None = None,
        before_moving: Callable[[], object] = never_stop,
    ) -> dict[str, float]:
        """Move the weights by `updates_per_step` optimizer steps over these groups, each on a share of them; return metrics.

        check_stop is called between microbatches until the first optimizer step, so that an interrupted call has either moved
        nothing or finishes. target: the teacher whose advantage of each token is added to the rewards'. before_moving: called when
        the first optimizer step is next; what it raises leaves the weights as they were. Raises OutgrowError where memory does not
        suffice for one rollout, SpoiledError where some weights have moved by then.
        """
        order = list(groups)
        python_rng(self.seed, "minibatch", step).shuffle(order)
        updates = min(self.section.updates_per_step, len(order))
        shares = [self._rows(order[index::updates], target) for index in range(updates)]
        if self.section.old_logprobs == "learner":  # those of the first share are taken in its own pass
            shares[1:] = self._with_old(shares[1:], check_stop)
        metrics: dict[str, float] = {}
        for index, share in enumerate(shares):
            try:
                result = self._accumulate(share, check_stop if index == 0 else never_stop, target)
            except OutgrowError as error:
                raise (error if index == 0 else SpoiledError(str(error))) from error
            if index == 0:
                before_moving()
            result["train/grad_norm"], result["train/lr"] = self.optimizer.step(step)
            # The engine's gap to the learner means something only while the learner has not moved; the rest is averaged.
            for name, value in result.items():
                if name.startswith(_GAP):
                    metrics.setdefault(name, value)
                else:
                    metrics[name] = metrics.get(name, 0.0) + value / updates
        give_back_much()
        return metrics

    @torch.no_grad()
    def kl_to_reference(self, rollouts: Sequence[Rollout], mean_tokens: float) -> float:
        """Return the mean KL(policy ‖ reference) per token in nats, estimated (k3) on rollouts that it drew, or its engine
        with rounding of its own.

        mean_tokens: mean completion tokens of all rollouts that these stand for. Divided by it, and not by their own mean, the
        estimate is unbiased however few they are.
        """

        total = 0.0
        for _, part in run_passes(self, Learner._kl, by_prompt(rollouts)):
            total += part
        return total / (len(rollouts) * mean_tokens)

    @torch.no_grad()
    def _kl(self, rows: list[Rollout]) -> float:
        """Return the sum over tokens of what `kl_to_reference` averages."""
        reference_BT, mask_BT = self._logprobs(self.reference, rows)
        if self.section.old_logprobs == "engine":
            own_BT = _padded([row.logprobs for row in rows], mask_BT)
        else:
            own_BT, _ = self._logprobs(self.policy, rows)
        delta_BT = reference_BT - own_BT
        return float((mask_BT * (delta_BT.exp() - delta_BT - 1)).sum())

    def _rows(self, groups: Sequence[Sequence[AdvantagedRollout]], target: DistillTarget | None) -> list[Group]:
        """Return the rows of these groups to learn from, with the weight of each one's tokens among all of these.

        Rows whose advantage is negligible (`learn.min_advantage`) are not among them where the loss needs nothing else of a row.
        """
        lengths = torch.tensor([len(row.rollout.completion_ids) for group in groups for row in group], device="cpu")
        weights = iter(token_weights(lengths, self.loss.aggregation, self.sampling.max_tokens).tolist())
        engines = self.section.old_logprobs == "engine"
        rows = [
            [TrainRow(row.rollout, row.advantage_T, next(weights), row.rollout.logprobs if engines else None) for row in group]
            for group in groups
        ]
        if target is not None or self.loss.kl_weight > 0 or not self.loss.skips_zero_advantage:
            return rows
        return without_negligible(rows, self.section.min_advantage)

    def _with_old(self, shares: list[list[Group]], check_stop: CheckStop) -> list[list[Group]]:
        """Return the rows with the log-probabilities that the learner gives them before any weight has moved."""
        if not shares:
            return []

        old: dict[int, list[float]] = {}
        for rows, logprobs in run_passes(self, Learner._old, [group for share in shares for group in share], check_stop):
            old |= {id(row): own[: len(row.completion_ids)] for row, own in zip(rows, logprobs, strict=True)}
        return [[[replace(row, old=old[id(row)]) for row in group] for group in share] for share in shares]

    @torch.no_grad()
    def _old(self, rows: list[TrainRow]) -> list[list[float]]:
        """Return the log-probabilities that the policy gives these rows' tokens, padded with 0."""
        logprobs: list[list[float]] = self._logprobs(self.policy, [row.rollout for row in rows])[0].tolist()
        return logprobs

    def _accumulate(self, groups: list[Group], check_stop: CheckStop, target: DistillTarget | None) -> dict[str, float]:
        """Add the gradient of the loss over these rows to that of the weights; return the metrics of the whole."""
        work = partial(Learner._backward, target=target)
        done = run_passes(self, work, groups, check_stop, partial(merged_lora, self.policy.model))
        parts = [part for _, part in done]
        metrics: dict[str, float] = {}
        for part, _ in parts:
            for name, value in part.items():
                metrics[name] = metrics.get(name, 0.0) + value
        gap_N = torch.cat([part_N for _, part_N in parts])
        return {**metrics, f"{_GAP}/p99": gap_N.quantile(0.99).item(), f"{_GAP}/max": gap_N.max().item()}

    def _backward(self, rows: list[TrainRow], target: DistillTarget | None = None) -> tuple[dict[str, float], Tensor]:
        """Do one pass; return its share of the metrics, and each token's gap between engine and learner (N,) in nats."""
        rollouts, reference_BT, teacher_BT = [row.rollout for row in rows], None, None
        # The policies that stay as they are come first: their passes keep nothing, and so never add to what the learner's keeps.
        with torch.no_grad():
            if self.loss.kl_weight > 0:
                reference_BT, _ = self._logprobs(self.reference, rollouts)
            if target is not None:
                teacher_BT, _ = self._logprobs(target.teacher, rollouts)
        prompts, completions = [row.prompt_ids for row in rows], [row.completion_ids for row in rows]
        logprobs_BT, entropy_BT, mask_BT = completion_logprobs(self.policy, prompts, completions, self.sampling)
        drawn_BT = _padded([row.rollout.logprobs for row in rows], mask_BT)
        old_BT = logprobs_BT.detach() if rows[0].old is None else _padded([row.old or [] for row in rows], mask_BT)
        weights_BT = torch.tensor([row.weight for row in rows], device=mask_BT.device).unsqueeze(-1) * mask_BT
        advantages_BT = _padded([_per_token(row) for row in rows], mask_BT)
        if target is not None and teacher_BT is not None:
            of_teacher_BT = distillation_advantage(teacher_BT, old_BT, target.section.advantage_clip)
            advantages_BT = advantages_BT + target.section.weight * of_teacher_BT
        importance_BT = None
        if self.section.old_logprobs == "learner":
            importance_BT = truncated_importance(old_BT, drawn_BT, self.section.importance_cap)
        result = self.loss.compute(LossBatch(logprobs_BT, old_BT, advantages_BT, weights_BT, reference_BT, importance_BT))
        _check_loss(self.loss, result)
        self.optimizer.backward(result.loss)
        gap_BT = (logprobs_BT.detach() - drawn_BT).abs()
        metrics = {
            **self._loss_metrics(result),
            "train/entropy": rows[0].rescale * (weights_BT * entropy_BT).sum().item(),
            f"{_GAP}/mean": rows[0].rescale * (weights_BT * gap_BT).sum().item(),
        }
        if teacher_BT is not None:
            metrics["distill/kl_to_teacher"] = reverse_kl(teacher_BT, old_BT, weights_BT).item()
        return metrics, gap_BT[mask_BT > 0]

    def _loss_metrics(self, result: PolicyLoss) -> dict[str, float]:
        return {
            "train/loss": result.loss.item(),
            "train/clipped_low_frac": result.clipped_low.item(),
            "train/clipped_high_frac": result.clipped_high.item(),
            **({"train/kl_in_loss": result.kl.item()} if self.loss.kl_weight > 0 else {}),
        }

    def _logprobs(self, policy: Policy, rollouts: Sequence[Rollout]) -> tuple[Tensor, Tensor]:
        """Return the log-probabilities (B, T) that a policy gives these completions, and the mask (B, T) of their tokens."""
        prompts, completions = [rollout.prompt_ids for rollout in rollouts], [rollout.completion_ids for rollout in rollouts]
        logprobs_BT, _, mask_BT = completion_logprobs(policy, prompts, completions, self.sampling)
        return logprobs_BT, mask_BT


def _check_loss(loss: Loss, result: object) -> None:
    """Raise OutgrowError where a loss does not return a PolicyLoss with one number that has a gradient."""
    if not (isinstance(result, PolicyLoss) and result.loss.dim() == 0 and result.loss.requires_grad):
        raise OutgrowError(f"loss {loss.type!r} must return a PolicyLoss whose loss is one number with a gradient")


def _per_token(row: TrainRow) -> list[float]:
    """Return the advantage of each of the row's tokens."""
    if isinstance(row.advantage_T, Tensor):
        return [float(advantage) for advantage in row.advantage_T.tolist()]
    return [row.advantage_T] * len(row.completion_ids)


def _padded(rows: Sequence[Sequence[float]], mask_BT: Tensor) -> Tensor:
    """Return one number for each token (B, T), 0 where a row has no token, on the mask's device."""
    width = mask_BT.shape[1]
    return torch.tensor([[*row, *([0.0] * (width - len(row)))] for row in rows], device=mask_BT.device)
