"""Batched decoding of our own, for models of the Llama family."""

from .engine import NativeEngine

__all__ = ["NativeEngine"]
