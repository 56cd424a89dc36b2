"""Filler of an exact size: noise, or a few sentences again and again."""

import random
from collections.abc import Iterable, Iterator
from itertools import cycle, repeat
from string import ascii_lowercase

from .words import REPEATED, SHORT, SUBJECTS, TAILS, VERBS

_REPEATED_CODES = ("sun.", "sky.", "sea.", "go.", "on.")


def letters(size: int, rng: random.Random) -> list[str]:
    """Return words of one to five letters with a full stop after each, `size` characters in all."""
    words = ("".join(rng.choices(ascii_lowercase, k=rng.randint(1, 5))) + "." for _ in repeat(None))
    return list(_cut(words, size))


def codes(size: int, rng: random.Random) -> list[str]:
    """Return the same words again and again, `size` characters in all."""
    return list(_cut(cycle(_REPEATED_CODES), size))


def _cut(words: Iterable[str], size: int) -> Iterator[str]:
    """Yield words up to `size` characters. The last loses letters, and keeps its full stop."""
    for word in words:
        if size <= len(word):
            if size:
                yield word[: size - 1] + "."
            return
        size -= len(word)
        yield word


def sentences(size: int, rng: random.Random) -> list[str]:
    """Return sentences of three to seven words, `size` words in all; the last may be shorter."""
    written = (f"{rng.choice(SUBJECTS)} {rng.choice(VERBS)} {rng.choice(TAILS)}".rstrip() + "." for _ in repeat(None))
    return list(_ended(written, size))


def repeated(size: int, rng: random.Random) -> list[str]:
    """Return the same sentences again and again, `size` words in all; the last may be another."""
    return list(_ended(cycle(REPEATED), size))


def _ended(written: Iterable[str], size: int) -> Iterator[str]:
    """Yield sentences up to `size` words. The first that is too long is replaced by short ones."""
    for sentence in written:
        words = len(sentence.split())
        if words > size:
            break
        size -= words
        yield sentence
    while size:
        last = min(size, max(SHORT))
        size -= last
        yield SHORT[last]
