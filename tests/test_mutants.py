"""Mutants are wrong by construction: each kind against fractions by hand, SymPy, sorted lists, and membership in an interval."""

import random
import re
from collections import Counter
from fractions import Fraction

import pytest
import sympy
from hypothesis import assume, given
from hypothesis import strategies as st
from sympy.parsing.sympy_parser import convert_xor, implicit_multiplication_application, parse_expr, standard_transformations

from outgrow.verify.mutants import KINDS, mutants
from outgrow.verify.mutants.structure import parts, places
from outgrow.verify.mutants.value import agree, differ, integer, value

SEEDS = st.integers(0, 10_000)


def made(known: str, seed: int = 0) -> dict[str, str]:
    listed = mutants(known, random.Random(seed))
    kinds = [mutant.kind for mutant in listed]
    assert len(kinds) == len(set(kinds)) and set(kinds) <= set(KINDS)
    assert all(mutant.text.strip() != known.strip() for mutant in listed)
    return {mutant.kind: mutant.text for mutant in listed}


def every(known: str, kind: str, seeds: int = 30) -> set[str]:
    return {text for seed in range(seeds) if (text := made(known, seed).get(kind)) is not None}


# --- what an expression is worth


@st.composite
def expressions(draw, depth=3):
    """A LaTeX text and the same expression in SymPy, put together side by side."""
    if depth == 0 or draw(st.booleans()):
        if draw(st.booleans()):
            name = draw(st.sampled_from(["x", "y", "N", r"\alpha", "x_1"]))
            return name, sympy.Symbol(name)
        number = draw(st.integers(1, 40))
        return str(number), sympy.Integer(number)
    left, a = draw(expressions(depth=depth - 1))
    right, b = draw(expressions(depth=depth - 1))
    return draw(
        st.sampled_from(
            [
                (rf"\left({left} + {right}\right)", a + b),
                (rf"({left} - {right})", a - b),
                (rf"({left}) ({right})", a * b),
                (rf"({left}) \cdot {right}", a * b),
                (rf"\frac{{{left}}}{{{right}}}", a / b),
                (rf"\sqrt{{{left}}}", sympy.sqrt(a)),
                (rf"({left})^2", a**2),
                (rf"({left})^{{3}}", a**3),
                (rf"\sin({left})", sympy.sin(a)),
                (rf"-({left})", -a),
            ]
        )
    )


@given(expressions(), st.integers(0, 1))
def test_a_value_is_that_of_sympy(pair, point):
    text, expression = pair
    numbers = {symbol: value(symbol.name, point) for symbol in expression.free_symbols}
    assume(not expression.has(sympy.zoo, sympy.nan))
    wanted = complex(expression.subs(numbers).evalf(30))
    got = value(text if not text.startswith("-") else f"0 {text}", point)
    assume(got is not None)
    assert got == pytest.approx(wanted, rel=1e-7, abs=1e-9)


def test_most_expressions_have_a_value():
    read = Counter()

    @given(expressions())
    def count(pair):
        text, expression = pair
        if not expression.has(sympy.zoo, sympy.nan):
            read[value(text) is not None] += 1

    count()
    assert read[True] > 5 * read[False]


@pytest.mark.parametrize(
    "text",
    ["3 4", "1/2x", "(1,2)", "x=3", r"1 \pm 2", "2^3!", "3!!", r"\sin^{-1} x", r"\frac{1}{0}", "9^{9^{9^9}}", "2004!", "(-8)^{1/3}",
     "Sunday", "No", "1011_2", r"5\text{ cm}", r"50\%", "|x|", "f(", ")", "", r"\sin x y", r"2\frac{5}{3}", "((" * 2000],
)  # fmt: skip
def test_what_can_be_read_in_two_ways_or_not_at_all_has_no_value(text):
    assert value(text) is None


@given(st.integers(-(10**30), 10**30), st.integers(-(10**30), 10**30))
def test_integers_are_told_apart_exactly(a, b):
    assert differ(str(a), str(b)) == (a != b)
    assert differ(f"{a:,}", str(a)) is False and differ(str(a), f"{a + 1:,}")
    assert integer(f"{a:,}".replace(",", r",\!")) == a


# --- numbers


