"""Where questions come from. A source is a recipe entry with a `type`; it loads a list of problems."""

from .benchmark import Benchmark
from .chains import Chains, MicroChains
from .gsm8k import GSM8K
from .judgements import Judgements
from .math import Math
from .micro import Micro
from .reasoning_gym import ReasoningGym
from .recall import Recall
from .shuffled import Shuffled
from .source import Source
from .synthetic import Synthetic
from .table import Table

SOURCES: dict[str, type[Source]] = {
    "micro": Micro,
    "micro-chains": MicroChains,
    "chains": Chains,
    "gsm8k": GSM8K,
    "math": Math,
    "benchmark": Benchmark,
    "table": Table,
    "judgements": Judgements,
    "reasoning_gym": ReasoningGym,
    "recall": Recall,
    "shuffled": Shuffled,
    "synthetic": Synthetic,
}

__all__ = ["SOURCES", "Source"]
