"""Answers to be graded: what a judge learns from, out of the rollouts of runs that a checker has graded."""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field

from ..errors import UsageError
from ..keyed import python_random
from ..teacher.rubric import RUBRIC, answer_id, fill
from .problem import Problem
from .source import Note, Source, quiet

_COLUMNS = ["problem_id", "field", "level", "question", "completion", "verdict", "answer"]
_GRADED = {"right": ("right", "1"), "wrong": ("wrong", "0"), "no answer": ("wrong", "0")}


class Judgements(Source):
    """Problem source `judgements`: rollouts that the runs in `runs` left behind, each a question to a judge: is this answer right?

    The known answer is the score, 1 or 0, by the checker's verdict; the solution is a word. At most `per_cell` answers of each
    field, level and verdict, drawn by `seed`, the same text once. rubric: as in the recipe whose teacher the judge is to be.
    """

    type: str = "judgements"
    runs: tuple[Path, ...] = Field(min_length=1)
    rubric: str = RUBRIC
    per_cell: int = Field(default=400, ge=1)
    seed: int = 0

    def load(self, note: Note = quiet) -> list[Problem]:
        """A field for each field and verdict, so that fine-tuning meets right and wrong answers as often. Raises UsageError where a
        run has left no rollouts, or none of one kind."""
        cells: dict[tuple[str, int], dict[str, Problem]] = defaultdict(dict)
        for row in (row for run in self.runs for row in _rows(run)):
            if row["verdict"] not in _GRADED:  # cut off, or not judged by the checker itself
                continue
            word, score = _GRADED[row["verdict"]]
            digest = answer_id(row["question"], row["completion"])
            cells[f"{row['field']}, {word}", row["level"]].setdefault(
                f"{row['problem_id']}#{digest}",
                Problem(
                    id=f"judgement:{row['problem_id']}#{digest}",
                    field=f"{row['field']}, {word}",
                    level=row["level"],
                    question=fill(self.rubric, row["question"], row["completion"], row["answer"]),
                    answer=f"{digest} {score}" if "{id}" in self.rubric else score,
                    solution=word,
                ),
            )
        kinds = {problem.solution for cell in cells.values() for problem in cell.values()}
        if kinds != {"right", "wrong"}:
            raise UsageError(
                f"judgements: {', '.join(map(str, self.runs))} hold no answers that are {'wrong' if kinds else 'graded'}"
            )
        return [problem for (field, level), cell in sorted(cells.items()) for problem in self._some(field, level, cell)]

    def _some(self, field: str, level: int, cell: dict[str, Problem]) -> list[Problem]:
        order = sorted(cell)
        python_random(self.seed, "judgements", field, level).shuffle(order)
        return [cell[name] for name in order[: self.per_cell]]


def _rows(run: Path) -> Iterator[dict[str, Any]]:
    parts = sorted((run / "rollouts").glob("step-*.parquet"))
    if not parts:
        raise UsageError(f"judgements: {run} has no rollouts; it needs a run of reinforcement learning")
    for part in parts:
        try:
            yield from pq.read_table(part, columns=_COLUMNS).to_pylist()
        except (OSError, pa.ArrowInvalid) as error:
            raise UsageError(f"judgements: cannot read {part} ({error})") from error
