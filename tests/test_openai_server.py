"""Answers from a server: what it is asked, what is made of what it says, and how its failures are told. The server is a stub that
speaks HTTP; tests_vllm/ asks a real one.
"""

import asyncio
import json
import threading
import time

import pytest
from typer.testing import CliRunner

from helpers.server import completion, echo
from outgrow.cli.app import app
from outgrow.core.errors import OutgrowError, UsageError
from outgrow.engines import ChatRequest, OpenAIServer
from outgrow.evaluate import Evaluation
from outgrow.evaluate.answer_cache import AnswerCache
from outgrow.evaluate.sample import sample_problems
from outgrow.policy import Prompt, Sampling
from outgrow.problems.suites import suite
from outgrow.types import Problem
from outgrow.verify import Verifier

NONSENSE = "OpenAI-compatible"
SAMPLING = Sampling(temperature=0.7, top_p=0.9, max_tokens=20)


def ask(endpoint, questions=("1+1=?",), n=1, sampling=SAMPLING, check_stop=lambda: None):
    conversations = [endpoint.conversation(question) for question in questions]
    return endpoint.answer(ChatRequest(conversations, n, sampling, list(range(len(questions)))), check_stop)


def test_answers_come_in_order_each_drawn_with_its_own_seed(serve):
    stub = serve(lambda body: (time.sleep(0.05 * ("2" in body["messages"][-1]["content"])), echo(body))[1])
    groups = ask(OpenAIServer(stub.url), ["q1", "q2", "q3"], n=4)
    assert [[answer.text.split("/")[0] for answer in group] for group in groups] == [["q1"] * 4, ["q2"] * 4, ["q3"] * 4]
    seeds = {answer.text.split("/")[1] for group in groups for answer in group}
    assert len(seeds) == 12
    again = ask(OpenAIServer(stub.url), ["q1", "q2", "q3"], n=4)
    assert again == groups


def test_it_asks_as_the_recipe_says(serve):
    stub = serve()
    prompt = Prompt(system="Be brief.", user_template="{question} Think.")
    ask(OpenAIServer(stub.url + "#m", prompt), ["2+2=?"])
    [body] = stub.bodies
    assert body["messages"] == [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "2+2=? Think."}]
    assert (body["model"], body["temperature"], body["top_p"], body["max_tokens"]) == ("m", 0.7, 0.9, 20)
    assert "top_k" not in body
    ask(OpenAIServer(stub.url), sampling=SAMPLING.model_copy(update={"top_k": 5}))
    assert stub.bodies[-1]["top_k"] == 5


def test_what_was_cut_and_what_was_thought_are_told(serve):
    stub = serve(lambda body: (200, completion("so 4", "length", 20)))
    [[answer]] = ask(OpenAIServer(stub.url))
    assert (answer.text, answer.finished, answer.length) == ("so 4", False, 20)
    for name in ("reasoning_content", "reasoning"):
        stub.answer = lambda body, name=name: (200, completion("4", **{name: "2 and 2"}))
        [[answer]] = ask(OpenAIServer(stub.url))
        assert (answer.text, answer.finished) == ("<think>2 and 2</think>4", True)
    stub.answer = lambda body: (200, completion(None))
    assert ask(OpenAIServer(stub.url))[0][0].text == ""


@pytest.mark.parametrize("status", [429, 500, 503, None], ids=["busy", "broken", "loading", "hangs up"])
def test_a_failure_that_passes_is_got_over(serve, status):
    failing = iter([status, status])
    stub = serve(lambda body: (code, {"error": {"message": "busy"}}) if (code := next(failing, 0)) != 0 else echo(body))
    assert ask(OpenAIServer(stub.url))[0][0].text.startswith("1+1=?/")
    assert len(stub.bodies) == 3


