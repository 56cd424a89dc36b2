"""Log-probabilities of given completions under the learner's policy, with gradient."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..core.errors import UsageError
from .chunked_logprobs import token_logprobs
from .packed_forward import hidden_states, pack
from .policy import Policy
from .sampling import Sampling

# What families of transformers do to logits: key of the config, and the value that changes nothing.
_AFTER_THE_OUTPUT = {
    "final_logit_softcapping": None, "logit_scale": 1.0, "logits_scaling": 1.0, "lm_head_multiplier": 1.0,
}  # fmt: skip


def completion_logprobs(
    policy: Policy, prompts: Sequence[Sequence[int]], completions: Sequence[Sequence[int]], sampling: Sampling
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the log-probability of each completion token, and the entropy of the distribution it was drawn from.

    prompts, completions: B lists of token ids; completions must not be empty. A prompt that several rows share is run once.
    Returns logprobs_BT, entropy_BT (nats, no gradient) and mask_BT (1 where a completion has a token); T is the length of the
    longest completion. Values where the mask is 0 are 0.
    """
    return policy.during(lambda: _completion_logprobs(policy, prompts, completions, sampling))


def _completion_logprobs(
    policy: Policy, prompts: Sequence[Sequence[int]], completions: Sequence[Sequence[int]], sampling: Sampling
) -> tuple[Tensor, Tensor, Tensor]:
    device = policy.model.device
    branches = pack(*distinct_prompts(prompts), completions, device)
    before_MD = hidden_states(policy.model, branches).index_select(0, branches.predictor_M)
    targets_BT, mask_BT = pad_right(completions, policy.pad_id, device)
    index = mask_BT.nonzero(as_tuple=True)
    logprobs_M, entropy_M = token_logprobs(before_MD, output_weight(policy), targets_BT[index], sampling)
    zeros_BT = torch.zeros(targets_BT.shape, device=device)
    return zeros_BT.index_put(index, logprobs_M), zeros_BT.index_put(index, entropy_M), mask_BT.float()


def distinct_prompts(prompts: Sequence[Sequence[int]]) -> tuple[list[list[int]], list[int]]:
    """Return the distinct prompts, and for each row the index of its prompt among them."""
    index = {prompt: place for place, prompt in enumerate(dict.fromkeys(map(tuple, prompts)))}
    return [list(prompt) for prompt in index], [index[tuple(prompt)] for prompt in prompts]


def output_weight(policy: Policy) -> Tensor:
    """Return the output layer's matrix (V, D), its adapter merged.

    Raises UsageError where logits are more than its product with the states.
    """
    from peft.tuners.lora import Linear

    config = policy.model.config.get_text_config()
    for name, neutral in _AFTER_THE_OUTPUT.items():
        if getattr(config, name, None) not in (None, neutral):
            raise UsageError(f"the learner does not compute {name}={getattr(config, name)}, which this model applies to its logits")
    head = policy.model.get_output_embeddings()
    if getattr(head, "bias", None) is not None:
        raise UsageError("this model's output layer has a bias, which the learner does not compute")
    weight: Tensor = head.weight
    if not isinstance(head, Linear) or head.disable_adapters:
        return weight
    return weight + head.get_delta_weight("default").to(weight.dtype)


def pad_right(rows: Sequence[Sequence[int]], pad_id: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return rows of token ids as one tensor (B, T) padded on the right, and its mask (1 where there is a token)."""
    width = max(map(len, rows))
    tokens = torch.tensor([[*row, *([pad_id] * (width - len(row)))] for row in rows], dtype=torch.long, device=device)
    lengths = torch.tensor([len(row) for row in rows], device=device)
    return tokens, (torch.arange(width, device=device) < lengths[:, None]).long()
