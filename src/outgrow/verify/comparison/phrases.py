r"""Answers in words, and the form that each stands for: no solution is the empty set, all real numbers are (-\infty, \infty)."""

import re

_NOTHING = re.compile(r"(?:there (?:is|are) )?no (?:real )?solutions?(?: exists?)?|(?:the )?(?:empty|null) set", re.IGNORECASE)
_EVERYTHING = re.compile(r"(?:[a-z]\\in ?)?\\mathbb ?\{?R\}?|all (?:the )?(?:real numbers|reals)|(?:any|every) real number")

_EXCEPT = re.compile(
    r"(?:(?:[a-z]\\in ?)?\\mathbb ?\{?R\}? ?(?:\\setminus|\\backslash|-) ?\\\{|all real numbers except (?:for )?)"
    r"([^,;{} ]+|\\frac\{\d+\}\{\d+\})(?:\\\})?"
)


def without_phrase(text: str) -> str:
    r"""Return the form that an answer in words stands for; any other answer as it is. text: without the wrappers around its words.

    >>> without_phrase("no solution"), without_phrase("All real numbers"), without_phrase("no solution to 3")
    ('\\emptyset', '(-\\infty,\\infty)', 'no solution to 3')
    """
    if _NOTHING.fullmatch(text):
        return r"\emptyset"
    if found := _EXCEPT.fullmatch(text):
        return rf"x\ne {found[1]}"
    return r"(-\infty,\infty)" if _EVERYTHING.fullmatch(text[:1].lower() + text[1:]) else text
