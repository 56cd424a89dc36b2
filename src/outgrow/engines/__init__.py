"""The policy writes answers: one Engine contract; the native engine, and vLLM. A server's model answers beside them."""

from .chat_model import Answer, Conversation, Local, Respondent
from .engine import Engine
from .native import NativeEngine
from .openai_server import Endpoint, is_served
from .vllm import VLLMEngine

__all__ = [
    "Answer",
    "Conversation",
    "Endpoint",
    "Engine",
    "Local",
    "NativeEngine",
    "Respondent",
    "VLLMEngine",
    "is_served",
]