@pytest.mark.parametrize(
    ("status", "sent", "told"),
    [
        (503, {"error": {"message": "loading\nthe model"}}, "answers 503, loading$"),
        (403, {"error": {"message": "your country \x1b[31mis not served"}}, r"answers 403, your country \[31mis not served$"),
        (401, {"error": {"message": "who are you"}}, "OPENAI_API_KEY"),
        (404, {"detail": "Not Found"}, "model 'm'"),
        (418, {"error": {"message": "I am a teapot"}}, "answers 418, I am a teapot$"),
        (200, {"error": {"message": "the model behind\nis gone"}}, "answers 502, the model behind$"),
        (200, b"<html>hello</html>", NONSENSE),
        (200, b"[" * 100_000, NONSENSE),
        (200, [], NONSENSE),
        (307, {}, "307"),
        (200, None, NONSENSE),
        (200, {"choices": []}, NONSENSE),
        (200, completion(["4"]), NONSENSE),
        (200, completion("4", tokens="many"), NONSENSE),
        (200, completion("4", tokens=-1), NONSENSE),
        (200, completion("4", tokens=10**400), NONSENSE),
        (200, {**completion("4"), "choices": [7]}, NONSENSE),
        (200, {**completion("4"), "choices": completion("4")["choices"] * 2}, NONSENSE),
    ],
)
def test_what_stays_wrong_is_told_in_one_line(serve, status, sent, told):
    stub = serve(lambda body: (status, sent))
    with pytest.raises(OutgrowError, match=told) as error:
        ask(OpenAIServer(stub.url, tries=2), ["a", "b", "c"])
    assert stub.host in str(error.value) and stub.url not in str(error.value) and str(error.value).isprintable()
    assert error.value.exit_code == 1


@pytest.mark.parametrize(
    "listed",
    [b"<html>hello</html>", [], None, {}, {"data": 7}, {"data": [7]}, {"data": [{"id": 7}]}, {"data": [{"id": "a" * 301}]}],
)
def test_an_address_that_is_no_such_server(serve, listed):
    stub = serve()
    stub.listed = listed
    with pytest.raises(OutgrowError, match=NONSENSE):
        ask(OpenAIServer(stub.url))


def test_what_no_file_could_take_is_mended(serve):
    stub = serve(lambda body: (200, completion("a\ud800b")))
    assert ask(OpenAIServer(stub.url))[0][0].text == "a?b"


def test_a_server_that_is_gone(serve):
    stub = serve()
    endpoint = OpenAIServer(stub.url, tries=2)
    ask(endpoint)
    stub.shutdown()
    stub.server_close()
    with pytest.raises(OutgrowError, match=r"cannot be reached after 2 tries"):
        ask(endpoint)


def test_a_server_that_is_stuck(serve):
    free = threading.Event()
    stub = serve(lambda body: (free.wait(30), echo(body))[1])
    with pytest.raises(OutgrowError, match=r"0\.2 s"):
        ask(OpenAIServer(stub.url, tries=2, timeout_s=0.2))
    began, before = time.monotonic(), len(stub.bodies)

    def stop():
        if len(stub.bodies) > before:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ask(OpenAIServer(stub.url), check_stop=stop)
    assert time.monotonic() - began < 20, "a signal must be heard while the server is silent"
    free.set()


def test_requests_under_way_are_bounded(serve):
    stub = serve(lambda body: (time.sleep(0.03), echo(body))[1])
    ask(OpenAIServer(stub.url, at_once=3), [f"q{i}" for i in range(12)])
    assert 1 < stub.most <= 3


def test_which_model(serve):
    stub = serve(models=("org/a", "org/b"))
    with pytest.raises(UsageError, match=r"#NAME .*org/a, org/b"):
        ask(OpenAIServer(stub.url))
    ask(OpenAIServer(stub.url + "#org/b"))
    assert stub.bodies[-1]["model"] == "org/b"
    with pytest.raises(UsageError, match=r"#NAME$"):
        ask(OpenAIServer(serve(models=()).url))
    with pytest.raises(UsageError, match=r"m8, m9, …\)$"):
        ask(OpenAIServer(serve(models=[f"m{number}" for number in range(300)]).url))


