"""The engine of a second model in the same process, such as a judge's."""

from .engine import EngineConfig
from .native import NativeEngineConfig


def second_engine(config: EngineConfig) -> EngineConfig:
    """Return the settings of a second engine: the first one's, or the native engine's where a process has room for one only.

    It writes with exact weights: what is faster is for the rollouts of the policy, whose ratios make up for it.
    """
    return NativeEngineConfig() if config.one_per_process else config.exact()
