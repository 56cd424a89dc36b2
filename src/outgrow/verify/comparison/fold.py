r"""Folding away what does not change an answer: the ways to write the same text. Meant for short texts (see `compare`)."""

import re

# Wrappers that only say how their content looks.
_LOOKS = re.compile(r"\\(?:text|textbf|textit|textrm|texttt|mbox|mathrm|mathbf|mathit|rm|bf|boxed) ?\{([^{}]*)\}")
_DELIMITED = re.compile(r"\$\$?(.*[^\\$])\$\$?|\\\((.*)\\\)|\\\[(.*)\\\]", re.DOTALL)
_COMMANDS = [
    (re.compile(r"(?<!\\)\\(?:(?:left|right|displaystyle)(?![A-Za-z])|!)"), ""),
    (re.compile(r"(?<!\\)\\(?:[,;: ]|q?quad(?![A-Za-z]))|~"), " "),
    (re.compile(r"\\[dtc]frac(?![A-Za-z])"), r"\\frac"),
    (re.compile(r"(?<!\\)\\([%$])"), r"\1"),
    (re.compile(r"\{,\}"), ","),
    (re.compile(r"\{ ?\\rm(?![A-Za-z]) ?([^{}]*(?:\{[^{}]*\}[^{}]*)?)\}"), r"{\\mathrm{\1}}"),
    (re.compile(r"\^ ?(?:\\circ|\{ ?\\circ ?\})(?![A-Za-z])|\\degree(?![A-Za-z])"), "°"),
]
_DECIMAL = re.compile(r"-?[0-9]+\.[0-9]+")
_BLANKS = re.compile(r"\s+")
_THOUSANDS = re.compile(r"(?<![\d.,])[1-9]\d{0,2}(?:,\d{3})+(?![\d,]\d)", re.ASCII)
_BRACKET = re.compile(r"[(\[{]")
_LOOSE_BLANK = re.compile(r"(?<![0-9A-Za-z})]) |(?<=[})]) (?![A-Za-z])| (?![0-9A-Za-z])")


def fold(text: str) -> str:
    r"""Return the answer without delimiters, looks, spacing commands, loose blanks and a full stop.

    Blanks stay between letters and digits ("7 7" is not "77"), and digits that are not 0 … 9 stay what they are: they may
    look like an answer, but no data set writes them.

    >>> fold(r"$\left( \dfrac{1}{2} ,\, 3 \right)$."), fold("11,\\!090"), fold(r"\text{Sunday}")
    ('(\\frac{1}{2},3)', '11,090', 'Sunday')
    """
    text = text.strip().rstrip(".").strip('*"` \n\t')
    if delimited := _DELIMITED.fullmatch(text):
        text = next(group for group in delimited.groups() if group is not None)
    if "\\" in text or "~" in text or "{" in text:
        for pattern, plain in _COMMANDS:
            text = pattern.sub(plain, text)
        if whole := _LOOKS.fullmatch(text.strip()):
            text = whole[1]
    text = _BLANKS.sub(" ", text.replace("−", "-")).strip().rstrip(".")
    if ", " in text and not _BRACKET.search(text):
        text = _THOUSANDS.sub(lambda match: match[0].replace(",", ""), text)  # the blanks tell a list's commas from a number's
    return _LOOSE_BLANK.sub("", text) if " " in text else text


def spelling(text: str) -> str:
    """Return what two writings of the same answer share, for counting answers by their text: without case, quotes and marks.

    >>> {spelling(text) for text in ("yes", "Yes", '"Yes."', "**YES!**")}, spelling("7.50") == spelling("7.5")
    ({'yes'}, True)
    """
    plain = words(fold(text)).strip("'\u2018\u2019\u201c\u201d \"!?,;:.").casefold()
    return plain.rstrip("0").rstrip(".") if _DECIMAL.fullmatch(plain) else plain


def words(folded: str) -> str:
    r"""Return a folded answer without the wrappers around parts of it.

    >>> words(r"(\text{E})")
    '(E)'
    """
    while folded.startswith("{") and folded.endswith("}") and folded.find("}") == len(folded) - 1:
        folded = folded[1:-1]
    inner = _LOOKS.sub(r"\1", folded).strip()
    return inner if inner == folded else words(inner)
