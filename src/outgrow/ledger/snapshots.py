"""Snapshots of the posterior, in the ledger's file: opening a long run's ledger replays the visits after the newest one only.

A snapshot says nothing that the visits do not say. One that does not fit (other settings, other visits, damaged) is not used.
"""

import json
import sqlite3
from dataclasses import astuple
from typing import NamedTuple

import numpy as np
import safetensors
import safetensors.numpy

from ..core.errors import DAMAGED
from ..types import Visit
from .posterior import COLUMNS, Cell, PassRatePosterior
from .step_totals import StepHistory

VISITS_BETWEEN = 20_000
"""Visits from one snapshot to the next; to replay them takes under a second."""
_KEPT = 3  # a resumed run goes back to its checkpoint, which may be older than the newest snapshot
_DAMAGED = (safetensors.SafetensorError, *DAMAGED)


class VisitSums(NamedTuple):
    """What the visits through a step add up to: a snapshot of other visits has other sums."""

    visits: int = 0
    n: int = 0
    right: int = 0

    def plus(self, visit: Visit) -> "VisitSums":
        """Return the sums with one more visit."""
        return VisitSums(self.visits + 1, self.n + visit.n, self.right + visit.right)


def write_snapshot(db: sqlite3.Connection, evidence: PassRatePosterior, step: int, sums: VisitSums) -> None:
    """Add the posterior as it is after all visits through `step`, inside the caller's transaction; drop the oldest ones.

    sums: of these visits.
    """
    db.execute("INSERT OR REPLACE INTO snapshots VALUES (?, ?, ?)", (step, _settings(evidence), _packed(evidence, sums)))
    db.execute("DELETE FROM snapshots WHERE step NOT IN (SELECT step FROM snapshots ORDER BY step DESC LIMIT ?)", (_KEPT,))


def load_newest(db: sqlite3.Connection, evidence: PassRatePosterior) -> tuple[int, VisitSums]:
    """Put the newest snapshot that fits into an empty posterior; return its step and the sums of its visits.

    The step is -1 where no snapshot fits.
    """
    query = "SELECT step, state FROM snapshots WHERE settings = ? ORDER BY step DESC"
    for step, state in db.execute(query, (_settings(evidence),)).fetchall():
        try:
            sums = _sums(db, step)
            if _unpack(state, evidence, sums):
                return int(step), sums
        except _DAMAGED:
            evidence.clear()
    return -1, VisitSums()


def _settings(evidence: PassRatePosterior) -> str:
    return json.dumps([evidence.half_life, evidence.prior_weight])


def _sums(db: sqlite3.Connection, step: int) -> VisitSums:
    query = "SELECT count(*), coalesce(sum(n), 0), coalesce(sum(right), 0) FROM visits WHERE step <= ?"
    return VisitSums(*db.execute(query, (step,)).fetchone())


def _packed(evidence: PassRatePosterior, sums: VisitSums) -> bytes:
    ids, cells = evidence.problem_ids, evidence.cells
    about = json.dumps({"sums": sums, "ids": ids, "cells": [[*key, *astuple(cell)] for key, cell in cells.items()]})
    arrays = {name: getattr(evidence, name)[: len(ids)] for name in COLUMNS}
    arrays["about"] = np.frombuffer(about.encode(), np.uint8)
    arrays["steps"] = np.frombuffer(evidence.steps.as_bytes(), np.uint8)
    return safetensors.numpy.save(arrays)


def _unpack(state: bytes, evidence: PassRatePosterior, sums: VisitSums) -> bool:
    """Fill an empty posterior; return False, with nothing changed, where the snapshot is of other visits."""
    arrays = safetensors.numpy.load(state)
    about = json.loads(arrays["about"].tobytes())
    if about["sums"] != list(sums):
        return False
    cells = {
        (str(field), int(level)): Cell(int(at), float(right), float(n), int(met), float(value))
        for field, level, at, right, n, met, value in about["cells"]
    }
    evidence.fill(about["ids"], {name: arrays[name] for name in COLUMNS}, cells, StepHistory(arrays["steps"].tobytes()))
    return True
