"""The model: loading and saving, its prompt, its adapter, the distribution it samples from, log-probabilities with gradient.

What this file gives imports no torch: a recipe is read in a fraction of a second.
"""

from .load import load_policy
from .policy import Policy
from .prompt import Prompt
from .sampling import Sampling
from .spec import ModelSpec

__all__ = ["ModelSpec", "Policy", "Prompt", "Sampling", "load_policy"]
