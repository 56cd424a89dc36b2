"""Looking into the memories of a model while it reads: how much each token surprises them, and what it would be if it wrote less.

Forward hooks on the rules of the layers do this, so a model computes the same as without them. Shape suffixes: docs/glossary.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from torch import Tensor

from .delta import Delta
from .rule import Reading, Rule

if TYPE_CHECKING:
    from transformers import PreTrainedModel

WITH_SURPRISE = ("titans", "delta", "gated_delta")
"""Rules that have a surprise; the others write whatever they read."""


def rules(model: PreTrainedModel) -> list[Rule]:
    """Return the rules of a model's layers, the first layer's first; none for a model without a memory."""
    return [module for module in model.modules() if isinstance(module, Rule)]


@contextmanager
def surprises(model: PreTrainedModel) -> Iterator[list[list[Tensor]]]:
    """Give a list for each layer. It takes the surprise (B, H, T) of each piece that the model reads in the block.

    titans: the length of the gradient of ‖M(k) − v‖² by the memory's matrices at the chunk's start, before it is cut.
    delta, gated_delta: the length of what was answered wrongly (`Delta.wrong`).
    """
    found: list[list[Tensor]] = [[] for _ in rules(model)]
    with ExitStack() as stack:
        for rule, into in zip(rules(model), found, strict=True):
            stack.callback(rule.register_forward_hook(_Taker(into)).remove)
        yield found


class _Taker:
    """A hook that keeps the surprise of each piece."""

    def __init__(self, into: list[Tensor]) -> None:
        self._into = into

    def __call__(self, rule: Any, inputs: tuple[Reading, Any], outputs: Any) -> None:
        surprise_BHT = rule.wrong(*inputs) if isinstance(rule, Delta) else outputs[1]
        self._into.append(surprise_BHT.detach())


@contextmanager
def written(model: PreTrainedModel, shares: Sequence[Tensor]) -> Iterator[None]:
    """Let each token write only a share of what it writes; what was there before fades as it does.

    shares: one tensor (B, H, T) for each layer, over all tokens that are read in the block: 1 as the token writes, 0 not at all.
    """

    with ExitStack() as stack:
        for rule, share_BHT in zip(rules(model), shares, strict=True):
            stack.callback(rule.register_forward_pre_hook(_Share(share_BHT)).remove)
        yield


class _Share:
    """A hook that lets tokens write a share, piece by piece."""

    def __init__(self, share_BHT: Tensor) -> None:
        self._share_BHT, self._at = share_BHT, 0

    def __call__(self, _: Any, inputs: tuple[Reading, Any]) -> tuple[Reading, Any]:
        reading, state = inputs
        first, self._at = self._at, self._at + reading.step_BHT.shape[2]
        return replace(reading, step_BHT=reading.step_BHT * self._share_BHT[:, :, first : self._at]), state
