"""Kept answers of a server are used while it shows the same weights; where that cannot be told, their age is said first."""

import time

import pytest

from helpers.server import completion
from outgrow.core.errors import OutgrowError
from outgrow.engines import OpenAIServer
from outgrow.evaluate.answer_cache import AnswerCache
from outgrow.evaluate.sample import sample_problems
from outgrow.evaluate.server_weights import Fingerprint, fingerprint
from outgrow.policy import Sampling
from outgrow.types import Problem
from outgrow.verify import Verifier

WARM = Sampling()
PROBLEMS = [Problem(f"p{number}", "sum", 1, f"What is {number}+1?", str(number + 1)) for number in range(5)]


def weights(name):
    """What a server with these weights answers: the same to the same question, and something of its own."""
    return lambda body: (200, completion(f"{name}: {body['messages'][-1]['content']}"))


def measured(stub, path, fresh=False):
    """Return the texts of a measurement, what was said, and how many of the problems the server was asked."""
    said, asked = [], []
    answer, stub.answer = stub.answer, lambda body: asked.append(body) or answer(body)
    with AnswerCache(path, fresh, said.append) as cache, Verifier() as verifier:
        model = cache.wrap(OpenAIServer(stub.url))
        told = list(said)  # before anything is measured
        samples = sample_problems(model, verifier, PROBLEMS, 1, WARM, 0)
    stub.answer = answer
    questions = {problem.question for problem in PROBLEMS}
    assert said == told
    return [s.text for s in samples], said, sum(body["messages"][-1]["content"] in questions for body in asked)


def test_the_same_weights_are_not_asked_twice_and_the_age_is_said_first(tmp_path, serve):
    stub, path = serve(weights("a")), tmp_path / "answers.sqlite"
    first, said, asked = measured(stub, path)
    assert (said, asked) == ([], 5)
    with AnswerCache(path) as cache:
        cache._db.execute("UPDATE answers SET at = ?", (int(time.time()) - 3 * 86_400,))
    again, [line], asked = measured(stub, path)
    assert (again, asked) == (first, 0)
    assert "5 questions" in line
    assert "3 days" in line
    assert "same weights" in line and "cannot" not in line
    assert "--fresh" in line


def test_new_weights_behind_the_same_address_are_asked(tmp_path, serve):
    stub, path = serve(weights("a")), tmp_path / "answers.sqlite"
    first, *_ = measured(stub, path)
    stub.answer = weights("b")
    second, [line], asked = measured(stub, path)
    assert asked == 5
    assert not set(first) & set(second)
    assert "changed" in line
    stub.answer = weights("a")  # and back: the first answers are there still
    assert measured(stub, path)[::2] == (first, 0)


@pytest.mark.parametrize("key", ["root", "created"])
def test_what_the_list_of_models_says_tells_weights_apart(tmp_path, serve, key):
    stub, path = serve(weights("a")), tmp_path / "answers.sqlite"
    stub.listed["data"][0] |= {"root": "/models/step-100", "created": 1_700_000_000}
    measured(stub, path)
    assert measured(stub, path)[2] == 0
    stub.listed["data"][0][key] = "/models/step-200" if key == "root" else 1_700_000_900
    assert measured(stub, path)[2] == 5


class Clock(dict):
    """A card whose `created` is the time of the request, as vLLM and llama.cpp send it."""

    count = 0

    def items(self):
        Clock.count += 1
        return {**self, "created": Clock.count, "permission": [{"id": f"modelperm-{Clock.count}"}]}.items()


def test_what_differs_from_request_to_request_tells_nothing(tmp_path, serve):
    stub, path = serve(weights("a")), tmp_path / "answers.sqlite"
    stub.listed["data"][0] = Clock(stub.listed["data"][0], created=0)
    measured(stub, path)
    assert Clock.count >= 2
    assert measured(stub, path)[2] == 0


