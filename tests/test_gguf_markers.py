"""Markers of GGUF files that transformers leaves out are there again, as the tokenizer had them that the file was written from."""

import pytest
import torch
from tokenizers import AddedToken
from transformers import Qwen2Config, Qwen2ForCausalLM

from helpers.gguf_files import SMALL, TEXT, THETA, bpe, written
from outgrow.core.errors import UsageError
from outgrow.policy import Policy, load_policy

USER, END, THOUGHT = "<｜User｜>", "<｜end▁of▁sentence｜>", "<思考>"
TEMPLATE = "{% for m in messages %}<｜User｜>{{ m['content'] }}{% endfor %}{% if add_generation_prompt %}<思考>{% endif %}"


@pytest.fixture(scope="module")
def policy():
    tokenizer = bpe("qwen2")
    tokenizer.add_tokens(
        [AddedToken(END, special=True), AddedToken(USER), AddedToken(THOUGHT), AddedToken("<|plain|>", special=True)]
    )
    tokenizer.eos_token, tokenizer.chat_template = END, TEMPLATE
    torch.manual_seed(3)
    rows = len(tokenizer) + 5
    config = Qwen2Config(**SMALL, num_attention_heads=4, num_key_value_heads=2, vocab_size=rows, rope_parameters=THETA)
    return Policy(Qwen2ForCausalLM(config), tokenizer)


@pytest.fixture(scope="module")
def again(policy, tmp_path_factory):
    return load_policy(str(written(policy, tmp_path_factory.mktemp("file"), "f32")))


def test_text_with_markers_gets_the_ids_that_it_had(policy, again):
    texts = (
        f"{USER}12 + 7?{END}",
        policy.prompt_text("1+1?"),
        f"{THOUGHT}{THOUGHT} <think>a</think><|plain|>",
        TEXT,
        f"x {END} y",
        "",
    )
    for text in texts:
        assert again.tokenizer(text)["input_ids"] == policy.tokenizer(text)["input_ids"]
    assert again.tokenizer(USER)["input_ids"] == [policy.tokenizer.convert_tokens_to_ids(USER)]


def test_the_end_token_is_a_token_of_the_model(policy, again):
    assert again.end_ids == policy.end_ids == (policy.tokenizer.convert_tokens_to_ids(END),)
    assert len(again.tokenizer) == policy.model.config.vocab_size  # with the rows that no token has, and nothing behind them


def test_answers_are_read_as_before(policy, again):
    ids = policy.tokenizer(f"{THOUGHT}seven{USER}{END}")["input_ids"]
    assert again.spec().text(ids) == policy.spec().text(ids) == f"{THOUGHT}seven{USER}"
    assert again.tokenizer.decode(ids) == policy.tokenizer.decode(ids)


def test_a_tokenizer_without_such_markers_stays_as_it_is(tmp_path):
    from outgrow.policy.gguf_markers import restore_markers

    tokenizer = bpe("qwen2")
    config = Qwen2Config(**SMALL, num_attention_heads=4, num_key_value_heads=2, vocab_size=len(tokenizer), rope_parameters=THETA)
    file = written(Policy(Qwen2ForCausalLM(config), tokenizer), tmp_path, "f32")
    before = tokenizer.backend_tokenizer.to_str()
    restore_markers(tokenizer, file)
    assert tokenizer.backend_tokenizer.to_str() == before


def test_a_damaged_file_is_one_line(policy, tmp_path):
    file = written(policy, tmp_path, "f32")
    file.write_bytes(file.read_bytes()[:3000])
    with pytest.raises(UsageError, match="cannot load this model"):
        load_policy(str(file))
