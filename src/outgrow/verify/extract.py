r"""Where in a completion the answer is: named extractors. A recipe lists those it wants, in order of preference.

Each reads the part after </think> and returns what is written at the last place that it knows, or None. Each is linear in the
text, whatever the model wrote: no pattern has an unbounded part that could match in two ways.
"""

import re
from collections import deque
from collections.abc import Callable

THINK_OPEN, THINK_CLOSE = "<think>", "</think>"
_BOXES = ("\\boxed{", "\\fbox{")
_BRACE = re.compile(r"[{}]")
_PHRASE = re.compile(r"\banswer[*_ ]{0,3}(?:is\b|:|=)[*_: ]{0,4}", re.IGNORECASE)
_SENTENCE_END = re.compile(r"\n|\.(?=\s|$)")
_TAIL = 10_000
_BARE_NUMBER = re.compile(
    r"""
    (?:(?<![\w.)}])[-−])? [$€£]? (?:
        \\[dt]?frac\{-?\d{1,100}\}\{\d{1,100}\}
      | (?<![\w.]) (?: \d{1,3}(?:,\d{3})+(?!\d) | \d+ ) (?:\.\d+)? (?:e[+-]?\d{1,3}\b | /\d+)?
      | (?<![\w.]) \.\d+
    ) (?:\\?%)?
    """,
    re.VERBOSE | re.ASCII,
)


def after_thinking(text: str, inside_think: bool) -> str | None:
    """Return the part of a completion that counts as its answer: what follows the last </think>.

    inside_think: whether the prompt already opened <think>, as R1's template does. A completion that ends in its
    thoughts has answered nothing: None. Without any thoughts, the whole text is the answer.
    """
    _, closed, rest = text.rpartition(THINK_CLOSE)
    if THINK_OPEN in rest or (inside_think and not closed):
        return None
    return rest


def boxed(text: str) -> str | None:
    r"""Return the contents of the last `\boxed{...}` or `\fbox{...}`; None where its braces do not close.

    >>> boxed(r"so \boxed{1}, no: \boxed{\frac{1}{2}}")
    '\\frac{1}{2}'
    >>> boxed(r"\boxed{1") is None
    True
    """
    start = max(text.rfind(box) for box in _BOXES)
    if start < 0:
        return None
    start = text.index("{", start) + 1
    depth = 1
    for brace in _BRACE.finditer(text, start):
        depth += 1 if brace[0] == "{" else -1
        if depth == 0:
            return text[start : brace.start()]
    return None


def first_boxed(text: str) -> str | None:
    r"""Return the contents of the first `\boxed{...}` up to the next brace, as the starting experiment read it.

    >>> first_boxed(r"\boxed{1}, no: \boxed{2}"), boxed(r"\boxed{1}, no: \boxed{2}")
    ('1', '2')
    """
    _, opened, rest = text.partition("\\boxed{")
    answer, closed, _ = rest.partition("}")
    return answer if opened and closed else None


def hashes(text: str) -> str | None:
    """Return the rest of the line after the last `####`, as GSM8K's solutions end.

    >>> hashes("6 * 3 = 18 eggs\\n#### 18")
    '18'
    """
    _, found, rest = text.rpartition("####")
    return rest.partition("\n")[0].strip() or None if found else None


def phrase(text: str) -> str | None:
    """Return what follows the last "the answer is" or "Answer:", to the end of the sentence or line.

    Where the rest of that line is empty, the next line counts.

    >>> phrase("Hence the answer is $18.50. Check: 37/2."), phrase("**Answer:** (B)")
    ('$18.50', '(B)')
    """
    last = _last(_PHRASE, text)
    if last is None:
        return None
    rest = text[last.end() :].lstrip()
    end = _SENTENCE_END.search(rest)
    return rest[: end.start() if end else None].strip() or None


def last_number(text: str) -> str | None:
    """Return the last number in the last 10,000 characters, with sign, thousands commas, decimals, fraction, currency and percent.

    >>> last_number("It costs 3 * 6 = $1,018.50, so take 2 of them."), last_number("7-5=-2")
    ('2', '-2')
    """
    last = _last(_BARE_NUMBER, text[-_TAIL:])
    return last[0] if last else None


def _last(pattern: re.Pattern[str], text: str) -> re.Match[str] | None:
    matches = deque(pattern.finditer(text), maxlen=1)
    return matches[0] if matches else None


EXTRACTORS: dict[str, Callable[[str], str | None]] = {
    "boxed": boxed,
    "first_boxed": first_boxed,
    "hash": hashes,
    "phrase": phrase,
    "last_number": last_number,
}
