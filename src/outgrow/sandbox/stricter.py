r"""What must hold besides the full score of reasoning-gym's scorers, where 0.1.25 gives it too easily.

Each check takes a text that got the full score and reasoning-gym's item, and returns whether the text is right (see `holds`).
What the scorers take, by task:

- `decimal_arithmetic` 7.024 for 7.023159, `number_format` 5 for 5.009, `number_sorting` other numbers that differ by up to 1,
  `pool_matrix` 9.04 for 9 and a column for a row, `coin_flip` 0 for 1/16384, `power_function` 9.364e-18 for 9.36e-18,
  `gsm_symbolic` "-12" and "12 or 7" for 12, `chain_sum` and `products` "1,3,5,8" for 1358;
- `word_sorting` and `letter_jumble` more words than there are, `figlet_font` any text with ten letters right, `game_of_life` more
  cells than there are, `fraction_simplification` 1/25 for 1/2 in LaTeX, `advanced_geometry` a third coordinate;
- `puzzle24` and `countdown` operators, numbers or functions that the question does not give, and what is nearly the target;
- `boxnet` a target that is moved to its box, `rush_hour` moves that are not possible, `propositional_logic` a premise;
- `time_intervals`, `knights_knaves`, `quantum_lock`, `kakurasu`, `survo`, `sokoban` and `polynomial_equations` what they cannot
  read: they pass over it, so "not A → B" is A → B and "5 or 6 days" is 5 days.
"""

import ast
import json
import math
import re
from collections import Counter
from collections.abc import Callable
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Context, Decimal
from fractions import Fraction
from operator import add, mul, sub, truediv
from typing import Any

from .safe_eval import calculate

Entry = dict[str, Any]
Check = Callable[[str, Entry], bool]

_FOUR = {ast.Add: add, ast.Sub: sub, ast.Mult: mul, ast.Div: truediv}
_GROUPED = re.compile(r"[+-]?\d{1,3}(?:,\d{3})+(?:\.\d*)?", re.ASCII)
_ROUNDINGS = (ROUND_HALF_UP, ROUND_HALF_EVEN)
# The scorers' floats hold 15 digits; a number with more is compared to that many.
_FLOAT_DIGITS = 15
# No digit is lost, whatever context a task has set: decimal_arithmetic sets a precision of 12 for all.
_EXACT = Context(prec=2_000)


def holds(check: Check, text: str, entry: Entry) -> bool:
    """Return whether a check holds; a text that it cannot read is not right."""
    try:
        return check(text, entry)
    except (ValueError, ArithmeticError, SyntaxError, LookupError, TypeError, AttributeError):
        return False


def number(text: str) -> Decimal:
    """Return the number. Raises ValueError where a comma does not part thousands, ArithmeticError where it is no number."""
    text = text.strip()
    if "," in text and _GROUPED.fullmatch(text) is None:
        raise ValueError(f"no number: {text[:20]!r}")
    value = Decimal(text.replace(",", ""))
    if not value.is_finite():
        raise ValueError(f"no number: {text[:20]!r}")
    return value


def is_rounding(value: Decimal, exact: Fraction, digits: int) -> bool:
    """Return whether a number is the exact one, or that rounded to the value's own number of significant digits.

    digits: how many it must have at least; fewer are as if zeros followed, and zeros at the end count as none, so that equal
    numbers are equally right. Half is rounded up or to even.

    >>> [is_rounding(Decimal(text), Fraction(1, 3), 3) for text in ("0.3333", "0.333", "0.3330", "0.33", "0.334")]
    [True, True, True, False, False]
    """
    if Fraction(value) == exact:
        return True
    written = max(digits, len(value.normalize(_EXACT).as_tuple().digits))
    if written > _FLOAT_DIGITS:
        return math.isclose(float(value), float(exact), rel_tol=10.0 ** (1 - _FLOAT_DIGITS))
    return any(rounded(exact, written, rounding) == value for rounding in _ROUNDINGS)


