"""Which weights a server holds, as far as it shows: an address says nothing of them, and kept answers must not outlive them."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..core.callbacks import CheckStop, never_stop
from ..core.errors import OutgrowError
from ..core.files import parse_json
from ..engines import ChatRequest, OpenAIServer
from ..policy import Sampling

QUESTIONS = (
    "Continue this story: The old lighthouse keeper opened the door and",
    "What is 47 times 83? Work it out step by step.",
    "Solve 7x - 12 = 3x + 20 for x and explain each step.",
    "Write one sentence about rivers.",
    "Name five animals and a reason to like each.",
    "Which number comes next: 3, 8, 15, 24, 35? Say why.",
)
"""Open questions, whose greedy answers a small change of the weights changes soon."""

_GREEDY = Sampling(temperature=0.0, max_tokens=32)
_ENOUGH = 3  # equal answers that tell that two servers hold the same weights
_SECOND = 1.1  # seconds in which a time that the server writes anew for each request has changed


@dataclass(frozen=True)
class Fingerprint:
    """What a server shows of its weights."""

    card: dict[str, Any]
    """What its list of models says of the model, without what differs from request to request."""
    greedy: tuple[str | None, ...]
    """Its greedy answer to each question; None where it did not give the same one twice."""

    def same(self, other: "Fingerprint") -> bool | None:
        """Return whether both hold the same weights; None where that cannot be told."""
        pairs = [pair for pair in zip(self.greedy, other.greedy, strict=True) if None not in pair]
        if self.card != other.card or any(first != second for first, second in pairs):
            return False
        return True if len(pairs) >= _ENOUGH else None

    def to_json(self) -> str:
        """Return it as text."""
        return json.dumps([self.card, self.greedy])

    @staticmethod
    def from_json(text: str) -> "Fingerprint":
        """Return what `to_json` wrote. Raises ValueError or TypeError for any other text."""
        card, greedy = parse_json(text)
        return Fingerprint(card, tuple(greedy))


def fingerprint(
    server: OpenAIServer, check_stop: CheckStop = never_stop, wait: Callable[[float], None] = time.sleep
) -> Fingerprint:
    """Ask a server for its list of models and, twice, for greedy answers to a few short questions.

    Raises OutgrowError where it cannot be reached. A server that refuses the questions shows its list only.
    """
    began, first = time.monotonic(), server.card()
    greedy: tuple[str | None, ...]
    try:
        rounds = [[_ask(server, question, check_stop) for question in QUESTIONS] for _ in range(2)]
        greedy = tuple(text if text == again else None for text, again in zip(*rounds, strict=True))
    except OutgrowError:
        greedy = (None,) * len(QUESTIONS)
    wait(max(0.0, began + _SECOND - time.monotonic()))
    second = server.card()
    return Fingerprint({key: value for key, value in first.items() if second.get(key) == value}, greedy)


def _ask(server: OpenAIServer, question: str, check_stop: CheckStop) -> str | None:
    """Return the greedy answer; None where the server refuses the question."""
    # One at a time: what else is in a batch changes the last bits of a server's figures, and so, rarely, a greedy answer.
    [[answer]] = server.answer(ChatRequest([[{"role": "user", "content": question}]], 1, _GREEDY, [0]), check_stop)
    return None if answer.refused else answer.text