@given(st.integers(-(10**9), 10**9).filter(bool), SEEDS)
def test_mutants_of_a_whole_number(n, seed):
    kinds = made(str(n), seed)
    digits = kinds["digit"]
    assert len(digits) == len(str(n)) and sum(a != b for a, b in zip(digits, str(n), strict=True)) == 1 and int(digits) != n
    assert int(kinds["sign"]) == -n
    assert int(kinds["factor 10"]) == 10 * n
    assert abs(int(kinds["off by one"]) - n) == 1
    assert kinds["0 = answer"] == f"0 = {n}"
    left, _, right = kinds["sum = answer"].partition(" = ")
    assert right == str(n) and re.fullmatch(r"[23]?[a-z]\+[a-z]", left)
    numbers = sorted(map(int, re.findall(r"-?\d+", kinds["hedged"])))
    assert len(numbers) == 2 and n in numbers and numbers[0] != numbers[1]


@given(st.fractions(min_value=-50, max_value=50, max_denominator=60).filter(lambda f: f.denominator > 1), SEEDS)
def test_mutants_of_a_fraction(fraction, seed):
    sign, top, bottom = "-" * (fraction < 0), abs(fraction.numerator), fraction.denominator
    for known in (rf"{sign}\frac{{{top}}}{{{bottom}}}", f"{sign}{top}/{bottom}"):
        kinds = made(known, seed)
        read = {kind: read_fraction(kinds[kind]) for kind in ("digit", "sign", "fraction inverted")}
        assert read["sign"] == -fraction
        assert read["fraction inverted"] == 1 / fraction
        assert read["digit"] not in (fraction, None)


def read_fraction(text: str) -> Fraction:
    """Fractions and whole numbers, and nothing else, read by hand."""
    match = re.fullmatch(r"(-?)(?:\\frac\{(\d+)\}\{(\d+)\}|(\d+)/(\d+))", text)
    assert match, text
    return Fraction(int(match[2] or match[4]), int(match[3] or match[5])) * (-1 if match[1] else 1)


@given(st.decimals(min_value="0.01", max_value=999, places=6), SEEDS)
def test_a_changed_digit_of_a_decimal_is_one_of_the_first_four_that_count(decimal, seed):
    known = f"{decimal:f}"
    changed = Fraction(made(known, seed)["digit"])
    assert abs(changed - Fraction(decimal)) > Fraction(decimal) / 20_000


@pytest.mark.parametrize(("known", "half"), [("6.6e-34", "3.3e-34"), (r"4 \times 10^{-9}", r"2.0 \times 10^{-9}")])
def test_a_tiny_value_is_halved(known, half):
    text = made(known)["tiny value halved"]
    assert value(text) == pytest.approx(value(half), rel=1e-9)
    assert "tiny value halved" not in made("0.001")


def test_the_base_of_a_number():
    for known in ("1011_2", "2516_8", "4210_{7}"):
        digits, base = known.replace("{", "").replace("}", "").split("_")
        changed = every(known, "base")
        assert changed
        for text in changed:
            same_digits, other = text.replace("{", "").replace("}", "").split("_")
            assert same_digits == digits and int(digits, int(other)) != int(digits, int(base))
        for text in every(known, "digit in a base"):
            other_digits, same_base = text.replace("{", "").replace("}", "").split("_")
            assert same_base == base and int(other_digits, int(base)) != int(digits, int(base))
    assert not every("3_8", "base")  # three in every base


# --- names


IMPLICIT = (*standard_transformations, convert_xor, implicit_multiplication_application)
NAMES = {name: sympy.Symbol(name) for name in "xynXYN"}
TERMS = st.tuples(st.integers(1, 30), st.sampled_from(["", "x", "y", "n", "x*y", "x^2", "y^2", "x^2*y"]))


def polynomial(text: str) -> sympy.Expr:
    return parse_expr(text, local_dict=NAMES, transformations=IMPLICIT)


@given(st.lists(TERMS, min_size=2, max_size=4), st.lists(st.sampled_from(["+", "-"]), min_size=4, max_size=4), SEEDS)
def test_mutants_of_a_polynomial_are_other_polynomials_to_sympy(terms, signs, seed):
    written = [f"{number}{'*' if name else ''}{name}" for number, name in terms]
    known = written[0] + "".join(f" {sign} {term}" for sign, term in zip(signs, written[1:], strict=False))
    assume(polynomial(known) != 0)
    kinds = made(known, seed)
    assert {"digit", "sign", "off by one"} <= set(kinds)
    for kind in {"digit", "sign", "off by one", "letter case", "names swapped"} & set(kinds):
        assert sympy.expand(polynomial(known) - polynomial(kinds[kind])) != 0, kind
    assert ("letter case" in kinds) == bool(polynomial(known).free_symbols)


def test_names_and_case():
    assert every(r"\frac{M}{R}", "letter case") == {r"\frac{m}{R}", r"\frac{M}{r}"}
    assert every("2N", "letter case") == {"2n"} and every("v_0 t", "letter case") == {"V_0 t", "v_0 T"}
    assert every(r"\frac{a}{b}", "names swapped") == {r"\frac{b}{a}"}


