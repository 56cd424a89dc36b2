"""A reward function as verl takes it (verl 0.8, `NaiveRewardManager`)."""

import copy
from collections.abc import Mapping
from typing import Any

from pydantic import Field

from ...core.errors import OutgrowError, UsageError
from ...types import GradedGroup, Problem
from .function import RewardFunction, accepted, columns_of, settled


class VerlFunction(RewardFunction):
    """`compute_score(data_source, solution_str, ground_truth, extra_info) -> float | dict`, called once for each completion.

    `ground_truth` is reward_model.ground_truth of the row, else the known answer. `data_source` and `extra_info` are the columns of
    these names, else the problem's field and what verl adds. Of a dict, "score" counts.
    """

    reward_kwargs: dict[str, Any] = Field(
        default={}, description="More arguments of the function, as in verl's custom_reward_function.reward_kwargs."
    )

    def arguments(self, problem: Problem) -> Mapping[str, Any]:
        columns = columns_of(problem)
        model = columns.get("reward_model")
        given = model.get("ground_truth") if isinstance(model, dict) else None
        extra = columns.get("extra_info") or {}
        if not isinstance(extra, dict):
            raise UsageError(
                f"reward {self.type!r}: column 'extra_info' holds {type(extra).__name__} values; verl's form has a table"
            )
        return {
            "data_source": columns.get("data_source", problem.field),
            "solution_str": "",
            "ground_truth": problem.answer if given is None else given,
            # A model answers once, to one prompt.
            "extra_info": {**extra, "num_turns": 2, "rollout_reward_scores": {}},
            **self.reward_kwargs,
        }

    def pay(self, group: GradedGroup) -> list[float]:
        function = self.function
        given = accepted(function, self.arguments(group.problem))
        # Each call gets its own copy: functions write into extra_info.
        calls = [function(**{**copy.deepcopy(given), "solution_str": rollout.text}) for rollout in group.rollouts]
        return [self._score(value, index, group) for index, value in enumerate(settled(calls))]

    def _score(self, value: Any, index: int, group: GradedGroup) -> float:
        if isinstance(value, dict) and "score" not in value:
            raise OutgrowError(
                f"reward {self.type!r} returned a dict without 'score' for problem {group.problem.id!r}; it has "
                f"{', '.join(map(repr, value)) or 'nothing'}"
            )
        return self.number(value["score"] if isinstance(value, dict) else value, index, group)
