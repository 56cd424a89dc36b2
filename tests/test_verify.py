"""Extraction and verdicts: what a model may write, and what it is worth."""

import random
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from outgrow.verify import Graded, Verdict, verify

RIGHT, WRONG, NO_ANSWER = Verdict.RIGHT, Verdict.WRONG, Verdict.NO_ANSWER
TEMPLATE = "\nPlease reason step by step, and put your final answer within \\boxed{}."


def grade(text, answer="7", finished=True, inside_think=True):
    return verify(text, answer, finished=finished, inside_think=inside_think)


@pytest.mark.parametrize(
    ("text", "verdict", "extracted"),
    [
        # where the answer stands
        (r"4+3=7</think>\boxed{7}", RIGHT, "7"),
        (r"4+3=7</think>So it is \boxed{7}, is it not?", RIGHT, "7"),
        ("</think>\n\n\\boxed{7}\n", RIGHT, "7"),
        (r"</think>\boxed{1}, no, \boxed{2}, no, \boxed{7}", RIGHT, "7"),
        (r"</think>\boxed{7}, no, \boxed{8}", WRONG, "8"),
        (r"\boxed{8}</think>\boxed{7}", RIGHT, "7"),
        (r"\boxed{7}</think>\boxed{8}", WRONG, "8"),
        (r"a</think>b</think>\boxed{7}", RIGHT, "7"),
        (r"\boxed{7}", NO_ANSWER, None),
        (r"4+3=7 \boxed{7}</think>", NO_ANSWER, None),
        (r"\boxed{7}</think>The answer is 7.", NO_ANSWER, None),
        (r"</think>\boxed{7}</think>", NO_ANSWER, None),
        ("</think>7", NO_ANSWER, None),
        ("", NO_ANSWER, None),
        ("</think>", NO_ANSWER, None),
        # braces
        (r"</think>\boxed{7", NO_ANSWER, None),
        (r"</think>\boxed{{7}", NO_ANSWER, None),
        (r"</think>\boxed 7", NO_ANSWER, None),
        (r"</think>boxed{7}", NO_ANSWER, None),
        (r"</think>\boxed{}", WRONG, ""),
        (r"</think>\boxed{\frac{1}{2}}", WRONG, r"\frac{1}{2}"),
        (r"</think>\boxed{\sqrt{\frac{1}{\sqrt{2}}}} {}", WRONG, r"\sqrt{\frac{1}{\sqrt{2}}}"),
        (r"</think>\boxed{7}}", RIGHT, "7"),
        (r"</think>}{\boxed{7}", RIGHT, "7"),
    ],
)
def test_where_the_answer_stands(text, verdict, extracted):
    assert grade(text) == Graded(verdict, extracted)


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        (r"\boxed{7}", RIGHT),
        (r"<think>4+3</think>\boxed{7}", RIGHT),
        (r"<think>\boxed{7}</think>", NO_ANSWER),
        (r"<think>\boxed{7}", NO_ANSWER),
        (r"\boxed{7}<think>", NO_ANSWER),
    ],
)
def test_where_the_answer_stands_when_the_prompt_opens_no_thoughts(text, verdict):
    assert grade(text, inside_think=False).verdict is verdict


def test_a_box_in_thoughts_that_were_opened_again_and_never_left_is_no_answer():
    assert grade(r"so</think><think>perhaps \boxed{7}").verdict is NO_ANSWER


@pytest.mark.parametrize(
    ("written", "answer", "right"),
    [
        ("1,000", "1000", True),
        ("1000", "1,000", True),
        ("12,345,678", "12345678", True),
        ("-1,204", "-1204", True),
        ("10,00", "1000", False),
        ("1,0000", "10000", False),
        ("1000,000", "1000000", False),
        (",100", "100", False),
        ("100,", "100", False),
        ("1,,000", "1000", False),
        ("007", "7", True),
        ("0", "0", True),
        ("-0", "0", True),
        ("+7", "7", True),
        ("-7", "7", False),
        ("-7", "-7", True),
        ("7", "-7", False),
        ("--7", "7", False),
        ("+-7", "-7", False),
        ("−7", "-7", False),  # U+2212, a minus sign in print
        (" 7 ", "7", True),
        ("\n7\t", "7", True),
        ("7 7", "77", False),
        ("7\n8", "7", False),
        ("77", "7", False),
        # nothing is evaluated
        ("3+4", "7", False),
        ("14/2", "7", False),
        ("0x7", "7", False),
        ("7e0", "7", False),
        ("7_0", "70", False),
        ("9**9**9", "7", False),
        ("__import__('os')", "7", False),
        ("x=7", "7", False),
        # digits that are not 0 … 9
        ("٧", "7", False),
        ("７", "7", False),
        ("7²", "72", False),
        ("²", "2", False),
        ("Ⅶ", "7", False),
        ("𝟕", "7", False),
        ("1,٠٠٠", "1000", False),
    ],
)
def test_numbers(written, answer, right):
    assert grade(f"</think>\\boxed{{{written}}}", answer).verdict is (RIGHT if right else WRONG)


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        # int() refuses more than 4300 digits with a ValueError, and would take quadratic time over fewer
        ("</think>\\boxed{" + "9" * 10**6 + "}", WRONG),
        ("</think>\\boxed{" + "9,999" * 10**5 + "}", WRONG),
        ("</think>\\boxed{" + "{" * 10**5 + "7" + "}" * 10**5 + "}", WRONG),
        ("</think>\\boxed{" + "{" * 10**5, NO_ANSWER),
        ("</think>" + "\\boxed{" * 10**5, NO_ANSWER),
        ("</think>" + "\\boxed{8}" * 10**5 + "\\boxed{7}", RIGHT),
        ("</think>" * 10**5 + "\\boxed{7}", RIGHT),
        ("<think>" * 10**5 + "</think>\\boxed{7}", RIGHT),
    ],
    ids=lambda value: str(value)[:24],
)
def test_absurd_texts(text, verdict):
    assert grade(text).verdict is verdict


