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

# What the recipe smollm2-135m-arithmetic practises, on held-out problems: reasoning-gym's tasks on small numbers.
ARITHMETIC: dict[str, dict[str, Any]] = {
    "products": {"min_digits": 2, "max_digits": 2},
    "gcd": {"max_numbers": 3, "max_value": 20},
    "basic_arithmetic": {
        "max_terms": 2,
        "max_digits": 2,
        "operators": ["+"],
        "allow_parentheses": False,
        "allow_negation": False,
    },
    "letter_counting": {"min_words": 3, "max_words": 6},
}


def _arithmetic(split: Split, count: int) -> Several:
    return Several(sources=tuple(ReasoningGym(task=task, config=it, split=split, count=count) for task, it in ARITHMETIC.items()))


SUITES: dict[str, Source] = {
    # The recipes' first settings were chosen by the first eight of each field and level, so these are measured no more.
    "micro": Micro(split="test", skip=8, per_level=16),
    "micro-validation": Micro(split="validation", per_level=4),
    "gsm8k": GSM8K(split="test"),
    "math": Math(split="test"),
    "math500": Math(split="math500"),
    "arithmetic": _arithmetic("test", 100),
    "arithmetic-validation": _arithmetic("validation", 25),
}


def suite(name: str) -> Source:
    """The suite called `name`. Raises UsageError naming the nearest."""
    if name not in SUITES:
        raise UsageError(f"no suite called {name!r}{nearest(name, list(SUITES))}")
    return SUITES[name]
