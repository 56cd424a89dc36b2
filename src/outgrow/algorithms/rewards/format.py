r"""The starting experiment's format reward: 0.5 for `<think>…</think>\boxed{}`, 0.125 each for one `\boxed{` and one `}`."""

import re

from ...types import GradedGroup
from .base import Reward

_STRICT = re.compile(r"\s*<think>(?:(?!</?think>).)*</think>(?:(?!</?think>|\\boxed\{).)*\\boxed\{[^{}]*\}\s*", re.DOTALL)


class Format(Reward):
    """Pays for the shape of the text, whatever the answer."""

    type: str = "format"
    strict: float = 0.5
    one_box: float = 0.125
    one_brace: float = 0.125

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
