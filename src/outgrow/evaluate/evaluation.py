"""An evaluation: graded samples of a suite, what they add up to, and the paired comparison of two of them."""

import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ..core.errors import DAMAGED, OutgrowError, reason
from ..core.files import parse_json, write_atomic
from ..core.parquet import read_parquet
from ..problems.limit import Limit
from ..types import Verdict
from ..verify.comparison.fold import spelling
from .conditions import Conditions
from .sample import Sample
from .statistics import majority, mean_ci95, pass_at_k

_METADATA = "outgrow"


@dataclass(frozen=True)
class Evaluation:
    """Samples of one policy on one suite: k at a temperature, and a greedy one, of each problem."""

    samples: list[Sample]
    limit: Limit | None = None
    """How the problems were sampled from the suite; None where they are the whole suite."""
    conditions: Conditions | None = None
    """How they were measured; None where that was not recorded."""

    @property
    def k(self) -> int:
        """Samples a problem, the greedy one not counted."""
        return 1 + max(sample.index for sample in self.samples)

    def pass_rates(self) -> dict[str, float]:
        """Return problem id -> share of its k samples that are right, in the suite's order."""
        right: dict[str, int] = defaultdict(int)
        for sample in self.samples:
            if sample.index >= 0:
                right[sample.problem_id] += sample.right
        k = self.k
        return {problem: count / k for problem, count in right.items()}

    def cells(self) -> dict[tuple[str, int], list[float]]:
        """Return (field, level) -> pass rates of its problems."""
        rates, cells = self.pass_rates(), defaultdict(list)
        for sample in self.samples:
            if sample.index == 0:
                cells[sample.field, sample.level].append(rates[sample.problem_id])
        return dict(cells)

    def drawn(self) -> dict[str, list[Sample]]:
        """Return problem id -> its k samples, in the suite's order."""
        drawn: dict[str, list[Sample]] = defaultdict(list)
        for sample in self.samples:
            if sample.index >= 0:
                drawn[sample.problem_id].append(sample)
        return dict(drawn)

    def measures(self) -> dict[str, dict[str, float]]:
        """Return name of a measure -> problem id -> value; each is a mean over problems. All have the same n, except that `length`
        lacks problems without an answer of known length."""
        k, rates, drawn = self.k, self.pass_rates(), self.drawn()
        sizes = [size for size in sorted({2, 4, 8, 16, 32, 64, 128, 256, k}) if 1 < size <= k]
        by_problem: dict[str, Callable[[list[Sample]], float]] = {
            "between": lambda samples: 0 < _mean([s.right for s in samples]) < 1,
            "truncated": lambda samples: _mean([s.verdict is Verdict.TRUNCATED for s in samples]),
            "no_answer": lambda samples: _mean([s.verdict is Verdict.NO_ANSWER and not s.refused for s in samples]),
            "refused": lambda samples: _mean([bool(s.refused) for s in samples]),
        }
        lengths = {problem: [s.length for s in samples if s.length is not None] for problem, samples in drawn.items()}
        return {
            "pass@1": rates,
            "greedy": {sample.problem_id: float(sample.right) for sample in self.samples if sample.index < 0},
            **{f"pass@{size}": {problem: pass_at_k(k, round(rate * k), size) for problem, rate in rates.items()} for size in sizes},
            **({f"maj@{k}": {problem: _majority(samples) for problem, samples in drawn.items()}} if k > 1 else {}),
            **{name: {problem: float(of(samples)) for problem, samples in drawn.items()} for name, of in by_problem.items()},
            "length": {problem: _mean(known) for problem, known in lengths.items() if known},
        }

    def summary(self) -> dict[str, Any]:
        """Return what summary.json holds: pass@1 with its interval, n, k, means of the other measures, and pass@1 by cell.

        `limit` is among them where the problems are a sample of the suite.
        """
        measures = {name: list(values.values()) for name, values in self.measures().items()}
        means = {name: _mean(values) for name, values in measures.items()}
        sizes = {name.removeprefix("pass@"): mean for name, mean in means.items() if name.startswith("pass@")}
        return {
            "pass@1": means["pass@1"],
            "ci95": list(mean_ci95(measures["pass@1"])),
            "greedy": means["greedy"],
            "n": len(measures["pass@1"]),
            "k": self.k,
            **({"limit": asdict(self.limit)} if self.limit else {}),
            "pass@k": sizes,
            "maj@k": means.get(f"maj@{self.k}", means["pass@1"]),
            **{name: means[name] for name in ("between", "truncated", "no_answer", "refused")},
            "length": means["length"] if measures["length"] else None,  # a server need not say it
            "cells": [
                {"field": field, "level": level, "pass@1": _mean(cell), "n": len(cell)}
                for (field, level), cell in self.cells().items()
            ],
        }

    def save(self, path: Path) -> None:
        """Write the samples as Parquet, atomically.

        Its metadata say under `outgrow` how the problems were sampled and how they were measured.
        """
        sink = pa.BufferOutputStream()
        rows = [{**asdict(sample), "verdict": str(sample.verdict)} for sample in self.samples]
        table = pa.Table.from_pylist(rows)
        if not any(sample.parts for sample in self.samples):
            table = table.drop_columns(list(_OF_CHAINS))
        about = {
            **({"limit": asdict(self.limit)} if self.limit else {}),
            **({"conditions": self.conditions.model_dump(mode="json")} if self.conditions else {}),
        }
        if about:
            table = table.replace_schema_metadata({_METADATA: json.dumps(about)})
        pq.write_table(table, sink, compression="zstd")
        write_atomic(path, sink.getvalue().to_pybytes())

    @staticmethod
    def load(path: Path) -> "Evaluation":
        """Read what `save` wrote. Raises OutgrowError where the file is missing or not an evaluation."""
        try:
            table = read_parquet(path)
            _require_columns(table)
            chains = [name for name in _OF_CHAINS if name in table.column_names]
            samples = [
                Sample(**{**row, "verdict": Verdict(row["verdict"]), **{name: tuple(row[name]) for name in chains}})
                for row in table.to_pylist()
            ]
            _require_whole(samples)
            about = parse_json((table.schema.metadata or {}).get(_METADATA.encode(), b"{}"))
            limit, known = about.get("limit"), about.get("conditions")
            return Evaluation(samples, Limit(**limit) if limit else None, Conditions(**known) if known else None)
        except (OSError, pa.ArrowException, MemoryError, *DAMAGED) as error:
            raise OutgrowError(f"{path}: cannot read this evaluation ({reason(error)})") from error


