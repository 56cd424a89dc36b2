r"""Other writings of an answer, for scorers that compare texts.

reasoning-gym's scorers want a number as `1358`; models write 1,358, $1358, \boxed{ 1358 }, 1358.0 or 1358 apples. So a scorer is
asked about the answer as it stands, and about the same answer written plainly. Only the writing changes, never what is said: a
number stays the same number (7 or 8, 7 dozen and 7/2 are not 7), a list the same list, a grid the same rows.
"""

import ast
import re
from decimal import Decimal

_LONGEST_NUMBER = 200  # characters of an answer that is read as a number
_WRAPPERS = [
    re.compile(r"\$\$?([^$]*)\$\$?"),
    re.compile(r"\\\((.*)\\\)", re.DOTALL),
    re.compile(r"\\\[(.*)\\\]", re.DOTALL),
    re.compile(r"\\(?:boxed|fbox|text|textbf|textit|textrm|texttt|mbox|mathrm|mathbf) ?\{((?:[^{}]|\{[^{}]*\})*)\}"),
    re.compile(r"\*\*([^*]*)\*\*"),
    re.compile(r"```\w*\n(.*)\n```", re.DOTALL),
    re.compile(r"`([^`]*)`"),
]
_KNOWN_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:(?<=\d)e[+-]\d+)?°?", re.ASCII)
_NUMBER = re.compile(
    r"""
    (?:[A-Za-z]\s?=\s?)?
    (?P<sign>[+-]?) \s? (?:\\?\$|[€£¥])? \s? (?P<inner>-?)
    (?P<whole> \d{1,3}(?:(?:,(?:\\!)?|\{,\}|\\[,;: ]|[~\u00a0\u2009\u202f])\d{3})+ | \d+ )
    (?:\.(?P<decimals>\d*))?
    (?: [eE](?P<e>[+-]?\d{1,3}) | \s?(?:\\times|\\cdot|[*×])\s?10\^(?:\{(?P<power>[+-]?\d{1,3})\}|(?P<power1>\d)) )?
    (?: \s* (?P<degrees>°|\^\s?\{?\s?\\circ\s?\}?|\\degree|\\deg) | \s* (?P<unit>[^\d\s].*) )?
    """,
    re.VERBOSE | re.ASCII,
)
_TEXT = re.compile(r"\\(?:text|mbox|mathrm|textrm|textbf|mathbf|rm) ?\{([^{}]*)\}")
_UNIT = re.compile(r"\\?[$%€£¥]|(?:[A-Za-z]+[ /.-]{0,2}){1,6}(?:\^\{?[23]\}?|[²³])?", re.ASCII)
# Words that are a unit whether or not the question has them.
_UNITS = {
    *("mm", "cm", "m", "km", "mg", "g", "kg", "ml", "l", "in", "ft", "yd", "mi", "lb", "oz", "s", "sec", "min", "h", "hr"),
    *("dollar", "cent", "euro", "pound", "unit", "square", "cubic", "degree", "usd"),
}
# Words behind a number that make it another number, or none.
_NO_UNIT = {
    *("and", "or", "not", "to", "than", "plus", "minus", "times", "squared", "cubed", "factorial", "over", "out", "more", "less"),
    *("half", "third", "quarter", "tenth", "hundredth", "thousandth", "pair", "dozen", "hundred", "thousand", "million", "billion"),
    *("remainder", "mod", "modulo", "base", "x", "e", "i"),
}
_FRACTION = re.compile(r"(-?)\\[dtc]?frac ?(?:\{ ?(\d+) ?\}|(\d)) ?(?:\{ ?(\d+) ?\}|(\d))|(-?\d+) ?/ ?(\d+)", re.ASCII)
# What the questions of 0.1.25 let one choose from; in other words the case may be what is asked for.
_CHOICES = {"true", "false", "yes", "no", "on", "off", "undetermined", "peng", "chi", "pass"}
# Signs that a question writes, in LaTeX and in ASCII.
_SIGNS = {
    "×": re.compile(r"\\times(?![A-Za-z])|\\cdot(?![A-Za-z])|[*x·]"),
    "→": re.compile(r"\\(?:long)?rightarrow(?![A-Za-z])|\\(?:to|implies)(?![A-Za-z])|->"),
    "↔": re.compile(r"\\(?:left|longleft)rightarrow(?![A-Za-z])|\\iff(?![A-Za-z])|<->"),
    "∧": re.compile(r"\\(?:land|wedge)(?![A-Za-z])"),
    "∨": re.compile(r"\\(?:lor|vee)(?![A-Za-z])"),
    "¬": re.compile(r"\\(?:neg|lnot)(?![A-Za-z])"),
}


