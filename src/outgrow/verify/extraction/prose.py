r"""Answers in prose: the last number of a text, what follows "the answer is", and where an answer ends in its sentence."""

import re
from collections import deque

from .boxes import is_blank

_TAIL = 10_000
_LONGEST_SENTENCE = 2000  # a longer one holds no answer that can be right (`compare.LONGEST`)
_NUMBER = r"""
    (?: (?<![\w.)}])[-−–](?:\\?[$€£])? | [$€£] )? (?:
        \\[dtc]?frac (?: \{-?\d{1,100}\}\{\d{1,100}\} | \d\d(?!\d) )
      | (?<![\w.]) (?: \d{1,3}(?:(?:,(?:\\!)?|\{,\}|\\[,;]|[~\u00a0\u2009\u202f])\d{3})+(?!\d) | \d+ ) (?:\.\d+)?
        (?: e[+-]?\d{1,3}\b | /\d+ )?
      | (?<![\w.]) \.\d+
    ) (?:\\?%)?
"""
_BARE_NUMBER = re.compile(_NUMBER, re.VERBOSE | re.ASCII)

# "The answer is", "Answer:", and a heading that says no more than "Final answer".
_PHRASE = re.compile(
    r"\banswer[*_ ]{0,3}(?:is\b|:|=)[*_: ]{0,4}|^#{1,6}[ *_]{0,4}(?:the )?(?:final )?answer[*_: ]{0,4}$",
    re.IGNORECASE | re.MULTILINE,
)
_ADVERB = re.compile(r"(?:therefore|thus|then|hence|simply|just|indeed|exactly|now)\b[,: ]{0,2}", re.IGNORECASE)
_DISPLAY = re.compile(r"(?:\\\[|\$\$)\s{0,20}([^$\\\s](?:[^$]{0,1000}?[^$\s])?|\\[a-z][^$]{0,1000}?)\s{0,20}(?:\\\]|\$\$)")
_SENTENCE_END = re.compile(r"\n|\.(?=\s|\Z)")
# What GSM8K's solutions hold for a calculator: <<6*3=18>>18.
_CALCULATOR = re.compile(r"<<[^<>]{0,100}>>")
_EMPHASIS = re.compile(r"(?<!\d)\*\*|\*\*(?!\d)")
# A clause about the answer, which is no part of it.
_CLAUSE = re.compile(
    r"""(?: \s?[,;(]\s? | \s[–—-]\s | \s(?=because\b|since\b|which\b) )
    (?: which | who | where | when | while | since | because | as | so | not | for | that | i\.e\. | meaning | thus | hence
      | therefore | given | assuming | rounded | and\s(?:she|he|it|they|we|the|this|that|so|thus|therefore|hence) )\b""",
    re.VERBOSE | re.IGNORECASE,
)

# A number that a word follows, where that word does not make it another number.
_COUNT = re.compile(
    rf"""{_NUMBER} (?: \s (?:hundred|thousand|million|billion|trillion|percent)\b )?
    (?= \s (?: a\b | (?!(?:or|and|to|of|plus|minus|times|over|squared|cubed|divided|multiplied|factorial|more|less|fewer)\b)
    [A-Za-z]{{2,}} ) )""",
    re.VERBOSE | re.ASCII,
)
# What follows a count and offers a second answer, or is a part of the number: 7 pens or 8, 7 pens and 8, 5 feet 6 inches, 1 in 6.
_SECOND = re.compile(
    r"""\bor\b | (?:\band\b|\bto\b|[,;&+/=×*-])\ ?\S{0,3}\d
      | \A\s(?!(?:for|per|at|on|by|from|after|with|each|every|is)\b)\S{1,40}\s\S{0,2}\d""",
    re.VERBOSE,
)
_SENTENCE = re.compile(r"\d|\b(?:is|are|was|were|will|would)\b|(?:\S{1,40}\s){5}\S")


def last_number(text: str) -> str | None:
    """Return the last number in the last 10,000 characters, with sign, thousands commas, decimals, fraction, currency and percent.

    >>> last_number("It costs 3 * 6 = $1,018.50, so take 2 of them."), last_number("7-5=-2"), last_number("is $9{,}500$.")
    ('2', '-2', '$9{,}500')
    """
    last = _last(_BARE_NUMBER, text[-_TAIL:])
    return last[0] if last else None


def number_at_start(text: str) -> str | None:
    """Return the number that a text begins with."""
    number = _BARE_NUMBER.match(text)
    return number[0] if number else None


def phrase(text: str) -> str | None:
    """Return what follows the last "the answer is" or "Answer:", to the end of the clause, sentence or line.

    Where the rest of that line is empty, the next line counts.

    >>> phrase("Hence the answer is $18.50, which is 37/2. Check: 2 * 18.5 = 37."), phrase("**Answer:** (B)")
    ('$18.50', '(B)')
    """
    rest = after_phrase(text)
    if not rest:
        return None
    if display := _DISPLAY.match(rest):
        return display[1]
    answer = clip(rest)
    return None if is_blank(answer) else answer


def after_phrase(text: str) -> str | None:
    """Return the text behind the last "the answer is" or "Answer:"; None without such a phrase."""
    last = _last(_PHRASE, text)
    if last is None:
        return None
    rest = text[last.end() :].lstrip()
    adverb = _ADVERB.match(rest)
    return rest[adverb.end() :] if adverb else rest


def clip(text: str, only_number: bool = False) -> str:
    """Return the answer that a text begins with: without the next sentence or line, and without what is said about the answer.

    A number with its unit stays whole. Of a longer sentence that begins with a number, the number stays, unless a second one may be
    the answer.
    only_number: of any number and its unit, the number stays.

    >>> clip("72, which is right. So"), clip("72 clips."), clip("7 dozen eggs in 4 weeks."), clip("6 eggs or 7 eggs")
    ('72', '72 clips', '7', '6 eggs or 7 eggs')
    """
    end = _SENTENCE_END.search(text)
    text = text[: end.start() if end else None].strip()
    if len(text) > _LONGEST_SENTENCE:
        return text
    text = _EMPHASIS.sub("", _CALCULATOR.sub("", text)).strip()
    if (clause := _CLAUSE.search(text)) and clause.start():
        text = text[: clause.start()]
    count = _COUNT.match(text)
    if count is None:
        return text
    behind = text[count.end() :]
    return count[0] if (only_number or _SENTENCE.search(behind)) and not _SECOND.search(behind) else text


def _last(pattern: re.Pattern[str], text: str) -> re.Match[str] | None:
    matches = deque(pattern.finditer(text), maxlen=1)
    return matches[0] if matches else None
