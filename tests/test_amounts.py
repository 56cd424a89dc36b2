"""Times and money as people write them, and as they are printed."""

import doctest
import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outgrow.core import amounts
from outgrow.core.amounts import dollars, duration, hours, money, typed_dollars, typed_hours
from outgrow.core.errors import UsageError
from outgrow.runs.cost import Budget, parse_budget

UNIT = {"s": 1, "min": 60, "h": 3600, "d": 86_400}


def test_examples_in_docstrings():
    assert doctest.testmod(amounts).attempted >= 6
    assert doctest.testmod(amounts).failed == 0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("10m", 600), ("10 min", 600), ("10 Minutes", 600), ("1h30", 5400), ("1H30M", 5400), (" 1 h 30 min ", 5400), ("90s", 90),
        ("2d", 172_800), ("1d12", 129_600), ("0.5h", 1800), ("1.5 hours", 5400), ("1d 2h 3m 4s", 93_784), (".5h", 1800),
    ],
)  # fmt: skip
def test_times(text, seconds):
    assert hours(text) * 3600 == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "10",
        "h",
        "0s",
        "-1h",
        "1h-5",
        "1e3h",
        "infh",
        "nan",
        "1:30",
        "1h2h",
        "5m1h",
        "1h30x",
        "1 month",
        "1s5",
        "٣h",
        "5usd",
        "1,5h",
    ],
)
def test_what_is_not_a_time_is_named_with_examples(text):
    with pytest.raises(UsageError) as error:
        hours(text)
    assert repr(text) in str(error.value) and "1h30" in str(error.value)


@pytest.mark.parametrize("text", ["$5", "5$", "$ 5.00", "5 USD", "5usd", "usd 5", "US$5", "5 dollars", "5 Dollar"])
def test_dollars(text):
    assert dollars(text) == 5.0


@pytest.mark.parametrize("text", ["", "5", "$", "0usd", "$-5", "$1,000", "5 EUR", "€5", "5 usd 6", "nan usd", "1h", "$1e5"])
def test_what_is_not_money_is_named_with_examples(text):
    with pytest.raises(UsageError) as error:
        dollars(text)
    assert repr(text) in str(error.value) and "5usd" in str(error.value)


@given(st.floats(1e-4, 1e5))
def test_what_is_proposed_is_read_and_never_below_the_amount(value):
    assert value * (1 - 1e-9) <= hours(typed_hours(value)) <= value + 1 / 3600 + 1e-9
    assert value * (1 - 1e-9) <= dollars(typed_dollars(value)) <= value + 0.01 + 1e-9
    assert re.fullmatch(r"[a-z0-9.]+", typed_hours(value) + typed_dollars(value)), "a shell leaves it as it is"


@given(st.floats(0.01, 1e7))
def test_a_printed_time_is_near_the_time(seconds):
    parts = re.findall(r"([\d.,]+) (s|min|h|d)", duration(seconds))
    assert " ".join(" ".join(part) for part in parts) == duration(seconds)
    printed = [(float(number.replace(",", "")), UNIT[unit]) for number, unit in parts]
    assert sum(number * unit for number, unit in printed) == pytest.approx(seconds, rel=0.06)
    most = {1: 60, 60: 60, 3600: 48, 86_400: math.inf}
    assert all(number < most[unit] for number, unit in printed)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"), (0.2, "0.2 s"), (59.4, "59 s"), (59.6, "1 min"), (119.6, "2 min"), (599, "10 min"), (3599, "1 h"),
        (3600, "1 h"), (7199, "2 h"), (5520, "1 h 32 min"), (172_799, "2 d"),
    ],
)  # fmt: skip
def test_times_at_the_limits_of_their_units(seconds, text):
    assert duration(seconds) == text


def test_money():
    assert [money(value) for value in (0, 0.004, 0.005001, 3.4, 12_345.678)] == ["$0.00", "<$0.01", "$0.01", "$3.40", "$12,345.68"]


@pytest.mark.parametrize(
    ("texts", "budget"),
    [
        ([], Budget()),
        (["10h"], Budget(hours=10)),
        (["$25"], Budget(dollars=25)),
        (["10h,$25"], Budget(10, 25)),
        (["5 usd", "1h30"], Budget(1.5, 5)),
    ],
)
def test_budgets(texts, budget):
    assert parse_budget(texts) == budget
    assert math.isinf(parse_budget([]).hours)


@pytest.mark.parametrize("texts", [["10h", "20h"], ["1usd,2usd"], ["10"], ["10h,"], ["$1,000"], [""], ["ten hours"]])
def test_a_budget_that_cannot_be_read_is_named(texts):
    with pytest.raises(UsageError, match=r"--budget") as error:
        parse_budget(texts)
    assert ",".join(texts) in str(error.value)
