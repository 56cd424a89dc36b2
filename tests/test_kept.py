"""Answers that are kept: what was measured before is not drawn again, what differs in anything is."""

from dataclasses import dataclass, field, replace

import pytest

from outgrow.errors import OutgrowError
from outgrow.evaluate.kept import Kept
from outgrow.evaluate.sample import sample_problems
from outgrow.policy import Sampling
from outgrow.problems import Problem
from outgrow.rollout import Local, NativeEngine
from outgrow.rollout.respondent import Answer
from outgrow.verify import Verifier

PROBLEMS = [Problem(f"p{number}", "sum", 1, f"{number}+1=?", str(number + 1)) for number in range(700)]
WARM = Sampling(temperature=0.7, max_tokens=9)


@dataclass
class Draws:
    """Answers by its seeds, and remembers what it was asked."""

    identity: str = "someone"
    system: str = ""
    opens_think: bool = False
    context: int = 100
    asked: list = field(default_factory=list)

    def conversation(self, question):
        return [{"role": "user", "content": self.system + question}]

    def fits(self, conversation, max_tokens):
        return True

    def answer(self, conversations, n, sampling, seeds, poll=lambda: None):
        poll()
        self.asked += [turns[-1]["content"] for turns in conversations]
        return [[Answer(f"\\boxed{{{(seed + index) % 9}}}", True, 3) for index in range(n)] for seed in seeds]


@pytest.fixture
def verifier():
    with Verifier() as opened:
        yield opened


def test_the_second_time_costs_nothing_and_says_the_same(tmp_path, verifier):
    respondent, told = Draws(), []
    with Kept(tmp_path / "made" / "answers.sqlite", told=told.append) as kept:
        first = kept.sample(respondent, verifier, PROBLEMS, 2, WARM, 5)
    assert told == sorted(told)
    assert told[-1] == 700
    assert first == sample_problems(Draws(), verifier, PROBLEMS, 2, WARM, 5)
    with Kept(tmp_path / "made" / "answers.sqlite") as kept:
        assert kept.sample(respondent, verifier, PROBLEMS, 2, WARM, 5) == first
        assert len(respondent.asked) == 700
        assert kept.sample(respondent, verifier, PROBLEMS[::-1], 2, WARM, 5)[0].problem_id == "p699"
        assert len(respondent.asked) == 700
    with Kept(tmp_path / "made" / "answers.sqlite", anew=True) as kept:
        assert kept.sample(respondent, verifier, PROBLEMS, 2, WARM, 5) == first
    assert len(respondent.asked) == 1400


def test_what_a_stop_left_undone_is_all_that_is_drawn(tmp_path, verifier):
    calls = iter(range(99))

    def stop_at_the_third():
        if next(calls) == 2:
            raise KeyboardInterrupt

    respondent = Draws()
    with Kept(tmp_path / "answers.sqlite") as kept, pytest.raises(KeyboardInterrupt):
        kept.sample(respondent, verifier, PROBLEMS, 4, WARM, 5, stop_at_the_third)
    done = len(respondent.asked)
    assert 0 < done < 700
    with Kept(tmp_path / "answers.sqlite") as kept:
        assert len(kept.sample(respondent, verifier, PROBLEMS, 4, WARM, 5)) == 2800
    assert sorted(respondent.asked) == sorted(problem.question for problem in PROBLEMS), "each once"


@pytest.mark.parametrize(
    "change",
    [
        {"respondent": Draws(identity="another")},
        {"respondent": Draws(system="Think first. ")},
        {"verifier": Verifier(["phrase"])},
        {"verifier": Verifier(exact=True)},
        {"problems": [replace(PROBLEMS[0], answer="7")]},
        {"k": 3},
        {"sampling": WARM.model_copy(update={"temperature": 0.8})},
        {"sampling": WARM.model_copy(update={"max_tokens": 8})},
        {"seed": 6},
    ],
    ids=["who", "conversation", "extractors", "exact", "known answer", "number", "temperature", "limit", "seed"],
)
def test_what_differs_in_anything_is_drawn(tmp_path, verifier, change):
    same = {"respondent": Draws(), "verifier": verifier, "problems": PROBLEMS[:1], "k": 2, "sampling": WARM, "seed": 5}
    with Kept(tmp_path / "answers.sqlite") as kept:
        kept.sample(**same)
        other = {**same, "respondent": Draws(), **change}
        kept.sample(**other)
    assert len(other["respondent"].asked) == 1


def test_what_is_no_such_file_is_named(tmp_path):
    (tmp_path / "answers.sqlite").write_bytes(b"not a database, but long enough to be looked at" * 100)
    with pytest.raises(OutgrowError, match=r"answers\.sqlite: cannot open this file of kept answers"):
        Kept(tmp_path / "answers.sqlite")


def test_a_full_disk_loses_nothing_that_was_kept(tmp_path, verifier):
    path = tmp_path / "answers.sqlite"
    with Kept(path) as kept:
        kept.sample(Draws(), verifier, PROBLEMS[:100], 2, WARM, 5)
        kept._db.execute(f"PRAGMA max_page_count = {kept._db.execute('PRAGMA page_count').fetchone()[0] + 2}")
        with pytest.raises(OutgrowError, match=r"cannot keep these answers .*full"):
            kept.sample(Draws(), verifier, PROBLEMS, 2, WARM, 5)
    respondent = Draws()
    with Kept(path) as kept:
        kept.sample(respondent, verifier, PROBLEMS[:100], 2, WARM, 5)
    assert respondent.asked == []


def test_the_same_weights_under_another_config_or_tokenizer_are_another_model(untrained):
    def identity():
        return Local(untrained, NativeEngine()).identity

    first = identity()
    assert identity() == first
    untrained.model.config.rms_norm_eps *= 2
    second = identity()
    assert second != first
    untrained.tokenizer.add_tokens(["~~"])
    assert identity() not in (first, second)
