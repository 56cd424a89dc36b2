"""Opening a SQLite file that anybody may have made, and whether it is one of ours.

A journal that a killed process left is played back when its file is opened. It may name a file of a transaction over several files,
which SQLite removes then, wherever it is. No transaction of ours is over several files, so such a journal is refused.

SQLite shows a view, a computed column and a table alike, and runs the triggers that a file brings along. So a file is ours only
where its tables, views, indexes and triggers were made by the same statements.
"""

import os
import sqlite3
from collections.abc import Collection
from functools import cache
from pathlib import Path
from typing import Any

from .files import open_regular, require_regular

_JOURNAL_END = bytes.fromhex("d9d505f920a163d7")  # of a journal that names another file; https://sqlite.org/fileformat2.html
_Tables = frozenset[tuple[Any, ...]]


class ForeignFile(ValueError):
    """A file that is not one of ours; str() says why."""


def open_sqlite(path: Path, timeout: float = 5.0) -> sqlite3.Connection:
    """Open a SQLite file to read and write, or make it. timeout: seconds to wait for another process.

    Raises OSError where it is not a regular file, ForeignFile where its journal is not ours, and sqlite3.Error.
    """
    if path.exists():
        require_regular(path)
    require_own_journal(path)
    return sqlite3.connect(path, isolation_level=None, timeout=timeout)


def require_own_journal(path: Path) -> None:
    """Raise ForeignFile where playing back the journal of a SQLite file could remove another file."""
    journal = path.with_name(f"{path.name}-journal")
    try:
        with open_regular(journal) as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - len(_JOURNAL_END)))
            end = file.read()
    except FileNotFoundError:
        return
    if end == _JOURNAL_END:
        raise ForeignFile(f"its journal {journal.name} names another file, which SQLite would remove")


def has_tables(db: sqlite3.Connection, schema: str, optional: Collection[str] = ()) -> bool:
    """Return whether an open file holds tables; False for an empty one.

    schema: the statements that make them. optional: tables that may be missing.

    Raises ForeignFile where it holds something that these statements do not make, or lacks something, and sqlite3.Error where it is
    damaged.
    """
    db.execute("PRAGMA trusted_schema = OFF")
    tables, own = _tables(db), _made_by(schema)
    if not tables:
        return False
    if not {table for table in own if table[2] not in optional} <= tables <= own:
        raise ForeignFile("its tables are not those of this version of outgrow")
    return True


def make_tables(db: sqlite3.Connection, schema: str) -> None:
    """Execute statements that make tables where they are missing, all or none: a process may be killed between two of them.

    Raises sqlite3.Error where the file cannot be written.
    """
    db.executescript(f"BEGIN; {schema} COMMIT")


def _tables(db: sqlite3.Connection) -> _Tables:
    return frozenset(db.execute("SELECT type, name, tbl_name, sql FROM sqlite_master"))


@cache
def _made_by(schema: str) -> _Tables:
    db = sqlite3.connect(":memory:")
    try:
        db.executescript(schema)
        return _tables(db)
    finally:
        db.close()
