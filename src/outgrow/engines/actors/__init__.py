"""Engines in processes of their own, on Ray: each actor holds one, and all of them write the rollouts of a call together."""

from .deal import deal
from .engine import ActorEngine, build_engine, build_engines

__all__ = ["ActorEngine", "build_engine", "build_engines", "deal"]
