"""Engines in processes of their own, on Ray: each actor holds one, and all of them write the rollouts of a call together."""

from .deal import deal
from .engine import ActorEngine, build_engine, build_engines
from .session import require_cluster

__all__ = ["ActorEngine", "build_engine", "build_engines", "deal", "require_cluster"]
