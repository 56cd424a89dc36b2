"""What every rule of memory has: rows of tokens in, what the memory answers out, and the state to go on from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Reading:
    """Tokens of B rows as a memory of H heads takes them; rows are padded on the right."""

    query_BHTd: Tensor
    key_BHTd: Tensor
    """Of length 1, as the queries."""
    value_BHTd: Tensor
    step_BHT: Tensor
    """How strongly each token writes, from 0 to 1."""
    decay_BHT: Tensor
    """Share of the memory that each token lets go, from 0 to 1."""
    momentum_BHT: Tensor
    """Share of earlier surprise that goes on at each token, from 0 to 1."""
    lengths_B: Tensor
    """Tokens of each row."""


class State:
    """What is kept of the tokens so far: tensors whose first axis is the rows, tuples of these, or states."""

    def rows(self, index: Tensor) -> Self:
        """Return the state of these rows, in this order; a row may come more than once."""
        return self._made(lambda tensor: tensor[index], self)

    def followed_by(self, other: Self) -> Self:
        """Return the state of these rows and then those of `other`."""
        return self._made(lambda *tensors: torch.cat(tensors), self, other)

    @property
    def nbytes(self) -> int:
        """Bytes of the tensors."""
        sizes: list[int] = []
        self._made(lambda tensor: sizes.append(tensor.nbytes), self)
        return sum(sizes)

    def named(self) -> dict[str, Tensor]:
        """Return the tensors by their names: fields, and places in tuples, joined by dots."""
        return dict(_named("", self))

    def filled(self, tensors: Mapping[str, Tensor]) -> Self:
        """Return a state of this kind with other tensors, by the names of `named`."""
        in_order = iter([tensors[name] for name in self.named()])
        return self._made(lambda _: next(in_order), self)

    @classmethod
    def _made(cls, function: Callable[..., Any], *states: State) -> Self:
        """Return a state whose tensors are what the function makes of the states' tensors in the same place."""
        names = [each.name for each in fields(cls)]  # type: ignore[arg-type]
        return cls(**{name: _each(function, *(getattr(state, name) for state in states)) for name in names})


def _each(function: Callable[..., Any], *values: Any) -> Any:
    first = values[0]
    if isinstance(first, State):
        return first._made(function, *values)
    return tuple(map(function, *values)) if isinstance(first, tuple) else function(*values)


def _named(name: str, value: Any) -> Iterator[tuple[str, Tensor]]:
    if isinstance(value, Tensor):
        yield name, value
        return
    parts = enumerate(value) if isinstance(value, tuple) else ((each.name, getattr(value, each.name)) for each in fields(value))
    for part, inner in parts:
        yield from _named(f"{name}.{part}" if name else str(part), inner)


class Rule(nn.Module, ABC):
    """A rule by which a memory is written and read."""

    @abstractmethod
    def forward(self, reading: Reading, state: Any) -> tuple[Tensor, Tensor | None, Any]:
        """Read tokens after those of `state` (None: the row's first).

        Returns what the memory answers (B, H, T, d), how much each token surprised it (B, H, T; None where a rule has no surprise),
        and the state after the rows' last tokens. What stands at padding has no meaning.
        """

    def reset(self) -> None:
        """Draw the first values of what the rule learns with the model."""
