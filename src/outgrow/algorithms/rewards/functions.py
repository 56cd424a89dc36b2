"""Which trainer's form a reward function has, by the names of its parameters."""

from collections.abc import Callable
from typing import Any

from .base import Reward
from .function import parameters
from .function_trl import TRLFunction
from .function_verl import VerlFunction


def function_class(name: str, function: Callable[..., Any]) -> type[Reward]:
    """Return the reward that calls this function. Raises ValueError where it has the form of none."""
    names = parameters(function)
    if "completions" in names:
        return TRLFunction
    if "solution_str" in names:
        return VerlFunction
    raise ValueError(
        f"{name!r} takes ({', '.join(names)}); a reward is a class that extends outgrow.algorithms.rewards.Reward, a function "
        "f(completions, **columns) as in TRL, or compute_score(data_source, solution_str, ground_truth, extra_info) as in verl"
    )
