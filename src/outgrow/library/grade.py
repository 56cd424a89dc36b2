"""Grading as a function: one output, one known answer."""

from collections.abc import Sequence

from ..core.errors import UsageError, nearest
from ..problems.cell import Unusable
from ..problems.known_answer import known_answer
from ..types import Graded, Problem
from ..verify import EXTRACTORS, Attempt, Verifier


def verify(
    output: str,
    answer: str | float | Sequence[str] | Problem,
    *,
    extract: str | Sequence[str] = "auto",
    exact: bool = False,
    finished: bool = True,
) -> Graded:
    r"""Grade a model's output as training and evaluation do.

    answer: the known answer: a text or a number, a whole solution that marks it with #### or a box, a list of answers that are all
        right, or a problem.
    extract: how the answer is found: boxed, first_boxed, hash, phrase, last_number, whole or auto; of several, the first that does.
    exact: the same characters are needed.
    finished: False where the token limit cut the output.
    Raises UsageError for an unknown name or none, an output that is no text, and where the known answer holds nothing.

    >>> verify(r"So \boxed{\frac{1}{2}}.", "0.5")
    Graded(verdict=<Verdict.RIGHT: 'right'>, extracted='\\frac{1}{2}')
    >>> verify("First 3, then 4.", ["7", "seven"]).right, verify("I do not know.", 7).verdict.value
    (False, 'no answer')
    """
    if not isinstance(output, str):
        raise UsageError(f"an output is a text, not {output!r:.60}; grade a model's silence as an empty text")
    names = (extract,) if isinstance(extract, str) else tuple(extract)
    if not names:
        raise UsageError(f"extract names no extractor; give one of {', '.join(EXTRACTORS)}")
    for name in names:
        if name not in EXTRACTORS:
            raise UsageError(f"no extractor called {name!r}{nearest(name, list(EXTRACTORS))}")
    with Verifier(names, exact) as verifier:
        return verifier.grade([_attempt(output, answer, finished)])[0]


def _attempt(output: str, answer: str | float | Sequence[str] | Problem, finished: bool) -> Attempt:
    if isinstance(answer, Problem):
        return Attempt.at(answer, output, finished)
    try:
        known = known_answer(answer)
    except Unusable as reason:
        raise UsageError(f"the known answer {answer!r} cannot be used: {reason}") from reason
    return Attempt(output, known.answer, finished, alternatives=known.alternatives)
