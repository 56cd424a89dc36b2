"""What a cell holds: numbers as a person writes them, whatever they were stored as; nothing that is not an answer becomes one."""

import json
import math
from datetime import date
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from outgrow.core.errors import UsageError
from outgrow.problems.cell import Unusable, answer_text, cell_text, float_text
from outgrow.problems.checked import checked_problems
from outgrow.problems.source import Source
from outgrow.problems.table import Table
from outgrow.types import Problem


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (7, "7"), (7.0, "7"), (-0.0, "0"), (0.5, "0.5"), (2**70, str(2**70)), (1e22, "1e+22"), (True, "True"),
        (0.1 + 0.2, "0.3"), (1 / 3, "0.3333333333333333"), (math.pi, "3.141592653589793"), (2.0**-22, repr(2.0**-22)),
        (Decimal("18.50"), "18.50"), (date(2014, 12, 25), "2014-12-25"), (" 7\n", "7"), ("½", "½"), ("😀", "😀"),
        (np.int64(7), "7"), (np.float64(7.5), "7.5"), (np.float32(0.3), "0.3"), (np.float16(0.5), "0.5"), (np.bool_(True), "True"),
        (np.str_(" 7 "), "7"), (pd.Series([1, None])[0], "1"), (torch.tensor(7), "7"), (np.array(7), "7"),
        (0.3000000119, "0.3"), (0.300000011920929, "0.3"), (1.234567891, "1.234567891"),
    ],
)  # fmt: skip
def test_a_value_is_written_as_a_person_writes_it(value, text):
    written = cell_text(value)
    assert written == text
    assert type(written) is str


@given(st.integers(-(10**7), 10**7), st.integers(0, 6))
def test_float32_noise_goes_and_nothing_else(whole, places):
    """Up to 7 digits survive float32 mostly; those that numpy's own shortest writing of the float32 gives back are given back."""
    written = float(Decimal(whole).scaleb(-places))
    noisy = float(np.float32(written))
    shortest = float(np.format_float_positional(np.float32(written), unique=True))
    if shortest == written and len(str(abs(whole)).strip("0")) <= 7 and len(repr(noisy)) > 16:
        assert float(float_text(noisy)) == written
    assert float(float_text(written)) == written, "a number as it was written stays that number"


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_changes_in_its_noise_only(value):
    assert math.isclose(float(float_text(value)), value, rel_tol=1e-7, abs_tol=0.0)


@pytest.mark.parametrize(
    "value",
    [None, math.nan, math.inf, -math.inf, b"7", bytearray(b"7"), "", "  ", "\ud83d", "7\udc80", {}, [7], np.float64("nan"),
     np.float32("inf"), pd.NA, pd.NaT, Decimal("NaN"), np.array([7])],
)  # fmt: skip
def test_what_holds_no_text_is_refused(value):
    with pytest.raises(Unusable):
        cell_text(value)


@pytest.mark.parametrize(
    "text", ["N/A", "n/a", "NaN", "nan", "None", "null", "NULL", "<NA>", "#N/A", "-", "–", "--", "?", "…", " . "]
)
def test_what_stands_for_no_answer_is_none(text):
    with pytest.raises(Unusable):
        answer_text(text)


@pytest.mark.parametrize(
    "text", ["none", "no", "0", "-1", "\\emptyset", "Na", "nano", "None of these", "-x", "+", "A.", "."[:0] + "∅"]
)
def test_what_looks_like_it_is_an_answer(text):
    assert answer_text(text) == text


FRAME = pd.DataFrame(
    {
        "question": ["1+6=?", "2+5=?", "3+4=?", "1-1=?", "0.1+0.2=?", None, "7+0=?", "8-1=?"],
        "answer": np.array([7, np.nan, np.inf, 0, 0.3, 5, 7, 6.9], dtype=np.float32),
    }
)


