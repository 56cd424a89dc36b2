"""What a cell of a table holds, as text: a question or an answer, or the reason why it is neither.

Tables hold what their writers had: numbers that were float32 once, NaN where a value was missing, bytes, half of an emoji.
"""

import math
import re
import struct
from decimal import Decimal
from typing import Any

MISSING = frozenset({"n/a", "nan", "<na>", "#n/a", "null", "<null>", "nat"})
"""Texts in any case that tools write for a value that is not there."""
_NO_ANSWER = re.compile(r"None|[\s?.…_–—−-]*")  # what Python writes for no value, and marks that stand for one
_NOISY = 10  # digits from which a number may have noise; pandas writes that many into JSON
_DECIMAL = re.compile(r"-?\d*\.\d{9,}(?:e[+-]?\d+)?", re.IGNORECASE | re.ASCII)


class Unusable(ValueError):
    """A cell holds nothing that can be used. Its message is the reason, in words that a count can follow."""


def cell_text(value: object) -> str:
    """Return the text of a cell without blanks around it; numbers as a person writes them.

    numpy's and pandas' scalars count as the Python values that they hold. Raises Unusable where a value is missing, infinite or no
    text: None, NaN, bytes, a list, half a surrogate pair.

    >>> cell_text(" 7 "), cell_text(18.0), cell_text(0.30000001192092896), cell_text(2**70)
    ('7', '18', '0.3', '1180591620717411303424')
    """
    value = plain(value)
    if value is None:
        raise Unusable("empty")
    if isinstance(value, bytes | bytearray | memoryview):
        raise Unusable("bytes in place of text")
    if isinstance(value, float | Decimal):
        if not math.isfinite(value):
            raise Unusable("NaN" if math.isnan(value) else "infinite")
        return float_text(value) if isinstance(value, float) else f"{value:f}"
    if isinstance(value, dict | list | tuple | set):
        raise Unusable(f"{type(value).__name__} in place of text")
    text = str(value).strip()
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise Unusable("half a surrogate pair")
    if not text:
        raise Unusable("empty")
    return text


def answer_text(value: object) -> str:
    """Return the text of a cell that holds a known answer. Raises Unusable as `cell_text` does, and for N/A, nan, None, - and ?.

    >>> answer_text("0.30000001192092896")
    '0.3'
    """
    text = cell_text(value)
    if text.casefold() in MISSING or _NO_ANSWER.fullmatch(text):
        raise Unusable(repr(text))
    return float_text(float(text)) if _DECIMAL.fullmatch(text) and float_text(float(text)) != repr(float(text)) else text


def plain(value: object) -> Any:
    """Return the Python value of a scalar or an array of numpy, pandas or torch; None for pandas' missing values."""
    if type(value).__name__ in ("NAType", "NaTType"):
        return None
    if isinstance(value, str):
        return str(value)
    if type(value).__module__ != "builtins" and hasattr(value, "tolist"):
        return value.tolist()
    return value


def float_text(value: float) -> str:
    """Return a finite number in decimals, whole ones without a point, and without the noise of arithmetic or of float32.

    Noise is what is gone in 15 digits, or in float32, where most of the digits go with it.

    >>> float_text(0.1 + 0.2), float_text(0.300000011920929), float_text(1 / 3), float_text(1e22), float_text(-0.0)
    ('0.3', '0.3', '0.3333333333333333', '1e+22', '0')
    """
    if value == int(value) and abs(value) < 2**53:
        return str(int(value))
    full = repr(value)
    digits = _digits(full)
    if digits < _NOISY:
        return full
    short = f"{value:.15g}"
    return short if digits > 15 and _digits(short) <= 12 else _without_float32(value, digits) or full


def _without_float32(value: float, digits: int) -> str | None:
    """Return up to 7 digits that are this number in float32; None where there are none, and for simple binary fractions.

    digits: how many the number has; writing it may have cut the float32's own.
    """
    if not 1e-37 < abs(value) < 3e38:
        return None
    single = _in_float32(value)
    if float(f"{single:.{digits}g}") != value or single.as_integer_ratio()[0].bit_length() <= 12:
        return None
    texts = (f"{single:.{length}g}" for length in range(1, 8))
    return next((text for text in texts if _in_float32(float(text)) == single), None)


def _in_float32(value: float) -> float:
    rounded: float = struct.unpack("f", struct.pack("f", value))[0]
    return rounded


def _digits(text: str) -> int:
    return sum(character.isdigit() for character in text.partition("e")[0].lstrip("-0."))
