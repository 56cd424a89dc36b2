"""Times and money as people write them, and as they are printed everywhere: `1h30` is read, `1 h 30 min` is printed."""

import math
import re

from .errors import UsageError

TIMES = "90s, 10m, 1h30, 2d"
"""Examples of times, for messages."""
PRICES = "5usd, '$5' (quoted, because a shell replaces $5)"
"""Examples of amounts of money, for messages."""

_NUMBER = r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)"
_UNIT = r"s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?"
_PART = re.compile(rf"({_NUMBER})\s*({_UNIT})(?![a-z])\s*")
_REST = re.compile(r"[0-9]+")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_BELOW = {"m": "s", "h": "m", "d": "h"}  # 1h30 is 1 hour and 30 minutes
_CURRENCY = r"(?:us\s*)?\$|usd|dollars?"
_PRICE = re.compile(rf"(?:{_CURRENCY})\s*({_NUMBER})|({_NUMBER})\s*(?:{_CURRENCY})")


def hours(text: str) -> float:
    """Return a time in hours. Units are d, h, m and s, each once and the largest first; a last number without a unit is in the next
    smaller unit. Raises UsageError for any other text, and for no time at all.

    >>> hours("90s"), hours("1h30"), hours("1 h 30 min"), hours("2d"), hours("0.5h")
    (0.025, 1.5, 1.5, 48.0, 0.5)
    """
    rest, seconds, last = text.strip().lower(), 0.0, ""
    while match := _PART.match(rest):
        unit = match[2][0]
        if last and _SECONDS[unit] >= _SECONDS[last]:
            break
        seconds, last, rest = seconds + float(match[1]) * _SECONDS[unit], unit, rest[match.end() :]
        # "1h30": the digits of the next part have no unit of their own.
        if unit in _BELOW and _REST.fullmatch(rest):
            seconds, rest = seconds + float(rest) * _SECONDS[_BELOW[unit]], ""
    if rest or not 0 < seconds < math.inf:
        raise UsageError(f"{text!r} is not a time; write it like {TIMES}")
    return seconds / 3600


def dollars(text: str) -> float:
    """Return an amount of US dollars. Raises UsageError for any other text, and for no money at all.

    >>> dollars("$5"), dollars("5 USD"), dollars("2.50usd")
    (5.0, 5.0, 2.5)
    """
    match = _PRICE.fullmatch(text.strip().lower())
    value = float(match[1] or match[2]) if match else 0.0
    if not 0 < value < math.inf:
        raise UsageError(f"{text!r} is not an amount of dollars; write it like {PRICES}, without a comma in the number")
    return value


def typed_hours(value: float) -> str:
    """Return a time as it is typed, in full seconds, rounded up; `hours` reads it.

    >>> typed_hours(20.0), typed_hours(1.5), typed_hours(0.0124)
    ('20h', '1h30m', '45s')
    """
    seconds = max(1, math.ceil(round(value * 3600, 6)))
    parts = ((seconds // 3600, "h"), (seconds // 60 % 60, "m"), (seconds % 60, "s"))
    return "".join(f"{count}{unit}" for count, unit in parts if count)


def typed_dollars(value: float) -> str:
    """Return an amount of money as it is typed, in full cents, rounded up; `dollars` reads it, and no shell changes it.

    >>> typed_dollars(50.0), typed_dollars(0.123)
    ('50usd', '0.13usd')
    """
    cents = max(1, math.ceil(round(value * 100, 6)))
    return f"{cents // 100}usd" if cents % 100 == 0 else f"{cents / 100:.2f}usd"


def duration(seconds: float) -> str:
    """Return a time in its natural units, rounded to about two figures.

    >>> duration(0.34), duration(43.2), duration(150), duration(754), duration(5520), duration(200_000)
    ('0.34 s', '43 s', '2 min 30 s', '13 min', '1 h 32 min', '2 d 8 h')
    """
    if seconds < 9.95:
        return f"{float(f'{seconds:.2g}'):g} s" if seconds >= 0.01 else "0 s"
    if seconds < 59.5:
        return f"{seconds:.0f} s"
    for below, (large, unit), (small, part), step in (
        (595, (60, "min"), (1, "s"), 1),
        (3570, (60, "min"), (1, "s"), 60),
        (172_770, (3600, "h"), (60, "min"), 60),
        (math.inf, (86_400, "d"), (3600, "h"), 3600),
    ):
        if seconds < below:
            whole, rest = divmod(round(seconds / step) * step, large)
            return f"{whole:,} {unit} {rest // small} {part}" if rest else f"{whole:,} {unit}"
    raise ValueError(f"{seconds} is not a time")


def money(value: float) -> str:
    """Return an amount of dollars; what is not free is never printed as nothing.

    >>> money(3.4), money(1234.5), money(0.001), money(0)
    ('$3.40', '$1,234.50', '<$0.01', '$0.00')
    """
    return "<$0.01" if 0 < value < 0.005 else f"${value:,.2f}"
