"""The endpoint against a real OpenAI-compatible server: vLLM's own, holding the shipped model."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest

from outgrow.engines import ChatRequest, LocalModel, NativeEngine, OpenAIServer, sync
from outgrow.policy import Sampling
from outgrow.problems.micro import Micro


@pytest.fixture(scope="module")
def served(shipped, tmp_path_factory):
    """The address of a server that holds the shipped model."""
    folder = tmp_path_factory.mktemp("served")
    shipped.save(folder / "model")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # Not `vllm serve`: the CPU build's command looks for a package of the other build's name.
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", str(folder / "model"), "--port", str(port)]
    settings = ["--host", "127.0.0.1", "--dtype", "float32", "--enforce-eager", "--generation-config", "vllm"]
    settings += ["--served-model-name", "micro"]
    with (folder / "log").open("w") as log:
        server = subprocess.Popen([*command, *settings], env={**os.environ, "VLLM_CPU_KVCACHE_SPACE": "1"}, stdout=log, stderr=log)
        try:
            until = time.monotonic() + 300
            while not _answers(f"http://127.0.0.1:{port}/health"):
                assert server.poll() is None and time.monotonic() < until, (folder / "log").read_text()[-3000:]
                time.sleep(0.5)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            server.terminate()
            server.wait(60)


def _answers(url):
    try:
        return urllib.request.urlopen(url, timeout=1).status == 200
    except (urllib.error.URLError, OSError):
        return False


def ask(respondent, n, sampling):
    questions = [problem.question for problem in Micro(split="test", per_level=1).load()[:12]]
    return respondent.answer(
        ChatRequest([respondent.conversation(question) for question in questions], n, sampling, list(range(12)))
    )


def test_greedy_answers_are_those_of_the_native_engine(served, shipped):
    engine = NativeEngine()
    sync(engine, shipped)
    greedy = Sampling(temperature=0.0, max_tokens=40)
    ours, theirs = ask(LocalModel(shipped, engine), 1, greedy), ask(OpenAIServer(served), 1, greedy)
    assert theirs == ours, "text, finished and length"
    assert {answer.finished for [answer] in ours} == {True, False}, "the limit must cut some and not all"


def test_draws_repeat_and_differ(served):
    sampling = Sampling(temperature=1.0, max_tokens=40)
    first, again = (ask(OpenAIServer(served + "#micro"), 4, sampling) for _ in range(2))
    assert first == again
    assert max(len({answer.text for answer in group}) for group in first) > 1
