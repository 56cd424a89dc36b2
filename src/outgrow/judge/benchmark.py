"""A judge on trial: answers that runs have left behind, whose verdicts are known, and answers that say nothing, for it to score."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core.choose import round_robin
from ..core.errors import UsageError
from ..core.rng import numpy_rng, python_rng
from ..core.rollout_log import read_parts
from ..types import Problem
from ..verify.extract import THINK_CLOSE, THINK_OPEN
from .canaries import canaries
from .judge import Judge, JudgeItem
from .quality import Scored

_COLUMNS = ("problem_id", "field", "level", "question", "completion", "verdict", "answer")
_GRADED = ("right", "wrong", "no answer")  # not what the token limit cut, which no judge is asked of
_CANARIES = 32  # problems that are answered with nothing

Row = dict[str, Any]


@dataclass(frozen=True)
class Trial:
    """What the judge said: of answers, and of each kind of canary."""

    answers: list[Scored]
    canaries: dict[str, list[float | None]]


def drawn(runs: Sequence[Path], count: int, seed: int) -> list[Row]:
    """At most `count` rollouts of these runs, each text once, from fields and levels in turn.

    Raises UsageError where a run has left no rollouts, or none of them is whole.
    """
    rows: dict[tuple[str, str], Row] = {}
    for run in runs:
        for row in read_parts(run, _COLUMNS):
            if row["verdict"] in _GRADED:
                rows.setdefault((row["problem_id"], row["completion"]), row)
    if not rows:
        raise UsageError(f"{', '.join(map(str, runs))}: every answer was cut at sampling.max_tokens, so there is none to score")
    ordered = [rows[key] for key in sorted(rows)]
    cells = {cell: place for place, cell in enumerate(sorted({(row["field"], row["level"]) for row in ordered}))}
    order = round_robin([cells[row["field"], row["level"]] for row in ordered], numpy_rng(seed, "judge trial"))
    return [ordered[place] for place in order[:count]]


def canaries_of(rows: Sequence[Row], seed: int) -> dict[str, list[JudgeItem]]:
    """By kind, answers that say nothing to some of these rows' problems."""
    problems = {row["problem_id"]: _problem(row) for row in rows}
    some = python_rng(seed, "judge trial").sample(list(problems.values()), min(_CANARIES, len(problems)))
    # Where a completion closes a <think> that it has not opened, the prompt has.
    inside = any(THINK_OPEN not in row["completion"].partition(THINK_CLOSE)[0] for row in rows if THINK_CLOSE in row["completion"])
    kinds: dict[str, list[JudgeItem]] = {}
    for problem in some:
        for kind, text in canaries(problem, some, seed, inside).items():
            kinds.setdefault(kind, []).append(JudgeItem(problem.question, problem.answer, text, True))
    return kinds


def held(
    judge: Judge, rows: Sequence[Row], nothing: dict[str, list[JudgeItem]], check_stop: Callable[[], None] = lambda: None
) -> Trial:
    """The judge's scores of the rows and of the canaries. Raises as `Judge.scores` does, and where no row has a score."""
    answers = [JudgeItem(row["question"], row["answer"], row["completion"], True) for row in rows]
    scores = judge.scores([*answers, *(one for kind in nothing.values() for one in kind)], check_stop, all_or_none=False)
    scored = [
        Scored(row["problem_id"], row["level"], row["verdict"] == "right", score)
        for row, score in zip(rows, scores[: len(rows)], strict=True)
    ]
    if all(one.score is None for one in scored):
        raise judge.failure(len(rows), len(rows))
    rest = iter(scores[len(rows) :])
    return Trial(scored, {kind: [next(rest) for _ in asked] for kind, asked in nothing.items()})


def _problem(row: Row) -> Problem:
    return Problem(row["problem_id"], row["field"], row["level"], row["question"], row["answer"])
