"""How a run's policy is shared out over the ranks, each of which makes the learner of its part."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

from ...config import Recipe, RLRecipe, SFTRecipe
from ...config import parse_recipe as parse
from ...core.determinism import deterministic
from ...core.memory import give_back_memory
from ...core.oom_backoff import AutoBatchSize
from ...policy import Policy
from ...policy.sharded import base_of_sharded, from_skeleton, shard, skeleton
from ..sft import SFTLearner
from ..update import Learner
from .group import Rank
from .sharded_optimizer import ShardedOptimizer


@dataclass(frozen=True)
class Plan:
    """What a rank needs to make its part: no numbers of weights, which follow."""

    recipe: dict[str, Any]
    policy: bytes
    """Skeleton."""
    reference: bytes | None
    """Skeleton; None where the reference is the policy without its adapters."""


def plan(recipe: Recipe, policy: Policy, reference: Policy) -> Plan:
    """Return what the other ranks need."""
    values = recipe.model_dump(mode="json", exclude_none=True)
    return Plan(values, skeleton(policy), None if policy.adapter else skeleton(reference))


def make_from_plan(rank: Rank, plan: Plan) -> None:
    """Make this rank's part, on another rank than the first. Collective, together with `make`."""
    reference = from_skeleton(plan.reference) if plan.reference is not None else None
    recipe = parse(plan.recipe)
    rank.stack.enter_context(deterministic(recipe.run.threads, keep_buffers=False))
    make(rank, (recipe, from_skeleton(plan.policy), reference))


def make(rank: Rank, parts: tuple[Recipe, Policy, Policy | None]) -> None:
    """Make this rank's part of a policy and its reference, and the learner of them. Collective.

    parts: the recipe, what learns, and what stays; None where that is the policy without its adapters.
    """
    recipe, policy, reference = parts
    group = rank.group
    rank.policy = shard(policy, group.mesh, group.device)
    rank.reference = shard(reference, group.mesh, group.device) if reference else base_of_sharded(rank.policy)
    optimizer = ShardedOptimizer(rank.policy.model, recipe.learn, recipe.learn.steps, group.size)
    size = AutoBatchSize("learn.tokens_per_microbatch", sys.maxsize, print)  # rank 0 cuts the microbatches
    if isinstance(recipe, RLRecipe):
        rank.learner = Learner(
            rank.policy, rank.reference, optimizer, recipe.learn, recipe.loss, recipe.sampling, recipe.seed, size
        )
    else:
        assert isinstance(recipe, SFTRecipe)
        rank.learner = SFTLearner(rank.policy, optimizer, size)
    give_back_memory()  # the whole copies that rank 0 has read
