"""The optimizer: AdamW over the weights that learn, one clipped step at a time."""

import math

import torch
from torch import Tensor, nn

from ..config.sections import OptimizerSection
from ..core.errors import NotFiniteError
from ..runs.checkpoint import optimizer_to_tensors, tensors_to_optimizer
from .lr_schedule import learning_rate_factor


class Optimizer:
    """AdamW with a learning-rate schedule and gradient clipping."""

    def __init__(self, model: nn.Module, section: OptimizerSection, steps: int) -> None:
        self.section = section
        self.steps = steps
        trained = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
        self.names = list(trained)
        self.weights = list(trained.values())
        self.adamw = torch.optim.AdamW(self.weights, lr=section.lr, betas=section.betas, weight_decay=section.weight_decay)

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
        for group in self.adamw.param_groups:
            group["lr"] = rate
        self.adamw.step()
        self.clear()
        if not self._is_finite():
            raise NotFiniteError(f"step {step}: a weight is no longer finite; {self.advice()}")
        return norm, rate

    def _clip(self) -> float:
        """Scale the gradient down where its norm is above the limit; return the norm before."""
        return float(nn.utils.clip_grad_norm_(self.weights, self.section.max_grad_norm))

    def _is_finite(self) -> bool:
        return all(bool(weight.isfinite().all()) for weight in self.weights)

    def tensors(self) -> dict[str, Tensor]:
        """Return the moments as named tensors, for a checkpoint."""
        return optimizer_to_tensors(self.adamw, self.names)

    def load_tensors(self, tensors: dict[str, Tensor]) -> None:
        """Put back what `tensors` returned."""
        tensors_to_optimizer(self.adamw, self.names, tensors)

    def clear(self) -> None:
        """Clear the gradient."""
        self.adamw.zero_grad()

    def advice(self) -> str:
        """Return what to do when numbers are no longer finite."""
        return f"lower the learning rate: --set learn.lr={self.section.lr / 10:g} (outgrow resume, if the run has done a step)"
