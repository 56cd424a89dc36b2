"""The result of a flywheel trial: one JSON line."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ..flywheel.result import FlywheelResult
from ..flywheel.stage_cache import StageResult
from .code_digest import code_digest
from .rl_result import Point, by_level
from .trial import Trial


@dataclass(frozen=True)
class Score:
    """pass@1 of a model on the suite that decides."""

    rate: float
    levels: dict[str, float]
    """Level -> pass@1."""


@dataclass(frozen=True)
class SyntheticDataResult:
    """What became of a generation's synthetic data."""

    drawn: int
    """Answers that were considered, written during training or drawn for the data."""
    kept: int
    precision: float | None
    """Share of the kept rows whose label is right by the known answers; None without rows."""
    sound: float | None
    """Share of the checked rows in which all arithmetic steps are right; None without rows that can be checked."""


@dataclass(frozen=True)
class GenerationResult:
    """A generation of a flywheel."""

    rollouts: int
    """Rollouts written until its student was trained, from the start of the flywheel."""
    base: Score
    teacher: Score
    student: Score
    data: SyntheticDataResult | None
    """Data made after it; None in the last generation."""


@dataclass(frozen=True)
class FlywheelTrialResult:
    """What is known of a finished flywheel trial."""

    key: str
    """See `Trial.key`."""
    on: str
    arm: str
    seed: int
    turns: list[GenerationResult]
    first_base: dict[str, float]
    """k -> pass@k of the first base on the suite, for each k that a measure needs."""
    last_student: dict[str, float]
    """The same of the last student."""
    wall_s: float
    code: str
    """Digest of the code that ran it."""

    @property
    def rollouts(self) -> int:
        """Rollouts of the whole flywheel."""
        return self.turns[-1].rollouts

    @property
    def curve(self) -> list[Point]:
        """pass@1 of the first base, then of each student."""
        first = self.turns[0].base
        students = [Point(turn.rollouts, turn.student.rate, turn.student.levels) for turn in self.turns]
        return [Point(0, first.rate, first.levels), *students]

    def line(self) -> dict[str, Any]:
        """Return it as JSON."""
        return asdict(self)


def from_flywheel_line(row: dict[str, Any]) -> FlywheelTrialResult:
    """Return the result that `FlywheelTrialResult.line` wrote."""
    return FlywheelTrialResult(**{**row, "turns": [_generation(turn) for turn in row["turns"]]})


def read_flywheel_result(
    flywheel: FlywheelResult, trial: Trial, pass_at: Mapping[str, dict[str, float]], wall_s: float
) -> FlywheelTrialResult:
    """Return the result of a finished flywheel. pass_at: name of a stage -> k -> pass@k of its model."""
    total, rollouts_at = 0, {}
    for stage in flywheel.stages:
        total += stage.rollouts
        rollouts_at[stage.name] = total
    turns = [
        GenerationResult(
            rollouts=rollouts_at[generation.student.name],
            **{role: _score(model) for role, model in generation.roles.items()},
            data=_synthetic_data(generation.data) if generation.data else None,
        )
        for generation in flywheel.generations
    ]
    return FlywheelTrialResult(
        key=trial.key,
        on=trial.on,
        arm=trial.arm,
        seed=trial.seed,
        turns=turns,
        first_base=pass_at[flywheel.generations[0].base.name],
        last_student=pass_at[flywheel.generations[-1].student.name],
        wall_s=round(wall_s, 1),
        code=code_digest(),
    )


def _score(stage: StageResult) -> Score:
    summary = stage.evaluation().summary()
    return Score(summary["pass@1"], by_level(summary["cells"]))


def _synthetic_data(stage: StageResult) -> SyntheticDataResult:
    figures = stage.result
    precision, sound = (figures[name] and figures[name]["value"] for name in ("precision", "sound"))
    return SyntheticDataResult(figures["drawn"], figures["kept"], precision, sound)


def _generation(row: dict[str, Any]) -> GenerationResult:
    scores = {role: Score(**row[role]) for role in ("base", "teacher", "student")}
    return GenerationResult(**{**row, **scores, "data": SyntheticDataResult(**row["data"]) if row["data"] else None})
