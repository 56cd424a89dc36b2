"""Servers that keep to OpenAI's protocol only roughly: each fault that was seen in real ones, sent by a stub."""

import json

import pytest
from typer.testing import CliRunner

from helpers.server import completion, echo
from outgrow.cli.app import app
from outgrow.config import parse_recipe
from outgrow.core.errors import OutgrowError, UsageError
from outgrow.engines import SERVER_SETTINGS, ChatRequest, OpenAIServer
from outgrow.engines.server_errors import refused_setting, refuses_prompt, status_in_body
from outgrow.evaluate import Evaluation
from outgrow.evaluate.answer_cache import AnswerCache
from outgrow.judge.config import JudgeSection
from outgrow.judge.judge import Judge, JudgeItem
from outgrow.policy import Sampling
from outgrow.problems.suites import suite
from outgrow.train.judge_scores import judge_model

SAMPLING = Sampling(temperature=0.7, top_p=0.9, top_k=5, max_tokens=20)
VLLM = "This model's maximum context length is 2048 tokens. However, you requested 3000 tokens. Please reduce the length."
# Errors as servers word them: (status, body of the error).
PROMPT = {
    "vllm": (400, {"message": VLLM, "type": "BadRequestError", "param": None, "code": 400}),
    "vllm, of the limit": (
        400,
        {"message": "'max_tokens' or 'max_completion_tokens' is too large: 4000. This model's maximum context length is 2048 "
         "tokens and your request has 30 input tokens", "param": "max_tokens", "code": 400},
    ),
    "llama.cpp": (
        400,
        {"code": 400, "message": "the request exceeds the available context size, try increasing it", "n_ctx": 512,
         "type": "exceed_context_size_error", "n_prompt_tokens": 900},
    ),
    "openai": (400, {"message": "Invalid prompt: your prompt was flagged", "code": "invalid_prompt", "param": None}),
    "openai, of the messages": (400, {"message": "Invalid 'messages[0].content': string too long", "param": "messages[0].content"}),
    "azure": (
        400,
        {"message": "The response was filtered due to the prompt triggering Azure OpenAI's content management policy.",
         "param": "prompt", "code": "content_filter", "innererror": {"code": "ResponsibleAIPolicyViolation"}},
    ),
    "a gateway's moderation": (403, {"code": 403, "message": "Your input was flagged", "metadata": {"reasons": ["x"]}}),
    "tgi": (422, {"message": "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000"}),
    "too much for a proxy": (413, {"message": "Request Entity Too Large"}),
    "no reason": (400, {"message": "Bad Request"}),
}  # fmt: skip
SETTING = {
    "seed": (400, {"message": "Unsupported parameter: 'seed' is not supported with this model.", "param": "seed"}),
    "temperature": (
        400,
        {"message": "Unsupported value: 'temperature' does not support 0.7 with this model. Only the default (1) value is "
         "supported.", "param": "temperature", "code": "unsupported_value"},
    ),
    "max_tokens": (
        400,
        {"message": "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
         "param": "max_tokens", "code": "unsupported_parameter"},
    ),
    "top_k": (400, {"message": "Unrecognized request argument supplied: top_k", "type": "invalid_request_error", "param": None}),
    "top_p": (400, {"message": "`temperature` and `top_p` cannot both be specified for this model", "param": "top_p"}),
}  # fmt: skip
SERVER = {
    "key": (400, {"message": "API key not valid. Please pass a valid API key."}),
    "model": (400, {"message": "The model `m` does not exist"}),
    "country": (403, {"message": "Country, region, or territory not supported"}),
    "broken": (500, {"message": "seed: internal error"}),
}


def ask(server, questions=("a", "b", "c"), n=1, sampling=SAMPLING):
    return server.answer(ChatRequest([server.conversation(q) for q in questions], n, sampling, list(range(len(questions)))))


def refusing(question, status, error, answer=echo):
    return lambda body: (status, {"error": error}) if question in body["messages"][-1]["content"] else answer(body)


@pytest.mark.parametrize("kind", PROMPT)
def test_a_refused_prompt_does_not_end_the_others(serve, kind):
    status, error = PROMPT[kind]
    warned = []
    server = OpenAIServer(serve(refusing("b", status, error)).url, warn=warned.append)
    [first], [second], [third] = ask(server)
    assert first.text.startswith("a/") and third.text.startswith("c/") and not (first.refused or third.refused)
    assert second.refused == error["message"] and second.text == "" and second.length is None
    assert len(warned) == 1 and error["message"] in warned[0]
    ask(server)
    assert len(warned) == 1, "said once"


