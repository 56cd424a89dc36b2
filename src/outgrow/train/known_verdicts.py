"""What a run's verifier says of known answers: it must accept some of them, and must not change its mind."""

import hashlib
import heapq
from collections.abc import Sequence

from ..core.callbacks import Warn
from ..types import Graded, Problem
from ..verify import Attempt, Verifier
from ..verify.extraction.extract import THINK_CLOSE

EVERY = 5
"""Steps after which known answers are graded again."""

_PROBLEMS = 8  # of each source
_LEAST = 3  # problems of a source whose known answers must be rejected before it is told


class KnownVerdicts:
    """A few problems of each source, each answered with its own known answer and with that of another problem."""

    def __init__(self, verifier: Verifier, sources: Sequence[Sequence[Problem]], inside_think: bool) -> None:
        """Grade them. sources: the problems of each source. inside_think: whether the prompt has opened <think>."""
        self._verifier, self._inside_think = verifier, inside_think
        self._sources = [_few(problems) for problems in sources]
        self._graded = self._grade()

    def as_text(self) -> dict[str, str]:
        """Return verdicts by problem and answer, as text."""
        return {f"{problem.id}: {answer}"[:200]: str(grade.verdict) for (problem, answer), grade in self._graded.items()}

    def warn_of_rejection(self, warn: Warn) -> None:
        """Tell where the verifier rejects all known answers of a source: then no rollout can be right."""
        for number, problems in enumerate(self._sources, 1):
            grades = [self._graded[problem, problem.answer] for problem in problems]
            if len(grades) >= _LEAST and not any(grade.right for grade in grades):
                warn(
                    f"ALARM: the verifier rejects each of {len(grades)} known answers of [[problems]] number {number}; for "
                    f"example, the answer {problems[0].answer[:60]!r} to problem {problems[0].id!r} is graded: "
                    f"{grades[0].verdict}. Change verify.extract, verify.exact or the known answers"
                )

    def changed(self, step: int) -> str | None:
        """Grade again; return what differs from the last time, in a line. None where nothing does."""
        before, self._graded = self._graded, self._grade()
        differ = [key for key, grade in self._graded.items() if grade.verdict is not before[key].verdict]
        if not differ:
            return None
        problem, answer = differ[0]
        return (
            f"ALARM: step {step}: the verifier changed: {len(differ)} of {len(before)} known answers have another verdict than "
            f"before (the answer {answer[:60]!r} to problem {problem.id!r}: {before[differ[0]].verdict} → "
            f"{self._graded[differ[0]].verdict}); rewards before and after this step cannot be compared"
        )

    def _grade(self) -> dict[tuple[Problem, str], Graded]:
        pairs = [pair for problems in self._sources for pair in _pairs(problems)]
        attempts = [Attempt.at(problem, self._completion(answer)) for problem, answer in pairs]
        return dict(zip(pairs, self._verifier.grade(attempts, inside_think=self._inside_think), strict=True))

    def _completion(self, answer: str) -> str:
        """Return a completion in which each of the verifier's extractors finds this answer."""
        if "whole" in self._verifier.extractors:  # it reads nothing but the answer
            return f"{THINK_CLOSE if self._inside_think else ''}{answer}"
        return f"{THINK_CLOSE if self._inside_think else ''}Answer: {answer}\n#### {answer}\n\\boxed{{{answer}}}"


def _few(problems: Sequence[Problem]) -> list[Problem]:
    """Return a few problems with a known answer. They depend on their ids only, so that most stay where data are added."""
    known = (problem for problem in problems if problem.answer.strip())
    return heapq.nsmallest(_PROBLEMS, known, key=lambda problem: hashlib.sha256(problem.id.encode()).digest())


def _pairs(problems: Sequence[Problem]) -> list[tuple[Problem, str]]:
    """Return (problem, answer): its own answer, and that of the next problem where it differs."""
    following = [*problems[1:], *problems[:1]]
    others = zip(problems, (problem.answer for problem in following), strict=True)
    wrong = [(problem, answer) for problem, answer in others if answer not in (problem.answer, *problem.alternatives)]
    return [(problem, problem.answer) for problem in problems] + wrong
