"""The verifier: completions in, verdicts out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType

from .compare import LONGEST, same
from .extract import EXTRACTORS, after_thinking
from .pool import Pool
from .verdict import Graded, Verdict


@dataclass(frozen=True)
class Attempt:
    """A completion and the answer it should come to. finished: the token limit did not cut it."""

    text: str
    answer: str
    finished: bool = True


class Verifier:
    r"""Grades completions, many at a time. A context manager: leaving it ends the processes that compare LaTeX, if any were needed.

    extract: names of extractors (`extract.EXTRACTORS`), the first that finds an answer counts.
    exact: the answer must be the known one character for character, as in the starting experiment ("1,000" is not "1000").

    >>> with Verifier(["boxed", "phrase"]) as verifier:
    ...     [one.verdict.value for one in verifier.grade([Attempt(r"\boxed{7.0}", "7"), Attempt("The answer is 8.", "7")])]
    ['right', 'wrong']
    """

    def __init__(self, extract: Sequence[str] = ("boxed",), exact: bool = False) -> None:
        self._exact = exact
        self._extractors = [EXTRACTORS[name] for name in extract]
        self._pool = Pool()

    def __enter__(self) -> "Verifier":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End the processes, if there are any. The verifier may be used again."""
        self._pool.close()

    def grade(
        self, attempts: Sequence[Attempt], *, inside_think: bool = False, poll: Callable[[], None] = lambda: None
    ) -> list[Graded]:
        """A verdict for each attempt.

        A completion that the token limit cut is TRUNCATED whatever it holds. VERIFIER_FAILED where the known answer is empty or
        absurdly long, or where the comparison had to be killed.
        inside_think: the prompt already opened <think>. poll is called while LaTeX is compared; what it raises ends the grading.
        """
        graded = [self._without_latex(attempt, inside_think) for attempt in attempts]
        # The rollouts of a problem often agree, so the same pair is compared once.
        open_ones = [(attempt.answer, found) for attempt, found in zip(attempts, graded, strict=True) if isinstance(found, str)]
        pairs = list(dict.fromkeys(open_ones))
        equal = dict(zip(pairs, self._pool.compare(pairs, poll), strict=True))
        return [
            Graded(_VERDICTS[equal[attempt.answer, found]], found) if isinstance(found, str) else found
            for attempt, found in zip(attempts, graded, strict=True)
        ]

    def _without_latex(self, attempt: Attempt, inside_think: bool) -> Graded | str:
        """The verdict, or the extracted answer where only a comparison of LaTeX can tell."""
        if not attempt.finished:
            return Graded(Verdict.TRUNCATED, None)
        if not attempt.answer.strip() or len(attempt.answer) > LONGEST:
            return Graded(Verdict.VERIFIER_FAILED, None)
        part = after_thinking(attempt.text, inside_think)
        written = [] if part is None else (extractor(part) for extractor in self._extractors)
        found = next((answer for answer in written if answer is not None), None)
        if found is None:
            return Graded(Verdict.NO_ANSWER, None)
        equal = attempt.answer == found if self._exact else same(attempt.answer, found)
        return found if equal is None else Graded(_VERDICTS[equal], found)


_VERDICTS = {True: Verdict.RIGHT, False: Verdict.WRONG, None: Verdict.VERIFIER_FAILED}
