"""The report of a run: one self-contained HTML page; live/ serves the pages of all runs while they train."""

from .write import write_report

__all__ = ["write_report"]
