"""The suites: named sets of held-out problems that policies are measured on."""

from ..errors import UsageError, nearest
from ..problems import Source
from ..problems.gsm8k import GSM8K
from ..problems.math import Math
from ..problems.micro import Micro

SUITES: dict[str, Source] = {
    # The recipes' first settings were chosen by the first eight of each field and level, so these are measured no more.
    "micro": Micro(split="test", skip=8, per_level=16),
    "micro-validation": Micro(split="validation", per_level=4),
    "gsm8k": GSM8K(split="test"),
    "math": Math(split="test"),
    "math500": Math(split="math500"),
}


def suite(name: str) -> Source:
    """The suite called `name`. Raises UsageError naming the nearest."""
    if name not in SUITES:
        raise UsageError(f"no suite called {name!r}{nearest(name, list(SUITES))}")
    return SUITES[name]
