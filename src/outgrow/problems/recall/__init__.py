"""Recall: texts in which a question asks for something that stands far back, for models with a memory."""

from .named import SUITE_NAMES, recall_suite
from .source import Recall

__all__ = ["SUITE_NAMES", "Recall", "recall_suite"]
