"""The optimizer of one rank: AdamW over its parts of the weights, with the norm and the checks of the whole."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from ...config.sections import OptimizerSection
from ...policy.sharded import part_of, whole_tensor
from ..optimizer import Optimizer


class ShardedOptimizer(Optimizer):
    """AdamW over parts. `step`, `whole_moment` and `load_tensors` are collective; `tensors` returns this rank's parts."""

    def __init__(self, model: nn.Module, section: OptimizerSection, steps: int, ranks: int) -> None:
        super().__init__(model, section, steps)
        self._ranks = ranks
        self.counts = True
        """Whether the next losses count. A rank without a microbatch of its own computes one that does not, since all ranks must
        gather the same weights in the same order."""

    def backward(self, loss: Tensor) -> None:
        """Add the gradient of a loss to that of the weights. FSDP takes the mean over ranks of what is a sum."""
        (loss * (self._ranks if self.counts else 0)).backward()

    def _clip(self) -> float:
        norm = nn.utils.clip_grad_norm_(self.weights, self.section.max_grad_norm)
        return float(whole_tensor(norm))

    def _is_finite(self) -> bool:
        # A part's own answer would differ between ranks, and only some would stop.
        device = self.weights[0].device
        finite = torch.tensor(
            all(bool(_local(weight).isfinite().all()) for weight in self.weights), dtype=torch.int32, device=device
        )
        dist.all_reduce(finite, dist.ReduceOp.MIN)
        return bool(finite)

    def whole_moment(self, name: str) -> Tensor:
        """Return the tensor that `tensors` has under this name whole, as one process has it."""
        weight, _, key = name.rpartition("/")
        (adamw,) = self._parts  # Muon would need whole matrices
        return whole_tensor(torch.as_tensor(adamw.optimizer.state[self.weights[self.names.index(weight)]][key]))

    def load_tensors(self, tensors: dict[str, Tensor]) -> None:
        """Put back what one process returns as `tensors`; the other ranks than the first give nothing."""
        box: list[Any] = [[(name, tensor.shape, tensor.dtype) for name, tensor in tensors.items()]]
        dist.broadcast_object_list(box, 0, device=torch.device("cpu"))
        weights, parts = dict(zip(self.names, self.weights, strict=True)), {}
        for name, shape, dtype in box[0]:
            weight = weights[name.rpartition("/")[0]]
            if shape != weight.shape:  # the count of steps
                whole = tensors[name].clone() if tensors else torch.empty(shape, dtype=dtype)
                dist.broadcast(whole, 0)
                parts[name] = whole
                continue
            whole = tensors[name].to(weight.device) if tensors else torch.empty(shape, dtype=dtype, device=weight.device)
            dist.broadcast(whole, 0)
            parts[name] = part_of(whole, weight)
        super().load_tensors(parts)


def _local(weight: Tensor) -> Tensor:
    return weight.to_local() if isinstance(weight, DTensor) else weight
