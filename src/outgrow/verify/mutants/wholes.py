r"""Mutants of answers of a particular shape: a base, a clock time, a date, a choice, a scale word; and equations, hedges."""

import random
import re
from collections.abc import Iterator
from math import gcd

from .scalars import digit
from .structure import places
from .value import differ, integer, value

_BASE = re.compile(r"\s*(\d+)_(?:\{(\d+)\}|(\d))\s*")
_CLOCK = re.compile(r"(?<![\d:])(\d{1,2})((?:\\!)?:(?:\\!)?)(\d{2})(?![\d:])")
_HALF = re.compile(r"(?<![A-Za-z\\])([ap])(\.?m\b)", re.IGNORECASE)
_DATE = re.compile(r"\s*(\d{1,2})/(\d{1,2})/(\d{4})\s*")
_CHOICE = re.compile(r"\s*(\\text\{\s*)?(\(?)(\\text\{)?([A-Z])(\}?)(\)?)(\s*\})?\s*")
_SCALES = ("hundred", "thousand", "million", "billion", "trillion")
_SCALE = re.compile(r"\b(" + "|".join(_SCALES) + r")s?\b")
_NAMED = re.compile(r"\s*([A-Za-z])\s*=\s*(?=[^=]*$)")
_WORDS = (
    ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"),
    ("odd", "even", "neither"),
    ("yes", "no"),
    ("true", "false"),
)


def base(known: str, rng: random.Random) -> Iterator[str]:
    """Change a number's base, where its value then differs."""
    if number := _BASE.fullmatch(known):
        digits, written = number[1], int(number[2] or number[3])
        smallest = max(2, max(map(int, digits)) + 1)
        if not smallest <= written <= 10:
            return
        others = [other for other in range(smallest, 11) if int(digits, other) != int(digits, written)]
        if others:
            other = rng.choice(others)
            yield f"{digits}_{other}" if other < 10 else f"{digits}_{{{other}}}"


def base_digit(known: str, rng: random.Random) -> Iterator[str]:
    """Change a digit of a number that is written in a base."""
    if number := _BASE.fullmatch(known):
        at = rng.randrange(*number.span(1))
        fits = [str(new) for new in range(at == number.start(1), int(number[2] or number[3])) if str(new) != known[at] and new < 10]
        if fits:
            yield known[:at] + rng.choice(fits) + known[at + 1 :]


