"""Trackers: the figures of metrics.jsonl shown in TensorBoard, trackio or Weights & Biases as well."""

from .tracker import Tracker
from .tracking import TRACKERS, Track, require_packages, tracking

__all__ = ["TRACKERS", "Track", "Tracker", "require_packages", "tracking"]
