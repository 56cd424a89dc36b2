"""The rollouts of a training run as rows of synthetic data, which cost nothing more."""

from collections.abc import Mapping
from pathlib import Path

from ..core.rollout_log import read_parts
from ..engines import Conversation
from ..types import Verdict
from .row import SyntheticRow, rated

_COLUMNS = ["problem_id", "field", "level", "question", "answer", "completion", "verdict", "extracted", "length"]


def rows_from_run(
    run: Path, conversations: Mapping[str, Conversation], opener: str, model: str, generation: int
) -> list[SyntheticRow]:
    """Return a row for each rollout of this run to one of these problems, in the order of the steps.

    conversations: id of a problem -> the run's prompt of it. opener: the <think> that its prompt ends with, or "". model: the name
    of the run's final policy; the rollouts are from the weights before it. A pass rate counts all rollouts of a problem.
    Raises UsageError where the run has no rollouts that can be read.
    """
    return rated(
        SyntheticRow(
            problem_id=row["problem_id"],
            field=row["field"],
            level=row["level"],
            question=row["question"],
            answer=row["answer"],
            messages=[*conversations[row["problem_id"]], {"role": "assistant", "content": f"{opener}{row['completion']}"}],
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
        if row["problem_id"] in conversations
    )
