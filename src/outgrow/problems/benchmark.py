"""Public benchmarks that models are only measured on: word problems, competitions, multiple choice, symbols."""

from dataclasses import dataclass
from functools import partial
from typing import Any

from pydantic import Field, field_validator

from ..core.callbacks import Warn, quiet
from ..core.errors import UsageError, nearest
from ..types import Problem
from .collect import collect, read_rows
from .columns import value_at
from .hub import set_rows
from .known_answer import known_answer
from .known_errors import corrected
from .overlap import question_id
from .source import Source
from .table import text_at


@dataclass(frozen=True)
class _Set:
    """Where a set lies, and its columns."""

    folder: str
    """Its folder under $OUTGROW_DATA."""
    split: str
    """The name of its file there."""
    hub: tuple[str, str | None, str] | None = None
    """Repository, config and split on the hub; None where its columns are different there."""
    question: tuple[str, ...] = ("question", "problem")
    """Names of the column; the first that a row has counts."""
    answer: tuple[str, ...] = ("answer", "answerKey", "final_answer")
    """Names of the column; the first that a row has counts."""


_SETS = {
    "svamp": _Set("svamp", "test"),
    "asdiv": _Set("asdiv", "all"),
    "aime2024": _Set("aime", "aime2024", ("HuggingFaceH4/aime_2024", None, "train")),
    "aime2025": _Set("aime", "aime2025", ("yentinglin/aime_2025", None, "train")),
    "amc2023": _Set("amc", "amc2023", ("math-ai/amc23", None, "test")),
    "minerva": _Set("minerva", "test", ("math-ai/minervamath", None, "test")),
    "olympiadbench": _Set("olympiadbench", "test", ("math-ai/olympiadbench", None, "test")),
    "arc-easy": _Set("arc", "easy_test", ("allenai/ai2_arc", "ARC-Easy", "test")),
    "arc-challenge": _Set("arc", "challenge_test", ("allenai/ai2_arc", "ARC-Challenge", "test")),
    "commonsenseqa": _Set("commonsenseqa", "dev", ("tau/commonsense_qa", None, "validation")),
    "coin_flip": _Set("coin_flip", "test"),
    "last_letters": _Set("last_letters", "test"),
}
_LETTERS = "ABCDEFGHIJ"


class Benchmark(Source):
    """Problem source `benchmark`. Choices are put under the question with their letters, and the answer is a letter."""

    type: str = "benchmark"
    name: str = Field(description="Name of the benchmark.", examples=["svamp"])

    @field_validator("name")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in _SETS:
            raise ValueError(f"no benchmark called {name!r}{nearest(name, list(_SETS))}")
        return name

    def load(self, warn: Warn = quiet) -> list[Problem]:
        """Return all problems, in the set's order. Raises UsageError where the set is missing, or a row cannot be read."""
        benchmark = _SETS[self.name]
        rows = set_rows(benchmark.folder, benchmark.split, *(benchmark.hub or (None,)))
        read = read_rows(rows, partial(_problem, self.name, benchmark))
        return collect(self.name, corrected(self.name, read, warn), warn)


def _problem(name: str, benchmark: _Set, row: dict[str, Any], where: str) -> Problem:
    question = text_at(row, _first(row, benchmark.question), where)
    known = known_answer(value_at(row, _first(row, benchmark.answer), where), question)
    answer = known.answer
    if "choices" in row:
        texts, labels = _choices(row["choices"], where)
        if answer not in labels:
            raise UsageError(f"{where}: the answer {answer!r} is not among the choices {', '.join(labels)}")
        answer = _LETTERS[labels.index(answer)]
        listed = "\n".join(f"{letter}. {text}" for letter, text in zip(_LETTERS, texts, strict=False))
        question = f"{question}\n{listed}\nAnswer with the letter of one choice."
    return Problem(question_id(name, question), name, 0, question, answer, alternatives=known.alternatives)


def _first(row: dict[str, Any], names: tuple[str, ...]) -> str:
    return next((name for name in names if name in row), names[0])


def _choices(choices: object, where: str) -> tuple[list[str], list[str]]:
    """Return texts and labels of the choices. choices: a list of texts, or the hub's {text: [...], label: [...]}."""
    if isinstance(choices, dict):
        texts, labels = choices.get("text"), choices.get("label")
    else:
        texts, labels = choices, list(_LETTERS[: len(choices)]) if isinstance(choices, list) else None
    if not isinstance(texts, list) or not isinstance(labels, list) or not 0 < len(texts) == len(labels) <= len(_LETTERS):
        raise UsageError(f"{where}: column 'choices' must be a list of 1 to {len(_LETTERS)} texts")
    return [str(text) for text in texts], [str(label) for label in labels]
