"""The engine of a model that a recipe's engine was not chosen for, such as a judge's."""

from ..core.errors import UsageError
from ..policy import ModelSpec
from .engine import EngineConfig
from .native import NativeEngineConfig
from .transformers_engine import TransformersEngineConfig


def second_engine(config: EngineConfig) -> EngineConfig:
    """Return the settings of a second engine: the first one's, or the native engine's where a process has room for one only.

    It writes with exact weights: what is faster is for the rollouts of the policy, whose ratios make up for it.
    """
    return NativeEngineConfig() if config.one_per_process else config.exact()


def engine_for(spec: ModelSpec, config: EngineConfig | None = None) -> EngineConfig:
    """Return the settings of an engine that decodes this model: `config`, or the transformers engine where the native one cannot.

    config: default is the native engine. For models that no person chose an engine for; an engine that a recipe names is refused
    instead.
    """
    config = config or NativeEngineConfig()
    if isinstance(config, NativeEngineConfig):
        try:
            config.require_model(spec)
        except UsageError:
            return TransformersEngineConfig(max_sequences=config.max_sequences)
    return config
