r"""Units, currencies and ordinals behind a value. They are passed over: the question says which unit is asked for.

A single letter is a unit where it is set upright or as text (\text{m}, \mathrm{J}), or, where a number is known, one of a few
behind a blank (18 m), since 2k is an expression. Words that change the value ("7 or more", "7 squared") are no unit. A scale word
multiplies ($5 million), and a percent sign is told.
"""

import re
from typing import NamedTuple

from .symbols import CIRCULAR
from .tokens import Kind, Style, Token

SCALES = {"dozen": 12, "hundred": 100, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
SCALES |= {"lakh": 10**5, "crore": 10**7}
_PERCENT = {"%", "percent", "percentage", "percents"}
_NO_UNIT = {
    *("and", "or", "not", "to", "plus", "minus", "squared", "cubed", "factorial", "tenths", "hundredths", "thousandths"),
    *("fourths", "fifths", "sixths", "sevenths", "eighths", "ninths", "half", "twice", "doubled", "tripled", "halved", "below"),
    *("inverse", "reciprocal", "maybe", "perhaps", "possibly", "otherwise", "else", "except", "unless"),
    *(
        "if",
        "when",
        "where",
        "for",
        "than",
        "least",
        "most",
        "negative",
        "halves",
        "thirds",
        "power",
        "choose",
    ),
}
_SHORT = {
    *(
        "mm",
        "cm",
        "dm",
        "km",
        "kg",
        "mg",
        "ml",
        "mL",
        "ft",
        "in",
        "yd",
        "mi",
        "lb",
        "lbs",
        "oz",
        "hr",
        "hrs",
        "min",
        "mph",
        "sec",
        "kJ",
    ),
    *(
        "Hz",
        "Pa",
        "MeV",
        "eV",
        "keV",
        "GeV",
        "nm",
        "pm",
        "am",
        "th",
        "st",
        "nd",
        "rd",
        "units",
        "unit",
        "AU",
        "pc",
        "Mpc",
        "kpc",
        *("GB", "MB", "kW", "kWh", "kN", "kPa", "MPa", "mol", "rad"),
        "Gyr",
    ),
}
_SINGLE = frozenset("mgshlLNJWVAKCFTdyMRk")
_LONE = frozenset("msgLJNWV")
"""Letters that are a unit by themselves behind a blank and where a number is known, though they are set as symbols: 18 m."""
_SOLAR = {"M_odot", "L_odot", "R_odot", "M_oplus", "R_oplus"}
_UNIT_SIGNS = {"Å", "AA"}
_ORDINALS = {"th", "st", "nd", "rd"}
_PLAIN_UNITS = {"^2", "^3", "^{2}", "^{3}", "/", "/^2", "/^{2}", "/^3", "/^{3}"}
_UNIT_POWER = re.compile(r"[1-9]")
_LONGEST = 8
"""Words of a unit that are passed over; "12 units of the first kind of paint that she has" is prose."""


class Unit(NamedTuple):
    """What stands behind a value."""

    scale: int = 1
    """What a scale word multiplies the value by."""
    percent: bool = False
    degrees: bool = False


def split_unit(tokens: list[Token], plain: bool = False) -> tuple[list[Token], Unit]:
    r"""Return the tokens before the unit that ends an answer, and the unit. Where the end is no unit, all the tokens.

    plain: whether letters are a unit though they are set as symbols: 25 m^2, 18 m/s, 18 m, 18 M_\odot.

    >>> from .tokens import tokens_of, written
    >>> [written(split_unit(tokens_of(text))[0]) for text in (r"18\mathrm{~km}/\mathrm{h}", r"18^{\text{th}}", "7 or more", "7k")]
    ['18', '18', '7 or more', '7 k']
    """
    for start in range(1, len(tokens)):
        if _may_begin(tokens, start) and (unit := _unit(tokens[start:])) is not None:
            return tokens[:start], unit
        if plain and tokens[start].spaced and _is_plain_unit(tokens[start:]):
            return tokens[:start], Unit()
    return tokens, Unit()


def _may_begin(tokens: list[Token], start: int) -> bool:
    """Whether what stands before is a value by itself, and the token begins a unit and not another factor."""
    before, token = tokens[start - 1], tokens[start]
    if before.kind is Kind.SIGN and before.text not in (")", "]", "}", "infty", "'", "!", "|", "deg"):
        return False
    if token.text in ("^", "deg", "%"):
        return not any(earlier.text in CIRCULAR for earlier in tokens[:start])  # cos 13° is not cos 13
    if token.sign == "frac":  # 18 \frac{\text{m}}{\text{s}}
        return start + 2 < len(tokens) and tokens[start + 1].sign == "{" and tokens[start + 2].style is not Style.PLAIN
    if token.text in _UNIT_SIGNS:
        return True
    if token.text in ("mu", "/"):  # 18 \mu\text{m}, 18/\text{hour}
        follows = tokens[start + 1] if start + 1 < len(tokens) else None
        return follows is not None and _is_atom(follows) and (follows.style is not Style.PLAIN or len(follows.text) > 2)
    if token.text == "{":  # {\rm cm}
        return start + 1 < len(tokens) and tokens[start + 1].style is not Style.PLAIN
    if token.text in "-" and before.kind is Kind.NUMBER:  # 12-inch
        return start + 1 < len(tokens) and tokens[start + 1].kind is Kind.WORD and not tokens[start + 1].spaced
    if token.style is not Style.PLAIN:
        return _is_atom(token)
    if token.text in _SHORT:
        return before.kind is Kind.NUMBER or token.spaced
    return token.kind is Kind.WORD and len(token.text) > 2 and token.spaced


def _is_plain_unit(tokens: list[Token]) -> bool:
    """Whether it is a quotient or a power of single letters: m^2, m/s, m/s^2."""
    if tokens[0].kind is not Kind.SYMBOL:
        return False
    if len(tokens) == 1:
        return tokens[0].text in _LONE
    if "".join(token.text for token in tokens if token.text not in ("{", "}")) in _SOLAR:
        return True
    letters = [token for token in tokens if token.kind in (Kind.SYMBOL, Kind.WORD)]
    others = "".join(token.text for token in tokens if token not in letters)
    return all(token.text in _SINGLE or token.text in _SHORT for token in letters) and others in _PLAIN_UNITS


def _is_atom(token: Token) -> bool:
    if token.kind is Kind.SIGN:
        return False
    if token.kind is Kind.WORD or token.text in _SHORT:
        return token.text.lower() not in _NO_UNIT
    return len(token.text) == 1 and token.style is not Style.PLAIN and token.text in _SINGLE


def _is_later_atom(token: Token, before: Token, atoms: int) -> bool:
    """Whether a symbol goes on with a unit: the s of m/s, the ohm of k\\Omega."""
    if token.text == "Omega":
        return before.style is not Style.PLAIN
    return atoms > 0 and token.kind is Kind.SYMBOL and token.text in _SINGLE


def _unit(tokens: list[Token]) -> Unit | None:
    """Return the unit that these tokens are as a whole; None where they are none."""
    scale, percent, degrees, atoms, scales, index = 1, False, False, 0, 0, 0
    while index < len(tokens) and atoms <= _LONGEST:
        token = tokens[index]
        if token.text == "^":
            exponent, index = _exponent(tokens, index + 1)
            if exponent == "deg":
                degrees, atoms = True, atoms + 1
            elif exponent in _ORDINALS:
                atoms += 1
            elif exponent is None or not atoms or not _UNIT_POWER.fullmatch(exponent.lstrip("-")):
                return None
            continue
        if token.text == "deg":
            degrees, atoms = True, atoms + 1
        elif token.text in _PERCENT or token.text.lower() in _PERCENT:
            percent, atoms = True, atoms + 1
        elif token.text.lower() in SCALES:
            # 5 hundred thousand; but 7 dollars per dozen are 7.
            scale, atoms, scales = scale * (SCALES[token.text.lower()] if atoms == scales else 1), atoms + 1, scales + 1
        elif _is_atom(token) or (index and _is_later_atom(token, tokens[index - 1], atoms)) or token.text in _UNIT_SIGNS:
            atoms += 1
        elif token.text not in ("frac", "mu", "(", ")", "/", "*", "-", "{", "}", ".", "'"):
            return None
        index += 1
    return Unit(scale, percent, degrees) if 0 < atoms <= _LONGEST else None


def _exponent(tokens: list[Token], index: int) -> tuple[str | None, int]:
    """Return what stands in an exponent of one sign, and the place behind it: deg, th, 2, -1."""
    inside: list[str] = []
    if index < len(tokens) and tokens[index].text == "{":
        end = next((place for place in range(index, len(tokens)) if tokens[place].text == "}"), len(tokens))
        inside = [token.text for token in tokens[index + 1 : end]]
        index = end
    elif index < len(tokens):
        inside = [tokens[index].text]
    return ("".join(inside) if inside else None), index + 1