def rounded(exact: Fraction, digits: int, rounding: str = ROUND_HALF_UP) -> Decimal:
    """Return a number rounded to so many significant digits."""
    return Context(prec=digits, rounding=rounding).divide(Decimal(exact.numerator), Decimal(exact.denominator))


def _same_number(answer: str, entry: Entry) -> bool:
    return number(answer) == number(entry["answer"])


def _decimal_arithmetic(answer: str, entry: Entry) -> bool:
    """The known answer is rounded at each step, so the exact one that is rounded at the end is right, too."""
    value = number(answer)
    expression = entry["question"].rsplit("\n", 1)[-1].removesuffix(" = ?")
    exact = calculate(expression, lambda held: Fraction(str(held)), _FOUR, _no_name, {})
    precision = int(re.search(r"maximum of (\d+) significant digits", entry["question"])[1])  # type: ignore[index]
    return value in (Decimal(entry["answer"]), rounded(exact, precision))


def _power_function(answer: str, entry: Entry) -> bool:
    return is_rounding(number(answer), Fraction(entry["answer"]), 3)


def _coin_flip(answer: str, entry: Entry) -> bool:
    exact = Fraction(entry["metadata"]["rational"]["numerator"], entry["metadata"]["rational"]["denominator"])
    return Fraction(answer.strip()) == exact if "/" in answer else is_rounding(number(answer), exact, 3)


def _number_sorting(answer: str, entry: Entry) -> bool:
    given = [Decimal(str(held)) for held in json.loads(answer.replace("'", '"'))]
    return given == [Decimal(held) for held in ast.literal_eval(entry["answer"])]


def _pool_matrix(answer: str, entry: Entry) -> bool:
    """Two decimals are asked for: each element is the exact one, or rounded to the decimals that are written, two or more."""
    given = [line.split() for line in answer.splitlines() if line.strip()]
    solution = entry["metadata"]["solution"]
    return [len(row) for row in given] == [len(row) for row in solution] and all(
        _to_decimals(Decimal(cell), held, 2)
        for row, known in zip(given, solution, strict=True)
        for cell, held in zip(row, known, strict=True)
    )


def _to_decimals(value: Decimal, exact: float, decimals: int) -> bool:
    """Return whether a value is the exact one rounded to its own number of decimals, or to `decimals` where it has fewer.

    Zeros at the end count as none.
    """
    exponent = value.normalize(_EXACT).as_tuple().exponent
    assert isinstance(exponent, int)
    return abs(Fraction(value) - Fraction(exact)) <= Fraction(1, 2 * 10 ** max(decimals, min(-exponent, 9))) + Fraction(1, 10**12)


def _advanced_geometry(answer: str, entry: Entry) -> bool:
    facts = entry["metadata"]
    if facts["task_type"] == "angle_measure":
        return _to_decimals(number(answer.replace("°", "")), facts["angle_ABC_degrees"], 2)
    if facts["task_type"] == "incircle_radius":
        return True  # the scorer compares texts
    parts = answer.replace("(", "").replace(")", "").split(",")
    return len(parts) == 2 and all(
        _to_decimals(Decimal(part.strip()), held, 3) for part, held in zip(parts, facts["orthocenter_approx"], strict=True)
    )


def _same_length(answer: list[str], known: list[str]) -> bool:
    return len(answer) == len(known)


def _expression(answer: str, entry: Entry) -> bool:
    """Return whether it uses each given number once, nothing but + - * /, and is the target exactly."""
    facts = entry["metadata"]
    used = Counter(node.value for node in ast.walk(ast.parse(answer.strip(), mode="eval")) if isinstance(node, ast.Constant))
    value = calculate(answer, Fraction, _FOUR, _no_name, {})
    return used == Counter(facts["numbers"]) and bool(value == facts.get("target", 24))


def _no_name(name: str) -> Any:
    raise SyntaxError(f"unknown name {name[:20]!r}")


def _boxnet(answer: str, _: Entry) -> bool:
    return all(action.startswith("move(box_") for turn in json.loads(answer) for action in turn.values())


