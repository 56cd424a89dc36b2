"""How an answer to a chain went, by the results in the middle that are known: each is a rule over the text, and none asks a model.

A small middle result may turn up in a text by chance, and a policy may calculate one without writing it: so single cases may be
misjudged, and a share is compared with the share before.
"""

import re
from collections.abc import Collection
from enum import StrEnum
from fractions import Fraction

from ..types import Verdict
from ..verify.comparison.compare import same
from ..verify.comparison.fold import fold
from ..verify.comparison.number import read_number
from .evaluation import Evaluation
from .failure_kinds import Failure, failure_of
from .sample import Sample
from .synthesis import chains_of


class ChainKind(StrEnum):
    """The kinds of answers to chains, next to the kinds of failure of any answer."""

    IGNORED = "composition ignored"
    WRONG_MIDDLE = "wrong middle"
    WRONG_END = "right middle, wrong end"
    LUCK = "right by luck"


CHAIN_MEANING = {
    ChainKind.IGNORED: "the answer is that of one part: it stopped early, or a part was answered instead of the chain",
    ChainKind.WRONG_MIDDLE: "wrong, and a result in the middle is not in the text",
    ChainKind.WRONG_END: "wrong, and every result in the middle is in the text",
    ChainKind.LUCK: "right, but a result in the middle is not in the text",
}

_LONGEST = 200_000  # characters, the last ones, that are looked at
_LONGEST_MIDDLE = 100  # characters; a longer result is taken as not in the text
# A run such as 1,200 is one number where each of its groups has three digits, else its pieces are numbers: 14,3. Neither pattern
# can match at more than one place of a run of digits, and each repeat has a limit.
_NUMBER = re.compile(
    r"(?<![\d.])(?<!\d,)\d{1,3}(?:,\d{3}){1,9}(?:\.\d{1,30})?(?!,?\d)(?!\.\d)|(?<![\d.])\d{1,30}(?:\.\d{1,30})?(?!\d)(?!\.\d)",
    re.ASCII,
)
_MINUS = re.compile(r"[-−] ?\Z")


def kinds_of_chains(evaluation: Evaluation) -> dict[ChainKind | Failure, list[Sample]]:
    """Return kind -> the samples of it among the k samples of each chain, in the order of the kinds; only kinds that occur."""
    answers = {sample.problem_id: sample.answer for sample in evaluation.samples if sample.index == 0}
    found: dict[ChainKind | Failure, list[Sample]] = {}
    drawn = evaluation.drawn()
    for chain, first in chains_of(evaluation).items():
        others = {answers[part] for part in first.parts if part in answers}
        for sample in drawn[chain]:
            if kind := kind_of_chain(sample, others):
                found.setdefault(kind, []).append(sample)
    return {kind: found[kind] for kind in (*ChainKind, *Failure) if kind in found}


def kind_of_chain(sample: Sample, others: Collection[str] = ()) -> ChainKind | Failure | None:
    """Return the kind of an answer to a chain; None where it is right and its text has every result in the middle.

    others: known answers of its parts, in addition to those in the middle. Answers that were cut, that end without a final answer
    or that could not be judged keep their own kind.
    """
    if sample.verdict not in (Verdict.RIGHT, Verdict.WRONG):
        return failure_of(sample)
    if sample.verdict is Verdict.WRONG and sample.extracted is not None:
        parts = {*sample.middles, *others} - {sample.answer}
        if any(same(answer, sample.extracted) for answer in parts):
            return ChainKind.IGNORED
    has_all = has_numbers(sample.text, sample.middles)
    if sample.verdict is Verdict.RIGHT:
        return None if has_all else ChainKind.LUCK
    return ChainKind.WRONG_END if has_all else ChainKind.WRONG_MIDDLE


def has_numbers(text: str, middles: Collection[str]) -> bool:
    """Return whether each of these results is in a text as a number of its own, or as words of their own where it is no number.

    >>> has_numbers("7+8=85;85*6", ["85"]), has_numbers("185, 85.5, 1,085 and 0.85", ["85"]), has_numbers("so 1,204.0.", ["1204"])
    (True, False, True)
    """
    text = text[-_LONGEST:].replace("{,}", ",")
    numbers: frozenset[Fraction] | None = None
    for middle in middles:
        if len(middle) > _LONGEST_MIDDLE:
            return False
        folded = fold(middle)
        known = read_number(folded)
        if known is None or known.value not in numbers_in(folded):  # words, or a number such as 1/2
            if not re.search(rf"(?<!\w){re.escape(middle)}(?!\w)", text):
                return False
            continue
        numbers = numbers_in(text) if numbers is None else numbers
        if known.value not in numbers:
            return False
    return True


def numbers_in(text: str) -> frozenset[Fraction]:
    """Return the numbers of a text. Behind a minus sign, which may be that of a difference, a number counts with and without it.

    >>> sorted(map(str, numbers_in("100-85=15, then 3.50")))
    ['-85', '100', '15', '7/2', '85']
    """
    found = set()
    for match in _NUMBER.finditer(text):
        value = Fraction(match[0].replace(",", ""))
        found.add(value)
        if _MINUS.search(text, max(0, match.start() - 2), match.start()):
            found.add(-value)
    return frozenset(found)
