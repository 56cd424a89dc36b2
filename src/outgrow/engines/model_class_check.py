"""Whether a model's class decodes rows together as it computes each row alone: asked once, with the first weights."""

import torch
from torch import Tensor
from transformers import PreTrainedModel

from ..core.errors import UsageError, first_line
from ..core.oom_backoff import ran_out_of_memory
from ..policy import ModelSpec, Sampling
from ..policy.learnable import beyond_rounding
from ..types import Rollout
from .draws import Draws
from .engine import GenerationRequest
from .model_class import ModelRows

_LENGTHS = (5, 1, 3)
"""Tokens of the prompts, which are padded to the longest."""
_WRITTEN = 4
"""Tokens of each answer."""


@torch.no_grad()
def require_decoded(model: PreTrainedModel, spec: ModelSpec) -> None:
    """Raise UsageError where log-probabilities of rows with padding and cache are not those of a plain forward pass.

    A class may take attention_mask and past_key_values, and leave them unread: RecurrentGemma keeps its states in its layers.
    """
    try:
        nats = _difference(model, spec)
    except (TypeError, ValueError, AttributeError, LookupError, RuntimeError) as error:  # of classes that compute otherwise
        if ran_out_of_memory(error):
            raise
        raise UsageError(
            f"the transformers engine cannot decode this model: {spec.architecture} does not take transformers' cache "
            f"({first_line(error)})"
        ) from error
    if nats:
        raise UsageError(
            f"the transformers engine cannot decode this model: rows that {spec.architecture} decodes together, with padding and "
            f"transformers' cache, are {nats:.3g} nats from each of these rows by itself"
        )


def _difference(model: PreTrainedModel, spec: ModelSpec) -> float:
    """Return how far the log-probabilities are apart, in nats; 0 where it is rounding."""
    size = int(model.config.get_text_config().vocab_size)
    prompts = [[(7 * place + 11) % size for place in range(length)] for length in _LENGTHS]
    draws = Draws(spec, GenerationRequest(prompts, 2, Sampling(max_tokens=_WRITTEN), range(len(prompts))))
    rows = ModelRows(model, draws, list(range(len(prompts))))
    while rows.unfinished():
        rows.advance()
    rollouts = [rollout for group in draws.rollouts(0) for rollout in group]
    together = torch.tensor([value for rollout in rollouts for value in rollout.logprobs], device=spec.device)
    return beyond_rounding(together - torch.cat([_alone(model, rollout) for rollout in rollouts]), spec.dtype)


def _alone(model: PreTrainedModel, rollout: Rollout) -> Tensor:
    """Return the log-probabilities (T,) of a rollout's tokens by one forward pass, in nats."""
    tokens = torch.tensor([[*rollout.prompt_ids, *rollout.completion_ids]], device=model.device)
    first = len(rollout.prompt_ids)
    logits_TV: Tensor = model(input_ids=tokens, use_cache=False).logits[0, first - 1 : -1].float()
    return logits_TV.log_softmax(-1).gather(-1, tokens[0, first:, None]).squeeze(-1)
