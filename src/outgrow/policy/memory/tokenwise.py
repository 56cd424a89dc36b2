"""A rival of every memory: the network of Titans that nothing writes, which is a feed-forward layer with as many parameters."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from .rule import Reading, State
from .titans import Titans, network


@dataclass(frozen=True)
class NoState(State):
    """Nothing is kept of the tokens so far."""


class Tokenwise(Titans):
    """Answers each query with the network's first values."""

    def __init__(self, heads: int, width: int, hidden: int, depth: int) -> None:
        super().__init__(heads, width, hidden, depth, chunk=1, momentum=False, decay=False)

    def forward(self, reading: Reading, state: NoState | None) -> tuple[Tensor, None, NoState]:  # type: ignore[override]
        return network(tuple(each.to(reading.query_BHTd) for each in self.first), reading.query_BHTd), None, NoState()
