"""One row of made data: an answer that a policy wrote to a problem, and what is known of it."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from pathlib import Path

from ..core.errors import UsageError
from ..problems.synthetic import synthetic_rows
from ..types import Verdict


@dataclass(frozen=True)
class SyntheticRow:
    """answer: the known one. messages: the conversation in the hub's chat shape, the question as it was put to the policy and the
    whole answer behind it, with the <think> that the prompt had opened. sampled: what the policy itself wrote, as it wrote it.
    pass_rate: share of the n answers looked at for the problem that are right. generation: the turn of the flywheel. model: digest
    of the weights that wrote it, with "on the way to" before it where these were training still; of a server the name of its model.
    length: tokens that were written.
    """

    problem_id: str
    field: str
    level: int
    question: str
    answer: str
    messages: list[dict[str, str]]
    sampled: str  # not `completion`: TRL takes a set with that column for another shape, and then does not read `messages`
    verdict: Verdict
    extracted: str | None
    pass_rate: float
    n: int
    generation: int
    model: str
    length: int

    @property
    def right(self) -> bool:
        """Whether the answer is correct."""
        return self.verdict is Verdict.RIGHT


def rated(rows: Iterable[SyntheticRow]) -> list[SyntheticRow]:
    """The same rows, with the pass rate and n of each problem over all of them."""
    rows = list(rows)
    n, right = Counter(row.problem_id for row in rows), Counter(row.problem_id for row in rows if row.right)
    return [replace(row, pass_rate=right[row.problem_id] / n[row.problem_id], n=n[row.problem_id]) for row in rows]


def read_rows(path: Path) -> list[SyntheticRow]:
    """The rows of a folder of made data, or of one of its Parquet files. Raises UsageError where it is none."""
    rows, names = [], {field.name for field in fields(SyntheticRow)}
    for where, row in synthetic_rows(path):
        try:
            known = {name: row[name] for name in names}
            rows.append(SyntheticRow(**{**known, "verdict": Verdict(row["verdict"])}))
        except (KeyError, ValueError) as error:
            raise UsageError(f"{where}: no row of made data ({error})") from error
    return rows
