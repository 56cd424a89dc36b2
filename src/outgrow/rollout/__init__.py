"""The policy writes answers: one Engine contract; the native engine, and vLLM. A server's model answers beside them."""

from .endpoint import Endpoint, is_served
from .engine import Engine, Rollout
from .native import NativeEngine
from .respondent import Answer, Conversation, Local, Respondent
from .vllm import VLLMEngine

__all__ = [
    "Answer",
    "Conversation",
    "Endpoint",
    "Engine",
    "Local",
    "NativeEngine",
    "Respondent",
    "Rollout",
    "VLLMEngine",
    "is_served",
]
