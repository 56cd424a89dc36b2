r"""Is an answer written as a number, and which? Exact (`fractions.Fraction`), nothing evaluated, exponents of up to three digits.

What a person reads as one number is read: 1,000   -7   7.0   .5   1/2   \frac12   6 \frac34   3 \times 10^5   1.5e-8.

- A **currency sign** before it or a **unit** behind it is passed over: $18, 18 dollars, 5\text{ cm}^2, 60^\circ. Units are neither
  compared nor converted: the question says which is asked for, so 50 cents is 50, and not $0.50. A single letter is a unit only
  inside \text{}, since 2k is an expression. "7 or more" and "7 squared" are no number.
- A **scale word** multiplies: $5 million is 5000000.
- A **percent** on one side only counts as the number of percent, and as its hundredth where the other side is a fraction or at
  most 1, since data sets write percentages both ways: 50% is right where 50, 0.5 or 1/2 is the answer, 700% is not where 7 is.
- A **name** is passed over, unless both sides have one and they differ: x=7 is 7, but not y=7.
- Nothing is rounded: 0.33 is not 1/3.
"""

import re
from fractions import Fraction
from typing import NamedTuple

_SCALES = {"dozen": 12, "hundred": 100, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_PERCENT = {"percent", "percentage", "percents"}
_NO_UNIT = re.compile(
    r"\b(?:and|or|not|to|plus|minus|times|squared|cubed|factorial|tenths|hundredths|thousandths)\b", re.IGNORECASE
)
_WHOLE = re.compile(r"[+-]?\d+", re.ASCII)
_NUMBER = re.compile(
    r"""
    (?: (?P<name>[A-Za-z]) = )?
    (?P<sign>[+-]?) [$€£¥]? (?P<inner>[+-]?) (?:
        (?: (?P<mixed>\d+) (?: \ (?=\d) | \ ?(?=\\) ) )?
        (?: \\frac\ ? (?: \{(?P<top>[+-]?\d[\d,]*)\} | (?P<top1>\d) ) \ ? (?: \{(?P<bottom>\d[\d,]*)\} | (?P<bottom1>\d) )
          | (?P<over>\d+) / (?P<under>\d+) )
      | (?P<decimal> (?: \d{1,3}(?:,\d{3})+ | \d+ ) (?:\.\d*)? | \.\d+ )
        (?: [eE](?P<exponent>[+-]?\d{1,3}) | \ ?(?:\\times|\\cdot|[*×])\ ? 10\^\{?(?P<power>[+-]?\d{1,3})\}? )?
      | 10\^\{?(?P<ten>[+-]?\d{1,3})\}?
    )
    (?P<unit>
        %  |  °[CF]?
      | \ ?\\(?:text|mbox|mathrm|textrm|rm)\ ?\{[^{}\d\\]*\} (?:\^(?:\{\d\}|\d)|[²³])?
      | (?: \ ?(?:[mcdk]m|kg|mg|m[lL]|ft|in|yd|mi|lb|oz|hrs?|min|mph|km/h|m/s|[$€£¢]) | \ (?:[A-Za-z]{3,}) )
        (?: [\ /-][A-Za-z]{2,} ){0,4} (?:\^(?:\{\d\}|\d)|[²³])?
    )?
    """,
    re.VERBOSE | re.ASCII,
)


class Number(NamedTuple):
    """A number as it was written."""

    value: Fraction
    percent: bool = False
    """Whether it was written in percent; 50% has the value 50."""
    name: str = ""
    """The x of x=7; empty without a name."""


def read_number(folded: str) -> Number | None:
    r"""Return the number that a folded answer writes; None where it writes no number, or several.

    >>> read_number("-1,204"), read_number("9**9"), read_number("1,2")
    (Number(value=Fraction(-1204, 1), percent=False, name=''), None, None)
    >>> read_number("50%"), read_number(r"x=6\frac34")
    (Number(value=Fraction(50, 1), percent=True, name=''), Number(value=Fraction(27, 4), percent=False, name='x'))
    """
    if _WHOLE.fullmatch(folded):
        return Number(Fraction(int(folded)))
    found = _NUMBER.fullmatch(folded)
    if found is None or (found["sign"] and found["inner"]):
        return None
    value = _magnitude(found)
    unit = found["unit"] or ""
    if value is None or _NO_UNIT.search(unit):
        return None
    unit_words = re.findall(r"[a-z]+", unit.lower())
    for word in unit_words:
        value *= _SCALES.get(word, 1)
    if "-" in (found["sign"], found["inner"]):
        value = -value
    return Number(value, unit == "%" or not _PERCENT.isdisjoint(unit_words), found["name"] or "")


def _magnitude(found: re.Match[str]) -> Fraction | None:
    if found["decimal"]:
        power = found["exponent"] or found["power"] or "0"
        return Fraction(found["decimal"].replace(",", "")) * Fraction(10) ** int(power)
    if found["ten"]:
        return Fraction(10) ** int(found["ten"])
    top, bottom = found["top"] or found["top1"] or found["over"], found["bottom"] or found["bottom1"] or found["under"]
    over, under = int(top.replace(",", "")), int(bottom.replace(",", ""))
    if under == 0:
        return None
    part = Fraction(over, under)
    if found["mixed"] is None:
        return part
    return int(found["mixed"]) + part if 0 < part < 1 else None  # 2 4/3 is not a mixed number


def same_number(one: Number, other: Number) -> bool:
    """Return whether both say the same (see above for percents and names)."""
    if one.name and other.name and one.name != other.name:
        return False
    if one.value == other.value or one.percent == other.percent:
        return one.value == other.value
    percent, share = (one.value, other.value) if one.percent else (other.value, one.value)
    return percent == 100 * share and (share.denominator > 1 or abs(share) <= 1)