def test_another_model_at_the_same_address_is_another_respondent(serve, tmp_path):
    stub, problems = serve(models=("first",)), [Problem("p", "sum", 1, "1+1=?", "2")]
    with AnswerCache(tmp_path / "answers.sqlite") as cache, Verifier() as verifier:
        for served, asked in (("first", 1), ("first", 1), ("second", 2)):
            stub.listed["data"][0]["id"] = served
            endpoint = OpenAIServer(stub.url)
            sample_problems(cache.wrap(endpoint), verifier, problems, 1, SAMPLING, 5)
            assert endpoint.identity == f"{stub.url}#{served}"
            assert len(stub.asked) == asked


def test_a_chat_template_of_ones_own_is_refused():
    with pytest.raises(UsageError, match=r"prompt\.template"):
        OpenAIServer("http://localhost:1/v1", Prompt(template="plain"))


def test_inside_an_event_loop_too(serve):
    stub = serve()

    async def notebook():
        return ask(OpenAIServer(stub.url))

    assert asyncio.run(notebook())[0][0].finished


def test_a_served_model_is_measured_like_any_other(serve, tmp_path):
    """One that answers even seeds right, odd ones wrong, and greedy ones right, with the arithmetic of the answer key."""
    key = {problem.question: problem.answer for problem in suite("micro").load()}

    def solve(body):
        right = body["temperature"] == 0 or body["seed"] % 2 == 0
        return 200, completion(rf"\boxed{{{key.get(body['messages'][-1]['content'], 42)}}}" if right else "I cannot say.", tokens=7)

    stub, out = serve(solve), tmp_path / "graded.parquet"
    done = CliRunner().invoke(app, ["eval", stub.url, "--on", "micro", "--samples", "2", "--out", str(out)])
    assert done.exit_code == 0, done.output
    even = [body["seed"] % 2 == 0 for body in stub.bodies if body["temperature"] > 0]
    summary = Evaluation.load(out).summary()
    assert summary["pass@1"] == pytest.approx(sum(even) / len(even)) and 0.4 < summary["pass@1"] < 0.6
    assert summary["no_answer"] == pytest.approx(1 - summary["pass@1"])
    assert (summary["greedy"], summary["length"], summary["n"]) == (1.0, 7.0, len(key))


def test_a_served_model_is_asked_and_talked_with(serve):
    stub = serve(lambda body: (200, completion(f"\x1b[2J{len(body['messages'])} turns</think>so far")))
    told = CliRunner().invoke(app, ["generate", stub.url, "20+22=?"])
    assert "1 turns" in told.output
    assert "\x1b" not in told.output, "nothing that a terminal obeys"
    asked = CliRunner().invoke(app, ["chat", stub.url], input="one\ntwo\n\n")
    assert "1 turns" in asked.output and "3 turns" in asked.output
    assert stub.bodies[-1]["messages"][1] == {"role": "assistant", "content": "so far"}, "its thoughts are not kept"


def test_a_suite_without_a_right_answer_says_which_extractor_would_find_them(serve, tmp_path):
    file = tmp_path / "own.jsonl"
    file.write_text("".join(json.dumps({"question": f"{n} + 1 = ?", "answer": n + 1}) + "\n" for n in range(6)))
    stub = serve(lambda body: (200, completion(f"#### {int(body['messages'][-1]['content'].split()[0]) + 1}\n2 steps")))
    done = CliRunner().invoke(app, ["eval", stub.url, "--on", str(file), "--samples", "2"])
    assert done.exit_code == 0, done.output
    told = done.output[done.output.index("own.jsonl: 0 of 18 outputs") :]
    parts = (r"\boxed{...}", r"#### 1\n2 steps", r"#### 2\n2 steps", 'verify.extract = ["hash"]')
    assert [part for part in parts if part not in told] == [], told


def test_a_suite_whose_answers_are_all_cut_says_so(serve, tmp_path):
    file = tmp_path / "own.jsonl"
    file.write_text(json.dumps({"question": "1 + 1 = ?", "answer": 2}) + "\n")
    stub = serve(lambda body: (200, completion("#### 2", reason="length")))
    done = CliRunner().invoke(app, ["eval", stub.url, "--on", str(file), "--samples", "2"])
    assert done.exit_code == 0, done.output
    assert "0 of 3 outputs" in done.output and "token limit" in done.output
