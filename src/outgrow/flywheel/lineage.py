"""The lineage: which model, data and recipe made which, at what cost. A SQLite file, open to queries."""

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ..core.disk import fault_of
from ..core.errors import OutgrowError, reason
from ..core.sqlite_file import ForeignFile, has_tables, make_tables, open_sqlite

Kind = Literal["model", "data", "measurement"]
Role = Literal["base of", "teacher of", "judge of", "made by", "trained on", "compared with"]

# The key `name` is an artifact's folder inside the flywheel's; it holds the digest of what the artifact was made from.
_SHAPE = """
CREATE TABLE IF NOT EXISTS artifacts (
    name TEXT PRIMARY KEY, digest TEXT NOT NULL, kind TEXT NOT NULL, generation INTEGER NOT NULL, stage TEXT NOT NULL,
    created REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS edges (
    child TEXT NOT NULL, parent TEXT NOT NULL, role TEXT NOT NULL, PRIMARY KEY (child, parent, role)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS stages (
    name TEXT PRIMARY KEY, generation INTEGER NOT NULL, stage TEXT NOT NULL, inputs TEXT NOT NULL, recipe TEXT NOT NULL,
    rollouts INTEGER NOT NULL, seconds REAL NOT NULL, dollars REAL NOT NULL, result TEXT NOT NULL
) WITHOUT ROWID;
"""
_WRONG = """
SELECT name FROM artifacts WHERE NOT (
    typeof(name) = 'text' AND typeof(digest) = 'text' AND typeof(kind) = 'text' AND kind IN ('model', 'data', 'measurement')
    AND typeof(generation) = 'integer' AND generation BETWEEN 0 AND 1000000 AND typeof(stage) = 'text'
    AND typeof(created) = 'real' AND created BETWEEN 0 AND 1e11
)
UNION ALL SELECT child FROM edges WHERE NOT (typeof(child) = 'text' AND typeof(parent) = 'text' AND typeof(role) = 'text')
LIMIT 1
"""
"""A row with a value that its column cannot hold."""


@dataclass(frozen=True)
class Edge:
    """An artifact and one that it was made from. Read "made by", "trained on" and "compared with" from child to parent, the other
    roles from parent to child."""

    child: str
    parent: str
    role: Role


@dataclass(frozen=True)
class Artifact:
    """What a stage made."""

    name: str
    """Its folder, relative to the flywheel's."""
    digest: str
    """Digest of its content: weights, rows or figures."""
    kind: Kind
    generation: int
    stage: str
    created: float
    """Seconds since 1970."""


@dataclass(frozen=True)
class Record:
    """How a stage was run."""

    inputs: str
    """Digest of what it was made from."""
    recipe: str
    """Its recipe as TOML."""
    rollouts: int
    seconds: float
    """Time of all its sessions."""
    dollars: float
    """Price of all its sessions."""
    result: dict[str, Any]


@dataclass(frozen=True)
class Graph:
    """Artifacts, and the edges between them."""

    artifacts: Sequence[Artifact]
    edges: Sequence[Edge]


class Lineage:
    """The file lineage.sqlite. A context manager."""

    def __init__(self, path: Path) -> None:
        """Open or create the file. Raises OutgrowError where it cannot be opened."""
        self._path = path
        try:
            self._db = open_sqlite(path, timeout=30)
            self._db.execute("PRAGMA journal_mode=WAL")
            if has_tables(self._db, _SHAPE) and (row := self._db.execute(_WRONG).fetchone()):
                raise ForeignFile(f"wrong values, the first at {row[0]!r:.60}")
            make_tables(self._db, _SHAPE)
        except (sqlite3.Error, ForeignFile, OSError) as error:
            raise self._unreadable(error) from error

    def __enter__(self) -> "Lineage":
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    def write(self, artifact: Artifact, record: Record, edges: Iterable[Edge]) -> None:
        """Write an artifact, its record and its edges in one transaction, in place of an older version. Raises OutgrowError."""
        row = (artifact.name, artifact.digest, artifact.kind, artifact.generation, artifact.stage, artifact.created)
        stage = (
            *(artifact.name, artifact.generation, artifact.stage, record.inputs, record.recipe),
            *(record.rollouts, record.seconds, record.dollars, json.dumps(record.result)),
        )
        try:
            with self._db:
                self._db.execute("BEGIN IMMEDIATE")
                self._db.execute("INSERT OR REPLACE INTO artifacts VALUES (?, ?, ?, ?, ?, ?)", row)
                self._db.execute("INSERT OR REPLACE INTO stages VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", stage)
                self._db.execute("DELETE FROM edges WHERE child = ?", (artifact.name,))
                rows = {(edge.child, edge.parent, edge.role) for edge in edges}
                self._db.executemany("INSERT INTO edges VALUES (?, ?, ?)", rows)
        except sqlite3.Error as error:
            raise self._unreadable(error) from error

    def graph(self, names: Iterable[str]) -> Graph:
        """Return the artifacts of these names, in the order given, and the edges between them."""
        order = {name: index for index, name in enumerate(names)}
        try:
            artifacts = [Artifact(*row) for row in self._db.execute("SELECT * FROM artifacts") if row[0] in order]
            edges = [Edge(*row) for row in self._db.execute("SELECT * FROM edges")]
        except sqlite3.Error as error:
            raise self._unreadable(error) from error
        return Graph(
            sorted(artifacts, key=lambda artifact: order[artifact.name]),
            [edge for edge in edges if edge.child in order and edge.parent in order],
        )

    def _unreadable(self, error: Exception) -> OutgrowError:
        if fault := fault_of(error):
            return OutgrowError(f"{self._path}: {fault}")
        return OutgrowError(
            f"{self._path}: the lineage cannot be read or written ({reason(error)}); remove the file, and it is written again"
        )
