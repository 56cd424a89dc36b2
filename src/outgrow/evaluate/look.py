"""A look at held-out problems during training: a line of a run's validation.jsonl."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..core.errors import OutgrowError
from ..core.json_lines import read_lines
from ..types import Problem
from .conditions import Conditions
from .sample import Sample


@dataclass(frozen=True)
class Look:
    """How often each validation problem was answered right before a step."""

    step: int
    """The step that came after it: the policy is that of `step` − 1 steps."""
    conditions: str
    """Digest of the problems and of how they were measured; only looks with the same digest are compared."""
    k: int
    """Answers to each problem."""
    right: Mapping[str, int]
    """Problem id -> right answers, from 0 to k."""

    def line(self) -> dict[str, Any]:
        """Return it as JSON."""
        return asdict(self)


def look_at(step: int, samples: Sequence[Sample], problems: Sequence[Problem], how: Conditions) -> Look:
    """Return the look that these samples are: k = how.samples answers to each of these problems."""
    right = {problem.id: 0 for problem in problems}
    for sample in samples:
        right[sample.problem_id] += sample.right
    asked = [(problem.id, problem.question, problem.answer) for problem in problems]
    digest = hashlib.sha256(json.dumps([asked, how.model_dump(mode="json")], sort_keys=True).encode()).hexdigest()
    return Look(step, digest[:16], how.samples, right)


def read_looks(path: Path) -> list[Look]:
    """Return the looks of a validation.jsonl, the first one first. Raises OutgrowError where the file cannot be read."""
    try:
        return [Look(**row) for row in read_lines(path)]
    except (OSError, ValueError, TypeError) as error:
        raise OutgrowError(f"{path}: cannot be read ({error})") from error
