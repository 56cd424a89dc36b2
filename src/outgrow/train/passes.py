"""Passes over microbatches: in this process, or dealt to ranks that share the policy's weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from ..core.callbacks import CheckStop, never_stop
from .microbatches import PromptCompletion, run_microbatches

if TYPE_CHECKING:
    from ..core.oom_backoff import AutoBatchSize
    from .optimizer import Optimizer

_Row = TypeVar("_Row", bound=PromptCompletion)
_T = TypeVar("_T")
Work = Callable[[Any, list[_Row]], _T]
"""What is computed of a microbatch: a function of a learner and rows. It is sent to other processes, so it is no closure."""


class Ranks(Protocol):
    """Processes that share a policy's weights, as a job sees them. Each has a learner of its own."""

    @property
    def optimizer(self) -> Optimizer:
        """The one whose moments the ranks share."""
        ...

    def run(self, work: Work[_Row, _T], groups: Sequence[Sequence[_Row]], tokens: int, stop: CheckStop) -> list[_Done[_Row, _T]]:
        """Return the rows of each microbatch, and what `work` makes of them on one of the ranks.

        tokens: most of a microbatch. stop: called before each round of microbatches.
        """
        ...


class _Learner(Protocol):
    @property
    def optimizer(self) -> Optimizer: ...

    @property
    def batch_size(self) -> AutoBatchSize: ...

    @property
    def ranks(self) -> Ranks | None: ...


_Done = tuple[list[_Row], _T]


def run_passes(
    learner: _Learner,
    work: Work[_Row, _T],
    groups: Sequence[Sequence[_Row]],
    check_stop: CheckStop = never_stop,
    context: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> list[_Done[_Row, _T]]:
    """Return the rows of each microbatch of these groups, and what `work` makes of them.

    check_stop: called between microbatches. context: entered around all of them; only where they are computed in this process.
    """
    if learner.ranks is not None:
        return learner.ranks.run(work, groups, learner.batch_size.size, check_stop)
    return run_microbatches(
        learner.batch_size, groups, lambda rows: (rows, work(learner, rows)), check_stop, lambda: learner.optimizer.clear(), context
    )
