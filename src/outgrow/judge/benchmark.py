"""A benchmark of a judge: it scores answers of runs, whose verdicts are known, and answers without content."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core.callbacks import CheckStop, never_stop
from ..core.choose import round_robin
from ..core.errors import UsageError
from ..core.rng import numpy_rng, python_rng
from ..core.rollout_log import read_parts
from ..types import Problem
from ..verify.extraction.extract import THINK_CLOSE, THINK_OPEN
from .canaries import canaries as canaries_for
from .judge import Judge, JudgeItem
from .quality import ScoredAnswer

_COLUMNS = ("problem_id", "field", "level", "question", "completion", "verdict", "answer")
_GRADED = ("right", "wrong", "no answer")  # the judge never scores answers that the token limit cut
_CANARIES = 32  # problems that get answers without content

Row = dict[str, Any]


@dataclass(frozen=True)
class BenchmarkResult:
    """A judge's scores of answers and of canaries."""

    answers: list[ScoredAnswer]
    canaries: dict[str, list[float | None]]
    """Kind of canary -> its scores; None where a reply held no score."""


def sample_rollouts(runs: Sequence[Path], count: int, seed: int) -> list[Row]:
    """Sample up to `count` rollouts of these runs, each text once, evenly over fields and levels.

    Raises UsageError where a run has no rollouts, or the token limit cut all of them.
    """
    rows: dict[tuple[str, str], Row] = {}
    for run in runs:
        for row in read_parts(run, _COLUMNS):
            if row["verdict"] in _GRADED:
                rows.setdefault((row["problem_id"], row["completion"]), row)
    if not rows:
        raise UsageError(
            f"{', '.join(map(str, runs))}: every answer was cut at sampling.max_tokens; the judge has nothing to score"
        )
    ordered = [rows[key] for key in sorted(rows)]
    cells = {cell: index for index, cell in enumerate(sorted({(row["field"], row["level"]) for row in ordered}))}
    order = round_robin([cells[row["field"], row["level"]] for row in ordered], numpy_rng(seed, "judge trial"))
    return [ordered[index] for index in order[:count]]


def canary_items(rows: Sequence[Row], seed: int) -> dict[str, list[JudgeItem]]:
    """Return answers without content, by kind, to some of these rows' problems."""
    problems = {row["problem_id"]: _problem(row) for row in rows}
    some = python_rng(seed, "judge trial").sample(list(problems.values()), min(_CANARIES, len(problems)))
    # A completion that closes a <think> without opening it has a prompt that opened it.
    inside = any(THINK_OPEN not in row["completion"].partition(THINK_CLOSE)[0] for row in rows if THINK_CLOSE in row["completion"])
    kinds: dict[str, list[JudgeItem]] = {}
    for problem in some:
        for kind, text in canaries_for(problem, some, seed, inside).items():
            kinds.setdefault(kind, []).append(JudgeItem(problem.question, problem.answer, text, True))
    return kinds


def run_benchmark(
    judge: Judge, rows: Sequence[Row], canaries: dict[str, list[JudgeItem]], check_stop: CheckStop = never_stop
) -> BenchmarkResult:
    """Score the rows and the canaries. Raises as `Judge.scores` does, and where no row gets a score."""
    answers = [JudgeItem(row["question"], row["answer"], row["completion"], True) for row in rows]
    scores = judge.scores([*answers, *(item for kind in canaries.values() for item in kind)], check_stop, require_scores=False)
    scored = [
        ScoredAnswer(row["problem_id"], row["level"], row["verdict"] == "right", score)
        for row, score in zip(rows, scores[: len(rows)], strict=True)
    ]
    if all(answer.score is None for answer in scored):
        raise judge.failure(len(rows), len(rows))
    rest = iter(scores[len(rows) :])
    return BenchmarkResult(scored, {kind: [next(rest) for _ in items] for kind, items in canaries.items()})


def _problem(row: Row) -> Problem:
    return Problem(row["problem_id"], row["field"], row["level"], row["question"], row["answer"])
