"""What is kept of a flywheel: one JSON line."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ..flywheel import FlywheelResult
from ..flywheel.stage_cache import StageResult
from .rl_result import Point, by_level, code_digest
from .trial import Trial


@dataclass(frozen=True)
class Score:
    """pass@1 of a model on the suite that decides, and by level."""

    rate: float
    levels: dict[str, float]


@dataclass(frozen=True)
class SyntheticDataResult:
    """Data. drawn: answers looked at, written in training or for this. precision: share of the labels that are right by the known
    answers; sound: of the rows whose steps all hold. Both None where there is no row to tell by."""

    drawn: int
    kept: int
    precision: float | None
    sound: float | None


@dataclass(frozen=True)
class GenerationResult:
    """A generation. rollouts: written until its student was there, those of all generations before and of their data among them.
    data: made at its end; None in the last."""

    rollouts: int
    base: Score
    teacher: Score
    student: Score
    data: SyntheticDataResult | None


@dataclass(frozen=True)
class FlywheelTrialResult:
    """One flywheel. key: see `Trial.key`. first_base, last_student: k -> pass@k of these two on the suite, for the k that a measure
    asked for. code: digest of the code that ran it."""

    key: str
    on: str
    arm: str
    seed: int
    turns: list[GenerationResult]
    first_base: dict[str, float]
    last_student: dict[str, float]
    wall_s: float
    code: str

    @property
    def rollouts(self) -> int:
        """Of the whole wheel."""
        return self.turns[-1].rollouts

    @property
    def curve(self) -> list[Point]:
        """The first base, then each student."""
        first = self.turns[0].base
        students = [Point(turn.rollouts, turn.student.rate, turn.student.levels) for turn in self.turns]
        return [Point(0, first.rate, first.levels), *students]

    def line(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


def from_flywheel_line(row: dict[str, Any]) -> FlywheelTrialResult:
    """What `FlywheelTrialResult.line` made."""
    return FlywheelTrialResult(**{**row, "turns": [_turn(turn) for turn in row["turns"]]})


def read_flywheel_result(
    turned: FlywheelResult, run: Trial, pass_at: Mapping[str, dict[str, float]], wall_s: float
) -> FlywheelTrialResult:
    """Of a finished flywheel. pass_at: name of a stage -> k -> pass@k of its model, of those that were asked for more."""
    written, at = 0, {}
    for done in turned.stages:
        written += done.rollouts
        at[done.name] = written
    turns = [
        GenerationResult(
            rollouts=at[one.student.name],
            **{role: _score(model) for role, model in one.roles.items()},
            data=_made(one.data) if one.data else None,
        )
        for one in turned.generations
    ]
    return FlywheelTrialResult(
        key=run.key,
        on=run.on,
        arm=run.arm,
        seed=run.seed,
        turns=turns,
        first_base=pass_at[turned.generations[0].base.name],
        last_student=pass_at[turned.generations[-1].student.name],
        wall_s=round(wall_s, 1),
        code=code_digest("flywheel", "synthetic"),
    )


def _score(done: StageResult) -> Score:
    found = done.evaluation().summary()
    return Score(found["pass@1"], by_level(found["cells"]))


def _made(data: StageResult) -> SyntheticDataResult:
    found = data.result
    precision, sound = (found[name] and found[name]["value"] for name in ("precision", "sound"))
    return SyntheticDataResult(found["drawn"], found["kept"], precision, sound)


def _turn(row: dict[str, Any]) -> GenerationResult:
    scores = {role: Score(**row[role]) for role in ("base", "teacher", "student")}
    return GenerationResult(**{**row, **scores, "data": SyntheticDataResult(**row["data"]) if row["data"] else None})
