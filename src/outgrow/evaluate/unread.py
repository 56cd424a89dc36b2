"""What to tell a person whose outputs are not read: what was looked for, two outputs, and the extractor that would find answers."""

from collections.abc import Sequence
from typing import Protocol

from ..types import Verdict
from ..verify.comparison.compare import same
from ..verify.extraction.extract import EXTRACTORS, LOOKS_FOR, after_thinking

_SHOWN = 2
_END = 160
_TRIED = 1000  # outputs, the first ones, that other extractors are tried on


class Output(Protocol):
    """A graded output."""

    @property
    def text(self) -> str:
        """What the model wrote."""

    @property
    def answer(self) -> str:
        """The known answer."""

    @property
    def verdict(self) -> Verdict:
        """What the verifier said of it."""


def unread(outputs: Sequence[Output], extractors: Sequence[str], setting: str, inside_think: bool = False) -> list[str]:
    """Return lines for a person where no output is right, or more than half have no answer; [] elsewhere.

    extractors: names of those in use. setting: how others are chosen, with {} for a name. inside_think: the prompt opened <think>.
    """
    without = [output for output in outputs if output.verdict is Verdict.NO_ANSWER]
    right = sum(output.verdict is Verdict.RIGHT for output in outputs)
    if not outputs or (right and 2 * len(without) <= len(outputs)):
        return []
    n = len(outputs)
    lines = [
        f"{right:,} of {n:,} outputs are right; {len(without):,} have no answer.",
        "Looked for: " + "; ".join(f"{LOOKS_FOR[name]} ({name})" for name in extractors) + ".",
    ]
    others = [output for output in outputs if output.verdict is not Verdict.NO_ANSWER]
    different = {output.text: output for output in reversed([*without, *others])}
    shown = list(reversed(different.values()))[:_SHOWN]
    lines.append("The end of two outputs:" if len(shown) == 2 else "The end of the output:")
    lines += [f"  {_end_of(output.text)}   (known answer: {_end_of(output.answer)})" for output in shown]
    return [*lines, _advice(outputs[:_TRIED], extractors, setting, inside_think)]


def _advice(outputs: Sequence[Output], extractors: Sequence[str], setting: str, inside_think: bool) -> str:
    """Return the line that says which extractor to use, or that none helps."""
    n = len(outputs)
    if all(output.verdict is Verdict.TRUNCATED for output in outputs):
        return "The token limit cut every output: allow longer answers."
    parts = [(after_thinking(output.text, inside_think), output.answer) for output in outputs]
    open_thoughts = sum(part is None for part, _ in parts)
    if 2 * open_thoughts > n:
        return f"{open_thoughts:,} of {n:,} outputs do not end their thoughts with </think>, so they have no answer."
    counts = {name: _counts(name, parts) for name in EXTRACTORS if name != "first_boxed" and name not in extractors}
    best = max(counts, key=lambda name: counts[name], default="")
    if not best or counts[best] <= _in_use(outputs):
        return "No other extractor finds more answers. Check the prompt, and that the known answers belong to these outputs."
    right, found = counts[best]
    return f"{best} finds an answer in {found:,} of {n:,} outputs; {right:,} of them are right. Use {setting.format(best)}."


def _counts(name: str, parts: Sequence[tuple[str | None, str]]) -> tuple[int, int]:
    """Return how many right answers an extractor finds, as far as no LaTeX must be compared, and how many answers."""
    answers = [(known, EXTRACTORS[name](part)) for part, known in parts if part is not None]
    written = [(known, answer) for known, answer in answers if answer is not None]
    return sum(same(known, answer) is True for known, answer in written), len(written)


def _in_use(outputs: Sequence[Output]) -> tuple[int, int]:
    """Return the same of the extractors in use."""
    right = sum(output.verdict is Verdict.RIGHT for output in outputs)
    return right, sum(output.verdict not in (Verdict.NO_ANSWER, Verdict.TRUNCATED) for output in outputs)


def _end_of(text: str) -> str:
    """Return the end of a text on one line, with what a terminal would obey written as an escape."""
    end = "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text[-_END:].strip())
    return ("…" if len(text) > _END else "") + end