def test_an_answer_that_a_filter_ended_is_refused(serve):
    for reason in ("content_filter", "content_filter: SAFETY"):
        stub = serve(
            lambda body, reason=reason: (200, completion("half", reason)) if body["messages"][-1]["content"] == "b" else echo(body)
        )
        assert [bool(answer.refused) for [answer] in ask(OpenAIServer(stub.url))] == [False, True, False]


@pytest.mark.parametrize("name", SETTING)
def test_a_refused_setting_is_named_with_the_line_to_add(serve, name):
    status, error = SETTING[name]
    stub = serve(lambda body: (status, {"error": error}) if name in body else (200, completion("4")))
    with pytest.raises(UsageError) as told:
        ask(OpenAIServer(stub.url))
    assert f'server.omit_settings = ["{name}"]' in str(told.value) and f"--omit-settings {name}" in str(told.value)
    assert error["message"] in str(told.value)
    ask(OpenAIServer(stub.url, omit_settings=[name]))  # as the line says
    assert name not in stub.bodies[-1]
    sent = {other for other in ("seed", "temperature", "top_p", "top_k", "max_tokens") if other in stub.bodies[-1]}
    assert sent == {"seed", "temperature", "top_p", "top_k", "max_tokens"} - {name}
    assert stub.bodies[-1].get("max_completion_tokens") == (20 if name == "max_tokens" else None)


def test_settings_that_are_refused_one_after_the_other_are_all_listed(serve):
    def picky(body):
        wrong = next((name for name in ("top_k", "seed", "max_tokens", "max_completion_tokens") if name in body), None)
        if wrong is None:
            return echo({**body, "seed": 0})
        return 422, {"detail": [{"type": "extra_forbidden", "loc": ["body", wrong], "msg": "Extra inputs are not permitted"}]}

    stub, omitted = serve(picky), []
    for name in ("top_k", "seed", "max_tokens", "max_completion_tokens"):
        with pytest.raises(UsageError) as told:
            ask(OpenAIServer(stub.url, omit_settings=omitted))
        omitted.append(name)
        assert f"server.omit_settings = {json.dumps(omitted)}" in str(told.value)
    assert ask(OpenAIServer(stub.url, omit_settings=omitted))[0][0].text == "a/0"
    assert set(stub.bodies[-1]) == {"model", "messages", "temperature", "top_p"}


@pytest.mark.parametrize("kind", SERVER)
def test_what_concerns_the_server_ends_the_call(serve, kind):
    status, error = SERVER[kind]
    with pytest.raises(OutgrowError, match=f"answers {status}"):
        ask(OpenAIServer(serve(refusing("b", status, error)).url, tries=1))


def test_the_kinds_of_errors_are_told_apart():
    """Every error above, by the rules themselves: the prompt's, a setting's, the server's."""
    sent = list(SERVER_SETTINGS)
    for kinds, prompt, setting in ((PROMPT, True, False), (SETTING, None, True), (SERVER, False, False)):
        for kind, (status, error) in kinds.items():
            text = " ".join(str(value) for value in error.values())
            assert refused_setting(status, text, error.get("param"), sent) == (kind if setting else None), kind
            if prompt is not None:
                assert refuses_prompt(status, text) == prompt, kind


ERRORS_200 = {
    "gateway": {"error": {"code": 502, "message": "Provider returned error"}},
    "gateway, text": {"error": "upstream timed out"},
    "busy": {"error": {"code": "429", "message": "rate limited"}},
    "object": {"object": "error", "message": "engine is dead", "code": 50001},
    "in the choice": {"choices": [{"error": {"code": 502, "message": "x"}, "finish_reason": "error", "message": {"content": ""}}]},
    "reason only": {"choices": [{"index": 0, "finish_reason": "error", "message": {"content": "ha"}}]},
}  # fmt: skip


@pytest.mark.parametrize("kind", ERRORS_200)
def test_an_error_with_status_200_is_asked_again(serve, kind):
    failing = iter([True, True])
    stub = serve(lambda body: (200, ERRORS_200[kind]) if next(failing, False) else echo(body))
    assert ask(OpenAIServer(stub.url), ["a"])[0][0].text.startswith("a/")
    assert len(stub.bodies) == 3
    stub = serve(lambda body: (200, ERRORS_200[kind]))
    with pytest.raises(OutgrowError, match=r"answers (502|429)"):
        ask(OpenAIServer(stub.url, tries=2), ["a"])
    assert len(stub.bodies) == 2


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (completion("4"), None),
        ({**completion("4"), "error": None}, None),
        ({"object": "list", "data": []}, None),
        ([], None),
        ({"error": {"code": 400, "message": "x"}}, 400),
        ({"error": {"code": "context_length_exceeded", "message": "x"}}, 400),
        ({"error": {"code": 9, "message": "x"}}, 502),
        ({"error": True}, 502),
    ],
)
def test_the_status_of_a_body(body, status):
    assert status_in_body(body) == status


