"""The verifier: completions in, verdicts out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from types import TracebackType

from ..core.callbacks import Warn, quiet
from ..types import Graded, Problem, Verdict
from .comparison.compare import LONGEST, same
from .comparison.parts import several
from .extraction.boxes import last_boxes
from .extraction.extract import after_thinking, extract
from .pool import GYM, Pool

# Characters of an answer that is scored. The longest right ones have half as many (reasoning-gym's codeio).
LONGEST_SCORED = 20_000


@dataclass(frozen=True)
class Attempt:
    """A completion to grade."""

    text: str
    answer: str
    """The known answer."""
    finished: bool = True
    """Whether the token limit did not cut it."""
    scorer: str = ""
    """The problem's own scorer, which then decides (see `types.Problem`); empty elsewhere."""
    alternatives: tuple[str, ...] = ()
    """Other known answers: the completion is right where it gives any of them."""

    @classmethod
    def at(cls, problem: Problem, text: str, finished: bool = True) -> "Attempt":
        """Return a completion of this problem, to be graded by what the problem says is right."""
        return cls(text, problem.answer, finished, problem.scorer, problem.alternatives)

    def each(self) -> list["Attempt"]:
        """Return an attempt for each known answer."""
        return [replace(self, answer=answer, alternatives=()) for answer in (self.answer, *self.alternatives)]


class Verifier:
    r"""Grades completions, many at a time. A context manager: leaving it ends the processes that score, if any.

    extract: names of extractors (`extract.EXTRACTORS`), the first that finds an answer counts. Where the known answer has several
    parts (`parts.several`), boxes that stand together are one answer: "2, 3" of "\boxed{2} and \boxed{3}".
    exact: the answer must be the known one character for character, as in the starting experiment ("1,000" is not "1000").
    A problem with a scorer is graded only by that: an answer is right where it gets the full score. settings: these two as text.
    warn: told once where scorings hang, so that others are not made.

    >>> with Verifier(["boxed", "phrase"]) as verifier:
    ...     [one.verdict.value for one in verifier.grade([Attempt(r"\boxed{7.0}", "7"), Attempt("The answer is 8.", "7")])]
    ['right', 'wrong']
    """

    def __init__(self, extract: Sequence[str] = ("boxed",), exact: bool = False, warn: Warn = quiet) -> None:
        self.settings = f"{' '.join(extract)}{' exact' if exact else ''}"
        self._exact = exact
        self.extractors = tuple(extract)
        self._scorers = Pool(GYM, warn)

    def __enter__(self) -> "Verifier":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End the processes, if there are any. The verifier may be used again."""
        self._scorers.close()

    def grade(
        self, attempts: Sequence[Attempt], *, inside_think: bool = False, check_stop: Callable[[], None] = lambda: None
    ) -> list[Graded]:
        """Return a verdict for each attempt.

        A completion that the token limit cut is TRUNCATED whatever it holds. VERIFIER_FAILED where the known answer is empty or
        absurdly long, or where the scoring had to be killed, crashed or raised.
        inside_think: the prompt already opened <think>. check_stop is called while processes work; what it raises ends the grading.
        """
        each = [attempt.each() for attempt in attempts]
        graded = iter(self._grade([part for parts in each for part in parts], inside_think, check_stop))
        return [_best([next(graded) for _ in parts]) for parts in each]

    def _grade(self, attempts: Sequence[Attempt], inside_think: bool, check_stop: Callable[[], None]) -> list[Graded]:
        """Grade attempts that have one known answer each."""
        graded = [self._at_once(attempt, inside_think) for attempt in attempts]
        undecided = [(attempt, found) for attempt, found in zip(attempts, graded, strict=True) if isinstance(found, str)]
        scored = _ask(self._scorers, [(attempt.scorer, found) for attempt, found in undecided], check_stop)
        return [
            Graded(_VERDICTS[scored[attempt.scorer, found]], found) if isinstance(found, str) else found
            for attempt, found in zip(attempts, graded, strict=True)
        ]

    def _at_once(self, attempt: Attempt, inside_think: bool) -> Graded | str:
        """Return the verdict, or the extracted answer where only the problem's own scorer can tell."""
        if not attempt.finished:
            return Graded(Verdict.TRUNCATED, None)
        if not attempt.scorer and (not attempt.answer.strip() or len(attempt.answer) > LONGEST):
            return Graded(Verdict.VERIFIER_FAILED, None)
        part = after_thinking(attempt.text, inside_think)
        found = None if part is None else self._find(part, attempt)
        if found is None:
            return Graded(Verdict.NO_ANSWER, None)
        if attempt.scorer:
            return found if len(found) <= LONGEST_SCORED else Graded(Verdict.WRONG, found)
        equal = attempt.answer == found if self._exact else same(attempt.answer, found)
        return Graded(_VERDICTS[equal], found)

    def _find(self, part: str, attempt: Attempt) -> str | None:
        """Return the answer in the part of a completion that counts."""
        extracted = extract(part, self.extractors)
        if extracted is None or extracted.extractor != "boxed" or self._exact or attempt.scorer:
            return extracted.answer if extracted else None
        if several(attempt.answer) and not several(extracted.answer):
            return ", ".join(last_boxes(part))
        return extracted.answer


def _best(grades: Sequence[Graded]) -> Graded:
    """Return the grade of a completion that was graded by each of its known answers: right, else undecided, else the first."""
    order = (Verdict.RIGHT, Verdict.VERIFIER_FAILED)
    return next((grade for verdict in order for grade in grades if grade.verdict is verdict), grades[0])


def _ask(pool: Pool, pairs: list[tuple[str, str]], check_stop: Callable[[], None]) -> dict[tuple[str, str], bool | None]:
    """Return what the pool says of each pair. The rollouts of a problem often agree, so equal pairs are asked once."""
    distinct = list(dict.fromkeys(pairs))
    return dict(zip(distinct, pool.compare(distinct, check_stop), strict=True))


_VERDICTS = {True: Verdict.RIGHT, False: Verdict.WRONG, None: Verdict.VERIFIER_FAILED}
