"""What writes completions: native, transformers, vLLM, or one from outside, by one contract, also in actors; and models behind an
address.
"""

from .actors import ActorEngine, build_engine, build_engines, require_cluster
from .chat_model import Answer, ChatModel, ChatRequest, Conversation, LocalModel, WrappedModel
from .engine import Engine, EngineConfig, GenerationRequest, check_room, sync
from .native import NativeEngine, NativeEngineConfig
from .openai_server import OpenAIServer
from .second_engine import engine_for, second_engine
from .server_settings import SERVER_SETTINGS, ServerSetting
from .tally import Tally
from .transformers_engine import TransformersEngine, TransformersEngineConfig
from .vllm import VLLMEngine, VLLMEngineConfig

ENGINES: dict[str, type[EngineConfig]] = {
    "native": NativeEngineConfig,
    "transformers": TransformersEngineConfig,
    "vllm": VLLMEngineConfig,
}

__all__ = [
    "ENGINES",
    "SERVER_SETTINGS",
    "ActorEngine",
    "Answer",
    "ChatModel",
    "ChatRequest",
    "Conversation",
    "Engine",
    "EngineConfig",
    "GenerationRequest",
    "LocalModel",
    "NativeEngine",
    "NativeEngineConfig",
    "OpenAIServer",
    "ServerSetting",
    "Tally",
    "TransformersEngine",
    "TransformersEngineConfig",
    "VLLMEngine",
    "VLLMEngineConfig",
    "WrappedModel",
    "build_engine",
    "build_engines",
    "check_room",
    "engine_for",
    "require_cluster",
    "second_engine",
    "sync",
]
