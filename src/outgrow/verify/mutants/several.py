r"""Mutants of answers that have several parts: lists, tuples, sets, intervals."""

import random
import re
from collections.abc import Iterator

from .structure import parts
from .value import differ, integer

_ENDS = re.compile(r"([(\[])\s*([^,()\[\]]+?)\s*,\s*([^,()\[\]]+?)\s*(?:\\right\s*)?([)\]])")
_SIDES = re.compile(r"\s*(?:\\left\s*)?[(\[].*[)\]]\s*", re.DOTALL)
_INEQUALITY = re.compile(r"\\(?:leq?|geq?|l|g)(?:slant)?(?![A-Za-z])|<|>|\\[lg]t(?![A-Za-z])")
_OTHER_END = {"(": "[", "[": "(", ")": "]", "]": ")"}
_STRICT = {"<": r"\le", ">": r"\ge", r"\lt": r"\le", r"\gt": r"\ge"}


def part_left_off(known: str, rng: random.Random) -> Iterator[str]:
    """Leave off one part of several."""
    several = parts(known)
    if several is None or r"\infty" in known or (several.opening in ("(", "[") and len(several.items) == 2):
        return
    texts = several.texts(known)
    if len({" ".join(text.split()) for text in texts}) < len(texts):
        return
    at = rng.randrange(len(texts))
    if any(not _apart(texts[at], text) for n, text in enumerate(texts) if n != at):
        return
    yield several.rebuilt(known, texts[:at] + texts[at + 1 :])


def part_added(known: str, rng: random.Random) -> Iterator[str]:
    """Add a part to a list or a set of integers."""
    several = parts(known)
    if several is None or several.opening not in ("", r"\{"):
        return
    numbers = [number for text in several.texts(known) if (number := integer(text)) is not None]
    if len(numbers) == len(several.items):
        yield several.rebuilt(known, [*several.texts(known), str(max(numbers) + rng.randint(1, 9))])


def tuple_reordered(known: str, rng: random.Random) -> Iterator[str]:
    """Swap two unequal parts of a tuple."""
    several = parts(known)
    if several is None or (several.opening, several.closing) != ("(", ")") or r"\infty" in known:
        return
    texts = several.texts(known)
    pairs = [(a, b) for a in range(len(texts)) for b in range(a) if differ(texts[a], texts[b])]
    for a, b in rng.sample(pairs, len(pairs)):
        swapped = list(texts)
        swapped[a], swapped[b] = texts[b], texts[a]
        yield several.rebuilt(known, swapped)


def tuple_as_set(known: str, rng: random.Random) -> Iterator[str]:
    """Write a tuple as a set."""
    several = parts(known)
    if several and (several.opening, several.closing) == ("(", ")") and r"\infty" not in known and "text" not in known:
        yield several.rebuilt(known, several.texts(known), r"\{", r"\}")


def interval_end(known: str, rng: random.Random) -> Iterator[str]:
    """Open a closed end of an interval, or close an open one; also of an inequality. Not a closed end that meets another."""
    if _SIDES.fullmatch(known):
        intervals = list(_ENDS.finditer(known))
        covered = _ENDS.sub("", re.sub(r"\\left\s*(?=[(\[])", "", known))
        if not intervals or re.sub(r"\\cup|\s", "", covered):
            return
        ends = [(match.start(1), match[2]) for match in intervals] + [(match.start(4), match[3]) for match in intervals]
        finite = [(at, end) for at, end in ends if r"\infty" not in end]
        meeting = {at: [known[other] for other, value in finite if not differ(end, value)] for at, end in finite}
        sure = [at for at, met in meeting.items() if len(met) == 1 or set(met) <= {"(", ")"}]
        for at in rng.sample(sure, len(sure)):
            yield known[:at] + _OTHER_END[known[at]] + known[at + 1 :]
    elif not re.search(r",|text|cup|\\ne|=|[A-Za-z]{2}\b(?<!\\le)(?<!\\ge)", _INEQUALITY.sub("", known)):
        signs = list(_INEQUALITY.finditer(known))
        for sign in rng.sample(signs, len(signs)):
            other = _STRICT.get(sign[0]) or ("<" if sign[0].startswith(r"\l") else ">")
            yield known[: sign.start()] + f" {other} " + known[sign.end() :]


def _apart(one: str, other: str) -> bool:
    """Whether two parts surely differ: by value, or as plain words or choices."""
    words = re.compile(r"\(?[A-Za-z ]+\)?")
    if words.fullmatch(one) and words.fullmatch(other):
        return one.strip("() ").casefold() != other.strip("() ").casefold()
    inside, others = parts(one), parts(other)
    if inside and others and inside.opening == others.opening == "(":
        mine, yours = inside.texts(one), others.texts(other)
        return len(mine) != len(yours) or any(differ(a, b) for a, b in zip(mine, yours, strict=True))
    return differ(one, other)
