"""Answers that are cache: what was measured before is not drawn again, what differs in anything is."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import pytest

from outgrow.core.callbacks import Written
from outgrow.engines import Answer, LocalModel, NativeEngine, Tally
from outgrow.evaluate.answer_cache import AnswerCache
from outgrow.evaluate.sample import sample_problems
from outgrow.policy import Sampling
from outgrow.types import Problem, Verdict
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

    def conversation(self, question, turns=()):
        return [{"role": "user", "content": self.system + question}]

    def fits(self, conversation, max_tokens):
        return True

    def answer(self, request, check_stop=lambda: None):
        check_stop()
        self.asked += [turns[-1]["content"] for turns in request.conversations]
        return [[Answer(f"\\boxed{{{(seed + index) % 9}}}", True, 3) for index in range(request.n)] for seed in request.seeds]


@pytest.fixture
def verifier():
    with Verifier() as opened:
        yield opened


def test_the_second_time_costs_nothing_and_says_the_same(tmp_path, verifier):
    respondent, told = Draws(), []
    with AnswerCache(tmp_path / "made" / "answers.sqlite") as cache:
        first = sample_problems(Tally(told.append).wrap(cache.wrap(respondent)), verifier, PROBLEMS, 2, WARM, 5)
    assert [written.answers for written in told] == sorted(written.answers for written in told)
    assert told[-1] == Written(1400, 1400 * 3)
    assert first == sample_problems(Draws(), verifier, PROBLEMS, 2, WARM, 5)
    with AnswerCache(tmp_path / "made" / "answers.sqlite") as cache:
        assert sample_problems(Tally(told.append).wrap(cache.wrap(respondent)), verifier, PROBLEMS, 2, WARM, 5) == first
        assert told[-1] == Written(1400, 0, stored=1400)
        assert len(respondent.asked) == 700
        assert sample_problems(cache.wrap(respondent), verifier, PROBLEMS[::-1], 2, WARM, 5)[0].problem_id == "p699"
        assert len(respondent.asked) == 700
    with AnswerCache(tmp_path / "made" / "answers.sqlite", fresh=True) as cache:
        assert sample_problems(cache.wrap(respondent), verifier, PROBLEMS, 2, WARM, 5) == first
    assert len(respondent.asked) == 1400


def test_what_a_stop_left_undone_is_all_that_is_drawn(tmp_path, verifier):
    calls = iter(range(99))

    def stop_at_the_third():
        if next(calls) == 2:
            raise KeyboardInterrupt

    respondent = Draws()
    with AnswerCache(tmp_path / "answers.sqlite") as cache, pytest.raises(KeyboardInterrupt):
        sample_problems(cache.wrap(respondent), verifier, PROBLEMS, 4, WARM, 5, stop_at_the_third)
    done = len(respondent.asked)
    assert 0 < done < 700
    with AnswerCache(tmp_path / "answers.sqlite") as cache:
        assert len(sample_problems(cache.wrap(respondent), verifier, PROBLEMS, 4, WARM, 5)) == 2800
    assert sorted(respondent.asked) == sorted(problem.question for problem in PROBLEMS), "each once"


@pytest.mark.parametrize(
    "change",
    [
        {"respondent": Draws(identity="another")},
        {"respondent": Draws(system="Think first. ")},
        {"k": 3},
        {"sampling": WARM.model_copy(update={"temperature": 0.8})},
        {"sampling": WARM.model_copy(update={"max_tokens": 8})},
        {"seed": 6},
    ],
    ids=["who", "conversation", "number", "temperature", "limit", "seed"],
)
def test_what_differs_in_anything_is_drawn(tmp_path, verifier, change):
    same = {"respondent": Draws(), "verifier": verifier, "problems": PROBLEMS[:1], "k": 2, "sampling": WARM, "seed": 5}
    with AnswerCache(tmp_path / "answers.sqlite") as cache:
        sample_problems(**{**same, "respondent": cache.wrap(Draws())})
        other = {**same, "respondent": Draws(), **change}
        sample_problems(**{**other, "respondent": cache.wrap(other["respondent"])})
    assert len(other["respondent"].asked) == 1


def test_what_is_kept_is_graded_as_it_would_be_now(tmp_path, verifier):
    first = [replace(PROBLEMS[0], answer="1")]
    with AnswerCache(tmp_path / "answers.sqlite") as cache:
        [sample] = sample_problems(cache.wrap(Draws()), verifier, first, 1, WARM, 5)
        again = [replace(PROBLEMS[0], answer=sample.extracted)]
        respondent = Draws()
        [right] = sample_problems(cache.wrap(respondent), verifier, again, 1, WARM, 5)
        with Verifier(["phrase"]) as other:
            [unread] = sample_problems(cache.wrap(respondent), other, again, 1, WARM, 5)
    assert respondent.asked == []
    assert (right.verdict, unread.verdict) == (Verdict.RIGHT, Verdict.NO_ANSWER)


def damage(path):
    path.write_bytes(b"not a database, but long enough to be looked at" * 100)


def of_other_columns(path):
    with AnswerCache(path) as cache:
        cache._db.execute("DROP TABLE answers")
        cache._db.execute("CREATE TABLE answers (who TEXT)")


def no_folder(path):
    path.parent.rmdir()
    path.parent.write_text("a file where the folder should be")


@pytest.mark.parametrize("harm", [damage, of_other_columns, no_folder])
def test_a_file_that_cannot_be_used_is_named_and_the_measurement_goes_on(tmp_path, verifier, harm):
    path, said = tmp_path / "made" / "answers.sqlite", []
    path.parent.mkdir()
    harm(path)
    with AnswerCache(path, warn=said.append) as cache:
        samples = sample_problems(cache.wrap(Draws()), verifier, PROBLEMS, 2, WARM, 5)
    assert samples == sample_problems(Draws(), verifier, PROBLEMS, 2, WARM, 5)
    [line] = said
    assert line.startswith(f"{path}: ")


@pytest.mark.parametrize("row", ["nonsense", "[[1]]", '{"text": ""}', "[null]"])
def test_a_row_of_another_kind_is_asked_again(tmp_path, verifier, row):
    respondent, said = Draws(), []
    with AnswerCache(tmp_path / "answers.sqlite", warn=said.append) as cache:
        sample_problems(cache.wrap(Draws()), verifier, PROBLEMS[:1], 2, WARM, 5)
        cache._db.execute("UPDATE answers SET answers = ?", (row,))
        sample_problems(cache.wrap(respondent), verifier, PROBLEMS[:1], 2, WARM, 5)
    assert len(respondent.asked) == 1
    assert len(said) == 1


def test_a_file_of_an_earlier_shape_is_begun_anew(tmp_path, verifier):
    path = tmp_path / "answers.sqlite"
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE answers (key TEXT PRIMARY KEY, samples TEXT NOT NULL) WITHOUT ROWID")
        db.execute("INSERT INTO answers VALUES ('k', '[]')")
    respondent, said = Draws(), []
    for _ in range(2):
        with AnswerCache(path, warn=said.append) as cache:
            sample_problems(cache.wrap(respondent), verifier, PROBLEMS, 2, WARM, 5)
    assert len(respondent.asked) == 700
    assert cache.found == 700
    assert said == []


def test_many_first_calls_at_once(tmp_path):
    said = []
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda _: AnswerCache(tmp_path / "answers.sqlite", warn=said.append).__exit__(), range(64)))
    assert said == []


def test_a_full_disk_stops_no_measurement_and_loses_nothing_that_was_kept(tmp_path, verifier):
    path, said = tmp_path / "answers.sqlite", []
    with AnswerCache(path, warn=said.append) as cache:
        sample_problems(cache.wrap(Draws()), verifier, PROBLEMS[:100], 2, WARM, 5)
        cache._db.execute(f"PRAGMA max_page_count = {cache._db.execute('PRAGMA page_count').fetchone()[0] + 2}")
        assert len(sample_problems(cache.wrap(Draws()), verifier, PROBLEMS, 2, WARM, 5)) == 1400
    [line] = said
    assert "full" in line
    respondent = Draws()
    with AnswerCache(path) as cache:
        sample_problems(cache.wrap(respondent), verifier, PROBLEMS[:100], 2, WARM, 5)
    assert respondent.asked == []


def test_the_same_weights_under_another_config_or_tokenizer_are_another_model(untrained):
    def identity():
        return LocalModel(untrained, NativeEngine()).identity

    first = identity()
    assert identity() == first
    untrained.model.config.rms_norm_eps *= 2
    second = identity()
    assert second != first
    untrained.tokenizer.add_tokens(["~~"])
    assert identity() not in (first, second)
