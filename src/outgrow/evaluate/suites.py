"""The suites: named sets of held-out problems that policies are measured on."""

from typing import Any

from ..errors import UsageError, nearest
from ..problems import Source
from ..problems.gsm8k import GSM8K
from ..problems.math import Math
from ..problems.micro import Micro
from ..problems.reasoning_gym import ReasoningGym
from ..problems.several import Several
from ..problems.split import Split

# What the recipe smollm2-135m-arithmetic practises, on held-out problems: reasoning-gym's tasks on numbers up to 99.
ARITHMETIC: dict[str, str] = {"sums": "+", "differences": "-", "products": "*"}


def arithmetic(field: str, split: Split = "train", count: int = 400) -> ReasoningGym:
    """One field of ARITHMETIC: two numbers of one or two digits each."""
    config: dict[str, Any] = {"max_terms": 2, "max_digits": 2, "allow_parentheses": False, "allow_negation": False}
    return ReasoningGym(
        task="basic_arithmetic", config={**config, "operators": [ARITHMETIC[field]]}, field=field, split=split, count=count
    )


def _arithmetic(split: Split, count: int) -> Several:
    return Several(sources=tuple(arithmetic(field, split, count) for field in ARITHMETIC))


SUITES: dict[str, Source] = {
    # The recipes' first settings were chosen by the first eight of each field and level, so these are measured no more.
    "micro": Micro(split="test", skip=8, per_level=16),
    "micro-validation": Micro(split="validation", per_level=4),
    "micro-lab": Micro(split="validation", fields=("sum", "difference"), per_level=16),
    "gsm8k": GSM8K(split="test"),
    "math": Math(split="test"),
    "math500": Math(split="math500"),
    "arithmetic": _arithmetic("test", 130),
    "arithmetic-validation": _arithmetic("validation", 32),
}


def suite(name: str) -> Source:
    """The suite called `name`. Raises UsageError naming the nearest."""
    if name not in SUITES:
        raise UsageError(f"no suite called {name!r}{nearest(name, list(SUITES))}")
    return SUITES[name]
