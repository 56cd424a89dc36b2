"""The suites: named sets of held-out problems that policies are measured on."""

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ..core.errors import UsageError, nearest
from ..core.refusals import explain
from .benchmark import Benchmark
from .chains import Chains, MicroChains
from .chains.shape import THEN
from .first import First
from .gsm8k import GSM8K
from .held_out import HELD_OUT
from .math import Math
from .micro import Micro
from .named_table import named_table
from .reasoning_gym import ReasoningGym
from .recall import SUITE_NAMES, recall_suite
from .several import Several
from .source import Source
from .split import Split

# What the recipe smollm2-135m-arithmetic practises, on held-out problems: reasoning-gym's tasks on numbers up to 99.
ARITHMETIC: dict[str, str] = {"sums": "+", "differences": "-", "products": "*"}
_PLAIN: dict[str, Any] = {"allow_parentheses": False, "allow_negation": False}


def arithmetic(field: str, split: Split = "train", count: int = 400) -> ReasoningGym:
    """Return the source of one field of ARITHMETIC: two numbers of one or two digits each."""
    config = {**_PLAIN, "max_terms": 2, "max_digits": 2, "operators": [ARITHMETIC[field]]}
    return ReasoningGym(task="basic_arithmetic", config=config, field=field, split=split, count=count)


def _arithmetic(split: Split, count: int) -> Several:
    return Several(sources=tuple(arithmetic(field, split, count) for field in ARITHMETIC))


# Next to ARITHMETIC, and practised by no recipe: longer sums, and other questions whose answer is one number.
_BEYOND: dict[str, tuple[str, dict[str, Any]]] = {
    "three addends": ("basic_arithmetic", {**_PLAIN, "min_terms": 3, "max_terms": 3, "max_digits": 1, "operators": ["+"]}),
    "three digits": ("basic_arithmetic", {**_PLAIN, "max_terms": 2, "min_digits": 3, "max_digits": 3, "operators": ["+"]}),
    "letters": ("letter_counting", {}),
    "gcd": ("gcd", {}),
}

# reasoning-gym families that no recipe practises: words, order, logic, space and kinship.
_PUZZLES = (
    "spell_backward",
    "word_sorting",
    "number_filtering",
    "propositional_logic",
    "syllogism",
    "family_relationships",
    "number_sequence",
    "rectangle_count",
)

_MEASURED_CHAINS = ("seen", "unseen", "reversed", "new-field", "deeper", "merged")

SUITES: dict[str, Source] = {
    # The recipes' first settings were chosen by the first eight of each field and level, so these are measured no more.
    "micro": Micro(split="test", skip=8, per_level=16),
    "micro-validation": Micro(split="validation", per_level=4),
    "micro-lab": Micro(split="validation", fields=("sum", "difference"), per_level=16),
    "synthesis": MicroChains(split="test", chains=_MEASURED_CHAINS, per_chain=8, parts="also"),
    "synthesis-lab": MicroChains(split="validation", chains=_MEASURED_CHAINS, per_chain=6, parts="also"),
    "synthesis-unseen": MicroChains(split="validation", chains=("unseen",), per_chain=8),
    "gsm8k": GSM8K(split="test"),
    "math": Math(split="test"),
    "math500": Math(split="math500"),
    "arithmetic": _arithmetic("test", 130),
    "arithmetic-validation": _arithmetic("validation", 32),
    "arithmetic-beyond": Several(
        sources=tuple(
            ReasoningGym(task=task, config=config, field=field, split="test", count=50) for field, (task, config) in _BEYOND.items()
        )
    ),
    "puzzles": Several(sources=tuple(ReasoningGym(task=task, split="test", count=50) for task in _PUZZLES)),
}

# Suites for a model that practises mathematics: what that should make better, and what it should not make worse.
_RELATED = ("svamp", "asdiv", "aime2024", "aime2025", "amc2023", "minerva", "olympiadbench")
_UNRELATED = ("arc-easy", "arc-challenge", "commonsenseqa", "coin_flip", "last_letters")
SUITES |= {name: Benchmark(name=name) for name in (*_RELATED, *_UNRELATED)}
# For a model with a memory. The worded form is long, so it is not among the suites that `outgrow data` compares with by default.
SUITES |= {name: named for name in SUITE_NAMES if (named := recall_suite(name))}
GROUPS: dict[str, tuple[str, ...]] = {
    "recall": SUITE_NAMES,
    "related": ("gsm8k", "math500", *_RELATED),
    "unrelated": (*_UNRELATED, "puzzles"),
}


def suite(name: str) -> Source:
    """Return the suite called `name`: one of SUITES, or a table as PLACE[:SPLIT][:KEY=VALUE]… (see `named_table`); SPLIT is test.

    NAME-N is the first N problems of one of SUITES that is not of recall: gsm8k-400.
    recall-KIND[-worded][-DISTANCE] is one of recall (see `recall_suite`).
    Two to four of these names with > between them are chains of their problems, with the parts of the chains.

    Raises UsageError naming the nearest, or the suites of a group.
    """
    if name in SUITES:
        return SUITES[name]
    if not name.strip():
        raise UsageError(f"the name of a suite is empty; name a file, or one of: {', '.join([*SUITES, *GROUPS])}")
    if name in GROUPS:
        raise UsageError(f"{name} is a group; name one of its suites: {', '.join(GROUPS[name])}")
    if name == HELD_OUT:
        raise UsageError(f"{name} is a slice of a recipe's own problems; here, name a suite or a file")
    if recall := recall_suite(name):
        return recall
    whole, _, count = name.rpartition("-")
    if whole in SUITES and whole not in SUITE_NAMES and count.isdecimal() and int(count):
        return First(source=SUITES[whole], count=int(count))
    if THEN in name and not Path(name).exists():
        return _chains(name)
    if table := named_table(name, "test"):
        return table
    raise UsageError(f"no suite called {name!r}{nearest(name, [*SUITES, *GROUPS, HELD_OUT])}")


def _chains(name: str) -> Chains:
    try:
        return Chains(sources=tuple(suite(part.strip()) for part in name.split(THEN)), split="test", count=200, parts="also")
    except ValidationError as error:
        raise UsageError(f"{name}: {explain(error, Chains)}") from error


def suites(names: str) -> list[str]:
    """Return the suites that a list such as "related,puzzles" names, each once, groups written out. Raises as `suite` does.

    `held-out`, the slice of a recipe's own problems, is one of them.
    """
    members = [member for name in names.split(",") for member in GROUPS.get(name.strip(), (name.strip(),))]
    for name in members:
        if name != HELD_OUT:
            suite(name)
    return list(dict.fromkeys(members))


def samples_for(problems: int) -> int:
    """Return how many samples a problem a suite of this size needs: 4,000 answers in all, 4 to 32 of each problem.

    On AIME's 30 problems the draws of a single answer differ by 5 to 15 points of pass@1 from seed to seed (arXiv 2504.07086).

    >>> samples_for(30), samples_for(500), samples_for(1319)
    (32, 8, 4)
    """
    return min(32, max(4, -(-4000 // problems)))
