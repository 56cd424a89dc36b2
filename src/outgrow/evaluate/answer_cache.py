"""A cache of answers: a measurement that was stopped continues, and the same one is not made twice."""

import hashlib
import json
import sqlite3
import time
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from typing import Any

from ..core.callbacks import CheckStop, OnWritten, Warn, Written, never_stop, quiet
from ..core.errors import reason
from ..core.files import parse_json
from ..core.sqlite_file import ForeignFile, has_tables, open_sqlite
from ..engines import Answer, ChatModel, ChatRequest, OpenAIServer, WrappedModel
from .known_servers import SERVERS_TABLE, KnownServers

_ANSWERS = 512  # between two commits: what a stop may cost
_SHAPE = 3  # of a row; a file of another shape is started again
_TABLES = (
    "CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, answers TEXT NOT NULL, who TEXT NOT NULL, at INTEGER NOT NULL) "
    "WITHOUT ROWID",
    SERVERS_TABLE,
)


class AnswerCache:
    """A SQLite file of answers. A context manager.

    It holds what models wrote and no verdicts: answers are graded when they are read, as the present version grades. A file that is
    damaged or not a cache is moved to NAME.unreadable, and a new one is started, with one warning. Where the file cannot be used at
    all, the measurement continues without it, with one warning.
    """

    def __init__(self, path: Path, fresh: bool = False, warn: Warn = quiet) -> None:
        """fresh: draw everything again and replace what the cache holds. warn: takes why answers cannot be cached."""
        self._path, self._fresh, self._warn = path, fresh, warn
        self.found = 0  # conversations that the cache had the answers to
        self._db: sqlite3.Connection | None = None
        self._started_again = self._told_wrong = False
        self._servers = KnownServers(self._execute, warn)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = _opened(path)
        except (OSError, sqlite3.Error, ForeignFile) as error:
            self._recover(error)

    def __enter__(self) -> "AnswerCache":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        if self._db is not None:
            self._db.close()

    def wrap(self, model: ChatModel) -> ChatModel:
        """Return the model with its answers cached.

        Of a server, say first what is stored of it and how old that is. Raises OutgrowError where a server cannot be reached.
        """
        if isinstance(model, OpenAIServer) and self._servers.is_new(model) and not self._fresh:
            self._servers.tell_age(model, f"to ask it again, use --fresh or remove {self._path}")
        return CachedModel(model, self)

    def who(self, model: ChatModel) -> str:
        """Return which model this is, as far as that is known: of a server, its address and the weights that it shows.

        Raises OutgrowError where a server cannot be reached.
        """
        return self._servers.who(model) if isinstance(model, OpenAIServer) else model.identity

    def _execute(self, query: str, values: tuple[object, ...]) -> list[tuple[Any, ...]]:
        """Return the rows of a query; none where the file cannot be used."""
        if self._db is None:
            return []
        try:
            return list(self._db.execute(query, values))
        except sqlite3.Error as error:
            self._recover(error)
            return []

    def read(self, key: str, n: int) -> list[Answer] | None:
        """Return the n answers under a key, or None."""
        if self._db is None or self._fresh:
            return None
        try:
            row = self._db.execute("SELECT answers FROM answers WHERE key = ?", (key,)).fetchone()
            return _answers(row[0], n) if row else None
        except sqlite3.Error as error:
            self._recover(error)
        except (ValueError, TypeError) as error:
            self._tell_wrong(error)
        return None

    def write(self, who: str, fresh: dict[str, list[Answer]]) -> None:
        """Write a model's answers under their keys, all or none."""
        if self._db is None:
            return
        now = int(time.time())
        rows = [(key, json.dumps([astuple(answer) for answer in answers]), who, now) for key, answers in fresh.items()]
        try:
            with self._db:
                self._db.execute("BEGIN IMMEDIATE")
                self._db.executemany("INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?)", rows)
        except sqlite3.Error as error:
            self._recover(error)

    def _tell_wrong(self, error: Exception) -> None:
        if not self._told_wrong:
            self._warn(f"{self._path}: what is stored for a question is not its answers ({error}); such questions are asked again")
        self._told_wrong = True

    def _recover(self, error: Exception) -> None:
        """Start the file again where it is damaged, once; otherwise do without it. A row whose text is not UTF-8 is passed over."""
        if isinstance(error, sqlite3.OperationalError) and not hasattr(error, "sqlite_errorcode"):  # of Python, not of SQLite
            self._tell_wrong(error)
        elif _damaged(error) and not self._started_again:
            self._started_again = True
            self.close()
            try:
                moved = _move_away(self._path)
                self._db = _opened(self._path)
            except (OSError, sqlite3.Error, ForeignFile) as again:
                self._disable(again)
            else:
                what = f"not a file of stored answers ({reason(error)})"
                self._warn(f"{self._path}: {what}; it is now {moved.name}, and a new one is started")
        else:
            self._disable(error)

    def _disable(self, error: Exception) -> None:
        self._warn(f"{self._path}: answers are no longer cached ({reason(error)}); a call that is stopped will start over")
        if self._db is not None:
            self._db.close()
        self._db = None