@pytest.mark.parametrize("known", ["x+y", "xy", "x^2+y^2", r"\sqrt{x y}", "(x-y)^2"])
def test_what_is_symmetric_has_no_swapped_names(known):
    assert not every(known, "names swapped")


@pytest.mark.parametrize(
    "known", ["B", "C", "e^2", "3i", r"5\text{ cm}", "5 m", r"\sin 2", r"\text{odd}", "4", r"\frac{1}{e}", "152A_{11}"]
)
def test_choices_constants_and_units_have_no_other_case(known):
    assert not every(known, "letter case")


def test_what_is_dropped():
    assert every("3+2i", "i dropped") == {"3+2"} and every("3+i", "i dropped") == {"3+1"}
    assert every(r"\frac{\pi}{4}", "pi dropped") == {r"\frac{1}{4}"} and every(r"2\pi", "pi dropped") == {"2"}
    assert every(r"3\sqrt{2}", "root dropped") == {"3(2)"} and not every(r"\sqrt{1}", "root dropped")


# --- several parts


@given(st.lists(st.integers(-99, 99), min_size=2, max_size=6, unique=True), SEEDS)
def test_mutants_of_a_list_are_other_lists(numbers, seed):
    wanted = sorted(numbers)
    for known in (", ".join(map(str, numbers)), rf"\{{{','.join(map(str, numbers))}\}}"):
        kinds = made(known, seed)
        assert not {"tuple reordered", "tuple as a set", "interval end"} & set(kinds)
        left = sorted(map(int, re.findall(r"-?\d+", kinds["part left off"])))
        assert len(left) == len(wanted) - 1 and set(left) < set(wanted)
        more = sorted(map(int, re.findall(r"-?\d+", kinds["part added"])))
        assert len(more) == len(wanted) + 1 and set(more) > set(wanted)
        for kind in ("digit", "off by one", "factor 10", "sign"):
            if kind in kinds:
                assert set(map(int, re.findall(r"-?\d+", kinds[kind]))) != set(wanted), kind


def test_a_repeated_part_is_not_left_off():
    assert not every("2,2,3", "part left off") and not every(r"0.5, \frac{1}{2}", "part left off")
    assert not every("1,234", "part left off")  # a number


@given(st.lists(st.integers(-99, 99), min_size=2, max_size=6), SEEDS)
def test_mutants_of_a_tuple(numbers, seed):
    kinds = made(f"({','.join(map(str, numbers))})", seed)
    assert ("tuple reordered" in kinds) == (len(set(numbers)) > 1)
    if "tuple reordered" in kinds:
        swapped = list(map(int, re.findall(r"-?\d+", kinds["tuple reordered"])))
        assert swapped != numbers and sorted(swapped) == sorted(numbers)
    assert kinds["tuple as a set"] == rf"\{{{', '.join(map(str, numbers))}\}}"


@given(st.integers(-20, 20), st.integers(1, 9), st.sampled_from("(["), st.sampled_from(")]"), SEEDS)
def test_another_end_of_an_interval_changes_what_is_in_it(low, width, left, right, seed):
    known = f"{left}{low},{low + width}{right}"
    changed = made(known, seed)["interval end"]
    probes = [Fraction(low), Fraction(2 * low + width, 2), Fraction(low + width)]
    assert sum(inside(known, probe) != inside(changed, probe) for probe in probes) == 1


def inside(interval: str, number: Fraction) -> bool:
    left, low, high, right = re.fullmatch(r"([(\[])(-?\d+),(-?\d+)([)\]])", interval).groups()
    return (int(low) < number or (left == "[" and int(low) == number)) and (
        number < int(high) or (right == "]" and int(high) == number)
    )


def test_ends_that_touch_and_ends_at_infinity_stay():
    assert every(r"[0,\infty)", "interval end") == {r"(0,\infty)"}
    assert every(r"(-\infty,1]\cup[1,\infty)", "interval end") == set()
    assert every(r"(-\infty,1)\cup(1,\infty)", "interval end") == {r"(-\infty,1]\cup(1,\infty)", r"(-\infty,1)\cup[1,\infty)"}
    assert every(r"x \le 3", "interval end") == {"x  <  3"} and every("0<x", "interval end") == {r"0 \le x"}


