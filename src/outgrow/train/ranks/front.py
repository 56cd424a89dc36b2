"""What the run on rank 0 has in place of a policy and an optimizer of its own: it asks all ranks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar

from torch import Tensor

from ...config import Recipe, SFTRecipe
from ...config.sections import OptimizerSection
from ...core.callbacks import CheckStop
from ...core.tensor_file import GatheredTensors
from ...policy import Policy
from ...policy.sharded import ShardedPolicy
from ..microbatches import PromptCompletion
from ..optimizer import Optimizer
from ..passes import Work
from ..start import again
from .deal import cost, deal
from .group import Rank, Team, current
from .share_out import make, make_from_plan, plan

_Row = TypeVar("_Row", bound=PromptCompletion)
_T = TypeVar("_T")
Side = Literal["policy", "reference"]


@dataclass
class FrontPolicy(ShardedPolicy):
    """A policy that is shared out, as the run sees it: its weights can be asked for whole, and saved."""

    team: Team | None = None
    side: Side = "policy"

    def whole_tensors(self, adapters_only: bool) -> dict[str, Tensor]:
        """See `ShardedPolicy.whole_tensors`; all ranks are called for it."""
        assert self.team is not None
        whole: dict[str, Tensor] = self.team.call_alike(_whole_tensors, (self.side, adapters_only))
        return whole


class FrontOptimizer(Optimizer):
    """The optimizer of the ranks, as the run sees it."""

    def __init__(self, team: Team, section: OptimizerSection, steps: int) -> None:
        self.section, self.steps, self._team = section, steps, team

    def step(self, step: int) -> tuple[float, float]:
        """See `Optimizer.step`."""
        norm, rate = self._team.call_alike(_step, step)
        return norm, rate

    def clear(self) -> None:
        """See `Optimizer.clear`."""
        self._team.call_alike(_clear)

    def tensors(self) -> Mapping[str, Tensor]:
        """See `Optimizer.tensors`. Each is gathered when it is asked for."""
        parts = self._team.here.learner.optimizer.tensors()
        return GatheredTensors(parts, partial(self._team.call_alike, _whole_moment))

    def load_tensors(self, tensors: dict[str, Tensor]) -> None:
        """See `Optimizer.load_tensors`. Raises KeyError or ValueError, before any rank is called, where they do not fit."""
        weights = dict(self._team.here.policy.model.named_parameters())
        for name, tensor in tensors.items():
            weight = weights[name.rpartition("/")[0]]
            if tensor.dim() and tensor.shape != weight.shape:
                raise ValueError(f"{name} has the shape {tuple(tensor.shape)}, and its weight {tuple(weight.shape)}")
        self._team.call(_load_tensors, [tensors, *[{}] * (self._team.size - 1)])


class FrontRanks:
    """All ranks, as a job sees them (`passes.Ranks`)."""

    def __init__(self, team: Team, recipe: Recipe) -> None:
        self._team, self._recipe = team, recipe
        self._optimizer = FrontOptimizer(team, recipe.learn, recipe.learn.steps)

    @property
    def optimizer(self) -> Optimizer:
        """See `passes.Ranks`."""
        return self._optimizer

    def run(
        self, work: Work[_Row, _T], groups: Sequence[Sequence[_Row]], tokens: int, stop: CheckStop
    ) -> list[tuple[list[_Row], _T]]:
        """See `passes.Ranks`."""
        done: list[tuple[list[_Row], _T]] = []
        shortest = min((row for group in groups for row in group), key=lambda row: cost([row]))
        for parts in deal(groups, tokens, self._team.size):
            stop()
            idle = self._team.size - len(parts)
            results = self._team.call(_pass, [*((work, rows, True) for rows in parts), *[(work, [shortest], False)] * idle])
            done += zip(parts, results, strict=False)
        return done

    def drop_reference(self) -> None:
        """Free the reference's weights where nothing that is learned asks for them: after this it is no longer measured."""
        if isinstance(self._recipe, SFTRecipe) and self._recipe.policy.lora is None:
            self._team.call_alike(_drop_reference)

    def check_stop(self, check_stop: CheckStop) -> None:
        """See `Team.check_stop`."""
        self._team.check_stop(check_stop)


@contextmanager
def shared_out(
    recipe: Recipe, policy: Policy, reference: Policy, run: Path, trains: bool = True
) -> Iterator[tuple[Policy, Policy, FrontRanks | None]]:
    """Share out a policy and its reference over the ranks, in place; yield both as the run sees them, and the ranks.

    Where the recipe asks for one rank, or the run only measures, they stay as they are, without ranks. Raises UsageError where
    torchrun did not start as many processes as the recipe asks for.
    """
    if recipe.learn.ranks == 1 or not trains:
        yield policy, reference, None
        return
    team = Team(current(recipe.learn.ranks), partial(again, run))
    own_base = policy.adapter is None
    others = [plan(recipe, policy, reference)] * (team.size - 1)
    team.call(_make, [(recipe, policy, reference if own_base else None), *others])

    def front(side: Side, of: Policy) -> FrontPolicy:
        here = getattr(team.here, side)
        return FrontPolicy(here.model, of.tokenizer, of.prompt, here.adapter, adapted=here.adapted, team=team, side=side)

    try:
        yield front("policy", policy), front("reference", reference), FrontRanks(team, recipe)
    finally:
        team.release()


def _make(rank: Rank, part: Any) -> None:
    (make if rank.group.rank == 0 else make_from_plan)(rank, part)


def _whole_tensors(rank: Rank, asked: tuple[Side, bool]) -> dict[str, Tensor]:
    side, adapters_only = asked
    whole: dict[str, Tensor] = getattr(rank, side).whole_tensors(adapters_only)
    return whole


def _drop_reference(rank: Rank, argument: None) -> None:
    rank.reference.drop_weights()


def _step(rank: Rank, step: int) -> tuple[float, float]:
    result: tuple[float, float] = rank.learner.optimizer.step(step)
    return result


def _clear(rank: Rank, argument: None) -> None:
    rank.learner.optimizer.clear()


def _whole_moment(rank: Rank, name: str) -> Tensor | None:
    whole: Tensor = rank.learner.optimizer.whole_moment(name)
    return whole if rank.group.rank == 0 else None  # what is returned is sent to rank 0


def _load_tensors(rank: Rank, tensors: dict[str, Tensor]) -> None:
    rank.learner.optimizer.load_tensors(tensors)


def _pass(rank: Rank, asked: tuple[Work[_Row, _T], list[_Row], bool]) -> _T | None:
    work, rows, counts = asked
    rank.learner.optimizer.counts = counts
    result = work(rank.learner, rows)
    return result if counts else None
