"""Is this answer right? Extraction, comparison, verdict."""

from .verdict import Graded, Verdict, verify

__all__ = ["Graded", "Verdict", "verify"]
