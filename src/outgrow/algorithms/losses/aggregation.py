"""How the tokens of a batch are averaged into one loss."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from torch import Tensor

Aggregation = Literal["token", "sequence", "constant"]


def token_weights(lengths_B: Tensor, aggregation: Aggregation, max_tokens: int) -> Tensor:
    """Return the weight (B,) of each completion's tokens in the loss of the batch.

    lengths_B: completion lengths in tokens. The weights are for the whole batch, so a microbatch needs nothing of the others.

    - token: every token counts the same, 1 / (tokens in the batch) (DAPO, arXiv 2503.14476, equation 8)
    - sequence: every completion counts the same, 1 / (B · its length) (GRPO, arXiv 2402.03300, equation 3)
    - constant: every token counts 1 / (B · max_tokens), so length never changes a token's weight (Dr. GRPO, arXiv 2503.20783)
    """
    import torch

    lengths_B = lengths_B.float()
    count = len(lengths_B)
    if aggregation == "token":
        return torch.full_like(lengths_B, 1.0) / lengths_B.sum()
    if aggregation == "sequence":
        return 1.0 / (count * lengths_B)
    return torch.full_like(lengths_B, 1.0 / (count * max_tokens))
