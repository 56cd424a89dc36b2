"""Is this answer right? Extraction, comparison, verdict."""

from .extraction.extract import EXTRACTORS
from .verifier import Attempt, Verifier

__all__ = ["EXTRACTORS", "Attempt", "Verifier"]
