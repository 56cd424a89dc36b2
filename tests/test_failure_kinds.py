"""Kinds of failure, checked calculations, journeys: against texts judged by hand, real solutions, brute force and chance."""

import random
import re
import time
from collections import Counter
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.counts import meets, met
from helpers.data import rows_of
from outgrow.evaluate import Evaluation
from outgrow.evaluate.arithmetic_steps import equations
from outgrow.evaluate.failure_kinds import MEANING, Failure, failure_of, repeats
from outgrow.evaluate.sample import Sample
from outgrow.report.analysis import _by_base, _by_length
from outgrow.report.journeys import journeys
from outgrow.report.visit_table import VisitTable
from outgrow.types import Verdict, Visit


def judged(text):
    return [(one.text, one.holds) for one in equations(text)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("48/2 = <<48/2=24>>24 clips", [("48/2=24", True)]),
        ("She pays 5 × $3 = $15 and 7 − 9 = -2.", [("5 * $3 = $15", True), ("7 - 9 = -2", True)]),
        (r"\(12 \times 4 = 50\), then $1{,}000 + 24 = 1{,}024$", [("12 * 4 = 50", False), ("$1000 + 24 = 1024", True)]),
        ("2 + 3 * 4 = 14, 2 + 3 * 4 = 20", [("2 + 3 * 4 = 14", True), ("2 + 3 * 4 = 20", False)]),
        ("10/3 = 3.33, 10/3 = 3.34, 10/3 = 3.4", [("10/3 = 3.33", True), ("10/3 = 3.34", True), ("10/3 = 3.4", True)]),
        (
            "10/3 = 3.5; 2/3 = 0.6667; 0.1 + 0.2 = 0.31",
            [("10/3 = 3.5", False), ("2/3 = 0.6667", True), ("0.1 + 0.2 = 0.31", False)],
        ),
        ("7+8+0=14,3+8+1=12,4+0+1=5", [("7+8+0=14", False), ("3+8+1=12", True), ("4+0+1=5", True)]),
        ("8 x 7 = 56 and 3*4 = 12 = 12", [("8 x 7 = 56", True), ("3*4 = 12", True)]),
        ("5 / 0 = 0", []),
        ("x + 3*4 = 20, (1+2)*3 = 9, 2*(3+4) = 14, 2^3*2 = 16", []),
        ("5-8-0=7', 20% * 50 = 10, 3*4 = 12x, 12:30 + 1:15 = 13:45", []),
        ("3 * 4 = 12 + 1 = 13", [("12 + 1 = 13", True)]),
        ("16 1/2 + 24 1/2 = 41, 6 / 1/3 = 18, 3 * 1000 = 3 000", []),
        ("12345,678 + 1 = 679", []),
        ("20% of 50 + 3 = 13, √16 + 3 = 7, log 100 + 3 = 5, 3 * 5 = 1 mod 7, 5 + 3 = 4 x 2", []),
        ("90 + 30 = 2 hours, 10+4 = 2 o'clock, pages 10-20 = 11 pages", []),
    ],
)
def test_calculations_by_hand(text, found):
    assert judged(text) == found


@meets(holds=20, wrong=20)
@given(
    st.lists(st.integers(0, 999), min_size=2, max_size=6),
    st.lists(st.sampled_from("+-*"), min_size=5, max_size=5),
    st.integers(-3, 3),
)
def test_calculations_are_pythons(numbers, signs, off):
    expression = str(numbers[0]) + "".join(sign + str(number) for number, sign in zip(numbers[1:], signs, strict=False))
    truth = eval(expression)  # of digits and signs made here
    [found] = equations(f"so {expression} = {truth + off}.")
    assert found.holds == (off == 0)
    assert found.result == Fraction(truth + off)
    met("holds" if found.holds else "wrong")


def test_every_annotation_of_a_solution_is_judged(data):
    """GSM8K writes each calculation as `<<a=b>>`: those without brackets or a bare point are found, and right but for one slip."""
    texts = [row["answer"] for split in ("train", "test") for row in rows_of(data, f"gsm8k/{split}")]
    written = re.findall("<<(.*?)>>", "".join(texts))
    plain = [one for one in written if re.fullmatch(r"-?\d[\d.]*([-+*/]\d[\d.]*)+=-?[\d.]+", one)]
    assert (len(written), len(plain)) == (49, 46)
    found = Counter((one.text, one.holds) for text in texts for one in equations(text))
    for calculation in plain:
        left, right = calculation.split("=")
        places = len(right.partition(".")[2])
        truth = round(eval(left), places) == float(right)  # of digits and signs that tests/data holds
        assert found[calculation, truth], calculation
    assert [text for text, holds in found if not holds] == ["2400+1300=3800"]


@pytest.mark.parametrize(
    "text",
    [
        "1+" * 100_000,
        "1" * 200_000,
        "1,111" * 40_000,
        "1 + 1 " * 40_000 + "=",
        "9*" * 100_000 + "=3",
        "\\times" * 40_000,
        "1=" * 99_999,
    ],
)
def test_no_text_takes_long(text):
    began = time.perf_counter()
    list(equations(text))
    repeats(text)
    assert time.perf_counter() - began < 10  # a hang would take hours; nothing is timed here


