"""Synthetic data: a model's own answers, verified, selected and written as a data set that another base learns from.

policy -> sample, and the rollouts of its run -> select -> contamination -> quality -> export (Parquet and card)
-> problems/synthetic.py -> SFT of a new base
"""

from ..config.sections import DataSection
from .from_rollouts import rows_from_run
from .pipeline import make_data
from .request import DataRequest
from .row import SyntheticRow, read_rows
from .summary import Band, Cell, Checked, SyntheticSummary, read_summary

__all__ = [
    "Band",
    "Cell",
    "Checked",
    "DataRequest",
    "DataSection",
    "SyntheticRow",
    "SyntheticSummary",
    "make_data",
    "read_rows",
    "read_summary",
    "rows_from_run",
]
