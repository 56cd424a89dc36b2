"""The two forms of every task: short codes, for a tokenizer of characters, and plain sentences."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from string import ascii_lowercase, ascii_uppercase
from typing import Literal

from .filler import codes, letters, repeated, sentences
from .words import ADJECTIVES, NOUNS, PEOPLE, PLACES, THINGS

FormName = Literal["micro", "worded"]
Filler = Callable[[int, random.Random], list[str]]
PASSKEYS = range(10_000, 100_000)


@dataclass(frozen=True)
class Form:
    """How statements and questions are written. In templates, {key}, {thing}, {place} and others stand for what they are of."""

    unit: str
    """What sizes count: characters or words."""
    size: Callable[[str], int]
    """Size of a statement or question."""
    glue: str
    """Between two statements."""
    before_question: str
    keys: tuple[str, ...]
    values: range
    people: tuple[str, ...]
    things: tuple[str, ...]
    places: tuple[str, ...]
    fact: str
    asks: str
    asks_all: str
    """Asks for the values of several keys, in brackets and in order."""
    in_list: str
    """A key among several."""
    list_glue: str
    passkey: str
    asks_passkey: str
    stands: str
    moves: str
    takes: str
    drops: str
    asks_place: str
    noise: Filler
    repeated: Filler

    def listed(self, keys: Sequence[str]) -> str:
        """Return several keys in a row."""
        return self.list_glue.join(self.in_list.format(key=key) for key in keys)

    def joined(self, statements: Sequence[str]) -> str:
        """Return statements as one text."""
        return self.glue.join(statements)


def _words(text: str) -> int:
    return len(text.split())


FORMS: dict[FormName, Form] = {
    "micro": Form(
        unit="characters",
        size=len,
        glue="",
        before_question="",
        keys=tuple(first + second for first in ascii_lowercase for second in ascii_lowercase),
        values=range(10, 100),
        people=tuple(ascii_uppercase),
        things=tuple(ascii_lowercase),
        places=tuple(map(str, range(10, 100))),
        fact="{key}={value};",
        asks="{key}=?",
        asks_all="({keys})=?",
        in_list="{key}",
        list_glue=",",
        passkey="pass={value};",
        asks_passkey="pass=?",
        stands="{thing}@{place};",
        moves="{person}>{place};",
        takes="{person}+{thing};",
        drops="{person}-{thing};",
        asks_place="{thing}@?",
        noise=letters,
        repeated=codes,
    ),
    "worded": Form(
        unit="words",
        size=_words,
        glue=" ",
        before_question="\n\n",
        keys=tuple(f"{adjective} {noun}" for adjective in ADJECTIVES for noun in NOUNS),
        values=range(1000, 10_000),
        people=PEOPLE,
        things=THINGS,
        places=PLACES,
        fact="The code of the {key} is {value}.",
        asks="What is the code of the {key}?",
        asks_all="What are the codes of {keys}? Give them in this order, in brackets and with commas, as in (a, b).",
        in_list="the {key}",
        list_glue=", ",
        passkey="The pass key is {value}.",
        asks_passkey="What is the pass key?",
        stands="The {thing} is in the {place}.",
        moves="{person} went to the {place}.",
        takes="{person} took the {thing}.",
        drops="{person} dropped the {thing}.",
        asks_place="Where is the {thing}?",
        noise=sentences,
        repeated=repeated,
    ),
}
