"""Contamination: whether what a base is to learn from holds questions that it will be measured on.

As GPT-3 was checked (Brown et al. 2020, arXiv 2005.14165, appendix C): by stretches of 13 words that two texts share. A stretch
that many questions share is a turn of phrase, or a template, and says nothing. Shorter questions are compared as a whole.
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

STRETCH = 13  # words
TEMPLATE = 10  # questions of all suites; a stretch that stands in more of them is no question's own
_MARKS = str.maketrans("", "", "".join(set(string.punctuation) - set(f"{SIGNS}+=$")))

Suites = dict[str, tuple[str, ...]]


@dataclass(frozen=True)
class HeldOut:
    """What suites ask. questions: suite -> how many. same: folded question -> its suites. stretches: 13 words -> their suites.
    not_checked: suites that are not to be had."""

    questions: dict[str, int]
    same: Suites
    stretches: Suites
    not_checked: tuple[str, ...]


def stretches(text: str) -> Iterator[str]:
    """Every 13 words in a row, case and punctuation aside; signs of calculation count.

    >>> len(list(stretches("One, two. " * 7))), list(stretches("too short"))
    (2, [])
    """
    words = unicodedata.normalize("NFKC", text).casefold().translate(_MARKS).split()
    return (" ".join(words[start : start + STRETCH]) for start in range(len(words) - STRETCH + 1))


def held_out(names: Iterable[str], warn: Warn) -> HeldOut:
    """Load the suites. One whose set is not here is noted and left out. Raises UsageError where no suite has a name."""
    loaded: dict[str, list[Problem]] = {}
    absent = []
    for name in dict.fromkeys(names):
        source = suite(name)
        try:
            loaded[name] = source.load()
        except OutgrowError as error:
            warn(f"contamination by {name} is not checked: {error}")
            absent.append(name)
    return index(loaded, absent)


def index(suites: dict[str, list[Problem]], absent: Sequence[str] = ()) -> HeldOut:
    """What these suites ask, for looking it up. absent: names of others."""
    same: Suites = {}
    written: dict[str, str] = {}  # folded question -> as it is written first: one that several suites ask counts once
    for name, problems in suites.items():
        for folded, question in {fold(problem.question): problem.question for problem in problems}.items():
            same[folded] = (*same.get(folded, ()), name)
            written.setdefault(folded, question)
    counts = Counter(stretch for question in written.values() for stretch in set(stretches(question)))
    shared: Suites = {}
    for folded, question in written.items():
        for stretch in stretches(question):
            if counts[stretch] <= TEMPLATE:
                # Mostly one object for many stretches: there are hundreds of thousands.
                shared[stretch] = tuple(dict.fromkeys((*shared[stretch], *same[folded]))) if stretch in shared else same[folded]
    return HeldOut({name: len(problems) for name, problems in suites.items()}, same, shared, tuple(absent))


def without_held_out(rows: Iterable[SyntheticRow], known: HeldOut) -> tuple[list[SyntheticRow], int, tuple[Checked, ...]]:
    """The rows that hold nothing of a suite, in question or answer; how many do; and which suite it was of.

    A row that holds something of several suites counts in each.
    """
    clean, contaminated = [], 0
    same, overlapping = Counter[str](), Counter[str]()
    asked: dict[str, set[str]] = {}  # question -> suites with a stretch of it: a question comes with many answers
    for row in rows:
        if row.question not in asked:
            asked[row.question] = _suites_of(row.question, known)
        equal, part = known.same.get(fold(row.question), ()), asked[row.question] | _suites_of(row.sampled, known)
        same.update(equal)
        overlapping.update(part)
        if equal or part:
            contaminated += 1
        else:
            clean.append(row)
    return clean, contaminated, tuple(Checked(name, n, same[name], overlapping[name]) for name, n in known.questions.items())


def _suites_of(text: str, known: HeldOut) -> set[str]:
    return {name for stretch in stretches(text) for name in known.stretches.get(stretch, ())}