def sample(
    text, answer="42", verdict=Verdict.WRONG, extracted="7", question="How many are 36 and 5?", problem="p", index=0, length=5
):
    return Sample(problem, "field", 1, question, answer, index, text, verdict, extracted, length)


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        (sample("\\boxed{42}", verdict=Verdict.RIGHT), None),
        (sample("wait, let me check. " * 20, verdict=Verdict.TRUNCATED), Failure.LOOP),
        (sample("a long thought that goes on and on, without saying anything twice", verdict=Verdict.TRUNCATED), Failure.TRUNCATED),
        (sample("", verdict=Verdict.VERIFIER_FAILED), Failure.VERIFIER_FAILED),
        (sample("So #### 42", verdict=Verdict.NO_ANSWER, extracted=None), Failure.EXTRACTION),
        (sample("The answer is 7\\boxed{7} or so, 42"), Failure.EXTRACTION),
        (sample("I do not know.", verdict=Verdict.NO_ANSWER, extracted=None), Failure.NO_ANSWER),
        (sample("The answer is 42. But wait: \\boxed{7}"), Failure.CHANGED),
        (sample("\\boxed{42}, no, \\boxed{7}"), Failure.CHANGED),
        (sample("6*7 = 42, and 42/6 = 7, so \\boxed{7}"), Failure.CHANGED),
        (sample("我们需要计算这些数字的总和，然后给出答案 \\boxed{7}"), Failure.LANGUAGE),
        (sample("36+5 = 44, so \\boxed{44}", extracted="44"), Failure.SLIP),
        (sample("It is \\boxed{36}", extracted="36"), Failure.COPIED),
        (sample("36-5 = 31, so \\boxed{31}", extracted="31"), Failure.SETUP),
        (sample("I guess \\boxed{7}"), Failure.OTHER),
        (sample("2+2 = 4, so \\boxed{9}", answer="4", extracted="9"), Failure.SETUP),  # 4 turns up by chance
        (sample("α + β is \\boxed{7}"), Failure.OTHER),  # letters of mathematics are no other language
    ],
)
def test_kinds_by_hand(given, kind):
    assert failure_of(given) is kind
    assert kind is None or MEANING[kind]


@pytest.mark.parametrize("period", [1, 7, 80, 400])
def test_loops_of_any_period_are_seen_and_other_texts_are_not(period):
    letters = random.Random(period)
    piece = "".join(letters.choice("abcdefgh ") for _ in range(period))
    assert repeats("before " + piece * (3 + 60 // period))
    assert not repeats("before " + piece * 2 if period > 40 else "before " + piece)
    assert not repeats("".join(letters.choice("abcdefgh ") for _ in range(3000)))


def visits(*rights, n=8):
    return [Visit(step, "p", n, right, 5.0) for step, right in enumerate(rights, 1)]


@pytest.mark.parametrize(
    ("rights", "fate", "turns"),
    [
        ([8, 5, 7], "kept", [(1, True)]),
        ([0, 3, 8], "learned", [(1, False), (3, True)]),
        ([4, 7], "learned", [(2, True)]),
        ([8, 4, 1], "forgotten", [(1, True), (3, False)]),
        ([1, 8, 0, 8], "relearned", [(1, False), (2, True), (3, False), (4, True)]),
        ([0, 1, 2], "never", [(1, False)]),
        ([4, 5], "undecided", []),
        ([8], "undecided", [(1, True)]),
    ],
)
def test_journeys_by_hand(rights, fate, turns):
    [journey] = journeys(VisitTable.of(visits(*rights)))
    assert (journey.fate, [(turn.step, turn.solved) for turn in journey.turns]) == (fate, turns)


def test_gains_by_base_show_none_where_there_is_none():
    """The same policy twice, 600 problems × 8 samples: sorted by the very samples that are compared, the weakest would gain."""
    rng = random.Random(0)
    rates = {f"p{place}": rng.choice([0.2, 0.5, 0.8]) for place in range(600)}

    def drawn():
        return Evaluation(
            [
                sample("", verdict=Verdict.RIGHT if rng.random() < rate else Verdict.WRONG, problem=problem, index=index)
                for problem, rate in rates.items()
                for index in range(8)
            ]
        )

    parts = _by_base(drawn(), drawn())
    assert [part.label for part in parts] == ["0% right", "25% right", "50% right", "75% right", "100% right"]
    assert sum(part.compared.change.n for part in parts) == 600
    assert sum(part.compared.change.excludes() for part in parts) <= 1  # of five at 95%


def test_lengths_are_cut_into_equal_parts_of_both_sides_together():
    def answers(lengths, right):
        verdicts = [Verdict.RIGHT if right(length) else Verdict.WRONG for length in lengths]
        return Evaluation(
            [
                sample("", problem=f"p{place}", length=length, verdict=verdict)
                for place, (length, verdict) in enumerate(zip(lengths, verdicts, strict=True))
            ]
        )

    parts = _by_length(answers(range(1, 51), lambda length: length <= 20), answers(range(51, 101), lambda length: True))
    assert [part.label for part in parts] == ["1–20", "21–40", "41–60", "61–80", "81–100"]
    assert [part.compared.before and part.compared.before.value for part in parts] == [1.0, 0.0, 0.0, None, None]
    assert [part.compared.after and part.compared.after.value for part in parts] == [None, None, 1.0, 1.0, 1.0]
