"""Whether a SQLite file that anybody may have made is one of ours.

SQLite shows a view, a computed column and a table alike, and runs the triggers that a file brings along. So a file is ours only
where its tables, views, indexes and triggers were made by the same statements.
"""

import sqlite3
from collections.abc import Collection
from functools import cache
from typing import Any

_Tables = frozenset[tuple[Any, ...]]


class WrongTables(ValueError):
    """A file does not hold the tables that it should."""


def has_tables(db: sqlite3.Connection, schema: str, optional: Collection[str] = ()) -> bool:
    """Return whether an open file holds tables; False for an empty one.

    schema: the statements that make them. optional: tables that may be missing.

    Raises WrongTables where it holds something that these statements do not make, or lacks something, and sqlite3.Error where it is
    damaged.
    """
    db.execute("PRAGMA trusted_schema = OFF")
    tables, own = _tables(db), _made_by(schema)
    if not tables:
        return False
    if not {table for table in own if table[2] not in optional} <= tables <= own:
        raise WrongTables("its tables are not those of this version of outgrow")
    return True


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
