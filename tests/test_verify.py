"""Extraction and verdicts: what a model may write, and what it is worth. No comparison of LaTeX (see test_verify_latex)."""

import random
import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from helpers.counts import meets, met
from outgrow.config import load_recipe
from outgrow.types import Graded, Verdict
from outgrow.verify import EXTRACTORS, Attempt, Verifier
from outgrow.verify.comparison.compare import same

RIGHT, WRONG, NO_ANSWER = Verdict.RIGHT, Verdict.WRONG, Verdict.NO_ANSWER
TEMPLATE = "\nPlease reason step by step, and put your final answer within \\boxed{}."


def grade(text, answer="7", finished=True, inside_think=True, extract=("boxed",)):
    return Verifier(extract).grade([Attempt(text, answer, finished)], inside_think=inside_think)[0]


@pytest.fixture(autouse=True)
def no_worker(monkeypatch):
    """What these tests grade must not need a comparison process."""
    monkeypatch.setattr("outgrow.verify.pool._Worker", None)


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
        (r"</think>\boxed 7", RIGHT, "7"),
        (r"</think>\boxed {7}", RIGHT, "7"),
        (r"</think>boxed{7}", NO_ANSWER, None),
        (r"</think>\boxed{}", NO_ANSWER, None),
        (r"</think>\boxed{7} \boxed{}", RIGHT, "7"),
        (r"</think>\boxed{\frac{1}{2}}", WRONG, r"\frac{1}{2}"),
        (r"</think>\boxed{\sqrt{\frac{1}{\sqrt{2}}}} {}", WRONG, r"\sqrt{\frac{1}{\sqrt{2}}}"),
        (r"</think>\boxed{7}}", RIGHT, "7"),
        (r"</think>}{\boxed{7}", RIGHT, "7"),
        (r"</think>\boxed{8} or \fbox{7}", RIGHT, "7"),
        (r"</think>\fbox{7} or \boxed{8}", WRONG, "8"),
        ("</think>\\boxed{ 7\n}", RIGHT, " 7\n"),
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
        ("100,", "100", True),
        ("1,,000", "1000", False),
        ("007", "7", True),
        ("0", "0", True),
        ("-0", "0", True),
        ("+7", "7", True),
        ("-7", "7", False),
        ("-7", "-7", True),
        ("7", "-7", False),
        ("--7", "7", False),
        ("-$-7", "-7", False),
        ("+-7", "-7", False),
        ("−7", "-7", True),  # U+2212, a minus sign in print
        (" 7 ", "7", True),
        ("\n7\t", "7", True),
        ("7 7", "77", False),
        ("7\n8", "7", False),
        ("77", "7", False),
        # nothing is evaluated
        ("3+4", "7", False),
        ("\\sqrt{49}", "7", False),
        ("2^{10}", "1024", False),
        ("7!", "5040", False),
        ("0x7", "7", False),
        ("7_0", "70", False),
        ("9**9**9", "7", False),
        ("__import__('os')", "7", False),
        # decimals, fractions, powers of ten
        ("7.", "7", True),
        ("7.0", "7", True),
        ("7", "7.00", True),
        (".5", "0.5", True),
        ("0.5", "\\frac12", True),
        ("14/2", "7", True),
        ("-1/2", "-\\frac{1}{2}", True),
        ("\\dfrac{-1}{2}", "-\\tfrac12", True),
        ("\\frac 1 {29,\\!322}", "1/29322", True),
        ("1/0", "7", False),
        ("0.33", "1/3", False),
        ("0.33333333333", "1/3", False),
        ("0.333333333333", "1/3", True),  # 12 digits
        ("0.333333333334", "1/3", False),
        ("3 1/2", "3.5", True),
        ("3 \\frac12", "\\frac72", True),
        ("31/2", "3.5", False),
        ("2\\frac{4}{3}", "8/3", False),  # a product, or a mistake
        ("7e0", "7", True),
        ("1.5e-8", "0.000000015", True),
        ("3 \\times 10^5", "300,000", True),
        ("3 * 10^{-2}", ".03", True),
        ("10^6", "1000000", True),
        ("1e9999", "7", False),
        ("10^{10^{10}}", "7", False),
        # currency, units, scale words
        ("$7", "7", True),
        ("$7$", "7", True),
        ("\\(7\\)", "7", True),
        ("\\$7.00", "7", True),
        ("-\\$7", "-7", True),
        ("€ 7", "7", True),
        ("11,\\!090", "11090", True),
        ("1{,}008{,}016", "1008016", True),
        ("7 dollars", "7", True),
        ("7 \\text{ cm}^2", "7", True),
        ("7", "7\\text{ right triangles}", True),
        ("7km", "7 miles", True),  # units are not compared
        ("60^\\circ", "60 degrees", True),
        ("50 cents", "$0.50", False),  # nor converted
        ("$5 million", "5000000", True),
        ("5 million", "5", False),
        ("7k", "7", False),
        ("7 x", "7", False),
        ("7\\pi", "7", False),
        # percent: as it stands, and as its hundredth
        ("7%", "7", True),
        ("7", "7\\%", True),
        ("7 percent", "0.07", True),
        ("7/100", "7%", True),
        ("100%", "1", True),
        ("237.5%", "2.375", True),
        ("700%", "7", False),
        ("700%", "7%", False),
        ("700", "7", False),
        # names
        ("x=7", "7", True),
        ("7", "k = 7", True),
        ("x=7", "y=7", False),
        # one answer, not several
        ("7 or 8", "7", False),
        ("6, 7", "7", False),
        ("7 and more", "7", False),
        ("7 squared", "7", False),
        ("between 6 and 8", "7", False),
        ("[7]", "7", False),
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


