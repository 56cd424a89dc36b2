"""The policy writes answers: one Engine contract, and the native engine."""

from .engine import Engine, Rollout
from .native import NativeEngine

__all__ = ["Engine", "NativeEngine", "Rollout"]
