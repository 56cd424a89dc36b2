"""Contamination: whether training data holds questions of a test suite.

The method is GPT-3's (Brown et al. 2020, arXiv 2005.14165, appendix C): two texts overlap where they share 13 words in a row. Words
that many questions share are a template and do not count. Shorter questions are compared as a whole.
"""

import string
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from ..core.callbacks import Warn
from ..core.errors import OutgrowError
from ..problems.overlap import SIGNS, fold
from ..problems.suites import suite
from ..types import Problem
from .row import SyntheticRow
from .summary import Checked

NGRAM = 13  # words
TEMPLATE = 10  # an n-gram in more questions than this, over all suites, is a template
_MARKS = str.maketrans("", "", "".join(set(string.punctuation) - set(f"{SIGNS}+=$")))

Suites = dict[str, tuple[str, ...]]


@dataclass(frozen=True)
class HeldOut:
    """The questions of suites, for looking up."""

    questions: dict[str, int]
    """Suite -> number of questions."""
    same: Suites
    """Folded question -> its suites."""
    ngrams: Suites
    """13 words -> their suites."""
    not_checked: tuple[str, ...]
    """Suites that could not be loaded."""


def ngrams(text: str) -> Iterator[str]:
    """Yield every 13 words in a row, without case and punctuation; signs of calculation count.

    >>> len(list(ngrams("One, two. " * 7))), list(ngrams("too short"))
    (2, [])
    """
    words = unicodedata.normalize("NFKC", text).casefold().translate(_MARKS).split()
    return (" ".join(words[start : start + NGRAM]) for start in range(len(words) - NGRAM + 1))


def held_out(names: Iterable[str], warn: Warn) -> HeldOut:
    """Load the suites. A suite whose data is missing is skipped with a warning. Raises UsageError where a suite is unknown."""
    loaded: dict[str, list[Problem]] = {}
    absent = []
    for name in dict.fromkeys(names):
        source = suite(name)
        try:
            loaded[name] = source.load()
        except OutgrowError as error:
            warn(f"contamination with {name} is not checked: {error}")
            absent.append(name)
    return index(loaded, absent)


def index(suites: dict[str, list[Problem]], absent: Sequence[str] = ()) -> HeldOut:
    """Index the questions of suites. absent: names of suites that could not be loaded."""
    same: Suites = {}
    originals: dict[str, str] = {}  # folded question -> its first text: a question of several suites counts once
    for name, problems in suites.items():
        for folded, question in {fold(problem.question): problem.question for problem in problems}.items():
            same[folded] = (*same.get(folded, ()), name)
            originals.setdefault(folded, question)
    counts = Counter(ngram for question in originals.values() for ngram in set(ngrams(question)))
    shared: Suites = {}
    for folded, question in originals.items():
        for ngram in ngrams(question):
            if counts[ngram] <= TEMPLATE:
                # Mostly one tuple object for many n-grams, to save memory: there are hundreds of thousands.
                shared[ngram] = tuple(dict.fromkeys((*shared[ngram], *same[folded]))) if ngram in shared else same[folded]
    return HeldOut({name: len(problems) for name, problems in suites.items()}, same, shared, tuple(absent))


def without_held_out(rows: Iterable[SyntheticRow], suites: HeldOut) -> tuple[list[SyntheticRow], int, tuple[Checked, ...]]:
    """Return the rows that share nothing with a suite, the number that do, and the counts of each suite.

    Questions and answers are both checked. A row that overlaps with several suites counts in each.
    """
    clean, contaminated = [], 0
    same, overlapping = Counter[str](), Counter[str]()
    by_question: dict[str, set[str]] = {}  # question -> suites that overlap with it: a question has many rows
    for row in rows:
        if row.question not in by_question:
            by_question[row.question] = _overlapping_suites(row.question, suites)
        equal = suites.same.get(fold(row.question), ())
        overlaps = by_question[row.question] | _overlapping_suites(row.sampled, suites)
        same.update(equal)
        overlapping.update(overlaps)
        if equal or overlaps:
            contaminated += 1
        else:
            clean.append(row)
    return clean, contaminated, tuple(Checked(name, n, same[name], overlapping[name]) for name, n in suites.questions.items())


def _overlapping_suites(text: str, suites: HeldOut) -> set[str]:
    return {name for ngram in ngrams(text) for name in suites.ngrams.get(ngram, ())}