@pytest.mark.parametrize("answer", ["", " \n", "9" * 10**6])
def test_an_empty_or_absurd_known_answer_is_the_verifiers_failure_not_the_models(answer):
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


def closed(parts):
    """Boxes and braces that close, around the parts and around each other."""
    texts = st.lists(parts, max_size=3).map("".join)
    return texts.map("\\boxed{{{}}}".format) | texts.map("{{{}}}".format)


BRACES = ("\\boxed{", "{", "}", "7", "-", ",", "\\")
ANSWERS = ("</think>\\boxed{7}", "\\boxed{7}", "\\boxed{B}", "#### 7\n", "the answer is 7.")


@meets(right=15, wrong=20, none=100)
@given(
    text=texts_of(*BRACES, "<think>", "</think>", "#### ", "the answer is ", "\\text{", "$", "\\frac", "%", ".", *ANSWERS),
    answer=st.one_of(st.integers().map(str), st.just("7"), st.just("7"), st.sampled_from(["", "B", "yes", "1/2", "50\\%"])),
    finished=st.sampled_from([True, True, True, False]),
    inside_think=st.sampled_from([False, False, True]),
    extract=st.permutations(list(EXTRACTORS)),
)
@example(text="\\boxed{", answer="7", finished=True, inside_think=False, extract=["boxed"])
@example(text="\ud800</think>\\boxed{\ud800}", answer="7", finished=True, inside_think=True, extract=["boxed"])
@settings(max_examples=1000)
def test_any_text_gets_a_verdict(text, answer, finished, inside_think, extract):
    graded = grade(text, answer, finished, inside_think, extract)
    assert isinstance(graded.verdict, Verdict)
    assert graded.extracted is None or graded.extracted in text or "**" in text  # bold type is no part of an answer
    assert graded.extracted is None or graded.verdict in (RIGHT, WRONG)
    met("none" if graded.extracted is None else str(graded.verdict.value))


def boxes_by_recursion(text):
    r"""The content of every `\boxed{…}`, None where it never closes; a second implementation, by a recursive grammar."""

    def is_brace(index):
        return text[index] in "{}" and not (text[index - 1] == "\\" and text[index - 2] != "\\")

    def close(index):
        while index < len(text):
            if is_brace(index) and text[index] == "}":
                return index
            index = close(index + 1) + 1 if is_brace(index) else index + 1
        return len(text)

    starts = [match.end() for match in re.finditer(r"\\boxed\{", text)]
    return [text[start : close(start)] if close(start) < len(text) else None for start in starts]


@meets(boxed=30, none=10)
@given(text=st.lists(st.recursive(texts_of(*BRACES), closed), max_size=4).map("".join))
def test_the_last_box_that_opens_and_is_not_empty_is_the_answer(text):
    part = "x</think>" + text
    blank = re.compile(r"(?:\\boxed|\\[,;:! ]|[\s{}$~.])*")
    solid = [box for box in boxes_by_recursion(part) if box is None or not blank.fullmatch(box)]
    answer = grade(part).extracted
    assert answer == (solid[-1] if solid else None)
    met("none" if answer is None else "boxed")