def clock_quotient(known: str, rng: random.Random) -> Iterator[str]:
    """Write another time with the same quotient: 3:45 and 1:15. A ratio in lowest terms is not surely a time: not these."""
    if (time := _CLOCK.search(known)) and _is_clock(known, time):
        hour, minute = int(time[1]), int(time[3])
        latest = 13 if _HALF.search(known) else 24
        others = [(h, h * minute // hour) for h in range(1, latest) if hour and h != hour and h * minute % hour == 0]
        others = [(h, m) for h, m in others if 0 < m < 60]
        if others:
            h, m = rng.choice(others)
            yield f"{known[: time.start()]}{h}{time[2]}{m:02d}{known[time.end() :]}"


def clock_minute(known: str, rng: random.Random) -> Iterator[str]:
    """Write another minute."""
    if (time := _CLOCK.search(known)) and _is_clock(known, time):
        minute = rng.choice([m for m in range(60) if m != int(time[3])])
        yield f"{known[: time.start(3)]}{minute:02d}{known[time.end(3) :]}"


def am_pm(known: str, rng: random.Random) -> Iterator[str]:
    """Write a.m. for p.m., or p.m. for a.m."""
    if half := _HALF.search(known):
        other = {"a": "p", "p": "a", "A": "P", "P": "A"}[half[1]]
        yield known[: half.start(1)] + other + known[half.end(1) :]


def date_quotient(known: str, rng: random.Random) -> Iterator[str]:
    """Write another date with the same quotient: 06/10/2021 and 03/05/2021."""
    if date := _DATE.fullmatch(known):
        month, day, year = map(int, date.groups())
        if month == 0:
            return
        others = [(m, m * day // month) for m in range(1, 13) if m != month and m * day % month == 0]
        others = [(m, d) for m, d in others if 0 < d < 29]
        if others:
            m, d = rng.choice(others)
            yield f"{m:02d}/{d:02d}/{year}"


def choice(known: str, rng: random.Random) -> Iterator[str]:
    """Write another letter for a choice."""
    if letter := _CHOICE.fullmatch(known):
        others = [other for other in "ABCDE" if other != letter[4]]
        yield known[: letter.start(4)] + rng.choice(others) + known[letter.end(4) :]


def scale_word(known: str, rng: random.Random) -> Iterator[str]:
    """Write billion for million, and the like."""
    if scale := _SCALE.search(known):
        other = rng.choice([word for word in _SCALES if word != scale[1]])
        yield known[: scale.start(1)] + other + known[scale.end(1) :]


def other_word(known: str, rng: random.Random) -> Iterator[str]:
    """Write another day, month, parity or truth value."""
    if word := re.fullmatch(r"\s*(?:\\text\{)?\s*([A-Za-z]+)\s*\}?\s*", known):
        for family in _WORDS:
            if word[1].lower() in (same.lower() for same in family):
                other = rng.choice([one for one in family if one.lower() != word[1].lower()])
                yield known[: word.start(1)] + other + known[word.end(1) :]


def zero_on_the_left(known: str, rng: random.Random) -> Iterator[str]:
    """Write 0 = before an expression that is not zero."""
    if (expression := _expression(known)) and differ(expression, "0"):
        yield f"0 = {expression}"


def sum_on_the_left(known: str, rng: random.Random) -> Iterator[str]:
    """Write a sum of two names before "=": the answer to another question."""
    if expression := _expression(known):
        free = [letter for letter in "abmnpqxyz" if letter not in expression]
        one, other = sorted(rng.sample(free, 2))
        yield f"{rng.choice(['', '2', '3'])}{one}+{other} = {expression}"


def other_name(known: str, rng: random.Random) -> Iterator[str]:
    """Write another unknown where the known answer names its own."""
    if (named := _NAMED.match(known)) and value(known[named.end() :]) is not None:
        free = [letter for letter in "abnxyz" if letter.lower() != named[1].lower() and letter not in known]
        yield known[: named.start(1)] + rng.choice(free) + known[named.end(1) :]


def another_equation(known: str, rng: random.Random) -> Iterator[str]:
    """Change a digit of an equation between names, where no factor makes it the same equation again."""
    left, equals, right = known.partition("=")
    if not equals or _NAMED.match(known) or value(left) is None or value(right) is None:
        return
    for changed in digit(known, rng):
        new_left, _, new_right = changed.partition("=")
        ratios = []
        for point in (0, 1):
            sides = [value(side, point) for side in (left, right, new_left, new_right)]
            if any(side is None for side in sides):
                return
            a, b, c, d = (side or 0j for side in sides)
            if a == b:
                return
            ratios.append((c - d) / (a - b))
        if abs(ratios[0] - ratios[1]) > 1e-6 * max(map(abs, ratios)):
            yield changed


def hedged(known: str, rng: random.Random) -> Iterator[str]:
    """List the answer with another number."""
    whole = integer(known)
    if whole is not None:
        pair = [str(whole), str(whole + rng.choice([-2, -1, 1, 2, 10]))]
        rng.shuffle(pair)
        yield rng.choice([r" \text{ or } ", ", "]).join(pair)


def _is_clock(known: str, time: re.Match[str]) -> bool:
    hour, minute = int(time[1]), int(time[3])
    if hour > 23 or minute > 59:
        return False
    return _HALF.search(known) is not None or time[3][0] == "0" or gcd(hour, minute) > 1


def _expression(known: str) -> str | None:
    """Return the single expression that is the whole answer, without the name before it."""
    spans = places(known)
    named = _NAMED.match(known)
    start = named.end() if named else 0
    if len(spans) == 1 and known[start:].strip() == known[slice(*spans[0])]:
        return known[slice(*spans[0])]
    return None
