"""The model: loading and saving, its chat shape, the distribution it samples from, log-probabilities with gradient."""

from .distribution import Sampling
from .logprobs import completion_logprobs
from .policy import Policy, load_policy

__all__ = ["Policy", "Sampling", "completion_logprobs", "load_policy"]