@pytest.mark.parametrize("suffix", ["parquet", "jsonl", "csv"])
def test_a_column_with_gaps(tmp_path, suffix):
    """pandas makes floats of whole numbers with gaps; JSON has null for them, CSV nothing, Parquet NaN and a float32."""
    path = tmp_path / f"own.{suffix}"
    if suffix == "parquet":
        FRAME.to_parquet(path)
    elif suffix == "csv":
        FRAME.to_csv(path, index=False)
    else:
        FRAME.astype({"answer": "float64"}).to_json(path, orient="records", lines=True, double_precision=15)
    notes = []
    problems = Table(path=path).load(notes.append)
    expected = {"1+6=?": "7", "1-1=?": "0", "0.1+0.2=?": "0.3", "7+0=?": "7", "8-1=?": "6.9"}
    found = {problem.question: problem.answer for problem in problems}
    written = str if suffix != "csv" else lambda number: str(float(number))  # the text stays what it is: 7.0
    assert {name: found[name] for name in expected} == {name: written(number) for name, number in expected.items()}
    assert not {"nan", "NaN", "None"} & set(found.values())
    assert len(notes) == 1 and "\n" not in notes[0]


def test_every_reason_is_counted_in_one_line(tmp_path):
    answers = ["7", None, math.nan, "N/A", "n/a", "\ud800", "", "-", "x" * 1001, [], [None, "7"], "so\n####", r"\boxed{}"]
    path = tmp_path / "own.jsonl"
    path.write_text("".join(json.dumps({"question": f"{i}?", "answer": answer}) + "\n" for i, answer in enumerate(answers)))
    notes = []
    problems = Table(path=path).load(notes.append)
    assert [(p.question, p.answer) for p in problems] == [("0?", "7"), ("10?", "7")]
    [note] = notes
    assert note.startswith("own: skipped 11 rows")
    for counted in ("empty (3)", "NaN (1)", "'N/A' (1)", "'n/a' (1)", "half a surrogate pair (1)", "'-' (1)", "an empty box (1)",
                    "longer than 1,000 characters (1)", "an empty list (1)"):  # fmt: skip
        assert counted in note
    assert "(own.jsonl, lines 2, 3, 4 and 8 more)" in note


class Own(Source):
    """A source of somebody's own, which gives what pandas gave it."""

    type: str = "own"
    given: tuple = ()

    def load(self, warn=None):
        return list(self.given)


def test_scalars_of_a_source_of_ones_own_become_pythons():
    row = pd.DataFrame({"q": ["3+4=?"], "a": [7], "level": [2.0]}).iloc[0]
    given = Problem(np.str_("own:1"), np.str_("sum"), np.int64(2), row.q, row.a, alternatives=(np.float32(7.5),))
    [problem] = checked_problems(Own(given=(given,)), pytest.fail)
    assert problem == Problem("own:1", "sum", 2, "3+4=?", "7", alternatives=("7.5",))
    assert [type(getattr(problem, name)) for name in ("id", "field", "level", "question", "answer")] == [str, str, int, str, str]
    json.dumps([problem.id, problem.level, problem.answer, problem.alternatives])
    assert checked_problems(Own(given=(Problem("own:1", "sum", row.level, "?", "7"),)), pytest.fail)[0].level == 2


def test_a_source_of_ones_own_gives_no_problem_without_an_answer():
    answers = ["7", math.nan, None, "", b"7", pd.NA, "\ud800", "4+3\n#### 7", r"\boxed{7}"]
    notes = []
    problems = checked_problems(Own(given=tuple(Problem(f"p{i}", "f", 0, "?", a) for i, a in enumerate(answers))), notes.append)
    assert [(p.id, p.answer) for p in problems] == [("p0", "7"), ("p7", "7"), ("p8", "7")]
    assert len(notes) == 1 and "own: skipped 6 rows" in notes[0] and "problems 2, 3, 4 and 3 more" in notes[0]


def test_what_a_source_may_not_give():
    with pytest.raises(UsageError, match=r"own, problem 2: .*Problem, not dict"):
        checked_problems(Own(given=(Problem("p", "f", 0, "?", "7"), {"question": "?"})), pytest.fail)
    with pytest.raises(UsageError, match=r"own, problem 1: its level 2\.5 "):
        checked_problems(Own(given=(Problem("p", "f", np.float64(2.5), "?", "7"),)), pytest.fail)


def test_a_plain_problem_is_passed_on_as_it_is():
    """Words that tools write for missing values are words where a source says so: three last letters may be n, a, n."""
    plain = [Problem("p", "letters", 3, " as it is \n", "nan"), Problem("q", "f", 0, "?", "", scorer="{}")]
    for problem, before in zip(checked_problems(Own(given=tuple(plain)), pytest.fail), plain, strict=True):
        assert problem is before
