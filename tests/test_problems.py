"""Micro fields, checked from the text of the question alone: answers, worked steps, and that no test problem is trained on."""

import os
import re
import subprocess
import sys
from collections import defaultdict
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outgrow.core.rng import python_rng
from outgrow.policy.micro import make_tokenizer
from outgrow.problems.micro import FIELDS, Micro, draw_problems
from outgrow.problems.micro.field import LEVELS
from outgrow.problems.split import split_of
from outgrow.problems.suites import suite

SPLITS = ("train", "validation", "test")
CELLS = [(field, level) for field in FIELDS for level in LEVELS]


def numbers(pattern, question):
    return [int(part) for part in re.fullmatch(pattern, question).groups()]


def read_sum(question):
    a, b = numbers(r"(\d+)\+(\d+)=\?", question)
    return frozenset({(a, b), (b, a)}), a + b


def read_difference(question):
    a, b = numbers(r"(\d+)-(\d+)=\?", question)
    return (a, b), a - b


def read_product(question):
    a, b = numbers(r"(\d+)\*(\d+)=\?", question)
    return frozenset({(a, b), (b, a)}), sum(a for _ in range(b))


def read_clock(question):
    m, a, b = numbers(r"clock (\d+): (\d+)\+(\d+)=\?", question)
    hour = a
    for _ in range(b):
        hour = 0 if hour + 1 == m else hour + 1
    return (m, frozenset({(a, b), (b, a)})), hour


def read_sequence(question):
    a, b, c = numbers(r"(\d+),(\d+),(\d+),\?", question)
    assert c - b == b - a != 0
    return (a, b), c + (c - b)


def read_roman(question):
    numeral = re.fullmatch(r"roman ([MDCLXVI]+)=\?", question)[1]
    # The one way to write each number.
    assert re.fullmatch(r"M{0,3}(CM|CD|D?C{0,3})(XC|XL|L?X{0,3})(IX|IV|V?I{0,3})", numeral)
    return numeral, roman_value(numeral)


def roman_value(numeral):
    worth = [{"M": 1000, "D": 500, "C": 100, "L": 50, "X": 10, "V": 5, "I": 1}[letter] for letter in numeral]
    return sum(-one if one < after else one for one, after in zip(worth, [*worth[1:], 0], strict=True))


def read_binary(question):
    bits = re.fullmatch(r"binary (1[01]*)=\?", question)[1]
    return bits, int(bits, 2)


def read_letters(question):
    letter, word = re.fullmatch(r"count ([a-z]) in ([a-z]+)", question).groups()
    return (letter, word), word.count(letter)


# field -> question -> (what is asked, the same however it is written; the answer)
READ = {
    "sum": read_sum,
    "difference": read_difference,
    "product": read_product,
    "clock": read_clock,
    "sequence": read_sequence,
    "roman": read_roman,
    "binary": read_binary,
    "letters": read_letters,
}


def columns_with_carry(steps, a, b, pattern, total):
    """Check a column-by-column calculation with carries; returns the number that its result digits spell."""
    upper, lower, carried, written = str(a)[::-1], str(b)[::-1], 0, ""
    columns = steps.split(",")
    assert len(columns) == max(len(upper), len(lower))
    for place, column in enumerate(columns):
        x, y, carry, result = numbers(pattern, column)
        assert (x, y) == (int(upper[place : place + 1] or 0), int(lower[place : place + 1] or 0))
        assert carry == carried
        assert result == total(x, y, carry)
        carried, digit = divmod(result, 10)
        written = f"{digit}{written}"
    return int(f"{carried}{written}")


def sum_by_columns(steps, a, b):
    return columns_with_carry(steps, a, b, r"(\d)\+(\d)\+(\d)=(\d+)", lambda x, y, carry: x + y + carry)


def product_by_columns(steps, a, b):
    # The single-digit factor stands in every column.
    every = int(str(b) * len(str(a)))
    return columns_with_carry(steps, a, every, r"(\d)\*(\d)\+(\d)=(\d+)", lambda x, y, carry: x * y + carry)


def difference_by_columns(steps, a, b):
    """The same for a subtraction, where ' marks a borrowed ten."""
    upper, lower, owed, written = str(a)[::-1], str(b)[::-1], 0, ""
    for place, column in enumerate(steps.split(",")):
        x, y, borrow, digit, mark = re.fullmatch(r"(\d)-(\d)-(\d)=(\d)('?)", column).groups()
        assert (x, y) == (upper[place], lower[place : place + 1] or "0")
        assert int(borrow) == owed
        assert int(x) - int(y) - int(borrow) == int(digit) - 10 * bool(mark)
        owed = int(bool(mark))
        written = digit + written
    assert owed == 0
    assert len(written) == len(upper)
    return int(written)


