"""The policy writes answers: one Engine contract; the native engine, and vLLM."""

from .engine import Engine, Rollout
from .native import NativeEngine
from .vllm import VLLMEngine

__all__ = ["Engine", "NativeEngine", "Rollout", "VLLMEngine"]
