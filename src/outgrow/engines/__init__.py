"""The policy writes answers: one Engine contract; the native engine, and vLLM. A server's model answers beside them."""

from .chat_model import Answer, ChatModel, Conversation, LocalModel
from .engine import Engine
from .native import NativeEngine
from .openai_server import OpenAIServer, is_served
from .vllm import VLLMEngine

__all__ = [
    "Answer",
    "ChatModel",
    "Conversation",
    "Engine",
    "LocalModel",
    "NativeEngine",
    "OpenAIServer",
    "VLLMEngine",
    "is_served",
]
