"""Batched decoding in PyTorch, for models of the Llama family."""

from .engine import NativeEngine, NativeEngineConfig

__all__ = ["NativeEngine", "NativeEngineConfig"]
