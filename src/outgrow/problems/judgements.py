"""Answers to be graded: what a judge learns from, out of the rollouts of runs that a checker has graded."""

import re
from collections import defaultdict
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from ..core.callbacks import Warn, quiet
from ..core.errors import UsageError
from ..core.inputs import ReadsFrom
from ..core.rng import python_rng
from ..core.rollout_log import read_parts
from ..judge.rubric import RUBRIC, answer_id, fill
from ..types import Problem
from ..verify.extraction.extract import THINK_CLOSE
from .source import Source

_COLUMNS = ["problem_id", "field", "level", "question", "completion", "verdict", "extracted", "answer"]
_NUMBER = re.compile(r"-?[0-9]{1,12}", re.ASCII)
_GRADED = {"right": ("right", "1"), "wrong": ("wrong", "0"), "no answer": ("wrong", "0")}


class Judgements(Source):
    """Problem source `judgements`: rollouts that the runs in `runs` left behind, each a question to a judge: is this answer right?

    The known answer is the score, 1 or 0, by the checker's verdict. The solution, what the judge thinks first, is what another
    answer to the same problem thought that was right, then the result of that one and of this one, and, of two numbers, these side
    by side: a judge that solves the problem itself and compares.
    Problems that no answer in these runs solved are skipped. Of each field, level and verdict, at most `per_cell` different answers
    are drawn by `seed`. rubric: as in the recipe whose judge the judge is to be.
    """

    type: str = "judgements"
    runs: Annotated[tuple[Path, ...], ReadsFrom("runs")] = Field(
        min_length=1, description="Folders of the runs whose rollouts are graded."
    )
    rubric: str = Field(default=RUBRIC, description="The judge's rubric, as in the recipe that will use the judge.")
    per_cell: int = Field(default=400, ge=1, description="Limit of answers for each field, level and verdict.")
    seed: int = Field(default=0, description="Seed of the choice of answers.")

    def load(self, warn: Warn = quiet) -> list[Problem]:
        """Return problems with a field for each field and verdict, so that fine-tuning meets right and wrong answers equally often.

        Raises UsageError where a run has no rollouts, or the runs have no usable right, or no usable wrong, answer.
        """
        rollouts = (row for run in self.runs for row in read_parts(run, _COLUMNS))
        rows = [row for row in rollouts if row["verdict"] in _GRADED]  # not what was cut, or never checked
        solved: dict[str, list[str]] = defaultdict(list)
        for row in rows:
            if row["verdict"] == "right":
                solved[row["problem_id"]].append(row["completion"])
        cells: dict[tuple[str, int], dict[str, Problem]] = defaultdict(dict)
        for row in rows:
            if row["problem_id"] in solved:
                problem = self._problem(row, solved[row["problem_id"]])
                cells[problem.field, problem.level].setdefault(problem.id, problem)
        kinds = {field.rpartition(", ")[2] for field, _ in cells}
        if kinds != {"right", "wrong"}:
            lacking = min({"right", "wrong"} - kinds)
            raise UsageError(f"judgements: no {lacking} answer to a solved problem in {', '.join(map(str, self.runs))}")
        return [problem for (field, level), cell in sorted(cells.items()) for problem in self._some(field, level, cell)]

    def _problem(self, row: dict[str, Any], solved: Sequence[str]) -> Problem:
        word, score = _GRADED[row["verdict"]]
        digest = answer_id(row["question"], row["completion"])
        id = f"judgement:{row['problem_id']}#{digest}"
        thoughts = python_rng(self.seed, "judgements", id).choice(solved).partition(THINK_CLOSE)[0]
        return Problem(
            id=id,
            field=f"{row['field']}, {word}",
            level=row["level"],
            question=fill(self.rubric, row["question"], row["completion"], row["answer"]),
            answer=f"{digest} {score}" if "{id}" in self.rubric else score,
            about=row["question"],
            solution="\n".join([thoughts.rstrip(), row["answer"], *compared(row["answer"], row["extracted"] or "")]),
        )

    def _some(self, field: str, level: int, cell: dict[str, Problem]) -> list[Problem]:
        order = sorted(cell)
        python_rng(self.seed, "judgements", field, level).shuffle(order)
        return [cell[name] for name in order[: self.per_cell]]


def compared(known: str, given: str) -> list[str]:
    """Return the given answer and, of two numbers, their digits in pairs from the last digit on.

    A small model sees whether two digits are the same, and not whether two lines are.

    >>> compared("4152", "132"), compared("x", "132")
    (['132', '22= 53# 11= 4_#'], ['132'])
    """
    if not (_NUMBER.fullmatch(known) and _NUMBER.fullmatch(given)):
        return [given]
    pairs = zip_longest(reversed(known), reversed(given), fillvalue="_")
    return [given, " ".join(f"{one}{other}{'=' if one == other else '#'}" for one, other in pairs)]
