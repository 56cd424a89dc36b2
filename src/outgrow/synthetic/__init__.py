"""The data that a model makes for the next base: its own answers, checked, thinned and written as a set of the hub's shape.

policy -> draw, and what its run has written -> select -> contamination -> quality -> export (Parquet and card)
-> problems/synthetic.py -> SFT of a fresh base
"""

from ..config.schema import DataSection
from .from_rollouts import written_rows
from .pipeline import make_data
from .row import SyntheticRow, read_rows
from .summary import Band, Cell, Checked, SyntheticSummary, read_summary

__all__ = [
    "Band",
    "Cell",
    "Checked",
    "DataSection",
    "SyntheticRow",
    "SyntheticSummary",
    "make_data",
    "read_rows",
    "read_summary",
    "written_rows",
]