def writings(answer: str, known: str, question: str) -> list[str]:
    r"""Return the answer and its plain writings, the answer first. known: the known answer, empty where there is none.

    >>> writings(r"\boxed{1{,}358.0}", "1358", "How many?"), writings("[1,2]", "[1, 2]", "")
    (['\\boxed{1{,}358.0}', '1{,}358.0', '1358'], ['[1,2]', '[1, 2]'])
    >>> writings("7 apples", "7", "How many apples?"), writings("7 or 8", "7", "7 or 8?")
    (['7 apples', '7'], ['7 or 8'])
    """
    plain = _unwrapped(answer)
    texts = [answer, plain]
    if known:
        if plain.endswith(".") and not known.rstrip().endswith("."):
            plain = _unwrapped(plain[:-1])
            texts.append(plain)
        if _says(known, plain, question):
            texts.append(known)
        elif _KNOWN_NUMBER.fullmatch(known) and (number := plain_number(plain, question)):
            texts.append(number)
        if fraction := _FRACTION.fullmatch(plain):
            texts.append(_plain_fraction(fraction))
    for sign in "×↔→∧∨¬":
        if sign in (known or question):
            plain = _SIGNS[sign].sub(sign, plain)
    return list(dict.fromkeys([*texts, plain]))


def plain_number(text: str, question: str) -> str | None:
    r"""Return a number in Python's writing, with all its digits and no unit; None where the text is not one number.

    A unit is a word that the question has, too, or a common one. Leading zeros are kept out: 011 may be a text of digits. So are
    exponents without a point or a sign: 1e5 may be hexadecimal.

    >>> plain_number(r"-\$1\,204.50", ""), plain_number(r"3.0 \times 10^{-5}", ""), plain_number("12 kiwis", "plums")
    ('-1204.50', '3.0e-5', None)
    """
    if len(text) > _LONGEST_NUMBER:
        return None
    found = _NUMBER.fullmatch(_TEXT.sub(r" \1", text.replace("−", "-").replace("–", "-")).strip())
    if found is None or (found["sign"] and found["inner"]) or not _is_unit(found["unit"], question):
        return None
    whole, decimals, exponent = re.sub(r"\D", "", found["whole"]), found["decimals"], found["e"]
    if (len(whole) > 1 and whole[0] == "0") or (exponent and decimals is None and exponent[0] not in "+-"):
        return None
    exponent = exponent or found["power"] or found["power1"] or ""
    number = whole + (f".{decimals}" if decimals else "") + (f"e{exponent}" if exponent else "")
    return f"-{number}" if "-" in (found["sign"], found["inner"]) and Decimal(number) else number


def _unwrapped(text: str) -> str:
    """Return the text without blanks around it and without what only delimits it or says how it looks."""
    while True:
        text = text.strip()
        for wrapper in _WRAPPERS:
            if whole := wrapper.fullmatch(text):
                text = whole[1]
                break
        else:
            return text


def _says(known: str, text: str, question: str) -> bool:
    """Return whether the text is another writing of the known answer: of a number, a list, rows of words, or a choice."""
    if _KNOWN_NUMBER.fullmatch(known):
        number = plain_number(text, question)
        return number is not None and Decimal(number) == Decimal(known.rstrip("°"))
    if known[0] == "[":
        return _read_list(text) == _read_list(known) is not None
    if known.casefold() in _CHOICES:
        return text.casefold() == known.casefold()
    return _rows(text) == _rows(known)


def _read_list(text: str) -> str | None:
    """Return a list of numbers and texts as Python writes it; None where the text is none."""
    try:
        read = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
    return repr(read) if isinstance(read, list) else None


def _rows(text: str) -> list[list[str]]:
    """Return the words of each line that has any; a comma ends a word."""
    return [row for line in text.split("\n") if (row := re.sub(r"\s*,\s*", ", ", line).split())]


def _plain_fraction(found: re.Match[str]) -> str:
    sign, top, top1, bottom, bottom1, over, under = found.groups()
    return f"{over}/{under}" if over else f"{sign}{top or top1}/{bottom or bottom1}"


def _is_unit(unit: str | None, question: str) -> bool:
    if unit is None:
        return True
    unit = unit.strip()
    if _UNIT.fullmatch(unit) is None:
        return False
    if unit.endswith("%"):
        return "%" in question or "percent" in question.lower()
    asked = {_singular(word) for word in re.findall(r"[a-z]+", question.lower())}
    words = {_singular(word) for word in re.findall(r"[a-z]+", unit.lower())}
    return words.isdisjoint(_NO_UNIT) and words <= asked | _UNITS | {"per", "of", "the", "a"}


def _singular(word: str) -> str:
    return word.removesuffix("s") if len(word) > 2 else word
