"""One row of synthetic data: a policy's answer to a problem, and its verdict."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from pathlib import Path

from ..core.errors import UsageError
from ..problems.synthetic import synthetic_rows
from ..types import Verdict


@dataclass(frozen=True)
class SyntheticRow:
    """A policy's answer to a problem. The fields are the columns of the Parquet file."""

    problem_id: str
    field: str
    level: int
    question: str
    answer: str
    """The known answer."""
    messages: list[dict[str, str]]
    """The conversation in the hub's chat format: the prompt, and the whole answer with the <think> that the prompt opened."""
    sampled: str
    """The completion as the policy wrote it. The column is not called `completion`, since TRL would then ignore `messages`."""
    verdict: Verdict
    extracted: str | None
    """The answer found in the completion; None where there is none."""
    pass_rate: float
    """Share of right answers among the n to this problem."""
    n: int
    """Number of answers to this problem, drawn or written in training."""
    generation: int
    """Generation of the flywheel."""
    model: str
    """Digest of the weights that wrote it, or "on the way to" and the digest of a run's final weights; of a server the model's
    name."""
    length: int | None
    """Tokens of the completion; None where a server does not say."""

    @property
    def right(self) -> bool:
        """Whether the answer is correct."""
        return self.verdict is Verdict.RIGHT


def rated(rows: Iterable[SyntheticRow]) -> list[SyntheticRow]:
    """Return the rows with the pass rate and n of each problem over all of them."""
    rows = list(rows)
    n, right = Counter(row.problem_id for row in rows), Counter(row.problem_id for row in rows if row.right)
    return [replace(row, pass_rate=right[row.problem_id] / n[row.problem_id], n=n[row.problem_id]) for row in rows]


def read_rows(path: Path) -> list[SyntheticRow]:
    """Read the rows of a folder of synthetic data, or of one of its Parquet files. Raises UsageError where it holds other data."""
    rows, names = [], {field.name for field in fields(SyntheticRow)}
    for where, row in synthetic_rows(path):
        try:
            values = {name: row[name] for name in names}
            rows.append(SyntheticRow(**{**values, "verdict": Verdict(row["verdict"])}))
        except (KeyError, ValueError) as error:
            raise UsageError(f"{where}: not a row of synthetic data ({error})") from error
    return rows
