"""The one contract between the loop and whatever writes completions."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from ..core.errors import UsageError
from ..policy import Policy, Sampling
from ..types import Rollout


class Engine(Protocol):
    """Something one sends weights and prompts to, and gets rollouts from."""

    def update(self, policy: Policy) -> None:
        """Take over the policy's present weights."""

    def sleep(self) -> None:
        """Give up its memory to the learner, weights and all; the next `update` wakes it."""

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint keeps of the engine, as JSON values: sizes that memory lowered."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Put back what `state_dict` returned when the checkpoint was written."""

    def generate(
        self,
        prompts: Sequence[Sequence[int]],
        n: int,
        sampling: Sampling,
        seeds: Sequence[int],
        check_stop: Callable[[], None] = lambda: None,
    ) -> list[list[Rollout]]:
        """n rollouts of each prompt, in order.

        seeds: one per prompt; a group's draws depend on its seed only, not on the prompts beside it.
        check_stop: called at every token; what it raises ends the generation.
        """
        ...


def check_room(prompts: Sequence[Sequence[int]], sampling: Sampling, context: int, whose: str = "the model's context") -> None:
    """Raise UsageError where a prompt leaves no room for a completion of the longest length."""
    longest = max(map(len, prompts))
    if longest + sampling.max_tokens > context:
        raise UsageError(
            f"prompt of {longest} tokens + sampling.max_tokens={sampling.max_tokens} exceeds {whose} of "
            f"{context}; lower sampling.max_tokens"
        )