def test_a_server_that_never_says_the_same_twice_keeps_its_answers_and_cannot_be_told(tmp_path, serve):
    count = iter(range(1000))
    stub, path = serve(lambda body: (200, completion(f"{next(count)}"))), tmp_path / "answers.sqlite"
    first, said, _ = measured(stub, path)
    assert said == []
    again, [line], asked = measured(stub, path)
    assert (again, asked) == (first, 0)
    assert "cannot be told" in line and "--fresh" in line


def test_a_server_that_refuses_greedy_answers_is_measured_all_the_same(tmp_path, serve):
    def warm_only(body):
        return (400, {"error": {"message": "temperature must be 1"}}) if body["temperature"] == 0 else weights("a")(body)

    stub, path = serve(warm_only), tmp_path / "answers.sqlite"
    first, *_ = measured(stub, path)
    again, [line], asked = measured(stub, path)
    assert (again, asked) == (first, 0)
    assert "cannot be told" in line


@pytest.mark.parametrize("text", ["nonsense", "[1]", '[{}, ["a"]]', "[{}, null]"])
def test_a_fingerprint_of_another_kind_is_not_taken_for_the_same(tmp_path, serve, text):
    stub, path = serve(weights("a")), tmp_path / "answers.sqlite"
    stub.listed["data"][0] = {"id": "m"}
    measured(stub, path)
    with AnswerCache(path) as cache:
        cache._db.execute("UPDATE servers SET who = 'other', fingerprint = ?", (text,))
    measured(stub, path)
    with AnswerCache(path) as cache:
        assert len(cache._db.execute("SELECT who FROM servers").fetchall()) == 2


def test_fresh_asks_again_and_says_nothing_of_what_it_does_not_use(tmp_path, serve):
    stub, path = serve(weights("a")), tmp_path / "answers.sqlite"
    measured(stub, path)
    assert measured(stub, path, fresh=True)[1:] == ([], 5)
    assert measured(stub, path)[2] == 0


def test_a_server_that_is_gone_is_said_at_once(tmp_path, serve):
    stub = serve(weights("a"))
    server = OpenAIServer(f"{stub.url}#m", tries=1)
    stub.shutdown()
    stub.server_close()
    with AnswerCache(tmp_path / "answers.sqlite") as cache, pytest.raises(OutgrowError, match="cannot be reached"):
        cache.wrap(server)


def test_a_profile_of_a_server_is_not_continued_with_other_weights(tmp_path, serve, outgrow):
    stub = serve(weights("a"))
    rows = "".join(f'{{"question": "{p.question}", "answer": "{p.answer}"}}\n' for p in PROBLEMS)
    (tmp_path / "problems.jsonl").write_text(rows)
    command = ("passrate", stub.url, tmp_path / "problems.jsonl", "--out", tmp_path / "profile", "--samples", "1")
    assert outgrow(*command)[0] == 0
    assert outgrow(*command)[0] == 0
    stub.answer = weights("b")
    code, _, said = outgrow(*command)
    assert code == 2
    assert "digest" in said


def test_fingerprints():
    def one(greedy, **card):
        return Fingerprint(card, tuple(greedy))

    assert one("abcdef").same(one("abcdef")) is True
    assert one("abcdef").same(one("abcdeX")) is False
    assert one("abcdef", root="x").same(one("abcdef", root="y")) is False
    assert one(["a", "b", None, None, None, "f"]).same(one(["a", "b", "c", "d", None, None])) is None
    assert one([None] * 6).same(one("abcdef")) is None
    assert Fingerprint.from_json(one("abc", root="x").to_json()) == one("abc", root="x")


def test_greedy_questions_are_short_and_asked_twice(serve):
    stub = serve(weights("a"))
    waited = []
    shown = fingerprint(OpenAIServer(stub.url), wait=waited.append)
    assert len(stub.bodies) == 2 * len(shown.greedy)
    assert stub.most == 1
    assert {(body["temperature"], body["max_tokens"]) for body in stub.bodies} == {(0.0, 32)}
    assert None not in shown.greedy