def test_a_cut_completion_is_truncated_whatever_it_holds():
    assert grade(r"</think>\boxed{7}", finished=False) == Graded(Verdict.TRUNCATED, None)
    assert grade("", finished=False) == Graded(Verdict.TRUNCATED, None)


@pytest.mark.parametrize("answer", ["", "x", "7.5", "1/2", "9" * 10**6])
def test_an_answer_that_is_no_integer_is_the_verifiers_failure_not_the_models(answer):
    assert grade(r"</think>\boxed{7}", answer).verdict is Verdict.VERIFIER_FAILED


@pytest.mark.parametrize("inside_think", [True, False])
@pytest.mark.parametrize(
    "text", [TEMPLATE, "3+4=?" + TEMPLATE, "</think>3+4=?" + TEMPLATE, "7" + TEMPLATE, "3+4=?", "</think>7\\boxed{}"]
)
def test_echoing_the_prompt_is_never_right(text, inside_think):
    assert not grade(text, inside_think=inside_think).right


def test_only_right_is_right():
    assert [verdict for verdict in Verdict if Graded(verdict, "7").right] == [RIGHT]


def texts_of(*parts):
    """Texts stuck together from these parts and a few arbitrary characters."""
    return st.lists(st.one_of(st.sampled_from(parts), st.text(max_size=5)), max_size=25).map("".join)


BRACES = ("\\boxed{", "{", "}", "7", "-", ",", "\\")


@given(
    text=texts_of(*BRACES, "<think>", "</think>"),
    answer=st.one_of(st.integers().map(str), st.text(max_size=5)),
    finished=st.booleans(),
    inside_think=st.booleans(),
)
@example(text="\\boxed{", answer="7", finished=True, inside_think=False)
@example(text="\ud800</think>\\boxed{\ud800}", answer="7", finished=True, inside_think=True)
def test_any_text_gets_a_verdict(text, answer, finished, inside_think):
    graded = verify(text, answer, finished=finished, inside_think=inside_think)
    assert isinstance(graded.verdict, Verdict)
    assert graded.extracted is None or f"\\boxed{{{graded.extracted}}}" in text
    assert graded.extracted is None or graded.verdict in (RIGHT, WRONG)


def boxes_by_recursion(text):
    r"""Every `\boxed{…}` that closes, by start; a second implementation, by a recursive grammar instead of a scan."""

    def close(index):
        while index < len(text):
            if text[index] == "}":
                return index
            index = close(index + 1) + 1 if text[index] == "{" else index + 1
        return len(text)

    starts = [match.end() for match in re.finditer(r"\\boxed\{", text)]
    return [(start, text[start : close(start)]) for start in starts if close(start) < len(text)]


@given(text=texts_of(*BRACES))
def test_the_last_box_that_opens_is_the_answer(text):
    part = "x</think>" + text
    closed = dict(boxes_by_recursion(part))
    assert grade(part).extracted == closed.get(part.rfind("\\boxed{") + len("\\boxed{"))


@given(number=st.integers(-(10**30), 10**30), before=st.text(max_size=40), after=st.text(max_size=40), data=st.data())
def test_a_boxed_integer_is_right_for_itself_and_wrong_for_its_neighbour(number, before, after, data):
    written = data.draw(st.sampled_from([f"{number}", f"{number:,}", f" {number} ", f"{'-' if number < 0 else ''}00{abs(number)}"]))
    text = before.replace("<", "") + "</think>" + "\\boxed{" + written + "}" + after.replace("<", "").replace("\\", "")
    assert grade(text, str(number)).verdict is RIGHT
    assert grade(text, str(number + random.Random(number).choice([-1, 1]))).verdict is WRONG
