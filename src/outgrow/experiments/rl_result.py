"""The result of an RL trial: one JSON line."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, get_args

from ..config import RLRecipe
from ..core.json_lines import read_lines
from ..evaluate import Evaluation
from ..evaluate.synthesis import chains_of, gaps_by_split, pass_rates_by_split, practised_shapes
from ..ledger import Ledger
from ..problems.chains.micro_sets import SEEN
from ..runs.folder import RunFolder, When, read_recipe
from ..types import Visit
from .code_digest import code_digest
from .mastery import mastery
from .trial import Trial


@dataclass(frozen=True)
class Point:
    """A point of a learning curve."""

    rollouts: int
    """Rollouts written until then, with those of a profile and of screening."""
    pass_rate: float
    levels: dict[str, float]
    """Level -> pass rate."""


@dataclass(frozen=True)
class SplitScore:
    """A split of chains."""

    rate: float
    """pass@1."""
    gap: float | None
    """Synthesis gap; None where it was not measured."""


@dataclass(frozen=True)
class RLResult:
    """What is known of a finished RL trial."""

    key: str
    """See `Trial.key`."""
    on: str
    arm: str
    seed: int
    curve: list[Point]
    before: float
    """pass@1 on the suite before training."""
    after: float
    """pass@1 on the suite after training."""
    tokens_before: float
    """Mean length of a completion on the suite before training, in tokens."""
    tokens: float
    """The same after training."""
    rollouts: int
    """Rollouts written; of supervised fine-tuning, the solutions read."""
    mastered: int
    """Problems that were all right at two visits in a row."""
    visited_again: int
    """Mastered problems with a later visit."""
    failed: int
    """Mastered problems with a wrong answer at a later visit."""
    retention: float | None
    """See the measure of this name; None where the experiment does not measure it."""
    lost: float | None
    """See the measure of this name; None where the experiment does not measure it, or no problem was mastered."""
    wall_s: float
    code: str
    """Digest of the code that ran it."""
    prepared: dict[str, float] = field(default_factory=dict)
    """Name -> pass@1 on the same suite, of each prepared model that was measured on it."""
    alarm: int | None = None
    """Rollouts written at the first alarm that the judge is being gamed; None where there was no alarm."""
    splits: dict[str, SplitScore] = field(default_factory=dict)
    """Split of chains -> what was measured after training, where the suite holds chains. In all arms, the pairs that count as
    practised are those of the set `seen`, so that the same chains are compared."""

    levels: dict[str, float] = field(default_factory=dict)
    """Level -> pass@1 on the suite after training."""

    def line(self) -> dict[str, Any]:
        """Return it as JSON."""
        return asdict(self)


def from_rl_line(row: dict[str, Any]) -> RLResult:
    """Return the result that `RLResult.line` wrote."""
    splits = {split: SplitScore(**score) for split, score in row.get("splits", {}).items()}
    return RLResult(**{**row, "curve": [Point(**point) for point in row["curve"]], "splits": splits})


@dataclass(frozen=True)
class RetainedSkill:
    """What a run's policy can still do of what it was trained on; None where it is not measured."""

    retention: float | None = None
    lost: float | None = None


def read_rl_result(path: Path, trial: Trial, retained: RetainedSkill, wall_s: float, prepared: dict[str, float]) -> RLResult:
    """Return the result of a finished run's folder."""
    files = RunFolder(path)
    recipe, _ = read_recipe(path)
    evaluations = {when: Evaluation.load(files.evaluation(when)) for when in get_args(When)}
    before, after = (evaluations[when].summary() for when in get_args(When))
    visits = _visits(files)
    problems = mastery(visits)
    rollouts = sum(visit.n for visit in visits if visit.step == 0)
    curve, alarm = [], None
    for row in read_lines(files.metrics):
        if "validation/pass_rate" in row:
            levels = {name.removeprefix("validation/level_"): row[name] for name in row if name.startswith("validation/level_")}
            curve.append(Point(int(rollouts), row["validation/pass_rate"], levels))
        rollouts += row["rollouts/count"] if isinstance(recipe, RLRecipe) else recipe.learn.batch_size
        if alarm is None and row.get("judge/alarm"):
            alarm = int(rollouts)
    levels = by_level(after["cells"])
    if recipe.evaluate.suite == recipe.evaluate.validation:
        curve.append(Point(int(rollouts), after["pass@1"], levels))
    return RLResult(
        key=trial.key,
        on=trial.on,
        arm=trial.arm,
        seed=recipe.seed,
        curve=curve,
        before=before["pass@1"],
        after=after["pass@1"],
        tokens_before=before["length"],
        tokens=after["length"],
        rollouts=int(rollouts),
        mastered=len(problems.mastered),
        visited_again=len(problems.visited_again),
        failed=len(problems.failed),
        retention=retained.retention,
        lost=retained.lost,
        wall_s=round(wall_s, 1),
        code=code_digest(),
        prepared=prepared,
        alarm=alarm,
        splits=_splits(evaluations["after"]),
        levels=levels,
    )


def _splits(after: Evaluation) -> dict[str, SplitScore]:
    if not chains_of(after):
        return {}
    practised = practised_shapes(SEEN)
    rates, gaps = pass_rates_by_split(after, practised), gaps_by_split(after, practised)
    return {split: SplitScore(rate.value, gaps[split].value if split in gaps else None) for split, rate in rates.items()}


def _visits(files: RunFolder) -> list[Visit]:
    """Return the visits of a run; none where it wrote no rollouts (SFT)."""
    if not files.ledger.exists():
        return []
    with Ledger(files.ledger) as ledger:
        return ledger.visits()


def by_level(cells: list[dict[str, Any]]) -> dict[str, float]:
    """Return level -> pass@1 over all fields, of an evaluation's cells."""
    levels: dict[str, list[float]] = {}
    for cell in cells:
        levels.setdefault(str(cell["level"]), []).extend([cell["pass@1"]] * cell["n"])
    return {level: sum(rates) / len(rates) for level, rates in sorted(levels.items())}
