r"""Plain writings of answers (`sandbox.writings`): the same number, list or rows however they are written, and no other."""

import random
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outgrow.sandbox.writings import plain_number, writings

WHOLE = st.integers(-(10**12), 10**12)
QUESTION = "How many apples does she have?"


def right_writings(number, rng):
    """Of a whole number, as models write it."""
    sign, digits = ("-", str(-number)) if number < 0 else ("", str(number))
    separator = rng.choice([",", "{,}", r"\,", r"\;", "~", "\u2009", "\u202f", r",\!"])
    return [
        sign + f"{abs(number):,}".replace(",", separator),
        f"${number}",
        f"\\${number:,}",
        f"{number}.0",
        f"{number}.",
        f" {number}\n",
        rf"\boxed{{ {number} }}",
        rf"\boxed{{\text{{{number:,}}}}}",
        rf"\({number}\)",
        rf"\[ {number} \]",
        f"$ {number} $",
        f"**{number}**",
        f"`{number}`",
        f"{number} apples",
        rf"{number}\text{{ apples}}",
        rf"{number:,} \mathrm{{cm}}^2",
        f"x = {number}",
        digits if number >= 0 else f"−{digits}",
        digits if number >= 0 else f"–{digits}",
    ]


@given(WHOLE, st.integers(0, 2**32))
def test_a_whole_number_is_found_in_each_writing(number, seed):
    for text in right_writings(number, random.Random(seed)):
        assert writings(text, str(number), QUESTION)[-1] == str(number), text


@given(WHOLE, WHOLE, st.integers(0, 2**32))
def test_no_writing_of_another_number_is_the_known_one(known, number, seed):
    """What is offered to the scorer reads back as the number that was written."""
    if known == number:
        return
    for text in right_writings(number, random.Random(seed)):
        offered = writings(text, str(known), QUESTION)
        assert str(known) not in offered
        assert Decimal(plain_number(offered[-1], QUESTION)) == number


@given(st.decimals(-(10**6), 10**6, places=3))
def test_a_decimal_keeps_its_value(number):
    known = f"{number:f}" if number else "0.000"
    for text in (f"{known}0", f"${known}$", f"\\boxed{{{known}}}", f"{number:,}" if number else known, f"{known}."):
        assert writings(text, known, "")[-1] == known
    assert Decimal(plain_number(known, "")) == number


@pytest.mark.parametrize(
    ("known", "answer"),
    [
        ("7", "7 or 8"),
        ("7", "7 and 8"),
        ("7", "7, 8"),
        ("7", "7 8"),
        ("7", "7 dozen"),
        ("7", "7 hundred apples"),
        ("7", "7 squared"),
        ("7", "7/2"),
        ("7", r"7\frac12"),
        ("7", "7^2"),
        ("7", "7x"),
        ("7", "7 pears"),  # the question has no pears
        ("7", "not 7"),
        ("7", "7%"),  # and no percent
        ("7", "--7"),
        ("135", "1,35"),
        ("1358", "13,58"),
        ("1358", "1,3,5,8"),
        ("15", "1,5"),
        ("12", "0012"),
        ("0012", "12"),  # a text of digits, since numbers have no zeros in front
        ("100000", "1e5"),  # which is hexadecimal as well
        ("11", "11_2"),
        ("0", "O"),
        ("3", "٣"),
        ("7", "7" * 300),
        ("1/2", "2/4"),  # to be simplified
        ("45.00°", "45.1°"),
    ],
)
def test_another_answer_stays_another(known, answer):
    assert known not in writings(answer, known, "How many apples, 7 or 8, and x?")


@pytest.mark.parametrize(
    ("known", "answer", "offered"),
    [
        ("20", "20%", "20"),
        ("45.00°", r"45.0^\circ", "45.00°"),
        ("300000", r"3 \times 10^{5}", "300000"),
        ("9.36e-18", r"9.36 \times 10^{-18}", "9.36e-18"),
        ("138/583", r"\dfrac{138}{583}", "138/583"),
        ("0.5", r"\frac12", "1/2"),
        ("2 × 433", r"2 \times 433", "2 × 433"),
        ("[50, 88, 29]", "[50,88,29]", "[50, 88, 29]"),
        ("['51.5', '2']", '["51.5", "2"]', "['51.5', '2']"),
        ("1 2\n3 4", "1  2 \n3 4\n", "1 2\n3 4"),
        ("owns, progress", "owns,progress", "owns, progress"),
        ("True", "true", "True"),
        ("Peng", r"\text{Peng}.", "Peng"),
        ('{"a": 1}', '```json\n{"a": 1}\n```', '{"a": 1}'),
    ],
)
def test_other_kinds_of_known_answers(known, answer, offered):
    assert offered in writings(answer, known, "What percentage?")


@pytest.mark.parametrize(
    ("known", "answer"),
    [
        ("[50, 88, 29]", "[50, 29, 88]"),
        ("[50, 88]", "(50, 88)"),
        ("['1', '2']", "[1, 2]"),
        ("[1, 2]", "[1.0, 2]"),
        ("[1]", "[True]"),
        ("1 2\n3 4", "1 2 3 4"),
        ("12 3", "1 23"),
        ("aab", "AAB"),
        ("Mr.", "Mr"),
        ("a, b", "a b"),
    ],
)
def test_what_is_said_otherwise_is_not_offered(known, answer):
    assert known not in writings(answer, known, "")


@given(st.text(max_size=60), st.text(max_size=30), st.text(max_size=30))
def test_the_answer_itself_comes_first_and_nothing_raises(answer, known, question):
    texts = writings(answer, known, question)
    assert texts[0] == answer
    assert len(texts) == len(set(texts)) <= 6


def test_long_answers_cost_little():
    """Linear: no pattern of it can match a text in two ways."""
    for text in ("9" * 20_000, "{" * 20_000, r"\text{" * 4_000, "$" * 20_000, "1," * 10_000, " " * 20_000, "a " * 10_000):
        for known in ("7", "a b", "[1]", "1/2", "2 × 3"):
            assert writings(text, known, "apples " * 100)[0] == text
