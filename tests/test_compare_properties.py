"""Comparison against other implementations: SymPy on random formulas, fractions by hand, and math-verify on families of forms."""

from fractions import Fraction

import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st
from math_verify import LatexExtractionConfig, parse
from math_verify import verify as math_verify

from helpers.counts import meets, met
from outgrow.verify.comparison.compare import same

X, Y = sympy.symbols("x y")
LEAVES = st.sampled_from([X, Y]) | st.integers(1, 9).map(sympy.Integer) | st.just(sympy.pi)


def grown(inner):
    pairs = st.tuples(inner, inner)
    return (
        pairs.map(lambda pair: pair[0] + pair[1])
        | pairs.map(lambda pair: pair[0] * pair[1])
        | pairs.map(lambda pair: pair[0] - pair[1])
        | st.tuples(inner, st.integers(2, 3)).map(lambda pair: pair[0] ** pair[1])
        | st.tuples(inner, st.integers(2, 9)).map(lambda pair: pair[0] / pair[1])
        | inner.map(sympy.sin)
        | inner.map(lambda one: sympy.sqrt(one**2 + 1))
    )


FORMULAS = st.recursive(LEAVES, grown, max_leaves=6)


@meets(symbols=60)
@given(formula=FORMULAS)
@settings(max_examples=200, deadline=None)
def test_a_formula_is_right_however_sympy_rewrites_it(formula):
    """SymPy prints it in three forms of its own; as the known answer it is each of them, and none of their neighbours."""
    known = sympy.latex(formula)
    if not formula.free_symbols:
        return
    met("symbols")
    for form in (sympy.expand(formula), sympy.together(formula), sympy.factor(formula, deep=False)):
        written = sympy.latex(form)
        assert same(known, written), (known, written)
        assert not same(known, sympy.latex(form + 1)), (known, written)


@meets(equal=25, different=25)
@given(one=FORMULAS, other=FORMULAS)
@settings(max_examples=200, deadline=None)
def test_two_formulas_are_equal_where_sympy_says_so(one, other):
    if not (one.free_symbols and other.free_symbols):
        return
    for left, right in ((one, other), (one, sympy.expand(one))):
        expected = sympy.simplify(left - right) == 0
        met("equal" if expected else "different")
        assert same(sympy.latex(left), sympy.latex(right)) == expected, (left, right)


