"""On which of its rollouts a step estimates how far the policy is from the reference."""

from __future__ import annotations

from collections.abc import Sequence

from ..config.sections import KL_SHARE
from ..core.rng import python_rng
from ..types import Rollout


def kl_sample(
    groups: Sequence[Sequence[Rollout]], learned: Sequence[Sequence[Rollout]], passes: int, seed: int, step: int
) -> list[Rollout]:
    """Return the rollouts on which the KL divergence is estimated: spread evenly over the groups from a random start.

    Every rollout has the same chance to be in it, so that the estimate is unbiased. There are as many as `passes` forward passes
    over their prompts and completions take KL_SHARE of the step's passes, and at least one. A step counts as one forward pass over
    what was written, and two more over what is learned from (forward and backward, where adapters learn). All of them take longer
    than this: writing goes token by token, and where every weight learns the backward pass counts double.

    groups: a step's rollouts, by prompt. learned: those that the learner takes in. passes: 1 for the reference, 2 where the policy
    reads them as well.
    """
    rollouts = [rollout for group in groups for rollout in group]
    work = _tokens(groups) + 2 * _tokens(learned)
    count = int(KL_SHARE * work * len(rollouts) / (passes * _tokens([[rollout] for rollout in rollouts])))
    count = min(max(1, count), len(rollouts))
    start = python_rng(seed, "kl", step).random()
    places = [int((start + index) * len(rollouts) / count) for index in range(count)]
    return [rollouts[min(place, len(rollouts) - 1)] for place in places]  # rounding may reach the end


def _tokens(groups: Sequence[Sequence[Rollout]]) -> int:
    """Return the tokens of a forward pass over these groups, the prompt once for each."""
    return sum(len(group[0].prompt_ids) + sum(len(rollout.completion_ids) for rollout in group) for group in groups)
