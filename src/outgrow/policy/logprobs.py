"""Log-probabilities of given completions under the learner's policy, with gradient."""

from collections.abc import Sequence

import torch
from torch import Tensor

from .distribution import Sampling, log_distribution
from .policy import Policy


def completion_logprobs(
    policy: Policy, prompts: Sequence[Sequence[int]], completions: Sequence[Sequence[int]], sampling: Sampling
) -> tuple[Tensor, Tensor, Tensor]:
    """Log-probabilities of each completion token, and the entropy of the distribution it was drawn from.

    prompts, completions: B lists of token ids; completions must not be empty.
    Returns logprobs_BT, entropy_BT (nats, no gradient) and mask_BT (1 where a completion has a token), T the longest
    completion. Values where the mask is 0 are 0.
    """
    device = policy.model.device
    tokens_BS, attention_BS = pad_right([[*p, *c] for p, c in zip(prompts, completions, strict=True)], policy.pad_id, device)
    hidden_BSD = policy.model.base_model(input_ids=tokens_BS, attention_mask=attention_BS, use_cache=False).last_hidden_state
    targets_BT, mask_BT = pad_right(completions, policy.pad_id, device)
    # The token at position s is predicted by the state at s - 1; only these rows go through the output layer.
    rows_N, columns_N = mask_BT.nonzero(as_tuple=True)
    starts_B = torch.tensor([len(p) - 1 for p in prompts], device=device)
    logits_NV = policy.model.get_output_embeddings()(hidden_BSD[rows_N, starts_B[rows_N] + columns_N]).float()
    targets_N = targets_BT[rows_N, columns_N]
    logprobs_NV = log_distribution(logits_NV, sampling, keep=targets_N)
    logprobs_N = logprobs_NV.gather(-1, targets_N.unsqueeze(-1)).squeeze(-1)
    with torch.no_grad():
        entropy_N = -(logprobs_NV.exp() * logprobs_NV.clamp(min=-1e30)).sum(dim=-1)
    shape = targets_BT.shape
    index = (rows_N, columns_N)
    return (
        torch.zeros(shape, device=device).index_put(index, logprobs_N),
        torch.zeros(shape, device=device).index_put(index, entropy_N),
        mask_BT.float(),
    )


def pad_right(rows: Sequence[Sequence[int]], pad_id: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Rows of token ids as one tensor (B, S) padded on the right, and its mask (1 = a token)."""
    width = max(map(len, rows))
    tokens = torch.tensor([[*row, *([pad_id] * (width - len(row)))] for row in rows], dtype=torch.long, device=device)
    lengths = torch.tensor([len(row) for row in rows], device=device)
    return tokens, (torch.arange(width, device=device) < lengths[:, None]).long()
