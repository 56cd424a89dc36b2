"""The model: loading and saving, its prompt, its adapter, the distribution it samples from, log-probabilities with gradient."""

from .load import load_policy
from .logprobs import completion_logprobs
from .policy import Policy
from .prompt import Prompt
from .sampling import Sampling
from .spec import ModelSpec

__all__ = ["ModelSpec", "Policy", "Prompt", "Sampling", "completion_logprobs", "load_policy"]