def follow_sum(question, steps):
    return sum_by_columns(steps, *numbers(r"(\d+)\+(\d+)=\?", question))


def follow_difference(question, steps):
    return difference_by_columns(steps, *numbers(r"(\d+)-(\d+)=\?", question))


def follow_product(question, steps):
    return product_by_columns(steps, *numbers(r"(\d+)\*(\d+)=\?", question))


def follow_clock(question, steps):
    m, a, b = numbers(r"clock (\d+): (\d+)\+(\d+)=\?", question)
    first, second = steps.split(";")
    columns, total = first.split(":")
    assert sum_by_columns(columns, a, b) == int(total)
    return difference_by_columns(second, int(total), m)


def follow_sequence(question, steps):
    a, b, c = numbers(r"(\d+),(\d+),(\d+),\?", question)
    first, second = steps.split(";")
    columns, gap = first.split(":")
    assert difference_by_columns(columns, b, a) == int(gap)
    return sum_by_columns(second, c, int(gap))


def follow_roman(question, steps):
    numeral, written, total = question.removeprefix("roman ").removesuffix("=?"), "", 0
    for line in steps.split(","):
        symbols, running = re.fullmatch(r"([MDCLXVI]+)(\d+)", line).groups()
        written += symbols
        total += roman_value(symbols)
        assert int(running) == total
    assert written == numeral
    return total


def follow_binary(question, steps):
    bits = question.removeprefix("binary ").removesuffix("=?")
    totals = [int(total) for total in steps.split(",")]
    assert totals[0] == int(bits[0])
    assert [after - 2 * before for before, after in pairwise(totals)] == [int(bit) for bit in bits[1:]]
    return totals[-1]


def follow_letters(question, steps):
    letter, word = re.fullmatch(r"count ([a-z]) in ([a-z]+)", question).groups()
    pairs = re.findall(r"([a-z])(\d+)", steps)
    assert "".join(spelled + count for spelled, count in pairs) == steps
    assert "".join(spelled for spelled, _ in pairs) == word
    counts = [0, *(int(count) for _, count in pairs)]
    assert [after - before for before, after in pairwise(counts)] == [int(spelled == letter) for spelled in word]
    return counts[-1]


FOLLOW = {
    "sum": follow_sum,
    "difference": follow_difference,
    "product": follow_product,
    "clock": follow_clock,
    "sequence": follow_sequence,
    "roman": follow_roman,
    "binary": follow_binary,
    "letters": follow_letters,
}


@pytest.fixture(scope="module")
def drawn():
    """(field, level, split) -> a long list of problems."""
    size = {"train": 700, "validation": 200, "test": 200}
    return {(f, level, split): draw_problems(f, level, split, size[split]) for f, level in CELLS for split in SPLITS}


def test_every_cell_of_every_split_has_problems(drawn):
    assert all(drawn.values()), [cell for cell, problems in drawn.items() if not problems]


@pytest.mark.parametrize("field", FIELDS)
def test_nothing_asked_in_one_split_is_asked_in_another(drawn, field):
    asked = {split: set() for split in SPLITS}
    for level in LEVELS:
        for split in SPLITS:
            asked[split] |= {READ[field](problem.question)[0] for problem in drawn[field, level, split]}
    assert not asked["train"] & asked["test"]
    assert not asked["train"] & asked["validation"]
    assert not asked["validation"] & asked["test"]


@pytest.mark.parametrize("field", FIELDS)
def test_the_same_thing_asked_has_one_key_and_so_one_split(field):
    keys = defaultdict(set)
    for level in LEVELS:
        rng = python_rng("test keys", field, level)
        for _ in range(1500):
            written = FIELDS[field].draw(level, rng)
            keys[READ[field](written.question)[0]].add(written.key)
    assert max(map(len, keys.values())) == 1
    assert len({key for found in keys.values() for key in found}) == len(keys), "two different problems share a key"


@pytest.mark.parametrize("field", ["sum", "clock"])
@given(data=st.data())
@settings(max_examples=300)
def test_commuted_operands_are_the_same_problem(field, data):
    """Where the generator can also write the operands the other way round, that must come out in the same split."""
    level = data.draw(st.sampled_from(LEVELS))
    written = FIELDS[field].draw(level, data.draw(st.randoms(use_true_random=False)))
    operands = re.findall(r"(\d+)\+(\d+)", written.question)[0]
    low, high = sorted(map(int, operands))
    assert re.search(rf"\b{low}\+{high}\b", written.key), "the key must name the operands in one order, whichever was drawn"


