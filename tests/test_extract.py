"""Where in an output the answer is: each kind of place, as models write them, and what must not be taken for an answer."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.counts import meets, met
from helpers.data import rows_of
from outgrow.types import Verdict
from outgrow.verify import EXTRACTORS, Attempt, Verifier
from outgrow.verify.comparison.compare import same
from outgrow.verify.comparison.parts import several
from outgrow.verify.extraction.boxes import last_boxes
from outgrow.verify.extraction.extract import LOOKS_FOR, extract


@pytest.fixture(autouse=True)
def no_worker(monkeypatch):
    """What these tests grade must not need a comparison process."""
    monkeypatch.setattr("outgrow.verify.pool._Worker", None)


def found(name, text):
    return EXTRACTORS[name](text)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (r"so $\boxed 2$.", "2"),
        (r"so \boxed 72 clips, that is all", "72"),
        (r"so \boxed {72}.", "72"),
        ("so \\boxed\n{72}.", "72"),
        (r"so $\boxed -\frac{1}{2}$ is it", r"-\frac{1}{2}"),
        (r"so $\boxed\frac12$, or $3$", r"\frac12"),
        (r"so \boxed 9{,}500.", r"9{,}500"),
        (r"\boxed5\boxed 6", "6"),
        (r"\fbox{5}", "5"),
        (r"\boxed 5 or \fbox 6.", "6"),
        (r"\boxed{5} in the box \boxed{}", "5"),
        (r"\boxed{5} $\boxed{\ }$, $\boxed{\phantom{09}}$, \boxed{...}, \boxed{\boxed{}}, \boxed{\text{ }}", "5"),
        (r"\boxed{5}. Use the \boxed command, or \fbox.", "5"),
        (r"\boxed{\left\{ 1 \right.}", r"\left\{ 1 \right."),
        (r"\boxed{\{1,2\}}", r"\{1,2\}"),
        (r"\boxed{x = \boxed{5}}", "5"),
        (r"\\boxed{5}", "5"),
        # no box
        (r"\boxed{}", None),
        (r"\boxed{5} \boxed{6", None),
        (r"\boxedtext{5} \boxes{6}", None),
        (r"put it into \boxed.", None),
    ],
)
def test_boxes(text, answer):
    assert found("boxed", text) == answer


def test_the_starting_experiments_box_is_read_as_it_was():
    assert [found("first_boxed", text) for text in (r"\boxed 5", r"\boxed{} \boxed{5}", r"\boxed{\frac{1}{2}}")] == [
        None,
        "",
        r"\frac{1",
    ]


@pytest.mark.parametrize(
    ("text", "boxes"),
    [
        (r"$\boxed{(2,2)}$ and $\boxed{(6,2)}$.", ["(2,2)", "(6,2)"]),
        (r"\[\boxed{2} \text{ and } \boxed{3}\]", ["2", "3"]),
        (r"$x = \boxed{2}$, $x = \boxed{3}$ or $x_3=\boxed{5}$ or so", ["2", "3", "5"]),
        (r"$g(x)=\boxed{2x+1}$ or $g(x)=\boxed{-2x-1}$", ["2x+1", "-2x-1"]),
        ("\\[\\boxed{2}\\]\n\\[\\boxed{3}\\]", ["2", "3"]),
        (r"\boxed 2 and \boxed 3", ["2", "3"]),
        (r"\boxed{2}, \boxed{3} in the box \boxed{}", ["2", "3"]),
        (r"First \boxed{4}. Then $\boxed{2}$ or $\boxed{-2}$", ["2", "-2"]),
        # one answer
        (r"\boxed{2}, and therefore the other is \boxed{3}", ["3"]),
        (r"\boxed{25/13} = \boxed{1\frac{12}{13}}", [r"1\frac{12}{13}"]),
        (r"\boxed{2} \times \boxed{3}", ["3"]),
        (r"\boxed{2}\boxed{3}", ["3"]),
        ("\\boxed{2},\n\n\\boxed{3}", ["3"]),
        (r"\boxed{2}, \boxed{}, \boxed{3}", ["3"]),
        (r"\boxed{2} and \boxed{3", []),
        ("none", []),
    ],
)
def test_boxes_that_belong_together(text, boxes):
    assert last_boxes(text) == boxes


@pytest.mark.parametrize(
    ("known", "many"),
    [
        ("2, 3", True),
        ("2,3", True),
        ("1,000, 2,000", True),
        (r"(2,2) \text{ and } (6,2)", True),
        (r"x=1 \text{ or } x=2", True),
        ("1; 2", True),
        (r"\text{A, B}", True),
        (r"\text{(A), (C)}", True),
        (r"\frac{-1\pm\sqrt5}{2}", True),
        ("±3", True),
        (r"(1, \pm 2)", True),
        ("7", False),
        ("1,000", False),
        ("-12,345,678.50", False),
        (r"11,\!090", False),
        ("1{,}008{,}016", False),
        (r"8\,000", False),
        ("(2,3)", False),
        (r"\left( 2, 3 \right)", False),
        ("[0,1)", False),
        (r"(-\infty,0)\cup(1,2)", False),
        (r"\{1,2\}", False),
        (r"f(x,y)", False),
        ("orange", False),
        ("Land", False),
        (r"\order", False),
    ],
)
def test_several_parts(known, many):
    assert several(known) is many


@pytest.mark.parametrize(
    ("known", "text", "extracted", "exact"),
    [
        ("(2,2), (6,2)", r"$\boxed{(2,2)}$ and $\boxed{(6,2)}$.", "(2,2), (6,2)", False),
        ("3, 5", r"$\boxed{3}$ or $x = \boxed{5}$.", "3, 5", False),
        # the last box says all
        ("3, 5", r"\boxed{7} and \boxed{3, 5}", "3, 5", False),
        # one answer is known
        ("5", r"$\boxed{3}$ and $\boxed{5}$.", "5", False),
        ("(3,5)", r"$\boxed{3}$ and $\boxed{5}$.", "5", False),
        ("1,005", r"$\boxed{1}$, $\boxed{1,005}$.", "1,005", False),
        # a middle result stays one
        ("3, 5", r"So \boxed{3} is a root, hence \boxed{5}.", "5", False),
        # the same characters
        ("3, 5", r"$\boxed{3}$ or $x = \boxed{5}$.", "5", True),
    ],
)
@pytest.mark.parametrize("extractor", ["boxed", "auto"])
def test_several_boxes_are_one_answer_where_several_parts_are_known(monkeypatch, known, text, extracted, exact, extractor):
    monkeypatch.setattr("outgrow.verify.pool.Pool.compare", lambda self, pairs, check_stop: [None] * len(pairs))
    graded = Verifier([extractor], exact).grade([Attempt(text, known)])[0]
    assert graded.extracted == extracted
    if extracted == known:
        assert graded.verdict is Verdict.RIGHT


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("#### 18", "18"),
        ("#### The answer is 18", "18"),
        ("#### **Final answer:** 18", "18"),
        ("#### Answer: $18.50", "$18.50"),
        ("The answer is #### 18.", "18"),
        ("Claire will eat #### 7 dozen eggs in 4 weeks.", "7"),
        ("They pay #### $9{,}500 in total", "$9{,}500"),
        ("So it is #### Saturday.", "Saturday"),
        ("#### 18 eggs", "18 eggs"),
        ("#### 18. Check: 9 * 2 = 18", "18"),
        ("#### 18, because 9 * 2 = 18", "18"),
        ("#### 18 is what she sold in 2 days", "18"),
        ("#### **18** eggs in 2 days", "18"),
        ("#### <<9*2=18>>18", "18"),
        # a correction
        ("#### 17\nWait, how did I get that? It should be 9 * 2, which is more than 17, is it not?\n#### 18", "18"),
        ("#### 17 #### 18", "18"),
        # another problem behind the answer
        ("#### 18\n\nQuestion: Tom has 2 pens. How many is that?\nAnswer: 2\n#### 2", "18"),
        ("#### 18\nQ: Tom has 2 pens.\n#### 2", "18"),
        ("#### 18\n\n### Problem 2:\nTom has 2 pens.\n#### 2", "18"),
        ("#### 18\n#### Question: Tom has 2 pens.\n#### 2", "18"),
        ("#### 18Question: Tom has 2 pens.\n#### 2", "18"),
        ("#### 18 Question: Tom has 2 pens.", "18"),
        ("#### 18\nTom has 2 pens and buys 3 more, and a ruler for 4 dollars. How many pens has he?\n2 + 3 = 5\n#### 5", "18"),
        ("#### 18 Tom has 2 pens or more and a ruler, and he buys 3 of them. How many has he?\n2 + 3 = 5\n#### 5", "18"),
        # hedged
        ("It is #### 17 or 18 eggs", "17 or 18 eggs"),
        ("It is #### 17 eggs or 18", "17 eggs or 18"),
        ("It is #### 17 and 18", "17 and 18"),
        ("It is #### 17 to 18 eggs", "17 to 18 eggs"),
        ("It is #### 17 eggs, 18", "17 eggs, 18"),
        ("It is #### 5 feet 6 inches", "5 feet 6 inches"),
        # headings
        ("#### Step 1: Add\n9 + 9 = 18", None),
        ("#### Step 1: Add\n9 + 9\n#### 18\n#### Conclusion\nShe has them.", "18"),
        ("#### Final Answer\n18", None),
        ("#### The total cost of all\n18", None),
        ("#### yes\nsince", "yes"),
        ("##### 18", "18"),
    ],
)
def test_hashes(text, answer):
    assert found("hash", text) == answer


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("The answer is 72, which is what she sold in April and May.", "72"),
        ("The answer is 72, since 48 + 24 = 72.", "72"),
        ("The answer is 72 because 48 + 24 = 72.", "72"),
        ("The answer is 72 (since 48 + 24 = 72).", "72"),
        ("The answer is 72 clips sold in April and May together.", "72"),
        ("The answer is 72, not 48.", "72"),
        ("The answer is therefore 72.", "72"),
        ("The answer is <<48+24=72>>72.", "72"),
        ("The answer is $9{,}500.", "$9{,}500"),
        ("The answer is\n\\[\n\\frac{1}{2}\n\\]\nas said.", r"\frac{1}{2}"),
        ("## Final Answer\n\n72 clips", "72 clips"),
        ("The answer is (B), as the others are too small.", "(B)"),
        ("The answer is no, because 7 is odd.", "no"),
        ("The answer is 5 million dollars", "5 million dollars"),
        ("the answer is $\\boxed{}$", None),
        # hedged
        ("The answer is 6 or 7, which are both small.", "6 or 7"),
        ("The answer is 6, 7", "6, 7"),
        ("The answer is 6 pens and 7 rulers", "6 pens and 7 rulers"),
        ("The answer is 8, but it may be 9.", "8, but it may be 9"),
    ],
)
def test_phrases(text, answer):
    assert found("phrase", text) == answer


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("She pays $9{,}500.", "$9{,}500"),
        ("She pays $9{,}500$.", "$9{,}500"),
        (r"It is 11,\!090.", r"11,\!090"),
        (r"It is 1\,234\,567 m.", r"1\,234\,567"),
        ("It is 1\u202f234.", "1\u202f234"),
        ("It is 1~234.", "1~234"),
        (r"It is -\$18.", r"-\$18"),
        ("It is –3.", "–3"),
        ("3–4", "4"),
        (r"It is \frac12.", r"\frac12"),
        ("12{,}34", "34"),
    ],
)
def test_last_numbers(text, answer):
    assert found("last_number", text) == answer


def test_a_thousands_sign_is_no_other_number():
    assert [same("9500", found("last_number", text)) for text in ("It is $9{,}500.", r"$9,500$.", "500 of 9,500.00")] == [True] * 3


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("Paris", "Paris"),
        ("\n\n Paris. \n", "Paris."),
        ("yes\r\n", "yes"),
        ("It is in France.\nParis", None),
        ("a\u2028b", None),
        (" \n", None),
        ("x" * 200, "x" * 200),
        ("x" * 201, None),
    ],
)
def test_a_whole_reply(text, answer):
    assert found("whole", text) == answer


@pytest.mark.parametrize(
    ("text", "answer", "way"),
    [
        (r"#### 17, no, the answer is 16: \boxed{18} of 20", "18", "boxed"),
        ("The answer is 17. #### 18", "18", "hash"),
        ("The answer is 18. Check: 20 - 2", "18", "phrase"),
        ("#### Step 1: Add\n9 + 9 = 18\n#### Final Answer\n**18**", "18", "phrase"),
        ("20 - 2 = 18\nA: 18", "18", "last_number"),
        (r"\boxed{}, 18", "18", "last_number"),
        ("none", None, None),
    ],
)
def test_auto_takes_the_most_explicit_place(text, answer, way):
    extracted = extract(text, ["auto"])
    assert (extracted and extracted.answer, extracted and extracted.extractor) == (answer, way)
    assert found("auto", text) == answer


@meets(found=50, none=10)
@given(
    st.lists(st.sampled_from([r"\boxed{7}", "#### ", "the answer is ", "7", "B", ".", "\n", " ", "{", "}", "</think>"])).map(
        "".join
    )
)
def test_auto_is_its_ways_in_order(text):
    order = [found(name, text) for name in ("boxed", "hash", "phrase", "last_number")]
    assert found("auto", text) == next((answer for answer in order if answer is not None), None)
    met("none" if found("auto", text) is None else "found")


def test_every_extractor_says_what_it_looks_for():
    assert LOOKS_FOR.keys() == EXTRACTORS.keys()


def styles(solution, number):
    """How models end an answer to a GSM8K problem."""
    grouped = f"{number:,}".replace(",", "{,}")
    yield f"{solution}\n#### {number}"
    yield f"{solution}\n#### The answer is {number:,}."
    yield f"{solution}\nThe answer is #### ${number:,}."
    yield f"{solution}\nSo they have #### {number} dozen pens in 4 weeks."
    yield f"{solution}\nThe answer is {number}, which is what 3 of them have."
    yield f"{solution}\nSo they have ${grouped}."
    yield f"{solution}\n\\[\n\\boxed{{{grouped}}}\n\\]"
    yield f"{solution}\nso it is \\boxed {number} pens, for 3 people. Put it into \\boxed{{}}."
    yield f"#### Step 1: Read 2 lines\n{solution}\n#### Step 2: Conclude\nSo the answer is **{number}** for 3 people."
    yield f"#### Step 1: Read 2 lines\n{solution}\n#### Final Answer\n\n{number} dollars"


def test_solutions_in_every_style_and_with_a_second_problem_behind(data):
    rows = rows_of(data, "gsm8k/train") + rows_of(data, "gsm8k/test")
    assert len(rows) >= 22
    for row, other in zip(rows, rows[1:] + rows[:1], strict=True):
        solution, _, known = row["answer"].rpartition("\n#### ")
        texts = list(styles(solution, int(known.replace(",", ""))))
        second = f"{other['question']}\n{other['answer']}"
        joins = ("\n\nQuestion: ", "\nQ: ", " Question: ", "\n\nProblem 2: ")
        texts += [f"{solution}\n#### {known}{join}{second}" for join in joins]
        for text in texts:
            assert same(known, found("auto", text) or ""), text


def test_every_math_solution_gives_its_last_box(data):
    for row in rows_of(data, "math/train") + rows_of(data, "math/test"):
        braced = re.findall(r"\\(?:boxed|fbox)\{", row["solution"])
        answer = found("auto", row["solution"])
        assert answer is not None
        assert not braced or answer == found("boxed", row["solution"]) or r"\boxed{}" in row["solution"], json.dumps(row)