_NUMBERS = ("level", "index", "length")
_MAY_BE_MISSING = ("extracted", "length", "refused")
_OF_CHAINS = ("parts", "middles")


def _require_columns(table: pa.Table) -> None:
    """Raise ValueError where a column has another type than the field of a sample, or lacks values."""
    for column in table.schema:
        is_right = pa.types.is_integer if column.name in _NUMBERS else pa.types.is_string
        if column.name in _OF_CHAINS:
            is_right = _is_list_of_texts
        lacking = table.column(column.name).null_count
        if not is_right(column.type) and not (lacking == table.num_rows and column.name in _MAY_BE_MISSING):
            raise ValueError(f"its column {column.name[:60]!r} is of type {column.type}")
        if lacking and column.name not in _MAY_BE_MISSING:
            raise ValueError(f"its column {column.name[:60]!r} lacks {lacking:,} values")


def _is_list_of_texts(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind)) and bool(pa.types.is_string(kind.value_type))


def _require_whole(samples: Sequence[Sample]) -> None:
    """Raise ValueError where a problem lacks a sample, or has one twice."""
    drawn: dict[str, set[int]] = defaultdict(set)
    for sample in samples:
        if sample.index >= 0:
            drawn[sample.problem_id].add(sample.index)
    if not drawn:
        raise ValueError("it holds no samples")
    k = 1 + max(map(max, drawn.values()))
    if any(len(indexes) != k for indexes in drawn.values()) or sum(sample.index >= 0 for sample in samples) != k * len(drawn):
        raise ValueError(f"its problems do not have {k} samples each")


def paired_delta(before: Evaluation, after: Evaluation) -> dict[str, Any]:
    """Return the mean gain in pass rate per problem, with its paired bootstrap interval.

    Raises OutgrowError where the two are of different problems.
    """
    first, second = before.pass_rates(), after.pass_rates()
    if first.keys() != second.keys():
        raise OutgrowError("these two evaluations are of different problems, so they cannot be paired")
    differences = [second[problem] - first[problem] for problem in first]
    return {"pass@1": _mean(differences), "ci95": list(mean_ci95(differences, least=-1)), "n": len(differences)}


def _majority(samples: Sequence[Sample]) -> float:
    answers = [None if sample.extracted is None else spelling(sample.extracted) for sample in samples]
    return majority(answers, [sample.right for sample in samples])


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0