@dataclass(frozen=True)
class CachedModel(WrappedModel):
    """A `ChatModel` whose answers are cached.

    Answers are found again where nothing that they depend on has changed: who answers (see `AnswerCache.who`), the conversation,
    the sampling, their number, the seed.
    """

    cache: AnswerCache

    def answer(self, request: ChatRequest, check_stop: CheckStop = never_stop) -> list[list[Answer]]:
        """Ask the model in parts, and cache each part's answers as soon as they are there (see `ChatModel.answer`)."""
        conversations, seeds = request.conversations, request.seeds
        who, how = self.cache.who(self.model), [request.n, request.sampling.model_dump()]
        keys = [
            hashlib.sha256(json.dumps([who, conversation, how, seed]).encode()).hexdigest()
            for conversation, seed in zip(conversations, seeds, strict=True)
        ]
        known = {key: answers for key in keys if (answers := self.cache.read(key, request.n)) is not None}
        missing = [place for place, key in enumerate(keys) if key not in known]
        self.cache.found += len(keys) - len(missing)
        stored = (len(keys) - len(missing)) * request.n
        there = Written(stored, 0, stored)
        request.on_written(there)
        size = max(1, _ANSWERS // request.n)
        for start in range(0, len(missing), size):
            part = missing[start : start + size]
            chosen = replace(
                request,
                conversations=[conversations[place] for place in part],
                seeds=[seeds[place] for place in part],
                on_written=_after(there, request.on_written),
            )
            drawn = self.model.answer(chosen, check_stop)
            fresh = {keys[place]: answers for place, answers in zip(part, drawn, strict=True)}
            # A refused prompt is asked again: the server may be started with a longer context.
            kept = {key: answers for key, answers in fresh.items() if not any(answer.refused for answer in answers)}
            self.cache.write(who, kept)
            known |= fresh
            there += Written(len(part) * request.n, sum(answer.length or 0 for answers in drawn for answer in answers))
            request.on_written(there)
        return [known[key] for key in keys]


def _answers(text: str, n: int) -> list[Answer]:
    """Return the n answers in a row. Raises ValueError or TypeError where it holds something else."""
    rows = parse_json(text)
    if not isinstance(rows, list) or len(rows) != n or not all(isinstance(values, list) for values in rows):
        raise TypeError(f"not {n} answers")
    answers = [Answer(*values) for values in rows]
    for answer in answers:
        if not (
            isinstance(answer.text, str)
            and isinstance(answer.finished, bool)
            and (answer.length is None or type(answer.length) is int)
            and isinstance(answer.refused, str)
        ):
            raise TypeError("an answer with values of other types")
        answer.text.encode()  # half of a surrogate pair cannot be written to a file
    return answers


def _damaged(error: Exception) -> bool:
    """Return whether a file holds something else than answers, so that it is of no use to anybody."""
    code = getattr(error, "sqlite_errorcode", None)
    return isinstance(error, ForeignFile) or (code is not None and code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB))


def _move_away(path: Path) -> Path:
    """Rename a file, and the journal that SQLite would apply to a new file of its name."""
    moved = path.with_name(f"{path.name}.unreadable")
    path.replace(moved)
    path.with_name(f"{path.name}-journal").unlink(missing_ok=True)
    return moved


def _after(before: Written, on_written: OnWritten) -> OnWritten:
    return lambda written: on_written(before + written)


def _opened(path: Path) -> sqlite3.Connection:
    # No write-ahead log: turning it on does not wait for another process that does the same.
    db = open_sqlite(path, timeout=30)
    try:
        with db:
            db.execute("BEGIN IMMEDIATE")
            if db.execute("PRAGMA user_version").fetchone()[0] != _SHAPE:
                for name in ("answers", "servers"):
                    if db.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", (name,)).fetchone():
                        db.execute(f"DROP TABLE {name}")  # and not a view, which DROP TABLE refuses
                db.execute(f"PRAGMA user_version = {_SHAPE}")
            if not has_tables(db, ";".join(_TABLES)):
                for table in _TABLES:
                    db.execute(table)
    except BaseException:
        db.close()
        raise
    return db
