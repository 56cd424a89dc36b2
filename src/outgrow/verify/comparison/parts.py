r"""Does a known answer have several parts, as "2, 3" has, and "(2,3)" and "1,000" have not?"""

import re

_THOUSANDS = re.compile(r"(?<![\d,.])\d{1,3}(?:(?:,|\{,\}|,\\!)\d{3})+(?![\d,])")
_SPACING = re.compile(r"\\[,;:! ]")
_LOOKS = re.compile(r"\\(?:text|textbf|textrm|mbox|mathrm|mathbf) ?\{([^{}]*)\}")
_JOINED = re.compile(r"\\pm(?![A-Za-z])|\\mp(?![A-Za-z])|[±∓]|(?<![A-Za-z\\])(?:and|or)(?![A-Za-z])")
_BRACKETS = {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}


def several(answer: str) -> bool:
    r"""Return whether an answer lists several parts at its top level: by commas, semicolons, "and", "or" or ±.

    >>> [several(answer) for answer in ("2, 3", r"(2,2) \text{ and } (6,2)", r"1 \pm \sqrt2")]
    [True, True, True]
    >>> [several(answer) for answer in ("7", "1,000", r"11,\!090", "(2,3)", r"\{2,3\}", "[0,1)")]
    [False, False, False, False, False, False]
    """
    answer = _LOOKS.sub(r"\1", _SPACING.sub(" ", _THOUSANDS.sub("0", answer)))
    if _JOINED.search(answer):
        return True
    depth = 0
    for letter in answer:
        depth += _BRACKETS.get(letter, 0)
        if depth == 0 and letter in ",;":
            return True
    return False
