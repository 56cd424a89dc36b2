r"""The starting experiment's format reward: 0.5 for `<think>…</think>\boxed{}`, 0.125 each for one `\boxed{` and one `}`."""

import re

from pydantic import Field, FiniteFloat

from ...types import GradedGroup
from .base import Reward

_STRICT = re.compile(r"\s*<think>(?:(?!</?think>).)*</think>(?:(?!</?think>|\\boxed\{).)*\\boxed\{[^{}]*\}\s*", re.DOTALL)


class Format(Reward):
    """Pays for the shape of the text, whatever the answer."""

    type: str = "format"
    strict: FiniteFloat = Field(default=0.5, description="Reward of a text with exactly the expected form.")
    one_box: FiniteFloat = Field(default=0.125, description="Reward of exactly one opening of a box.")
    one_brace: FiniteFloat = Field(default=0.125, description="Reward of exactly one closing brace.")

    def compute(self, group: GradedGroup) -> list[float]:
        opener = "<think>" if group.inside_think else ""
        return [self.price(opener + rollout.text) for rollout in group.rollouts]

    def price(self, text: str) -> float:
        """Return the reward of one full text (with its <think>)."""
        return (
            self.strict * bool(_STRICT.fullmatch(text))
            + self.one_box * (text.count("\\boxed{") == 1)
            + self.one_brace * (text.count("}") == 1)
        )
