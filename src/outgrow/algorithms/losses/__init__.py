"""Losses: from log-probabilities and advantages to the scalar whose gradient moves the policy."""

from .base import Loss, LossBatch, PolicyLoss
from .clip import clipped_objective
from .clipped_surrogate import ClippedSurrogate
from .gspo import GSPO
from .kl import add_kl

LOSSES: dict[str, type[Loss]] = {
    "clipped_surrogate": ClippedSurrogate,
    "gspo": GSPO,
}

__all__ = ["LOSSES", "Loss", "LossBatch", "PolicyLoss", "add_kl", "clipped_objective"]
