"""What a run wrote while it learned: graded rollouts that are there already, as rows of made data that cost nothing more."""

from collections.abc import Callable, Collection
from pathlib import Path

from ..core.rollout_log import read_parts
from ..engines import Conversation
from ..types import Verdict
from .row import SyntheticRow, rated

_COLUMNS = ["problem_id", "field", "level", "question", "answer", "completion", "verdict", "extracted", "length"]


def written_rows(
    run: Path, problems: Collection[str], asked: Callable[[str], Conversation], opener: str, model: str, generation: int
) -> list[SyntheticRow]:
    """A row a rollout of this run to one of these problems (by their ids), in the order of its steps.

    asked: how the run puts a question. opener: the <think> that its prompt ends with, or nothing. model: the name of what the run
    came to; its rollouts are of the weights on the way there. A pass rate is of all rollouts of a problem, however early.
    Raises UsageError where the run has left no rollouts that can be read.
    """
    return rated(
        SyntheticRow(
            problem_id=row["problem_id"],
            field=row["field"],
            level=row["level"],
            question=row["question"],
            answer=row["answer"],
            messages=[*asked(row["question"]), {"role": "assistant", "content": f"{opener}{row['completion']}"}],
            sampled=row["completion"],
            verdict=Verdict(row["verdict"]),
            extracted=row["extracted"],
            pass_rate=0.0,
            n=0,
            generation=generation,
            model=f"on the way to {model}",
            length=row["length"],
        )
        for row in read_parts(run, _COLUMNS)
        if row["problem_id"] in problems
    )
