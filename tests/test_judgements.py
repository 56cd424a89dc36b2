"""What a judge learns from: answers of finished runs, each beside a right one to the same problem."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.counts import meets, met
from outgrow.core.errors import UsageError
from outgrow.core.rollout_log import write_part
from outgrow.judge.rubric import answer_id, read_score
from outgrow.problems.judgements import Judgements, compared


def row(problem, completion, verdict, extracted="", level=1, answer="7"):
    return {
        "problem_id": problem,
        "field": "sum",
        "level": level,
        "question": f"{problem}=?",
        "completion": completion,
        "verdict": verdict,
        "extracted": extracted,
        "answer": answer,
    }


ROWS = [
    row("3+4", r"3+4+0=7</think>\boxed{7}", "right", "7"),
    row("3+4", r"3+4+0=8</think>\boxed{8}", "wrong", "8"),
    row("3+4", r"3+4+0=8</think>\boxed{8}", "wrong", "8"),
    row("3+4", "3+4+0=7</think>7", "no answer"),
    row("3+4", "3+4+0=7,", "truncated"),
    row("3+4", r"3</think>\boxed{x}", "verifier failed", "x"),
    row("5+5", r"5+5+0=11</think>\boxed{11}", "wrong", "11", 2, "10"),  # nobody solved it
]


@pytest.fixture
def run(tmp_path):
    write_part(tmp_path, 1, ROWS[:3])
    write_part(tmp_path, 2, ROWS[3:])
    return tmp_path


def test_each_answer_is_a_question_and_its_verdict_the_score(run):
    found = Judgements(runs=(run,), rubric="grade {question} {completion}").load()
    assert len(found) == 3
    assert {(one.field, one.level, one.question, one.solution, one.answer) for one in found} == {
        ("sum, right", 1, r"grade 3+4=? 3+4+0=7</think>\boxed{7}", "3+4+0=7\n7\n7\n77=", "1"),
        ("sum, wrong", 1, r"grade 3+4=? 3+4+0=8</think>\boxed{8}", "3+4+0=7\n7\n8\n78#", "0"),
        ("sum, wrong", 1, "grade 3+4=? 3+4+0=7</think>7", "3+4+0=7\n7\n", "0"),
    }
    assert len({one.id for one in found}) == 3


NUMBERS = st.integers(-(10**12) + 1, 10**12 - 1).map(str)


@meets(equal=20, other=10, none=10)
@given(NUMBERS, st.none() | NUMBERS | st.sampled_from(["", "x", "7/2", "1e3", "12345678901234", "٣"]))
def test_digits_stand_in_pairs_from_the_last_one_on(known, given):
    """Read back from the pairs alone."""
    given = known if given is None else given
    first, *rest = compared(known, given)
    assert first == given
    if not given.lstrip("-").isdecimal() or not given.isascii() or len(given) > 13:
        assert rest == []
        met("none")
        return
    [pairs] = rest
    read = [(pair[0], pair[1]) for pair in pairs.split(" ")]
    assert ["".join(side).rstrip("_")[::-1] for side in zip(*read, strict=True)] == [known, given]
    assert [pair[2] for pair in pairs.split(" ")] == ["=" if one == other else "#" for one, other in read]
    assert ("#" not in pairs) == (known == given)
    met("equal" if known == given else "other")


def test_a_rubric_with_a_code_is_answered_with_it(run):
    for one in Judgements(runs=(run,), rubric="{id}: {question} {completion} {answer}").load():
        code = answer_id("3+4=?", one.question.split("=? ", 1)[1].rsplit(" ", 1)[0])
        assert read_score(rf"</think>\boxed{{{one.answer}}}", True, code) in (0.0, 1.0)


def test_no_more_than_asked_for_of_each_kind_and_keyed(run):
    some = [Judgements(runs=(run,), per_cell=1, seed=seed).load() for seed in (0, 0, *range(8))]
    assert {one.field: 1 for one in some[0]} == {"sum, right": 1, "sum, wrong": 1}
    assert some[0] == some[1]
    assert len({one.question for each in some for one in each if one.field == "sum, wrong"}) == 2


def test_what_cannot_be_learned_from_is_told(tmp_path, run):
    with pytest.raises(UsageError, match="has no rollouts; it needs a run of reinforcement learning"):
        Judgements(runs=(tmp_path / "none",)).load()
    write_part(run, 1, ROWS[:1])
    write_part(run, 2, ROWS[:1])
    with pytest.raises(UsageError, match="no wrong answer to a solved problem"):
        Judgements(runs=(run,)).load()
    (run / "rollouts" / "step-000001.parquet").write_bytes(b"PAR1 torn")
    with pytest.raises(UsageError, match=r"step-000001\.parquet: cannot read"):
        Judgements(runs=(run,)).load()