@pytest.mark.parametrize(
    ("known", "wanted"),
    [
        (r"x = 5\text{ cm}", ["5"]),
        (r"\$1,000", ["1,000"]),
        (r"2\pi, \frac{1}{2}, x", [r"2\pi", r"\frac{1}{2}", "x"]),
        (r"\left[1, \infty\right)", ["1"]),
        (r"\begin{pmatrix} 1 & -2 \\ 3 & x \end{pmatrix}", ["1", "-2", "3", "x"]),
        (r"60^\circ", ["60"]),
        ("8:30 p.m.", []),
        ("7, 7", []),
        ("a = b = 3", []),
    ],
)
def test_where_single_expressions_stand(known, wanted):
    assert [known[start:end] for start, end in places(known)] == wanted


@pytest.mark.parametrize(
    "known", ["1,234", r"\$1,000", r"\$32,\!348", r"\$16,\!386.16", r"111, \! 111", r"2,000\text{ cm}", "100,200"]
)
def test_thousands_are_not_a_list(known):
    assert parts(known) is None


@pytest.mark.parametrize(("known", "items"), [("81, 256", ["81", "256"]), ("(100,200)", ["100", "200"]), ("12,13", ["12", "13"])])
def test_what_is_a_list(known, items):
    assert parts(known).texts(known) == items


def test_parts_of_nothing_else():
    assert parts("(1)(2)") is None and parts(r"f(1,2)") is None and parts("") is None
    assert parts(r"25 \, \text{km}") is None
    assert parts(r"5,\,-11").texts(r"5,\,-11") == ["5", "-11"]
    assert parts(r"\text{A, B}").texts(r"\text{A, B}") == ["A", "B"]


# --- times, dates, choices, words, equations


@pytest.mark.parametrize("known", ["3:45", "14:10", "12:10", "4:30 p.m."])
def test_another_time_with_the_same_quotient(known):
    hour, minute = map(int, re.findall(r"\d+", known))
    changed = every(known, "time with the same quotient")
    assert changed
    for text in changed:
        h, m = map(int, re.findall(r"\d+", text))
        assert Fraction(h, m) == Fraction(hour, minute) and (h, m) != (hour, minute) and h < 24 and m < 60
        assert "p.m." not in known or h < 13


def test_a_ratio_is_not_a_time():
    for known in ("3:5", "9:16", "1:2"):
        assert not every(known, "time with the same quotient") and not every(known, "another minute")


def test_another_date_with_the_same_quotient():
    changed = every("06/10/2021", "date with the same quotient")
    assert "03/05/2021" in changed
    for text in changed:
        month, day, year = map(int, text.split("/"))
        assert Fraction(month, day) == Fraction(6, 10) and (month, day) != (6, 10) and year == 2021


@pytest.mark.parametrize(
    ("known", "kind", "wanted"),
    [
        ("3:30 p.m.", "a.m. and p.m.", {"3:30 a.m."}),
        (r"\text{1:03 PM}", "a.m. and p.m.", {r"\text{1:03 AM}"}),
        (r"1 \pm \sqrt{2}", "a.m. and p.m.", set()),
        ("B", "another choice", {"A", "C", "D", "E"}),
        (r"\text{(B)}", "another choice", {r"\text{(A)}", r"\text{(C)}", r"\text{(D)}", r"\text{(E)}"}),
        ("yes", "another word", {"no"}),
        (r"5\text{ million}", "scale word", {rf"5\text{{ {word}}}" for word in ("hundred", "thousand", "billion", "trillion")}),
        ("0", "0 = answer", set()),
        ("x-x", "0 = answer", set()),
        ("Sunday", "0 = answer", set()),
        ("0", "sign", set()),
        ("x = 0", "0 = answer", set()),
        ("2x+4y=0", "another equation", None),
    ],
)
def test_kinds_by_example(known, kind, wanted):
    changed = every(known, kind, 100)
    assert changed == wanted if wanted is not None else changed


def test_another_equation_is_not_a_multiple_of_it():
    x, y = sympy.symbols("x y")
    for text in every("2x+4y=0", "another equation", 100):
        left, right = (parse_expr(side, transformations=IMPLICIT) for side in text.split("="))
        assert not sympy.simplify((left - right) / (2 * x + 4 * y)).is_number
    assert agree("2x", "x+x")


def test_the_same_seed_makes_the_same_mutants():
    for known in ("72", r"\frac{a}{b}", "(1,2)", "3:45"):
        assert made(known, 3) == made(known, 3)


PIECES = [*r"\{}()[],=^_$%!.:+-*/ 0123456789abexiπ∞", r"\frac", r"\sqrt", r"\text", r"\left", r"\pi", r"\cup", " or ", "p.m."]


@given(st.lists(st.sampled_from(PIECES), max_size=30).map("".join), SEEDS)
def test_no_known_answer_is_too_odd(known, seed):
    made(known, seed)
