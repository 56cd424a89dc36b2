"""What reward functions of other trainers have in common: a call for a group, and a result that is checked."""

import inspect
import json
import math
from abc import abstractmethod
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from numbers import Real
from pathlib import Path
from typing import Any, ClassVar

from ...core.errors import OutgrowError, UsageError, first_line
from ...core.plugins import imported
from ...core.registry import source_file
from ...problems.cell import plain
from ...types import GradedGroup, Problem
from .base import Reward


class RewardFunction(Reward):
    """A function from outside the package, `type = "mymodule:function"`. It runs in this process."""

    reads_rows: ClassVar[bool] = True

    @property
    def function(self) -> Callable[..., Any]:
        """The function itself."""
        function: Callable[..., Any] = imported(self.type, "reward")
        return function

    def code_file(self) -> Path | None:
        function = inspect.unwrap(getattr(self.function, "func", self.function))  # of functools.partial, what it calls
        return source_file(function if inspect.isroutine(function) else type(function))

    @abstractmethod
    def arguments(self, problem: Problem) -> Mapping[str, Any]:
        """Return what is known of a problem before it is answered, by the names of the function's parameters."""

    @abstractmethod
    def pay(self, group: GradedGroup) -> list[float]:
        """Return one number for each rollout. Raises whatever the function raises, OutgrowError where it returns no number."""

    def require(self, problem: Problem) -> None:
        """See `Reward.require`: a parameter without a default must be a column of the data."""
        given = self.arguments(problem)
        missing = [name for name in required(self.function) if name not in given]
        if missing:
            there = ", ".join(columns_of(problem))
            raise UsageError(f"reward {self.type!r} needs {missing[0]!r}, and the data has no such column; it has {there}")

    def compute(self, group: GradedGroup) -> list[float]:
        """See `Reward.compute`. Raises OutgrowError naming the function where it raises, or returns no finite number."""
        try:
            return self.pay(group)
        except OutgrowError:
            raise
        except Exception as error:  # a function is a program, and fails as it likes
            where = f"problem {group.problem.id!r}{self.hint(error)}"
            raise OutgrowError(f"reward {self.type!r} raised {type(error).__name__}: {first_line(error)} ({where})") from error

    def hint(self, error: Exception) -> str:
        """Return what may have caused an error of the function, to stand behind it; empty where nothing is known."""
        return ""

    def number(self, value: object, index: int, group: GradedGroup) -> float:
        """Return a finite number that the function returned for a completion. Raises OutgrowError where it is something else."""
        value = plain(value)
        if isinstance(value, Real) and math.isfinite(value):
            return float(value)
        shown = repr(value) if isinstance(value, Real) else f"{value!r:.60} ({type(value).__name__})"
        raise OutgrowError(
            f"reward {self.type!r} returned {shown} for completion {index + 1} of {len(group.rollouts)} of problem "
            f"{group.problem.id!r}; it must return a finite number for each"
        )


def columns_of(problem: Problem) -> dict[str, Any]:
    """Return the columns of a problem's row. Without a row, and where the row has no column of that name, what the problem says."""
    own = {name: getattr(problem, name) for name in ("id", "field", "level", "question", "answer", "solution")}
    return {**own, **(json.loads(problem.row) if problem.row else {})}


def accepted(function: Callable[..., Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of the arguments that a function takes: all where it has **kwargs."""
    kinds = [parameter.kind for parameter in inspect.signature(function).parameters.values()]
    if inspect.Parameter.VAR_KEYWORD in kinds:
        return dict(given)
    names = parameters(function)
    return {name: value for name, value in given.items() if name in names}


def parameters(function: Callable[..., Any]) -> list[str]:
    """Return the names of the parameters that a function takes by name; none where it has no signature."""
    by_name = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    try:
        return [name for name, parameter in inspect.signature(function).parameters.items() if parameter.kind in by_name]
    except (TypeError, ValueError):  # built in
        return []


def required(function: Callable[..., Any]) -> list[str]:
    """Return the names of the parameters that have no default."""
    known = inspect.signature(function).parameters
    return [name for name in parameters(function) if known[name].default is inspect.Parameter.empty]


def settled(values: Sequence[Any]) -> list[Any]:
    """Return what calls of a function returned; those of an `async def` are awaited, all at once."""
    if not any(inspect.isawaitable(value) for value in values):
        return list(values)
    from anyio.from_thread import start_blocking_portal  # works inside a running event loop, as in a notebook

    with start_blocking_portal() as portal:
        return list(portal.call(_gathered, values))


async def _gathered(values: Iterable[Awaitable[Any]]) -> list[Any]:
    import asyncio

    return await asyncio.gather(*values)
