"""What is known of every problem: visits, a posterior of its pass rate, and when a problem is mastered."""

from .ledger import Ledger
from .posterior import PassRatePosterior
from .problem_stats import ProblemStats
from .step_totals import StepTotals

__all__ = ["Ledger", "PassRatePosterior", "ProblemStats", "StepTotals"]