def _rush_hour(answer: str, entry: Entry) -> bool:
    """Return whether each move is possible in full; the board passes over those that are not."""
    from reasoning_gym.games.rush_hour import Board

    board = Board(entry["metadata"]["board_config"])
    for name, sign, steps in re.findall(r"([A-Z])([+-])(\d+)", answer):
        piece = board._pieces[ord(name) - ord("A")]
        before, moved = piece.position, int(sign + steps)
        board.move(name, moved)
        if piece.position != before + moved * piece.stride:
            return False
    return True


def _propositional_logic(answer: str, entry: Entry) -> bool:
    """Return whether it says more than to repeat a premise, in whatever blanks and brackets."""

    def plain(text: str) -> str:
        return re.sub(r"[\s()]", "", text)

    return plain(answer) not in {plain(premise) for premise in entry["metadata"]["premises"]}


def _knights_knaves(answer: str, entry: Entry) -> bool:
    """Return whether each name stands once, with a role, and nothing else stands there."""
    words = [word for word in re.findall(r"[^\s.,()]+", answer.lower()) if word not in ("is", "a", "an", "and")]
    return len(words) == 2 * len(entry["metadata"]["names"])


def _quantum_lock(answer: str, _: Entry) -> bool:
    return re.fullmatch(r"(?:\\rightarrow|\\to|[A-C\s→>,-])*", answer, re.IGNORECASE) is not None


def _polynomial_equations(answer: str, entry: Entry) -> bool:
    """Return whether every part is a number, and there is one for each solution."""
    return len([float(part) for part in answer.split(",")]) == len(entry["metadata"]["real_solutions"])


_DURATION = re.compile(r"\s*(?:-?\d+(?: days?)?|(?:\d+ days?, *)?\d+:\d{1,2}(?::\d{1,2}(?:\.\d+)?)?)\s*", re.ASCII | re.IGNORECASE)
_FRACTION = re.compile(r"\s*\$?\s*(?:\\d?frac\s*\{\s*\d+\s*\}\s*\{\s*\d+\s*\}|\d+\s*/\s*\d+)\s*\$?\s*", re.ASCII | re.IGNORECASE)

ALSO: dict[str, Check] = {
    **dict.fromkeys(("chain_sum", "products", "decimal_chain_sum", "number_format"), _same_number),
    "decimal_arithmetic": _decimal_arithmetic,
    "power_function": _power_function,
    "coin_flip": _coin_flip,
    "number_sorting": _number_sorting,
    "pool_matrix": _pool_matrix,
    "advanced_geometry": _advanced_geometry,
    "complex_arithmetic": lambda answer, _: "nan" not in answer.lower(),  # min(1.0, nan) is 1.0
    "word_sorting": lambda answer, entry: _same_length(answer.split(","), entry["metadata"]["sorted_words"]),
    "letter_jumble": lambda answer, entry: _same_length(answer.split(), entry["answer"].split()),
    "figlet_font": lambda answer, entry: answer.replace(" ", "").strip().lower() == entry["answer"].lower(),
    "game_of_life": lambda answer, entry: bool(json.loads(answer) == json.loads(entry["answer"])),
    "fraction_simplification": lambda answer, _: _FRACTION.fullmatch(answer) is not None,
    "time_intervals": lambda answer, _: _DURATION.fullmatch(answer) is not None,
    **dict.fromkeys(("puzzle24", "countdown"), _expression),
    "knights_knaves": _knights_knaves,
    "quantum_lock": _quantum_lock,
    "polynomial_equations": _polynomial_equations,
    "kakurasu": lambda answer, _: set(answer) <= set("01 \t\n"),
    "survo": lambda answer, _: set(answer) <= set("0123456789 \t\n"),
    "sokoban": lambda answer, _: set(answer) <= set("UDLR, \t\n"),
    "boxnet": _boxnet,
    "rush_hour": _rush_hour,
    "propositional_logic": _propositional_logic,
}
# Scorers that are not asked: gsm_symbolic's reads the first number of a text, without its sign, so a known -5 is never right.
INSTEAD: dict[str, Check] = {"gsm_symbolic": _same_number}