def test_a_prompt_refused_with_status_200_is_not_asked_again(serve):
    stub = serve(lambda body: (200, {"error": {"code": "context_length_exceeded", "message": VLLM}}))
    assert ask(OpenAIServer(stub.url), ["a"])[0][0].refused == VLLM
    assert len(stub.bodies) == 1


def without(body, *names):
    """A completion that lacks these fields."""
    choice = {key: value for key, value in body["choices"][0].items() if key not in names}
    return {**{key: value for key, value in body.items() if key not in names}, "choices": [choice]}


NULL = {**completion("4", reason=None), "usage": None}


@pytest.mark.parametrize(
    ("body", "finished", "length", "warnings"),
    [
        (without(completion("4", tokens=3), "finish_reason"), True, 3, 0),
        (without(completion("4", tokens=20), "finish_reason"), False, 20, 0),
        (completion("4", "MAX_TOKENS", tokens=9), False, 9, 0),
        (completion("4", "eos_token", tokens=9), True, 9, 0),
        (without(completion("4"), "usage"), True, None, 1),
        (without(completion("4", "length"), "usage"), False, None, 1),
        ({**completion("4"), "usage": {}}, True, None, 1),
        ({**completion("4"), "usage": {"completion_tokens": None}}, True, None, 1),
        (without(completion("4"), "usage", "finish_reason"), True, None, 2),
        (NULL, True, None, 2),
    ],
    ids=str,
)
def test_missing_usage_and_reasons_are_borne(serve, body, finished, length, warnings):
    warned = []
    server = OpenAIServer(serve(lambda _: (200, body)).url, warn=warned.append)
    for [answer] in ask(server):
        assert (answer.text, answer.finished, answer.length) == ("4", finished, length)
    assert len(warned) == warnings


def test_fields_that_nobody_knows_are_borne(serve):
    body = completion("4", annotations=[], audio=None, tool_calls=None, weird={"a": [1]})
    body["choices"][0] |= {"logprobs": None, "stop_reason": 151645, "native_finish_reason": "STOP"}
    body["usage"] |= {"cost": {"x": 1}, "prompt_tokens_details": None, "total_tokens": "many"}
    body |= {"provider": "me", "system_fingerprint": 7, "created": "yesterday", "kv_transfer_params": None}
    [[answer]] = ask(OpenAIServer(serve(lambda _: (200, body)).url), ["a"])
    assert (answer.text, answer.finished, answer.length, answer.refused) == ("4", True, 3, "")


def test_content_in_parts_and_a_models_own_refusal_are_text(serve):
    parts = [{"type": "thinking", "thinking": [{"type": "text", "text": "2+2"}]}, {"type": "text", "text": "4"}]
    for body, text in (
        (completion(parts), "<think>2+2</think>4"),
        (completion([{"type": "text", "text": "4"}, {"type": "text", "text": "!"}]), "4!"),
        (completion(None, refusal="I cannot help."), "I cannot help."),
    ):
        [[answer]] = ask(OpenAIServer(serve(lambda _, body=body: (200, body)).url), ["a"])
        assert (answer.text, answer.refused) == (text, "")


KEY = {problem.question: problem.answer for problem in suite("micro-validation").load()}


def solve(body):
    return 200, completion(rf"\boxed{{{KEY.get(body['messages'][-1]['content'], '')}}}", tokens=7)


def run(*arguments):
    return CliRunner().invoke(app, list(arguments))


def test_a_suite_counts_a_refused_prompt_as_failed_and_says_so(serve, tmp_path):
    refused = next(iter(KEY))
    stub = serve(lambda body: (400, {"error": {"message": VLLM}}) if body["messages"][-1]["content"] == refused else solve(body))
    out = tmp_path / "graded.parquet"
    for asked_again in (2 * len(KEY), 2):  # sampled and greedy; refusals are not cached
        stub.bodies.clear()
        done = run("eval", stub.url, "--on", "micro-validation", "--samples", "1", "--out", str(out))
        assert done.exit_code == 0, done.output
        assert len(stub.asked) == asked_again
        text = " ".join(done.output.split())
        assert f"refused 1 of {len(KEY)} questions" in text and "maximum context length is 2048" in text
    evaluation = Evaluation.load(out)
    summary = evaluation.summary()
    share = pytest.approx(1 / len(KEY))
    assert (1 - summary["pass@1"], summary["refused"], 1 - summary["greedy"]) == (share, share, share)
    assert (summary["no_answer"], summary["truncated"], summary["length"], summary["n"]) == (0, 0, 7, len(KEY))
    assert {(s.question, s.refused) for s in evaluation.samples if s.refused} == {(refused, VLLM)}