@pytest.mark.parametrize("field", FIELDS)
def test_splits_have_their_shares(field):
    keys = set()
    for level in LEVELS:
        rng = python_rng("test shares", field, level)
        keys |= {FIELDS[field].draw(level, rng).key for _ in range(500)}
    found = [split_of(field, key) for key in keys]
    # Standard deviations for the few hundred keys of the smallest field are 0.02 and 0.015; this is four of them.
    assert found.count("train") / len(keys) == pytest.approx(0.80, abs=0.08)
    assert found.count("test") / len(keys) == pytest.approx(0.10, abs=0.06)


@pytest.mark.parametrize("field", FIELDS)
def test_answers_follow_from_the_question(drawn, field):
    for level in LEVELS:
        for split in SPLITS:
            for problem in drawn[field, level, split]:
                assert problem.answer == str(READ[field](problem.question)[1]), problem


@pytest.mark.parametrize("field", FIELDS)
def test_written_out_steps_are_true_and_lead_to_the_answer(drawn, field):
    for level in LEVELS:
        for problem in drawn[field, level, "train"]:
            assert FOLLOW[field](problem.question, problem.solution) == int(problem.answer), problem


def test_text_survives_the_micro_tokenizer(drawn):
    tokenizer = make_tokenizer()
    for problems in drawn.values():
        for problem in problems[:60]:
            text = f"{problem.question}\n{problem.solution}</think>\\boxed{{{problem.answer}}}"
            ids = tokenizer(text, add_special_tokens=False)["input_ids"]
            assert tokenizer.unk_token_id not in ids, problem
            assert tokenizer.decode(ids) == text


@pytest.mark.parametrize("split", SPLITS)
def test_loaded_ids_are_unique_and_name_one_question(split):
    problems = Micro(split=split, per_level=60).load()
    assert len({problem.id for problem in problems}) == len(problems)
    asked = {(problem.field, READ[problem.field](problem.question)[0]) for problem in problems}
    assert len(asked) == len(problems)


def test_a_problem_of_two_levels_stands_in_the_easier(drawn):
    levels = defaultdict(set)
    for (_, level, split), problems in drawn.items():
        if split == "test":
            for problem in problems:
                levels[problem.id].add(level)
    both = {name: min(found) for name, found in levels.items() if len(found) > 1}
    assert len(both) > 10, "no field's levels overlap, so this says nothing"
    fields = tuple({name.partition(":")[0] for name in both})
    loaded = {problem.id: problem.level for problem in Micro(split="test", fields=fields, per_level=200).load()}
    assert {name: loaded[name] for name in both} == both


@pytest.mark.parametrize("count", [1, 8, 30])
def test_what_one_source_takes_another_can_skip(count):
    """Also where two levels draw the same problem, one of them early and the other late."""
    taken, rest = (
        {p.id for p in Micro(split="test", **how).load()} for how in ({"per_level": count}, {"skip": count, "per_level": 40})
    )
    whole = {problem.id for problem in Micro(split="test", per_level=count + 40).load()}
    assert not taken & rest
    assert taken | rest == whole


def test_the_suite_has_none_of_the_problems_that_settings_were_chosen_by():
    measured = {problem.id for problem in suite("micro").load()}
    assert len(measured) > 600
    for chosen_by in (Micro(split="test", per_level=8), suite("micro-validation")):
        assert not measured & {problem.id for problem in chosen_by.load()}


@pytest.mark.parametrize(("field", "level"), [("sum", 3), ("clock", 1), ("binary", 1), ("letters", 6)])
def test_a_longer_list_starts_with_the_shorter(field, level):
    short, long = (draw_problems(field, level, "train", count) for count in (40, 200))
    assert long[: len(short)] == short
    assert draw_problems(field, level, "train", 200) == long


def test_another_process_draws_the_same_list():
    """Nothing may hang on the salted hash() of strings or on the order of a set."""
    code = "from outgrow.problems.micro import Micro; print([p.id for p in Micro(per_level=3).load()])"
    env = {**os.environ, "PYTHONHASHSEED": "12345"}
    other = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert other.stdout.strip() == str([problem.id for problem in Micro(per_level=3).load()])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"fields": ("summ",)}, r"unknown micro field 'summ' \(did you mean 'sum'\?\)"),
        ({"fields": ("sum", "romans")}, r"unknown micro field 'romans' \(did you mean 'roman'\?\)"),
        ({"levels": (0,)}, r"levels must be some of \[1, 2, 3, 4, 5, 6\]"),
        ({"levels": (1, 7)}, r"levels must be some of"),
        ({"levels": ()}, r"levels must be some of"),
        ({"split": "tests"}, r"'train', 'validation' or 'test'"),
        ({"per_level": 0}, r"greater than or equal to 1"),
        ({"per_levels": 3}, r"per_levels"),
    ],
)
def test_a_wrong_setting_is_told(wrong, message):
    with pytest.raises(ValueError, match=message):
        Micro(**wrong)
