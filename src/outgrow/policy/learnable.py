"""Whether the learner computes what a model's own class computes: asked before a run starts, not in its first step."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

from ..core.errors import UsageError, first_line
from ..core.oom_backoff import ran_out_of_memory
from .logprobs import completion_logprobs
from .packed_forward import hidden_states, pack
from .policy import Policy
from .sampling import Sampling

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

_LENGTHS = ((3, 4), (5, 6), (3, 2))
"""Tokens of the prompts and completions that are compared. The first and the last share a prompt."""
_FLOAT32_NATS = 0.01
"""Largest difference of a token's log-probability that is rounding."""
_BFLOAT16_NATS = 0.5
"""The same of the mean difference, in bfloat16: single tokens differ by more."""


def require_learnable(policy: Policy, whose: str = "this model") -> None:
    """Raise UsageError where the learner's packed forward pass is not the model's own.

    whose: what the message calls the model. It computes some short rows both ways: the layers' windows must be those of the
    config, and the log-probabilities equal.
    """
    with torch.no_grad(), _evaluating(policy):
        try:
            nats, windows = _difference(policy), _windows(policy)
        except UsageError as error:
            raise UsageError(f"{whose} does not fit the learner: {error}") from error
        except (TypeError, ValueError, AttributeError, LookupError, RuntimeError) as error:  # of classes that compute otherwise
            if ran_out_of_memory(error):
                raise
            raise UsageError(
                f"{whose} does not fit the learner: {type(policy.model).__name__} takes no packed rows ({first_line(error)})"
            ) from error
    for layer, window in enumerate(_windows_of_config(policy)):
        if windows.get(layer, "none") != window:
            raise UsageError(
                f"{whose} does not fit the learner: it needs layers of full attention or of a sliding window, which attend by "
                f"transformers' attention interface; layer {layer} of this {policy.model.config.model_type} does not"
            )
    if nats:
        raise UsageError(
            f"{whose} does not fit the learner: the learner's log-probabilities are {nats:.3g} nats from those of "
            f"{type(policy.model).__name__} itself; outgrow does not compute this family rightly"
        )


def _difference(policy: Policy) -> float:
    """Return how far the learner's log-probabilities are from the model's own, in nats; 0 where it is rounding."""
    size = int(policy.model.config.get_text_config().vocab_size)
    rows = [([(7 * i + 11) % size for i in range(p)], [(13 * i + c) % size for i in range(c)]) for p, c in _LENGTHS]
    ours_BT, _, mask_BT = completion_logprobs(policy, [p for p, _ in rows], [c for _, c in rows], Sampling())
    theirs = []
    for prompt, completion in rows:
        tokens = torch.tensor([[*prompt, *completion]], device=policy.model.device)
        logits_TV = policy.model(tokens, use_cache=False).logits[0, len(prompt) - 1 : -1].float()
        theirs.append(logits_TV.log_softmax(-1).gather(-1, tokens[0, len(prompt) :, None]).squeeze(-1))
    return beyond_rounding(ours_BT[mask_BT > 0] - torch.cat(theirs), policy.model.dtype)


def beyond_rounding(differences: Tensor, dtype: torch.dtype) -> float:
    """Return how far log-probabilities are apart, in nats; 0 where weights of this type round so.

    >>> beyond_rounding(torch.tensor([0.001, -0.4]), torch.float32), beyond_rounding(torch.tensor([0.1, -0.4]), torch.bfloat16)
    (0.4000000059604645, 0.0)
    """
    apart, exact = differences.abs(), dtype == torch.float32
    nats = float(apart.max() if exact else apart.mean())
    return 0.0 if nats <= (_FLOAT32_NATS if exact else _BFLOAT16_NATS) else nats


def _windows(policy: Policy) -> dict[int, int | None]:
    """Return the window that each layer asks the learner for; layers that do not attend through it are missing."""
    windows: dict[int, int | None] = {}
    hidden_states(policy.model, pack([[0, 0]], [0], [[0, 0]], policy.model.device), windows)
    return windows


def _windows_of_config(policy: Policy) -> list[int | str | None]:
    """Return the window of each layer by the config: tokens, None for full attention, the layer's type where it is another."""
    config = policy.model.config.get_text_config()
    window = getattr(config, "sliding_window", None) if getattr(config, "use_sliding_window", True) else None
    types = getattr(config, "layer_types", None)
    if types is None:
        return [window] * config.num_hidden_layers
    known = {"full_attention": None, "sliding_attention": getattr(config, "sliding_window", None)}
    return [known.get(kind, kind) for kind in types]


@contextmanager
def _evaluating(policy: Policy) -> Iterator[None]:
    """Compute without dropout inside the block."""
    training = policy.model.training
    policy.model.eval()
    try:
        yield
    finally:
        policy.model.train(training)
