"""Is this answer right? Extraction, comparison, verdict."""

from .extract import EXTRACTORS
from .verdict import Graded, Verdict
from .verifier import Attempt, Verifier

__all__ = ["EXTRACTORS", "Attempt", "Graded", "Verdict", "Verifier"]
