"""The SQLite file of a ledger: its tables, and whether a file is one. A ledger may come from a stranger.

SQLite keeps a text in a column of numbers, too. So a file counts as a ledger only where its tables are ours (`has_tables`), and
every value has the type and the range of its column.
"""

import sqlite3

from ..core.sqlite_file import ForeignFile, has_tables

SCHEMA = """
CREATE TABLE IF NOT EXISTS problems (
    id TEXT PRIMARY KEY, field TEXT NOT NULL, level INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS visits (
    step INTEGER NOT NULL, problem_id TEXT NOT NULL REFERENCES problems(id),
    n INTEGER NOT NULL CHECK (n > 0), right INTEGER NOT NULL CHECK (right BETWEEN 0 AND n), mean_length REAL NOT NULL,
    shortest_right INTEGER, truncated INTEGER NOT NULL CHECK (truncated BETWEEN 0 AND n - right),
    PRIMARY KEY (step, problem_id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS visits_by_problem ON visits (problem_id, step);
CREATE TABLE IF NOT EXISTS snapshots (step INTEGER PRIMARY KEY, settings TEXT NOT NULL, state BLOB NOT NULL);
"""
VISIT = "step, problem_id, n, right, mean_length, shortest_right, truncated"
"""The columns of a visit, in the order of `Visit`."""
MAX_VISITS = 2**23
"""Limit of the visits of a ledger; 100,000 steps of 32 groups are 3.2 million."""

_LONGEST = 2**20  # bytes of a text
_MOST = 2**31 - 1  # columns of visits in memory are of 32 bits
_WHOLE = "typeof({0}) = 'integer' AND {0} BETWEEN {1} AND {2}"
_COUNTED = " AND ".join((
    _WHOLE.format("step", 0, _MOST), "typeof(problem_id) = 'text'", _WHOLE.format("n", 1, _MOST), _WHOLE.format("right", 0, "n"),
    "typeof(mean_length) = 'real' AND mean_length BETWEEN 0 AND 1e12", _WHOLE.format("truncated", 0, "n - right"),
    f"(shortest_right IS NULL OR {_WHOLE.format('shortest_right', 0, _MOST)})",
))  # fmt: skip
_TEXT = f"typeof({{0}}) = 'text' AND length({{0}}) <= {_LONGEST // 16}"
_LEVEL = _WHOLE.format("level", -_MOST, _MOST)
_WRONG = {
    "problems": f"SELECT id FROM problems WHERE NOT ({_TEXT.format('id')} AND {_TEXT.format('field')} AND {_LEVEL})",
    "visits": f"SELECT step FROM visits WHERE NOT ({_COUNTED})",
    "visits of unknown problems": "SELECT step FROM visits WHERE problem_id NOT IN (SELECT id FROM problems)",
}


def require_ledger(db: sqlite3.Connection) -> None:
    """Raise ForeignFile where an open file is not a ledger, or holds a value that none can hold; sqlite3.Error where it is damaged.

    A file without any table counts as an empty ledger. Snapshots are checked where they are used.
    """
    if not require_tables(db):
        return
    limit = db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST)  # a snapshot may be longer
    for what, query in _WRONG.items():
        if row := db.execute(f"{query} LIMIT 1").fetchone():
            raise ForeignFile(f"wrong values among its {what}, the first at {row[0]!r:.60}")
    db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, limit)


def require_tables(db: sqlite3.Connection) -> bool:
    """Return whether an open file holds tables. Raises ForeignFile where they are not those of a ledger, or of too many visits."""
    if not has_tables(db, SCHEMA, optional=("snapshots",)):
        return False
    [(count,)] = db.execute("SELECT count(*) FROM visits")
    if count > MAX_VISITS:
        raise ForeignFile(f"it holds {count:,} visits, more than the {MAX_VISITS:,} that a run can make")
    return True
