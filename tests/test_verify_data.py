"""Every known answer of tests/data, written another way, is right for its own solution, and not for its neighbour's."""

import pytest

from helpers.data import gsm8k_right, math500_right, math_right, own_and_next_right

WORDS = ("arc/challenge_test", "arc/easy_test", "commonsenseqa/dev", "coin_flip/test", "last_letters/test")


@pytest.fixture(autouse=True)
def no_worker(monkeypatch):
    """The same answer, only styled otherwise, must not need a comparison process."""
    monkeypatch.setattr("outgrow.verify.pool._Worker", None)


@pytest.mark.parametrize(("split", "count"), [("train", 12), ("test", 10)])
def test_gsm8k_answers_against_their_solutions(data, split, count):
    assert gsm8k_right(data, split) == [True] * count


@pytest.mark.parametrize(("split", "count", "refused"), [("train", 16, {8}), ("test", 12, set())])
def test_math_answers_against_their_solutions(data, split, count, refused):
    """One row has nothing to be right for: its box is empty."""
    assert math_right(data, split) == [index not in refused for index in range(count)]


def test_math500_answers_that_stand_beside_the_solutions(data):
    assert math500_right(data) == [True] * 10


@pytest.mark.parametrize("name", WORDS)
def test_choices_and_words_against_themselves_and_their_neighbours(data, name):
    own, following, equal = own_and_next_right(data, name)
    assert own == [True] * 10
    assert following == equal
    assert equal.count(False) >= 4, "neighbours that are alike show nothing"
