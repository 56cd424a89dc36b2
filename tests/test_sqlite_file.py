"""Databases that a killed process leaves."""

import sqlite3

import pytest

from outgrow.core import sqlite_file
from outgrow.evaluate.answer_cache import AnswerCache
from outgrow.flywheel.lineage import Lineage
from outgrow.ledger import Ledger


@pytest.mark.parametrize("opened", [Lineage, Ledger, AnswerCache])
def test_nobody_sees_a_database_with_some_of_its_tables(opened, tmp_path, monkeypatch):
    """A process may be killed before any statement. Looked at before each, the file holds no table until it holds all."""
    path, seen, connect = tmp_path / "made.sqlite", [], sqlite3.connect

    def tables():
        with connect(path) as other:
            return other.execute("SELECT count(*) FROM sqlite_master WHERE type = 'table'").fetchone()[0]

    def look(statement):
        if "CREATE TABLE" in statement:
            seen.append(tables())

    def watched(*args, **settings):
        db = connect(*args, **settings)
        if args[0] == path:
            db.set_trace_callback(look)
        return db

    monkeypatch.setattr(sqlite_file.sqlite3, "connect", watched)
    with opened(path):
        pass
    assert len(seen) > 1
    assert set(seen) == {0}
    assert tables() == len(seen)