def test_a_suite_whose_prompts_are_all_refused_is_no_measurement(serve, tmp_path):
    stub = serve(lambda body: (400, {"error": {"message": VLLM}}))
    done = run("eval", stub.url, "--on", "micro-validation", "--samples", "1", "--out", str(tmp_path / "x.parquet"))
    assert done.exit_code != 0
    assert isinstance(done.exception, OutgrowError | SystemExit) and not (tmp_path / "x.parquet").exists()
    done = run("passrate", stub.url, "micro", "--samples", "1", "--out", str(tmp_path / "profile"))
    assert done.exit_code != 0
    assert not (tmp_path / "profile" / "pass_rates.parquet").exists()


def test_a_suite_without_usage_has_no_length(serve, tmp_path):
    stub, out = serve(lambda body: (200, without(solve(body)[1], "usage", "finish_reason"))), tmp_path / "graded.parquet"
    done = run("eval", stub.url, "--on", "micro-validation", "--samples", "2", "--out", str(out))
    assert done.exit_code == 0, done.output
    assert "mean length unknown" in " ".join(done.output.split())
    summary = Evaluation.load(out).summary()
    assert (summary["length"], summary["pass@1"], summary["truncated"]) == (None, 1, 0)


def test_settings_are_omitted_by_option_and_by_recipe(serve, tmp_path):
    stub = serve(solve)
    how = ["eval", stub.url, "--on", "micro-validation", "--samples", "1"]
    done = run(*how, "--omit-settings", "temperature,seed")
    assert done.exit_code == 0, done.output
    assert all(not {"temperature", "seed"} & set(body) for body in stub.bodies)
    text = " ".join(done.output.split())
    assert "the server's own temperature" in text and "temperature 1" not in text, "no record of what was not sent"
    asked = len(stub.bodies)
    recipe = tmp_path / "r.toml"
    recipe.write_text('extends = "micro"\nname = "r"\n[server]\nomit_settings = ["top_p"]\n')
    done = run(*how, "--recipe", str(recipe))
    assert done.exit_code == 0, done.output
    assert len(stub.bodies) > asked, "answers with other settings are other answers"
    assert all("top_p" not in body and "seed" in body for body in stub.bodies[asked:])


def test_names_that_are_no_settings_are_refused(serve):
    with pytest.raises(UsageError, match=r"server\.omit_settings"):
        parse_recipe({"name": "x", "policy": {"model": "micro-base"}, "server": {"omit_settings": ["speed"]}})
    for arguments, told in (
        (["http://localhost:1/v1", "--omit-settings", "sed"], "'seed'"),
        (["micro-base", "--omit-settings", "seed"], "micro-base"),
    ):
        done = run("generate", arguments[0], "1+1=?", *arguments[1:])
        assert isinstance(done.exception, UsageError) and told in str(done.exception)


def test_a_refused_question_in_generate_and_chat(serve):
    stub = serve(refusing("bad", 400, {"message": VLLM}, lambda body: (200, completion(f"{len(body['messages'])} turns"))))
    done = run("generate", stub.url, "bad")
    assert isinstance(done.exception, OutgrowError) and VLLM in str(done.exception)
    done = CliRunner().invoke(app, ["chat", stub.url], input="one\nbad\ntwo\n\n")
    assert done.exit_code == 0
    assert "1 turns" in done.output and "3 turns" in done.output and "maximum context" in done.output, "the refused turn is dropped"


def test_a_judge_that_refuses_an_answer_gives_it_no_score(serve, tmp_path):
    stub = serve(refusing("bad", 400, {"message": VLLM}, lambda body: (200, completion(r"\boxed{1}"))))
    section = JudgeSection(model=stub.url, rubric="{completion}", tries=2, max_unscored=0.6, omit_settings=("seed",))
    with AnswerCache(tmp_path / "cache.sqlite") as cache:
        judge = Judge(cache.wrap(judge_model(section, lambda _: None)), section, 0)
        good, bad = judge.scores([JudgeItem("q", "1", text, True) for text in ("good", "bad")])
    assert bad is None and good is not None
    assert VLLM in judge.last_failure
    assert all("seed" not in body for body in stub.bodies)
