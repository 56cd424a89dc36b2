"""Answers that are cache: what was measured before is not drawn again, what differs in anything is."""

import json
import os
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

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

    def room(self, conversation):
        return self.context

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


def script(text):
    def harm(path):
        AnswerCache(path).close()
        with sqlite3.connect(path) as db:
            db.executescript(text)

    return harm


def cut(path):
    with AnswerCache(path) as cache:
        cache.write("m", {str(key): [Answer("word " * 500, True, 3)] for key in range(50)})
    path.write_bytes(path.read_bytes()[:4096])


VIEW = "DROP TABLE answers; CREATE VIEW answers AS SELECT '0' AS key, '[]' AS answers, 'm' AS who, 0 AS at"
NO_CACHES = {
    "not a database": damage,
    "cut short": cut,
    "other columns": of_other_columns,
    "a view": script(VIEW),
    "a view, and of another shape": script(f"{VIEW}; PRAGMA user_version = 99"),
    "a trigger": script("CREATE TRIGGER more AFTER INSERT ON answers BEGIN DELETE FROM servers; END"),
    "a table more": script("CREATE TABLE more (x)"),
    "a computed column": script("ALTER TABLE answers ADD COLUMN more TEXT AS (hex(zeroblob(1000000)))"),
}


@pytest.mark.parametrize("harm", NO_CACHES.values(), ids=NO_CACHES)
def test_a_file_that_is_no_cache_is_moved_away_and_a_new_one_is_begun(tmp_path, verifier, harm):
    path, said = tmp_path / "answers.sqlite", []
    harm(path)
    before = path.read_bytes()
    respondent = Draws()
    for _ in range(2):
        with AnswerCache(path, warn=said.append) as cache:
            assert len(sample_problems(cache.wrap(respondent), verifier, PROBLEMS, 2, WARM, 5)) == 1400
    [line] = said
    assert str(path) in line and "answers.sqlite.unreadable" in line and "\n" not in line
    assert len(respondent.asked) == 700, "what was drawn first is found the second time"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["answers.sqlite", "answers.sqlite.unreadable"]
    assert len((tmp_path / "answers.sqlite.unreadable").read_bytes()) == len(before)


def test_a_cache_that_another_process_holds_is_not_moved_away(tmp_path, monkeypatch):
    path, said = tmp_path / "answers.sqlite", []
    AnswerCache(path).close()
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *args, **settings: connect(*args, **{**settings, "timeout": 0}))
    holder = connect(path, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    AnswerCache(path, warn=said.append).close()
    holder.close()
    assert [file.name for file in tmp_path.iterdir()] == ["answers.sqlite"]
    assert len(said) == 1 and "locked" in said[0]


def a_pipe(path):
    os.mkfifo(path)


def no_folder(path):
    path.parent.rmdir()
    path.parent.write_text("a file where the folder should be")


@pytest.mark.parametrize("harm", [no_folder, a_pipe, Path.mkdir])
def test_a_file_that_cannot_be_used_is_named_and_the_measurement_goes_on(tmp_path, verifier, harm):
    path, said = tmp_path / "made" / "answers.sqlite", []
    path.parent.mkdir()
    harm(path)
    with AnswerCache(path, warn=said.append) as cache:
        samples = sample_problems(cache.wrap(Draws()), verifier, PROBLEMS, 2, WARM, 5)
    assert samples == sample_problems(Draws(), verifier, PROBLEMS, 2, WARM, 5)
    [line] = said
    assert line.startswith(f"{path}: ")


ANSWER = ["7", True, 3, ""]
ROWS = [
    "nonsense",
    "[[1]]",
    '{"text": ""}',
    "[null]",
    "[" * 50_000,
    "[]",
    json.dumps([ANSWER]),  # where two were asked for
    *(json.dumps([ANSWER, [*ANSWER[:place], [], *ANSWER[place + 1 :]]]) for place in range(4)),
    json.dumps([ANSWER, ["7", True, float("nan"), ""]]),
    json.dumps([ANSWER, ["\ud800", True, 3, ""]]),
    7,
    b"\xff",
]


@pytest.mark.parametrize("row", ROWS)
def test_a_row_of_another_kind_is_asked_again(tmp_path, verifier, row):
    respondent, said = Draws(), []
    with AnswerCache(tmp_path / "answers.sqlite", warn=said.append) as cache:
        sample_problems(cache.wrap(Draws()), verifier, PROBLEMS[:1], 2, WARM, 5)
        cache._db.execute("UPDATE answers SET answers = ?", (row,))
        sample_problems(cache.wrap(respondent), verifier, PROBLEMS[:1], 2, WARM, 5)
        sample_problems(cache.wrap(respondent), verifier, PROBLEMS[:1], 2, WARM, 5)
    assert len(respondent.asked) == 1, "and then it is stored"
    assert len(said) == 1


def test_a_text_that_is_not_utf_8_is_asked_again(tmp_path, verifier):
    respondent, said = Draws(), []
    with AnswerCache(tmp_path / "answers.sqlite", warn=said.append) as cache:
        sample_problems(cache.wrap(Draws()), verifier, PROBLEMS[:2], 2, WARM, 5)
        cache._db.execute("UPDATE answers SET answers = CAST(x'ff' AS TEXT)")
        for _ in range(2):
            sample_problems(cache.wrap(respondent), verifier, PROBLEMS[:2], 2, WARM, 5)
    assert len(respondent.asked) == 2 and len(said) == 1


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
