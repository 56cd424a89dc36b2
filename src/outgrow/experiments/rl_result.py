"""What is kept of a run: one JSON line."""

import hashlib
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, get_args

from ..core.files import read_lines
from ..evaluate import Evaluation
from ..ledger import Ledger
from ..runs.folder import RunFolder, When, read_recipe
from .mastery import mastery
from .trial import Trial


@dataclass(frozen=True)
class Point:
    """A look at the validation problems. rollouts: written until then, a profile's and screening's among them.

    levels: pass rate by level, where there are several.
    """

    rollouts: int
    pass_rate: float
    levels: dict[str, float]


@dataclass(frozen=True)
class RLResult:
    """One run. key: see `Trial.key`. after: pass@1 on the suite; tokens: mean completion there; by_problem: its pass rates.

    mastered: problems that were all right twice in a row; failed: those of them that had a wrong answer at a later visit; retention
    and lost: see the measures of these names. code: digest of the code that ran it. prepared: name -> pass@1,
    on the same suite, of what was prepared for it. alarm: rollouts written when the teacher was first said to be fooled.
    """

    key: str
    on: str
    arm: str
    seed: int
    curve: list[Point]
    before: float
    after: float
    tokens_before: float
    tokens: float
    rollouts: int
    mastered: int
    visited_again: int
    failed: int
    retention: float | None
    lost: float | None
    wall_s: float
    code: str
    prepared: dict[str, float] = field(default_factory=dict)
    alarm: int | None = None

    def line(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


def from_line(row: dict[str, Any]) -> RLResult:
    """What `RLResult.line` made."""
    return RLResult(**{**row, "curve": [Point(**point) for point in row["curve"]]})


@dataclass(frozen=True)
class RetainedSkill:
    """What a run's policy still can of what it was trained on; None where nobody asked."""

    retention: float | None = None
    lost: float | None = None


_DECIDES = ("algorithms", "engines", "judge", "ledger", "policy", "problems", "train", "verify")


@cache
def code_digest(*beside: str) -> str:
    """Of the Python files that decide what a run does. beside: the package's folders that do so beside the usual ones."""
    package = Path(__file__).parents[1]
    digest = hashlib.sha256()
    for path in sorted(path for folder in (*_DECIDES, *beside) for path in (package / folder).rglob("*.py")):
        digest.update(str(path.relative_to(package)).encode() + path.read_bytes())
    return digest.hexdigest()[:12]


def read_result(path: Path, run: Trial, kept: RetainedSkill, wall_s: float, prepared: dict[str, float]) -> RLResult:
    """Of a finished run's folder."""
    files = RunFolder(path)
    recipe, _ = read_recipe(path)
    before, after = (Evaluation.load(files.evaluation(when)).summary() for when in get_args(When))
    with Ledger(files.ledger) as ledger:
        visits = ledger.visits()
    seen = mastery(visits)
    written = sum(visit.n for visit in visits if visit.step == 0)
    curve, alarm = [], None
    for row in read_lines(files.metrics):
        if "validation/pass_rate" in row:
            levels = {name.removeprefix("validation/level_"): row[name] for name in row if name.startswith("validation/level_")}
            curve.append(Point(int(written), row["validation/pass_rate"], levels))
        written += row["rollouts/count"]
        if alarm is None and row.get("judge/alarm"):
            alarm = int(written)
    if recipe.evaluate.suite == recipe.evaluate.validation:
        levels = by_level(after["cells"])
        curve.append(Point(int(written), after["pass@1"], levels))
    return RLResult(
        key=run.key,
        on=run.on,
        arm=run.arm,
        seed=recipe.seed,
        curve=curve,
        before=before["pass@1"],
        after=after["pass@1"],
        tokens_before=before["length"],
        tokens=after["length"],
        rollouts=int(written),
        mastered=len(seen.mastered),
        visited_again=len(seen.visited_again),
        failed=len(seen.failed),
        retention=kept.retention,
        lost=kept.lost,
        wall_s=round(wall_s, 1),
        code=code_digest(),
        prepared=prepared,
        alarm=alarm,
    )


def by_level(cells: list[dict[str, Any]]) -> dict[str, float]:
    """Level -> pass@1 over all fields, of an evaluation's cells."""
    levels: dict[str, list[float]] = {}
    for cell in cells:
        levels.setdefault(str(cell["level"]), []).extend([cell["pass@1"]] * cell["n"])
    return {level: sum(rates) / len(rates) for level, rates in sorted(levels.items())}