def quotients(fraction):
    """A fraction as people write it."""
    top, bottom = fraction.numerator, fraction.denominator
    yield from (
        f"\\frac{{{top}}}{{{bottom}}}",
        f"{top}/{bottom}",
        f"\\frac{{{-top}}}{{{-bottom}}}",
        f"\\dfrac{{{3 * top}}}{{{3 * bottom}}}",
    )
    sign, whole, rest = "-" if top < 0 else "", abs(top) // bottom, abs(top) % bottom
    if whole and rest:
        yield f"{sign}{whole}\\frac{{{rest}}}{{{bottom}}}"
        yield f"{sign}{whole} {rest}/{bottom}"
    digits, seen, remainder = "", {}, abs(top) % bottom
    while remainder and remainder not in seen:  # long division
        seen[remainder] = len(digits)
        digits += str(remainder * 10 // bottom)
        remainder = remainder * 10 % bottom
    if not remainder:
        yield f"{sign}{whole}.{digits or '0'}"
    elif len(digits) < 50:
        start = seen[remainder]
        yield f"{sign}{whole}.{digits[:start]}\\overline{{{digits[start:]}}}"


@meets(repeating=30)
@given(top=st.integers(-500, 500), bottom=st.integers(1, 60))
def test_a_fraction_is_right_in_all_its_forms_and_its_neighbours_are_wrong(top, bottom):
    fraction = Fraction(top, bottom)
    forms = list(quotients(fraction))
    met("repeating", any("overline" in form for form in forms))
    for form in forms:
        assert same(forms[0], form), (forms[0], form)
        neighbour = fraction + Fraction(1, 10**9)
        assert not same(f"\\frac{{{neighbour.numerator}}}{{{neighbour.denominator}}}", form)


@given(mantissa=st.integers(1, 9999), other=st.integers(1, 9999), power=st.integers(-300, 300))
def test_tiny_and_huge_numbers_are_equal_only_where_their_digits_are(mantissa, other, power):
    known, written = f"{mantissa} \\times 10^{{{power}}}", f"{other}e{power}"
    assert same(known, written) == (mantissa == other)
    assert same(f"\\sqrt{{2}} \\cdot {known}", f"{other} \\sqrt2 \\cdot 10^{{{power}}}") == (mantissa == other)


@given(items=st.lists(st.integers(-50, 50), min_size=2, max_size=6), data=st.data())
def test_order_counts_in_a_tuple_and_not_in_a_set(items, data):
    turned = data.draw(st.permutations(items))
    known, written = ", ".join(map(str, items)), ", ".join(map(str, turned))
    assert same(f"({known})", f"({written})") == (items == turned)
    assert same(f"\\{{{known}\\}}", f"\\{{{written}\\}}")
    assert same(known, written)
    assert not same(f"({known})", f"\\{{{written}\\}}")
    assert not same(known, ", ".join(map(str, [*turned, 99])))


# Families of equal forms; a form is equal to those of its own family and to no other's.
FAMILIES = [
    [r"\frac{\sqrt{3}}{3}", r"\dfrac{\sqrt3}{3}", r"\frac{1}{\sqrt{3}}", r"\sqrt{\frac13}"],
    ["x^2+1", "1+x^2", "x^{2} + 1", r"x\cdot x+1"],
    ["(x+1)(x+2)", "x^2+3x+2", r"(x+2) \cdot (x+1)"],
    ["(1,2)", r"\left( 1, 2 \right)"],
    ["(2,1)", r"\left(2,\ 1\right)"],
    ["[0,1)", r"\left[0,1\right)", r"[0, \frac{2}{2})"],
    ["[0,1]", r"\left[ 0, 1 \right]"],
    [r"\{1,2,3\}", "1,2,3", r"\{3, 2, 1\}", r"3,\; 2,\; 1"],
    [r"(-\infty,-8)\cup(8,\infty)", r"(8,\infty) \cup (-\infty,-8)"],
    [r"2\sqrt{13}", r"\sqrt{52}", r"\sqrt{4}\sqrt{13}"],
    [r"\begin{pmatrix} 1 \\ 2 \end{pmatrix}", r"\begin{pmatrix}1\\2\end{pmatrix}", r"\begin{bmatrix} 1 \\ 2 \end{bmatrix}"],
    [r"\begin{pmatrix} 2 \\ 1 \end{pmatrix}", r"\begin{pmatrix}\frac{4}{2}\\1\end{pmatrix}"],
    ["1+2i", "2i + 1"],
    [r"18\pi", r"\pi \cdot 18", r"\frac{36\pi}{2}"],
    ["y=-2x", "y = -2 x", "y=-x-x"],
    [r"\log_2 3", r"\frac{\ln 3}{\ln 2}"],
    ["x^{10}", r"x^5 \cdot x^5"],
    ["2^{k}", r"2 \cdot 2^{k-1}"],
]
PAIRS = [(known, written, True) for one in FAMILIES for known in one for written in one]
PAIRS += [(one[0], other[-1], False) for i, one in enumerate(FAMILIES) for other in (FAMILIES + FAMILIES)[i + 1 : i + 6]]


def test_forms_are_equal_within_their_family_and_to_no_other():
    """Each pair is also put to math-verify directly: it is the peer, and must say the same."""
    assert len(PAIRS) > 200
    parsed = {form: parse(f"${form}$", [LatexExtractionConfig()], parsing_timeout=None) for one in FAMILIES for form in one}
    said = [known == written or math_verify(parsed[known], parsed[written], timeout_seconds=None) for known, written, _ in PAIRS]
    assert [same(known, written) for known, written, _ in PAIRS] == said
    assert [(known, written) for (known, written, equal), peer in zip(PAIRS, said, strict=True) if equal is not peer] == []


@pytest.mark.parametrize(
    "hedge",
    [
        r"x+2, \text{ but the final answer is } $x+1$",
        r"x+2 $ $ the final answer is: $ $x+1",
        r"x+2 \text{ or } x+1",
        "x+2, x+1",
        r"x+1 \text{ or } x+2",
        "x+1, x+2",
        r"x+1 \\ x+2",
        r"x+2 \\ x+1",
        "Answer: x+1, or x+2",
    ],
)
def test_an_answer_that_holds_the_known_one_among_others_is_wrong(hedge):
    assert not same("x+1", hedge)


@pytest.mark.parametrize(
    ("known", "written", "right"),
    [
        ("10t+12", "12+10t", True),
        ("12+10t", "22", False),
        ("3t", "3t+0", True),
        ("3t", "3", False),
        (r"18\pi\text{ inches}", r"18 \pi", True),
        (r"\pi", r"\pi meters", True),
    ],
)
def test_a_letter_is_a_unit_only_where_words_are_written(known, written, right):
    assert same(known, written) is right
