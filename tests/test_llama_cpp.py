"""What we write is read by llama.cpp itself, and what its server draws is what we measure elsewhere."""

import json
from collections import Counter
from functools import cache

import pytest
import torch
from scipy.stats import chisquare

from helpers.gguf_files import FAMILIES, TEXT, learnt_family, written
from helpers.llama_cpp import llama_server, post
from outgrow.engines import ChatRequest, OpenAIServer
from outgrow.policy import Sampling

MARKED = "<|im_start|>user\nHi<|im_end|>"
TEXTS = (
    TEXT,
    "1234567 + 89 = ?",
    "  two  blanks\n\n\nlines\tand tabs ",
    "<think>it's\r\nété</think> x²",
    "<|im_start|>user\nHi<|im_end|>",
)


@pytest.fixture(scope="module")
def trained():
    return cache(learnt_family)


def next_logprobs(policy, ids):
    """Log-probabilities of the next token, by transformers."""
    with torch.no_grad():
        return policy.model(torch.tensor([ids])).logits[0, -1].log_softmax(-1)


@pytest.mark.parametrize("family", FAMILIES)
def test_tokens_template_and_probabilities(family, trained, tmp_path):
    policy = trained(family)
    ids = policy.tokenizer(TEXT)["input_ids"]
    with llama_server(written(policy, tmp_path, "f32")) as address:
        for text in TEXTS:
            told = post(address, "/tokenize", content=text, add_special=True, parse_special=True)["tokens"]
            assert told == policy.tokenizer(text)["input_ids"], text
        question = [{"role": "user", "content": "1 + 1?"}]
        assert post(address, "/apply-template", messages=question)["prompt"] == policy.prompt_text("1 + 1?")
        for length in (1, 8, len(ids) - 1):
            reply = post(address, "/completion", prompt=ids[:length], n_predict=1, temperature=0, n_probs=20, return_tokens=True)
            wanted = next_logprobs(policy, ids[:length])
            [step] = reply["completion_probabilities"]
            told = {each["id"]: each["logprob"] for each in step["top_logprobs"]}
            assert len(told) == 20
            # llama.cpp rounds some of what it computes with to 16 bits.
            assert all(abs(value - wanted[token].item()) < 0.02 for token, value in told.items()), length


@pytest.mark.parametrize("kind", ["f16", "bf16", "q8_0", "q4_0"])
@pytest.mark.parametrize("family", ["llama", "qwen2"])
def test_every_kind_of_file_says_what_was_learnt(family, kind, trained, tmp_path):
    policy = trained(family)
    ids = policy.tokenizer(TEXT)["input_ids"]
    with llama_server(written(policy, tmp_path, kind)) as address:
        reply = post(address, "/completion", prompt=ids[:8], n_predict=len(ids) - 8, temperature=0, return_tokens=True)
    assert reply["tokens"] == ids[8:]


def test_it_ends_answers_where_we_do(shipped, tmp_path):
    """At the end token, and after the same tokens."""
    sampling = Sampling(temperature=0.0, max_tokens=60)
    questions = ["What is 17 + 28?", "What is 3 * 4?", "What is 9 - 5?"]
    wanted = []
    for question in questions:
        ids = shipped.prompt_ids(question)
        with torch.no_grad():
            whole = shipped.model.generate(
                torch.tensor([ids]), max_new_tokens=60, do_sample=False, pad_token_id=0, attention_mask=torch.ones(1, len(ids))
            )
        wanted.append(whole[0, len(ids) :].tolist())
    assert any(tokens[-1] in shipped.end_ids for tokens in wanted)
    with llama_server(written(shipped, tmp_path, "f32"), context=256) as address:
        model = OpenAIServer(f"{address}/v1")
        groups = model.answer(ChatRequest([model.conversation(question) for question in questions], 1, sampling, [0, 1, 2]))
    for [answer], tokens in zip(groups, wanted, strict=True):
        ended = tokens[-1] in shipped.end_ids
        assert answer.finished == ended
        assert answer.text == shipped.tokenizer.decode(tokens[: len(tokens) - ended])


def test_its_server_draws_from_the_whole_distribution(shipped, tmp_path):
    """By itself llama.cpp draws none of what is less likely than a twentieth of the likeliest token."""
    question, count = "hello", 600
    shares = next_logprobs(shipped, shipped.prompt_ids(question)).exp().double()
    often = [token for token in range(len(shares)) if shares[token] * count >= 5]
    rare = 1 - sum(shares[token] for token in often).item()
    dropped = shares[shares < shares.max() / 20].sum().item()
    assert dropped * count > 60, "these draws could not tell"
    with llama_server(written(shipped, tmp_path, "f32"), context=256) as address:
        model = OpenAIServer(f"{address}/v1")
        [answers] = model.answer(ChatRequest([model.conversation(question)], count, Sampling(max_tokens=1), [7]))
    drawn = Counter(answer.text for answer in answers)
    names = [shipped.tokenizer.decode([token]) for token in often]
    seen = [drawn[name] for name in names]
    expected = [shares[token].item() * count for token in often]
    assert chisquare([*seen, count - sum(seen)], [*expected, rare * count]).pvalue > 1e-3


def test_only_servers_that_know_them_get_settings_outside_of_the_protocol(serve):
    owners = {"llamacpp": "repeat_penalty", "vllm": "repetition_penalty", "sglang": "repetition_penalty", "openai": None}
    for owner, penalty in owners.items():
        stub = serve()
        stub.listed["data"][0]["owned_by"] = owner
        for address in (stub.url, f"{stub.url}#m", f"{stub.url}#adapter"):
            model = OpenAIServer(address)
            model.answer(ChatRequest([model.conversation("1+1=?")], 1, Sampling(), [0]))
            body = stub.bodies[-1]
            assert {"top_k", "min_p", "repeat_penalty", "repetition_penalty"} & set(body) == (
                {"top_k", "min_p", penalty} if penalty else set()
            ), json.dumps(body)
            if penalty:
                assert (body["top_k"] <= 0, body["min_p"], body[penalty]) == (True, 0, 1)
        model = OpenAIServer(stub.url, omit_settings=["min_p"])
        model.answer(ChatRequest([model.conversation("1+1=?")], 1, Sampling(top_k=5), [0]))
        assert ("min_p" in stub.bodies[-1], stub.bodies[-1]["top_k"]) == (False, 5)


def test_answers_drawn_otherwise_are_not_taken_for_these(serve):
    """Answers that were kept before these settings were sent are of another distribution."""
    stub = serve()
    before = OpenAIServer(stub.url).identity
    stub.listed["data"][0]["owned_by"] = "llamacpp"
    assert OpenAIServer(stub.url).identity != before
