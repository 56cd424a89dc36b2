"""A policy whose weights are shared out over the ranks of a process group, by torch's FSDP2 (`fully_shard`).

Each rank holds a part of every matrix. A pass gathers the whole matrices of a layer when it comes to it, and drops them again.
Every function here that says so is collective: all ranks call it together, or all of them wait.
"""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor

from .lora import merged_tensors
from .policy import Policy

if TYPE_CHECKING:
    from torch.distributed.device_mesh import DeviceMesh

_T = TypeVar("_T")


class _Root(nn.Module):
    """The module that FSDP gathers around: whatever is computed with the model is computed inside its forward pass.

    The learner calls a model's inner parts, and reads the matrix of its output layer, so that the hooks of the model itself would
    never run. It also keeps the model's class as it is: FSDP changes that of the modules that it is given.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, compute: Callable[[], Any]) -> Any:
        return compute()


@dataclass
class ShardedPolicy(Policy):
    """A policy of which this rank holds a part. Its methods that use weights are collective; what they return is whole on rank 0
    and empty on the others.
    """

    root: _Root | None = None
    adapted: bool = True
    """Whether its adapters count. Without them it is the base that they were put into."""

    @property
    def shared_out(self) -> bool:
        """See `Policy.shared_out`."""
        return True

    def during(self, compute: Callable[[], _T]) -> _T:
        """See `Policy.during`."""
        assert self.root is not None
        with _without_adapters(self.model) if not self.adapted else nullcontext():
            return cast("_T", self.root(compute))

    def whole_tensors(self, adapters_only: bool) -> dict[str, Tensor]:
        """Return the model's tensors by name, gathered one after the other. Tied ones are one tensor. adapters_only: only those
        of adapters.
        """
        found: dict[int, Tensor] = {}
        whole: dict[str, Tensor] = {}
        for name, tensor in self.model.state_dict(keep_vars=True).items():
            if adapters_only and ".lora_" not in name:
                continue
            if id(tensor) not in found:
                found[id(tensor)] = whole_tensor(tensor)
            if dist.get_rank() == 0:
                whole[name] = found[id(tensor)]
            else:
                found[id(tensor)] = torch.empty(0)  # keep no whole model
        return whole

    def named_weights(self) -> dict[str, Tensor]:
        """Return what `Policy.named_weights` says, in memory of its own."""
        whole = self.whole_tensors(adapters_only=False)
        return merged_tensors(self.model, whole, self.adapted) if whole else {}

    def drop_weights(self) -> None:
        """Free this rank's part of the weights, whoever holds the model still. It can compute nothing after this."""
        for parameter in self.model.parameters():
            local(parameter).untyped_storage().resize_(0)

    def _saved_tensors(self) -> dict[str, Tensor] | None:
        if self.adapter is None:
            return self.whole_tensors(adapters_only=False)
        return {f"base_model.model.{name}": tensor for name, tensor in self.whole_tensors(adapters_only=True).items()}


@torch.no_grad()
def whole_tensor(tensor: Tensor) -> Tensor:
    """Return a tensor of which each rank holds a part, whole. Collective."""
    tensor = tensor.detach()
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def part_of(whole: Tensor, like: Tensor) -> Tensor:
    """Return this rank's part of a whole tensor, laid out as `like` is. Not collective: each rank has the whole."""
    if not isinstance(like, DTensor):
        return whole
    return distribute_tensor(whole, like.device_mesh, like.placements, src_data_rank=None)


def local(tensor: Tensor) -> Tensor:
    """Return what this rank holds of a tensor."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def skeleton(policy: Policy) -> bytes:
    """Return a policy without the numbers of its weights: what another rank makes its part from."""
    tensors = [*policy.model.parameters(), *policy.model.buffers()]
    memo: dict[int, Any] = {}
    for tensor in tensors:
        empty = torch.empty_like(tensor, device="meta")
        learns = tensor.requires_grad
        memo[id(tensor)] = nn.Parameter(empty, requires_grad=learns) if isinstance(tensor, nn.Parameter) else empty
    return pickle.dumps((copy.deepcopy(policy.model, memo), policy.tokenizer, policy.prompt))


def from_skeleton(content: bytes) -> Policy:
    """Return the policy of a skeleton, its weights on torch's device `meta`: without memory."""
    return Policy(*pickle.loads(content))


def shard(policy: Policy, mesh: DeviceMesh, device: torch.device) -> ShardedPolicy:
    """Share a policy out, in place, and return it. Collective: rank 0 gives a whole one, the others that of its skeleton.

    mesh: of one dimension, over all ranks. device: where this rank computes.
    """
    whole = {name: tensor.detach() for name, tensor in policy.model.named_parameters()}
    root = _Root(policy.model)
    blocks = set(policy.model._no_split_modules or ())
    # The root too is dropped after each pass. Otherwise a pass without gradients leaves it whole, as plain tensors: the embedding
    # would then be missing in gradient norms, and in an optimizer that is made next.
    for module in (*(each for each in policy.model.modules() if type(each).__name__ in blocks), root):
        fully_shard(module, mesh=mesh, reshard_after_forward=True)
    if dist.get_rank() != 0:
        root.to_empty(device=device)
    with torch.no_grad():
        for name, parameter in policy.model.named_parameters():
            empty = torch.empty(parameter.shape, dtype=parameter.dtype, device=device)
            full = whole.pop(name) if dist.get_rank() == 0 else empty
            dist.broadcast(full, 0)
            if dist.get_rank() != 0:
                local(parameter).copy_(local(part_of(full, parameter)))
        for buffer in policy.model.buffers():
            dist.broadcast(buffer, 0)
    policy.model.eval()
    return ShardedPolicy(policy.model, policy.tokenizer, policy.prompt, policy.adapter, root=root)


def base_of_sharded(policy: ShardedPolicy) -> ShardedPolicy:
    """Return the frozen base of a policy with adapters: the same parts, computed without the adapters."""
    return ShardedPolicy(policy.model, policy.tokenizer, policy.prompt, root=policy.root, adapted=False)


@contextmanager
def _without_adapters(model: nn.Module) -> Iterator[None]:
    from peft.tuners.lora import Linear

    adapted = [module for module in model.modules() if isinstance(module, Linear)]
    for module in adapted:
        module._disable_adapters = True  # its public switch also stops the adapters from learning
    try:
        yield
    finally:
        for module in adapted:
            module._disable_adapters = False