@given(number=st.integers(-(10**30), 10**30), before=st.text(max_size=40), after=st.text(max_size=40), data=st.data())
def test_a_boxed_integer_is_right_for_itself_and_wrong_for_its_neighbour(number, before, after, data):
    written = data.draw(st.sampled_from([f"{number}", f"{number:,}", f" {number} ", f"{'-' if number < 0 else ''}00{abs(number)}"]))
    text = before.replace("<", "") + "</think>" + "\\boxed{" + written + "}" + after.replace("<", "").replace("\\", "")
    assert grade(text, str(number)).verdict is RIGHT
    assert grade(text, str(number + random.Random(number).choice([-1, 1]))).verdict is WRONG


@pytest.mark.parametrize(
    ("known", "written", "right"),
    [
        # multiple choice
        ("B", "(B)", True),
        ("B", "B.", True),
        ("B", "b)", True),
        ("(B)", "\\text{B}", True),
        ("\\textbf{(B)}", "$B$", True),
        ("B", "(B) Paris", True),
        ("B", "B: it is 12", True),
        ("B", "(A)", False),
        ("B", "Be", False),
        ("B", "B or C", False),
        ("A", "(A) or (B)", False),
        ("A", "A. B. C. D.", False),
        ("A", "A, B", False),
        ("A", "A man", False),
        ("A", "7", False),
        # words
        ("Saturday", "\\text{saturday}.", True),
        ("yes", "**Yes**", True),
        ("yes", "no", False),
        ("yes", "yes and no", False),
        ("lnan", "nlan", False),  # the same product of letters
        ("\\text{two lines}", "two  lines", True),
        ("They are equal", "they are equal", True),
        # anything else as the same text
        ("(1, 2)", "\\left( 1,2 \\right)", True),
        ("\\frac{\\pi}{2}", "\\dfrac{\\pi}{2}", True),
        ("7602_8", "$7602_8$", True),
        ("\\text{A,B,E}", "A, B, E", True),
        ("x+1", "", False),
        ("x+1", "x" * 10**6, False),
        # formulas (see test_compare)
        ("x+1", "1+x", True),
        ("(1,2)", "(2,1)", False),
        ("x", "X", False),
    ],
)
def test_choices_words_and_texts(known, written, right):
    assert same(known, written) is right


@pytest.mark.parametrize(
    ("name", "text", "extracted"),
    [
        ("hash", "#### 7", "7"),
        ("hash", "#### 6\n####7 \nand more", "7"),
        ("hash", "### 7", None),
        ("hash", "####\n7", None),
        ("phrase", "The answer is 7.", "7"),
        ("phrase", "the final answer is: $7.50. It is", "$7.50"),
        ("phrase", "**Answer**: 7\nNext", "7"),
        ("phrase", "**Answer:** 7", "7"),
        ("phrase", "Answer:\n\n(B) Paris", "(B) Paris"),
        ("phrase", "The answer is 6. No, the answer is 7", "7"),
        ("phrase", "the answer is 6 or 7.", "6 or 7"),
        ("phrase", "ANSWER = 7", "7"),
        ("phrase", "put your final answer within \\boxed{}.", None),
        ("phrase", "the answer is island", "island"),
        ("phrase", "the answer isn't 7", None),
        ("phrase", "Answer:", None),
        ("last_number", "6 + 1 = 7.", "7"),
        ("last_number", "it is $1,007.50, I think", "$1,007.50"),
        ("last_number", "6-7", "7"),
        ("last_number", "6 = -7", "-7"),
        ("last_number", "it is 1/7!", "1/7"),
        ("last_number", "it is \\frac{1}{7}.", "\\frac{1}{7}"),
        ("last_number", "7 of H2O", "7"),
        ("last_number", "7 in v1.2.3", "7"),
        ("last_number", "7 %, 8%", "8%"),
        ("last_number", "1e3", "1e3"),
        ("last_number", "7 ٧ ７ ²", "7"),
        ("last_number", "none", None),
    ],
)
def test_extractors(name, text, extracted):
    assert EXTRACTORS[name](text) == extracted
    thought = f"the answer is 5 #### 5 \\boxed{{5}} 5</think>{text}"
    assert grade(thought, extract=[name]).extracted == extracted
    assert grade(f"</think>{text}<think>", extract=[name]).verdict is NO_ANSWER


def test_the_first_extractor_that_finds_an_answer_counts():
    text = "</think>\\boxed{7} so the answer is 8, not 9"
    assert [
        grade(text, extract=order).extracted for order in (["boxed", "phrase"], ["phrase", "boxed"], ["hash", "last_number"])
    ] == [
        "7",
        "8",
        "9",
    ]


def test_a_recipe_names_its_extractors():
    assert load_recipe("micro").verify.extract == ("boxed",)
    assert load_recipe("micro", ['verify.extract=["hash","last_number"]']).verify.extract == ("hash", "last_number")
