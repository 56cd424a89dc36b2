"""What a layer's memory keeps of a token for the backward pass: counted in a short pass, since the rules keep different things."""

from functools import cache
from typing import Any

from ..policy.memory.settings import Memory

_CHUNK = 64
"""Tokens that the rules of one matrix take together at most, or a multiple of it."""


@cache
def activation_bytes(memory: Memory, hidden: int) -> float:
    """Return the bytes that a layer's memory keeps of one token of a long text, beyond the token's hidden state, in float32.

    hidden: numbers of a hidden state. The difference of two passes over a few chunks, so that it holds no start of a row.
    """
    if memory.rule == "none":
        return 0.0
    chunk = memory.chunk if memory.rule == "titans" else _CHUNK
    short, long = (2 * chunk, 4 * chunk)
    return (_kept(memory, hidden, long) - _kept(memory, hidden, short)) / (long - short)


def _kept(memory: Memory, hidden: int, tokens: int) -> int:
    """Return the bytes that a pass over one row keeps, the input and the weights left out."""
    import torch

    from ..policy.memory.branch import Branch

    kept: dict[int, int] = {}

    def keep(tensor: Any) -> Any:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor.detach()  # a tensor that is returned itself would hold its own pass

    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        branch = Branch(hidden, memory)
        branch.reset()
        x_BTD = torch.randn(1, tokens, hidden, requires_grad=True)
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            added_BTD, *_ = branch(x_BTD, torch.tensor([tokens]))
    counted = {each.untyped_storage().data_ptr() for each in (x_BTD, *branch.parameters())}
    del added_BTD  # held until here, and with it all that was kept, so that no two had one address
    return sum(size for place, size in kept.items() if place not in counted)
