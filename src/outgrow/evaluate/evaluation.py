"""An evaluation: graded samples of a suite, what they add up to, and the paired comparison of two of them."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ..errors import OutgrowError
from ..runs.files import write_atomic
from ..verify import Verdict
from .sample import Sample
from .statistics import bootstrap_ci95, pass_at_k


@dataclass(frozen=True)
class Evaluation:
    """Samples of one policy on one suite: k at a temperature, and a greedy one, of each problem."""

    samples: list[Sample]

    @property
    def k(self) -> int:
        """Samples a problem, the greedy one not counted."""
        return 1 + max(sample.index for sample in self.samples)

    def pass_rates(self) -> dict[str, float]:
        """Problem id -> share of its k samples that are right, in the suite's order."""
        right: dict[str, int] = defaultdict(int)
        for sample in self.samples:
            if sample.index >= 0:
                right[sample.problem_id] += sample.right
        k = self.k
        return {problem: count / k for problem, count in right.items()}

    def cells(self) -> dict[tuple[str, int], list[float]]:
        """(field, level) -> pass rates of its problems."""
        rates, cells = self.pass_rates(), defaultdict(list)
        for sample in self.samples:
            if sample.index == 0:
                cells[sample.field, sample.level].append(rates[sample.problem_id])
        return dict(cells)

    def summary(self) -> dict[str, Any]:
        """What a person reads: pass@1 with its interval, greedy, n, k, pass@k, truncation, no answer, length, cells."""
        rates = list(self.pass_rates().values())
        drawn = [sample for sample in self.samples if sample.index >= 0]
        greedy = [sample for sample in self.samples if sample.index < 0]
        k = self.k
        return {
            "pass@1": _mean(rates),
            "ci95": list(bootstrap_ci95(rates)),
            "greedy": _mean([sample.right for sample in greedy]),
            "n": len(rates),
            "k": k,
            "pass@k": {
                str(size): _mean([pass_at_k(k, round(rate * k), size) for rate in rates])
                for size in sorted({1, 2, 4, 8, 16, 32, 64, k})
                if size <= k
            },
            "between": _mean([0 < rate < 1 for rate in rates]),
            "truncated": _mean([sample.verdict is Verdict.TRUNCATED for sample in drawn]),
            "no_answer": _mean([sample.verdict is Verdict.NO_ANSWER for sample in drawn]),
            "length": _mean([sample.length for sample in drawn]),
            "cells": [
                {"field": field, "level": level, "pass@1": _mean(cell), "n": len(cell)}
                for (field, level), cell in self.cells().items()
            ],
        }

    def save(self, path: Path) -> None:
        """Write the samples as Parquet, atomically."""
        sink = pa.BufferOutputStream()
        rows = [{**asdict(sample), "verdict": str(sample.verdict)} for sample in self.samples]
        pq.write_table(pa.Table.from_pylist(rows), sink, compression="zstd")
        write_atomic(path, sink.getvalue().to_pybytes())

    @staticmethod
    def load(path: Path) -> "Evaluation":
        """Read what `save` wrote. Raises OutgrowError where the file is missing or is no evaluation."""
        try:
            rows = pq.read_table(path).to_pylist()
            return Evaluation([Sample(**{**row, "verdict": Verdict(row["verdict"])}) for row in rows])
        except (OSError, pa.ArrowInvalid, KeyError, TypeError, ValueError) as error:
            raise OutgrowError(f"{path}: cannot read this evaluation ({error})") from error


def paired_delta(before: Evaluation, after: Evaluation) -> dict[str, Any]:
    """Mean gain in pass rate per problem, with its paired bootstrap interval. Both must hold the same problems."""
    first, second = before.pass_rates(), after.pass_rates()
    if first.keys() != second.keys():
        raise OutgrowError("these two evaluations are of different problems, so they cannot be paired")
    differences = [second[problem] - first[problem] for problem in first]
    return {"pass@1": _mean(differences), "ci95": list(bootstrap_ci95(differences)), "n": len(differences)}


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0
