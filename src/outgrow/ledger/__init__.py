"""What is known of every problem: visits, a posterior of its pass rate, and when a problem is mastered."""

from .ledger import Ledger
from .posterior import Evidence
from .problem_stats import Known

__all__ = ["Evidence", "Known", "Ledger"]
