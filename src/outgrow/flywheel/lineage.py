"""The lineage: which model, data and recipe made which, at what cost. A SQLite file that anyone may query."""

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ..core.errors import OutgrowError

Kind = Literal["model", "data", "measurement"]
Role = Literal["base of", "teacher of", "judge of", "made by", "trained on", "compared with"]

# An artifact is known by `name`, its folder (or file) inside the wheel's, which holds the digest of what it was made from.
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


@dataclass(frozen=True)
class Edge:
    """Where something came from. "made by" and "trained on" say what the child was; the others what the parent was to it."""

    child: str
    parent: str
    role: Role


@dataclass(frozen=True)
class Artifact:
    """What a stage left. name: its place inside the wheel's folder, or of a model that was there already its own name.

    digest: of its content (weights, rows, figures). created: seconds since 1970.
    """

    name: str
    digest: str
    kind: Kind
    generation: int
    stage: str
    created: float


@dataclass(frozen=True)
class Record:
    """How a stage was done. inputs: digest of what it was made from. recipe: TOML. seconds, dollars: of all its sessions."""

    inputs: str
    recipe: str
    rollouts: int
    seconds: float
    dollars: float
    result: dict[str, Any]


@dataclass(frozen=True)
class Graph:
    """Artifacts and where they came from."""

    artifacts: Sequence[Artifact]
    edges: Sequence[Edge]


class Lineage:
    """The file lineage.sqlite. A context manager. What a stage left is written at once, or again where it is known already."""

    def __init__(self, path: Path) -> None:
        """Raises OutgrowError where the file cannot be opened."""
        self._path = path
        try:
            self._db = sqlite3.connect(path, isolation_level=None, timeout=30)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.executescript(_SHAPE)
        except sqlite3.Error as error:
            raise self._unreadable(error) from error

    def __enter__(self) -> "Lineage":
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    def write(self, artifact: Artifact, record: Record, edges: Iterable[Edge]) -> None:
        """Keep what a stage left, how, and where it came from: all or nothing. Raises OutgrowError where that fails."""
        one = (artifact.name, artifact.digest, artifact.kind, artifact.generation, artifact.stage, artifact.created)
        how = (
            *(artifact.name, artifact.generation, artifact.stage, record.inputs, record.recipe),
            *(record.rollouts, record.seconds, record.dollars, json.dumps(record.result)),
        )
        try:
            with self._db:
                self._db.execute("BEGIN IMMEDIATE")
                self._db.execute("INSERT OR REPLACE INTO artifacts VALUES (?, ?, ?, ?, ?, ?)", one)
                self._db.execute("INSERT OR REPLACE INTO stages VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", how)
                self._db.execute("DELETE FROM edges WHERE child = ?", (artifact.name,))
                rows = {(edge.child, edge.parent, edge.role) for edge in edges}
                self._db.executemany("INSERT INTO edges VALUES (?, ?, ?)", rows)
        except sqlite3.Error as error:
            raise self._unreadable(error) from error

    def graph(self, names: Iterable[str]) -> Graph:
        """These artifacts, in the order given, and the edges between them; those of other settings stay in the file."""
        order = {name: place for place, name in enumerate(names)}
        try:
            artifacts = [Artifact(*row) for row in self._db.execute("SELECT * FROM artifacts") if row[0] in order]
            edges = [Edge(*row) for row in self._db.execute("SELECT * FROM edges")]
        except sqlite3.Error as error:
            raise self._unreadable(error) from error
        return Graph(
            sorted(artifacts, key=lambda one: order[one.name]),
            [edge for edge in edges if edge.child in order and edge.parent in order],
        )

    def _unreadable(self, error: sqlite3.Error) -> OutgrowError:
        return OutgrowError(
            f"{self._path}: the lineage cannot be read or written ({error}); mend or remove the file, it is made anew"
        )
