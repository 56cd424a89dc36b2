"""The optimizer: AdamW, or Muon and AdamW, over the weights that learn, one clipped step at a time."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..config.sections import OptimizerSection
from ..core.errors import NotFiniteError
from ..runs.checkpoint import optimizer_to_tensors, tensors_to_optimizer
from .lr_schedule import learning_rate_factor


@dataclass(frozen=True)
class _Part:
    """Weights that one of torch's optimizers moves."""

    names: list[str]
    optimizer: torch.optim.Optimizer
    moments: tuple[str, ...]
    """What it keeps of each weight."""


class Optimizer:
    """AdamW, or Muon next to it, with a learning-rate schedule and gradient clipping."""

    def __init__(self, model: nn.Module, section: OptimizerSection, steps: int) -> None:
        self.section = section
        self.steps = steps
        trained = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
        self.names = list(trained)
        self.weights = list(trained.values())
        matrices = _matrices(model) if section.optimizer == "muon" else set[int]()
        by_muon = {name: weight for name, weight in trained.items() if id(weight) in matrices}
        by_adamw = {name: weight for name, weight in trained.items() if name not in by_muon}
        self._parts = []
        if by_adamw:
            adamw = torch.optim.AdamW(by_adamw.values(), lr=section.lr, betas=section.betas, weight_decay=section.weight_decay)
            self._parts.append(_Part(list(by_adamw), adamw, ("step", "exp_avg", "exp_avg_sq")))
        if by_muon:
            muon = torch.optim.Muon(
                by_muon.values(),
                lr=section.lr,
                momentum=section.betas[0],
                weight_decay=section.weight_decay,
                adjust_lr_fn="match_rms_adamw",
            )
            self._parts.append(_Part(list(by_muon), muon, ("momentum_buffer",)))

    def backward(self, loss: Tensor) -> None:
        """Add the gradient of a loss to that of the weights."""
        loss.backward()

    def step(self, step: int) -> tuple[float, float]:
        """Clip the gradient, move the weights, clear the gradient. Return the norm before clipping, and the learning rate.

        Raises NotFiniteError where the gradient, or a weight after the step, is not finite.
        """
        section = self.section
        rate = section.lr * learning_rate_factor(step, self.steps, section.schedule, section.warmup, section.lr_floor)
        norm = self._clip()
        if not math.isfinite(norm):
            raise NotFiniteError(f"step {step}: the loss or its gradient is not finite; {self.advice()}")
        for part in self._parts:
            for group in part.optimizer.param_groups:
                group["lr"] = rate
            part.optimizer.step()
        self.clear()
        if not self._is_finite():
            raise NotFiniteError(f"step {step}: a weight is no longer finite; {self.advice()}")
        return norm, rate

    def _clip(self) -> float:
        """Scale the gradient down where its norm is above the limit; return the norm before."""
        return float(nn.utils.clip_grad_norm_(self.weights, self.section.max_grad_norm))

    def _is_finite(self) -> bool:
        return all(bool(weight.isfinite().all()) for weight in self.weights)

    def tensors(self) -> Mapping[str, Tensor]:
        """Return the moments as named tensors, for a checkpoint."""
        return {name: tensor for part in self._parts for name, tensor in optimizer_to_tensors(part.optimizer, part.names).items()}

    def load_tensors(self, tensors: dict[str, Tensor]) -> None:
        """Put back what `tensors` returned. Moments of a weight that another optimizer kept are left out: they begin anew.

        Raises ValueError where a tensor is of no weight that learns.
        """
        if others := {name for name in tensors if name.rpartition("/")[0] not in self.names}:
            raise ValueError(f"{min(others)} is of no weight that learns")
        for part in self._parts:
            known = {f"{name}/{moment}" for name in part.names for moment in part.moments}
            mine = {name: tensor for name, tensor in tensors.items() if name in known}
            tensors_to_optimizer(part.optimizer, part.names, mine)

    def clear(self) -> None:
        """Clear the gradient."""
        for part in self._parts:
            part.optimizer.zero_grad()

    def advice(self) -> str:
        """Return what to do when numbers are no longer finite."""
        return f"lower the learning rate: --set learn.lr={self.section.lr / 10:g} (outgrow resume, if the run has done a step)"


def _matrices(model: nn.Module) -> set[int]:
    """Return the ids of the matrices inside the model's layers: those that map hidden states, also those of adapters. Embedding and
    head are not among them, whose rows belong to tokens.
    """
    linear = ((name, module) for name, module in model.named_modules() if isinstance(module, nn.Linear))
    return {id(module.weight) for name, module in linear if ".layers." in f".{name}"}
