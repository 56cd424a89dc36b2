"""A run's folder read into plain values. An unfinished run is read as far as it has come."""

import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter

from ..config import Recipe
from ..core.addresses import shown_toml
from ..core.errors import OutgrowError, reason
from ..core.files import parse_json, read_plain, require_regular
from ..core.row_table import FollowedRows, Rows
from ..core.sqlite_file import require_own_journal
from ..evaluate import Evaluation
from ..evaluate.calibration import Calibration
from ..evaluate.drift import Drift
from ..evaluate.worse import Worse, read_worse
from ..ledger.ledger_file import require_ledger
from ..runs.changed import Change, changes_of
from ..runs.cost import seconds_by_phase
from ..runs.folder import RunFolder, read_recipe
from ..runs.sessions import Session, read_sessions
from .visit_table import VisitTable

_Row = TypeVar("_Row", Calibration, Drift)
_PRACTISED = "SELECT DISTINCT field FROM problems WHERE EXISTS (SELECT 1 FROM visits WHERE problem_id = problems.id AND step > 0)"
_CHECKED: dict[type[Any], TypeAdapter[Any]] = {kind: TypeAdapter(kind) for kind in (Calibration, Drift)}


@dataclass(frozen=True)
class RunData:
    """Everything that a page is made from. What does not exist yet is None or empty."""

    name: str
    path: str
    """The folder, as it was named."""
    recipe: Recipe
    recipe_text: str
    """Its recipe.toml, with the addresses of servers shown by their host."""
    made_with: Mapping[str, Any]
    metrics: Rows
    timings: Rows
    sessions: list[Session]
    """The oldest first; empty where the run has no record of them."""
    changes: list[Change]
    """What was changed when the run was resumed, in the order of the changes."""
    visits: VisitTable
    known_problems: int
    """Problems in the ledger."""
    before: Evaluation | None
    after: Evaluation | None
    others: Mapping[str, tuple[Evaluation, Evaluation]]
    """Other suite -> before and after."""
    calibration: list[Calibration]
    drift: list[Drift]
    worse: Worse | None = None
    """That held-out problems got worse; None where they are not shown to be."""
    practised: frozenset[str] = frozenset()
    """Fields of the problems that training visited."""

    @property
    def place(self) -> str:
        """The folder for commands on the page: as it was named, but of an absolute path only the name, since pages are shared."""
        return self.name if Path(self.path).is_absolute() else self.path

    @property
    def steps_done(self) -> int:
        """Steps whose metrics are on disk."""
        return int(self.metrics[-1]["step"]) if self.metrics else 0

    @property
    def finished(self) -> bool:
        """Whether every step is done, or the run ended early because it was worse, and the policy was measured after."""
        return self.after is not None and (self.last_step < self.recipe.learn.steps or self.steps_done >= self.recipe.learn.steps)

    @property
    def last_step(self) -> int:
        """The step of the policy that the run ends with."""
        ended = self.worse.policy_step if self.worse else None
        return self.recipe.learn.steps if ended is None else ended

    @property
    def ending(self) -> Session | None:
        """The last session, where the run is not finished; None where it is, or where there is no record."""
        return self.sessions[-1] if self.sessions and not self.finished else None

    def seconds(self) -> dict[str, float]:
        """Seconds by phase, over all sessions of the run."""
        return seconds_by_phase(self.timings)


@dataclass(frozen=True)
class Readers:
    """How the files of a run are read; the live pages keep what they have read."""

    rows: Callable[[Path], Rows] = lambda path: FollowedRows(path).read()
    """Of JSON lines. Raises OSError or ValueError where they cannot be read."""
    evaluation: Callable[[Path], Evaluation] = Evaluation.load
    """Raises OutgrowError where it cannot be read."""


def read_run(run: Path, visits_too: bool = True, readers: Readers | None = None) -> RunData:
    """Read a run's folder. visits_too: whether to read the visits, which are most of a long run.

    Raises UsageError where there is no run, OutgrowError where one of its files is damaged.
    """
    files, readers = RunFolder(run), readers or Readers()
    recipe, made_with = read_recipe(run)
    known_problems, visits, practised = _read_ledger(files.ledger) if visits_too else _NO_LEDGER
    return RunData(
        name=run.resolve().name,
        path=str(run),
        recipe=recipe,
        recipe_text=shown_toml(read_plain(files.recipe).decode("utf-8-sig")),
        made_with=made_with,
        metrics=_read_rows(files.metrics, readers),
        timings=_read_rows(files.timings, readers),
        sessions=read_sessions(run),
        changes=changes_of(made_with),
        visits=visits,
        known_problems=known_problems,
        before=_read_evaluation(files.evaluation("before"), readers),
        after=_read_evaluation(files.evaluation("after"), readers),
        others=_read_others(files.evals, readers),
        calibration=_read_figures(files.calibration, Calibration, "outgrow calibration RUN"),
        drift=_read_figures(files.drift, Drift, "outgrow drift RUN --on SUITES"),
        worse=read_worse(run),
        practised=practised,
    )


def _read_rows(path: Path, readers: Readers) -> Rows:
    try:
        return readers.rows(path)
    except (OSError, ValueError) as error:
        raise OutgrowError(f"{path}: cannot be read ({reason(error)})") from error


def _read_evaluation(path: Path, readers: Readers) -> Evaluation | None:
    return readers.evaluation(path) if path.exists() else None


def _read_others(evals: Path, readers: Readers) -> dict[str, tuple[Evaluation, Evaluation]]:
    """Read the suites of evaluate.extra_suites, each from a folder of its name; of a path, the last part is enough."""
    folders = [file.parent.name for file in evals.glob("*/after.parquet")]
    short = {name: name.rpartition("+")[2] if name.startswith("+") else name for name in folders}
    names = short if len(set(short.values())) == len(short) else {name: name for name in folders}
    return {
        names[after.parent.name]: (readers.evaluation(after.with_name("before.parquet")), readers.evaluation(after))
        for after in sorted(evals.glob("*/after.parquet"))
    }


def _read_figures(path: Path, kind: type[_Row], command: str) -> list[_Row]:
    try:
        return [_CHECKED[kind].validate_python(row) for row in parse_json(read_plain(path))] if path.exists() else []
    except (OSError, ValueError, TypeError) as error:
        raise OutgrowError(f"{path}: cannot be read ({reason(error)}); write it again with: {command}") from error


_NO_LEDGER: tuple[int, VisitTable, frozenset[str]] = (0, VisitTable(), frozenset())


def _read_ledger(path: Path) -> tuple[int, VisitTable, frozenset[str]]:
    """Return the number of problems, every visit, oldest first, and the fields that training visited; nothing where there is no
    ledger (SFT keeps none).

    The file is read without a lock, so that the page of a run can be made while it trains, and no file is left behind: SQLite's
    write-ahead log is opened only where a training process has one.
    """
    if not path.exists():
        return _NO_LEDGER
    mode = "mode=ro" if path.with_name(f"{path.name}-wal").exists() else "immutable=1"
    try:
        require_regular(path)
        require_own_journal(path)
        db = sqlite3.connect(f"{path.resolve().as_uri()}?{mode}", uri=True)
        try:
            require_ledger(db)
            known = db.execute("SELECT count(*) FROM problems").fetchone()[0]
            visits = VisitTable.read(db)
            practised = frozenset(field for (field,) in db.execute(_PRACTISED))
        finally:
            db.close()
    except (sqlite3.Error, ValueError, OSError) as error:
        raise OutgrowError(f"{path}: the ledger cannot be read ({reason(error)})") from error
    return known, visits, practised
