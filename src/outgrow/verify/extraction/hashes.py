"""Answers behind `####`, as GSM8K's solutions end."""

import re

from .prose import after_phrase, clip, number_at_start
from .tail import start_of_last

_MARK = re.compile(r"#{4}(?!#)")
# What opens another problem: at a line's start, or right behind the answer.
_ASKS = re.compile(
    r"(?:\A[*#\s]{0,10}|(?<=[\d.])\s{0,5})(?:Question|QUESTION|Problem|PROBLEM|Instruction|User|Human|Q)[* ]{0,3}\d{0,4}[* ]{0,3}:"
)
_SHORTEST_PROBLEM, _LONGEST_PROBLEM = 60, 2000
_QUESTION = re.compile(r"\b(?:how|what|which|who|when|where)\b[^?]{0,300}\?", re.IGNORECASE)
_DOUBT = re.compile(r"[*#\s]{0,10}(?:wait|hm+|but|let|is|so|actually|check|hold|oh|no)\b", re.IGNORECASE)
# A heading of Markdown's fourth level, such as "Step 2: Add" or "Conclusion".
_HEADING = re.compile(
    r"""[*_ ]{0,4} (?: (?:the\ )?(?:final\ )?answer | step | part | case | stage | phase | explanation | reasoning | solution
      | method | conclusion | calculations? | given | note | verification | summary | approach | analysis | result )\b
    | [A-Za-z*] (?: [^:]{0,100}:[*_ ]{0,4}\Z | (?:\S{0,40}\s){2}\S )""",
    re.VERBOSE | re.IGNORECASE,
)


def hashes(text: str) -> str | None:
    """Return what the last `####` marks: the rest of its line, or only the number where it stands in a sentence.

    "The answer is" is passed over there. A second problem behind the answer, with a `####` of its own, is not read.

    >>> hashes("6 * 3 = 18 eggs\\\\n#### 18"), hashes("She eats #### 7 dozen eggs in 4 weeks."), hashes("#### The answer is 18")
    ('18', '7', '18')
    """
    marks = list(_MARK.finditer(text, start_of_last(text, "####")))
    answer, previous = None, 0
    for index, mark in enumerate(marks):
        following = marks[index + 1].start() if index + 1 < len(marks) else len(text)
        behind, before = text[mark.end() : following], text[previous : mark.start()]
        in_sentence = bool(before.rpartition("\n")[2].strip(" \t*_>-")) or (index > 0 and "\n" not in before)
        answer = _marked(behind, in_sentence, following < len(text)) or answer
        if answer is not None and any(map(_is_problem, behind.split("\n"))):
            break
        previous = mark.end()
    return answer


def _marked(text: str, in_sentence: bool, more: bool) -> str | None:
    """Return the answer in the rest of a line; None where it is empty or a heading of the text below. more: a `####` follows."""
    line, _, below = text.partition("\n")
    if asks := _ASKS.search(line):
        line = line[: asks.start()]
    line = line.strip()
    line = after_phrase(line) or line
    if (more or below.strip()) and _HEADING.match(line):
        return None
    number = number_at_start(line) if _is_problem(line) else None
    return number or clip(line, only_number=in_sentence) or None


def _is_problem(line: str) -> bool:
    """Return whether a line behind an answer puts another problem."""
    if _ASKS.search(line):
        return True
    if len(line) < _SHORTEST_PROBLEM or "?" not in line or _DOUBT.match(line):
        return False
    return _QUESTION.search(line[:_LONGEST_PROBLEM]) is not None
