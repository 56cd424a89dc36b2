"""Words around an answer that only introduce it: "The sum is 12", "12 is the answer", "Total: 12"."""

import re

_TEXT = r"\\(?:text|mbox|textbf|textrm) ?\{([^{}$\\]*)\}"
_INTRODUCTION = re.compile(rf"(?:{_TEXT}|([A-Za-z][A-Za-z',\- ]{{0,120}}:?))\s*(?=\S)", re.ASCII)
_ENDS = re.compile(r"(?:\b(?:is|are|equals|equal to|be|was|were)|:)\s*$", re.ASCII)
_CONCLUSION = re.compile(rf"\s*(?:{_TEXT}|([A-Za-z' ]+))$", re.ASCII)
_IS_THE_ANSWER = re.compile(
    r"\s*(?:is|are) (?:the|our|my|its?) (?:final |correct |right )?(?:answers?|solutions?|results?|values?)\s*", re.ASCII
)
_MATH_IN_WORDS = re.compile(r"([A-Za-z',\- ]{0,120}:?)\s*\$([^$]+)\$\s*([A-Za-z'. ]{0,60})", re.ASCII)
_FOR_ALL = re.compile(
    r",? ?(?:\\text ?\{,? ?for (?:all|any|every)[^{}]{0,60}\}|\\forall|\bfor (?:all|any|every)\b)[A-Za-z0-9 \\{}()_>$]{0,60}$",
    re.ASCII,
)
# With these the value is another one, or none.
_CHANGES = re.compile(
    r"\b(?:not|no|never|cannot|neither|nor|or|and|between|minus|negative|plus|times|less|more|fewer|greater|least|most|than|about|half"
    r"|twice|double|except|but|unless|if|wrong|incorrect)\b|n't",
    re.IGNORECASE,
)


def without_prose(text: str) -> str:
    r"""Return an answer without the words that introduce or conclude it; words that could change its value stay.

    >>> without_prose(r"\text{The sum is } 12"), without_prose("The sum is $12$"), without_prose("it is not 12")
    ('12', '12', 'not 12')
    """
    if (found := _FOR_ALL.search(text[-160:])) and not _CHANGES.search(found[0]):
        text = text[: len(text) - len(found[0])].strip()
    if (found := _MATH_IN_WORDS.fullmatch(text)) and (found[1].strip() or found[3].strip()):
        before, value, after = found.groups()
        introduced = not before.strip() or _ENDS.search(before)
        if introduced and not _CHANGES.search(before + " " + after):
            return f"{value} {after}".strip() if not _IS_THE_ANSWER.fullmatch(after) else value
        return text
    if found := _INTRODUCTION.match(text):
        words = found[1] or found[2] or ""
        if _ENDS.search(words) and not _CHANGES.search(words):
            return text[found.end() :]
        if (shorter := _ends_early(words)) and not _CHANGES.search(words[:shorter]):
            return text[found.start(2) + shorter :].strip()
    if (found := _CONCLUSION.search(text[-120:])) and _IS_THE_ANSWER.fullmatch(found[1] or found[2] or ""):
        return text[: len(text) - len(found[0])].strip()
    return text


def _ends_early(words: str) -> int:
    """Return where the introduction ends in words that go on: "The day is Friday"."""
    found = re.match(r".*?\b(?:is|are|equals|was|were)\b(?= )", words)
    return found.end() if found and len(found[0].split()) > 1 else 0
