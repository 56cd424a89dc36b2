r"""Other ways to write answers of several parts, intervals, choices, times; and other ways to put an answer into a box."""

import random
import re
from collections.abc import Iterator

from outgrow.verify.mutants.structure import parts
from outgrow.verify.mutants.value import differ, value

_INTERVAL = re.compile(r"(?:\\left\s*)?([(\[])\s*([^,()\[\]]+?)\s*,\s*([^,()\[\]]+?)\s*(?:\\right\s*)?([)\]])")
_INEQUALITY = re.compile(r"\s*([a-z])\s*(\\leq?|\\geq?|<|>)\s*(-?\d+|-?\\frac\{\d+\}\{\d+\})\s*")
_MIRRORED = {"<": ">", ">": "<", r"\le": r"\ge", r"\leq": r"\geq", r"\ge": r"\le", r"\geq": r"\leq"}
_CHOICE = re.compile(r"\s*(?:\\text\{\s*)?\(?(?:\\text\{)?([A-E])\}?\)?(?:\s*\})?\s*")
_CLOCK = re.compile(r"(\d):(\d\d)(.*)")
_HALF = re.compile(r"(?:\\text\{)?([\d:\\!]*\d)\s*(?:\\text\{\s*)?([ap])\.m\.\}?")
_BASE = re.compile(r"(\d+)_(?:\{(\d+)\}|(\d))")
_WORD = re.compile(r"[A-Za-z]+")
_TEXT = re.compile(r"\\text\{\s*([A-Za-z ]+?)\s*\}")


def reordered(known: str, rng: random.Random) -> Iterator[tuple[str, str]]:
    """Put a list or a set into another order."""
    several = parts(known)
    if several and several.opening in ("", r"\{") and "pm" not in known:
        texts = several.texts(known)
        shuffled = rng.sample(texts, len(texts))
        if shuffled != texts:
            yield "list reordered" if several.opening == "" else "set reordered", several.rebuilt(known, shuffled)


def listed(known: str, rng: random.Random) -> Iterator[tuple[str, str]]:
    """Write a list as a set, or with "and" before its last part."""
    several = parts(known)
    if several and several.opening == "" and several.shell == (0, len(known)):
        texts = several.texts(known)
        if all(value(text) is not None for text in texts):
            yield "list as a set", r"\{" + ", ".join(texts) + r"\}"
            yield "list with 'and'", ", ".join(texts[:-1]) + r" \text{ and } " + texts[-1]


def brackets(known: str, rng: random.Random) -> Iterator[tuple[str, str]]:
    r"""Add or leave out \left and \right."""
    several = parts(known)
    if several and several.opening in ("(", "["):
        if r"\left" in known:
            yield "without \\left( \\right)", several.rebuilt(known, several.texts(known))
        else:
            yield (
                "\\left( \\right)",
                several.rebuilt(known, several.texts(known), rf"\left{several.opening} ", rf" \right{several.closing}"),
            )


def interval(known: str, rng: random.Random) -> Iterator[tuple[str, str]]:
    """Write an interval as an inequality or the other way round; not two round brackets without infinity: a point, maybe."""
    if match := _INTERVAL.fullmatch(known):
        left, low, high, right = match.groups()
        below, above = ("<" if left == "(" else r"\le"), ("<" if right == ")" else r"\le")
        if r"-\infty" in low and r"\infty" not in high:
            yield "inequality for an interval", f"x {above} {high}"
        elif r"\infty" in high and r"\infty" not in low:
            yield "inequality for an interval", f"x {_MIRRORED[below]} {low}"
        elif left + right != "()" and r"\infty" not in known and differ(low, high):
            yield "inequality for an interval", f"{low} {below} x {above} {high}"
    if match := _INEQUALITY.fullmatch(known):
        name, sign, bound = match.groups()
        yield "inequality the other way round", f"{bound} {_MIRRORED[sign]} {name}"
        closed = "[" if "e" in sign else "(", "]" if "e" in sign else ")"
        less = sign in ("<", r"\le", r"\leq")
        yield "interval for an inequality", rf"(-\infty, {bound}{closed[1]}" if less else rf"{closed[0]}{bound}, \infty)"


def union(known: str, rng: random.Random) -> Iterator[tuple[str, str]]:
    """Put the parts of a union into another order."""
    pieces = [piece.strip() for piece in known.split(r"\cup")]
    if len(pieces) > 1 and all(_INTERVAL.fullmatch(piece) for piece in pieces):
        yield "union reordered", r" \cup ".join(reversed(pieces))


def choice(known: str, rng: random.Random) -> Iterator[tuple[str, str]]:
    """Write a choice with or without brackets."""
    if letter := _CHOICE.fullmatch(known):
        forms = ["{0}", "({0})", r"\text{{{0}}}", r"\text{{({0})}}", r"(\text{{{0}}})", r"\textbf{{({0})}}", "{0}."]
        written = [form.format(letter[1]) for form in forms]
        yield "choice", rng.choice([text for text in written if text != known.strip()])


def clock(known: str, rng: random.Random) -> Iterator[tuple[str, str]]:
    """Write 3:45 as 03:45, and p.m. in other ways."""
    if time := _CLOCK.fullmatch(known):
        hour, minute, rest = time.groups()
        if int(minute) and (minute[0] == "0" or int(minute) % int(hour or 1) == 0 or rest):  # not surely a ratio
            yield "03:45", f"0{known}"
    if half := _HALF.fullmatch(known):
        name = half[2]
        yield "p.m. written otherwise", half[1] + rng.choice([rf"\text{{ {name}.m.}}", rf" {name.upper()}M", rf" \text{{{name}m}}"])


def base(known: str, rng: random.Random) -> Iterator[tuple[str, str]]:
    """Write the base of a number with or without braces or as words."""
    if number := _BASE.fullmatch(known):
        digits, written = number[1], number[2] or number[3]
        forms = [f"{digits}_{{{written}}}", f"({digits})_{{{written}}}", rf"{digits}_{{\text{{{written}}}}}"]
        yield "base", rng.choice([form for form in forms if form != known])


def word(known: str, rng: random.Random) -> Iterator[tuple[str, str]]:
    r"""Write a word with or without \text, or in lower case."""
    text = _TEXT.fullmatch(known)
    plain = text[1] if text else known if _WORD.fullmatch(known) and len(known) > 2 else None
    if plain and len(plain) > 1:
        forms = [plain, rf"\text{{{plain}}}"]
        if not plain.isupper():  # names of points keep their case
            forms.append(rf"\text{{{plain.lower()}}}")
        yield "word", rng.choice([form for form in forms if form != known])
