"""The live page over all runs: a list, curves while they train, every problem and every rollout, runs side by side."""

from .app import application

__all__ = ["application"]
