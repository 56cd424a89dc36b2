"""Chains: problems in which the answer of one question is a number of the next."""

from .micro_chains import MicroChains
from .shape import Shape, split_of_chain
from .worded_chains import Chains

__all__ = ["Chains", "MicroChains", "Shape", "split_of_chain"]
