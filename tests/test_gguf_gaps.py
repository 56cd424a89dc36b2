"""What transformers does not read of a GGUF file: markers and cuts, which are restored; scaled rotations and weights, refused."""

import json

import gguf
import numpy as np
import pytest
import torch
from gguf import GGUFReader
from tokenizers import AddedToken, Tokenizer
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

from helpers.gguf_files import SMALL, TEXT, THETA, bpe, written
from outgrow.core.errors import UsageError
from outgrow.policy import Policy, load_policy
from outgrow.policy.export import export
from outgrow.policy.gguf_markers import restore_markers
from outgrow.policy.gguf_tokenizer import PRE_TOKENIZERS, PROBE

USER, END, THOUGHT, SPACES = "<｜User｜>", "<｜end▁of▁sentence｜>", "<思考>", "    "
TEMPLATE = "{% for m in messages %}<｜User｜>{{ m['content'] }}{% endfor %}{% if add_generation_prompt %}<思考>{% endif %}"


@pytest.fixture(scope="module")
def policy():
    tokenizer = bpe("qwen2", TEXT + f"\nif{SPACES} x" * 9)
    assert "Ġ" * len(SPACES) in tokenizer.get_vocab()  # the file spells this ordinary token as it does the marker of four spaces
    tokenizer.add_tokens(
        [
            AddedToken(END, special=True),
            AddedToken(USER),
            AddedToken(THOUGHT),
            AddedToken(SPACES),
            AddedToken("<|plain|>", special=True),
        ]
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
    tokenizer = bpe("qwen2")
    config = Qwen2Config(**SMALL, num_attention_heads=4, num_key_value_heads=2, vocab_size=len(tokenizer), rope_parameters=THETA)
    file = written(Policy(Qwen2ForCausalLM(config), tokenizer), tmp_path, "f32")
    before = tokenizer.backend_tokenizer.to_str()
    restore_markers(tokenizer, GGUFReader(file))
    assert tokenizer.backend_tokenizer.to_str() == before


def tokenizer_of(file):
    return {name: field.contents() for name, field in GGUFReader(file).fields.items() if name.startswith("tokenizer.")}


def added(tokenizer):
    return {index: (token.content, token.special) for index, token in tokenizer.added_tokens_decoder.items()}


def own_special(pre):
    """A byte-level BPE without a token `<|endoftext|>`, which transformers would add."""
    tokenizer = bpe(pre)
    description = json.loads(tokenizer.backend_tokenizer.to_str().replace("<|endoftext|>", "<|pad|>"))
    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(json.dumps(description)),
        eos_token="<|im_end|>",
        pad_token="<|pad|>",
        chat_template=tokenizer.chat_template,
    )


@pytest.mark.parametrize("named", ["micro", "llama", "qwen2"])
def test_a_tokenizer_has_the_tokens_of_the_file_and_no_other(named, shipped, tmp_path):
    sizes = {**SMALL, "num_attention_heads": 4, "num_key_value_heads": 2, "rope_parameters": THETA}
    if named == "micro":
        policy = shipped
    elif named == "llama":
        tokenizer = own_special("llama-bpe")
        policy = Policy(LlamaForCausalLM(LlamaConfig(**sizes, vocab_size=len(tokenizer))), tokenizer)
    else:
        tokenizer = own_special("qwen2")
        policy = Policy(Qwen2ForCausalLM(Qwen2Config(**sizes, vocab_size=len(tokenizer))), tokenizer)
    file = written(policy, tmp_path, "f32")
    again = load_policy(str(file))
    text = "a <|endoftext|> b 12+7=?\n"
    ids = policy.tokenizer(text)["input_ids"]
    export(again, tmp_path / "merged")
    merged = load_policy(str(tmp_path / "merged"))
    for read in (again, merged):
        assert len(read.tokenizer) == len(policy.tokenizer) == policy.model.config.vocab_size
        assert added(read.tokenizer) == added(policy.tokenizer)
        assert read.tokenizer.special_tokens_map == policy.tokenizer.special_tokens_map
        assert read.tokenizer(text)["input_ids"] == ids
        assert read.tokenizer.decode(ids) == policy.tokenizer.decode(ids)
        (tmp_path / "twice").mkdir(exist_ok=True)
        twice = written(read, tmp_path / "twice", "f32")
        assert tokenizer_of(twice) == tokenizer_of(file)
        twice.unlink()


def test_a_damaged_file_is_one_line(policy, tmp_path):
    file = written(policy, tmp_path, "f32")
    file.write_bytes(file.read_bytes()[:3000])
    with pytest.raises(UsageError, match="cannot load this model"):
        load_policy(str(file))


# Rotations that transformers does not read


def with_more(file, out, add, factors=None, bias=None):
    """A copy of a GGUF file with more in it, by gguf's own writer."""
    reader = GGUFReader(file)
    writer = gguf.GGUFWriter(out, reader.fields["general.architecture"].contents())
    for name, field in reader.fields.items():
        if not name.startswith("GGUF.") and name != "general.architecture":
            inner = field.types[1] if field.types[0] == gguf.GGUFValueType.ARRAY else None
            writer.add_key_value(name, field.contents(), field.types[0], sub_type=inner)
    add(writer)
    for tensor in reader.tensors:
        writer.add_tensor(tensor.name, tensor.data)
    if factors is not None:
        writer.add_tensor("rope_freqs.weight", np.array(factors, dtype=np.float32))
    if bias is not None:
        writer.add_tensor(bias, np.ones(64, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return str(out)


@pytest.mark.parametrize(
    ("add", "factors", "told"),
    [
        (lambda writer: None, None, None),
        (lambda writer: None, [1.0] * 8, None),
        (lambda writer: writer.add_rope_scaling_type(gguf.RopeScalingType.NONE), None, None),
        (lambda writer: writer.add_rope_scaling_type(gguf.RopeScalingType.YARN), None, "yarn"),
        (lambda writer: writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR), None, "linear"),
        (lambda writer: None, [1.0, 1.0, 1.0, 1.0, 2.0, 4.0, 8.0, 8.0], "rope_freqs.weight"),
    ],
)
def test_scaled_rotations_are_refused_in_one_line(policy, tmp_path, add, factors, told):
    plain = written(policy, tmp_path, "f32")
    file = with_more(plain, tmp_path / "more.gguf", add, factors)
    if told is None:
        assert load_policy(file).digest() == policy.digest()
        return
    with pytest.raises(UsageError) as refused:
        load_policy(file)
    assert told in str(refused.value) and "more.gguf" in str(refused.value) and "\n" not in str(refused.value)


# Weights that transformers leaves out


def test_a_bias_that_transformers_leaves_out_is_refused_by_name(tmp_path):
    tokenizer = bpe("llama-bpe")
    config = LlamaConfig(**SMALL, num_attention_heads=4, num_key_value_heads=2, vocab_size=len(tokenizer), rope_parameters=THETA)
    file = written(Policy(LlamaForCausalLM(config), tokenizer), tmp_path, "f32")
    more = with_more(file, tmp_path / "more.gguf", lambda writer: None, bias="blk.0.attn_q.bias")
    with pytest.raises(UsageError, match=r"more\.gguf: .*64 of its values .*blk\.0\.attn_q\.bias") as refused:
        load_policy(more)
    assert "\n" not in str(refused.value)


# Where text is cut

WORDS = "Tom\t1231  1 has 12 apples,  buys 345  more\n\n 6789 isn't   0 "


@pytest.mark.parametrize("family", [(LlamaConfig, LlamaForCausalLM), (Qwen2Config, Qwen2ForCausalLM)])
@pytest.mark.parametrize("pre", PRE_TOKENIZERS)
def test_text_is_cut_as_the_file_says(pre, family, tmp_path):
    """Merges of blanks and digits show where text was cut; transformers cut SmolLM's numbers off the wrong blanks."""
    tokenizer = bpe(pre, WORDS * 9)
    config, model = family
    sizes = {"num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": len(tokenizer), "rope_parameters": THETA}
    again = load_policy(str(written(Policy(model(config(**SMALL, **sizes)), tokenizer), tmp_path, "f16"))).tokenizer
    for text in (WORDS, PROBE, *(WORDS[first : first + 9] for first in range(len(WORDS)))):
        assert again(text)["input_ids"] == tokenizer(text)["input_ids"]


def test_words_that_llama_3_takes_whole_are_taken_whole(tmp_path):
    """Llama 3's tokenizer has tokens that its merges do not make, and so has llama.cpp for such a file."""
    tokenizer = bpe("llama-bpe")
    description = json.loads(tokenizer.backend_tokenizer.to_str())
    whole = next(token for token in description["model"]["vocab"] if len(token) > 3 and "\u0120" in token)
    description["model"]["merges"] = description["model"]["merges"][:1]
    description["model"]["ignore_merges"] = True
    tokenizer._tokenizer = Tokenizer.from_str(json.dumps(description))
    config = LlamaConfig(**SMALL, num_attention_heads=4, num_key_value_heads=2, vocab_size=len(tokenizer), rope_parameters=THETA)
    again = load_policy(str(written(Policy(LlamaForCausalLM(config), tokenizer), tmp_path, "f16"))).tokenizer
    text = whole.replace("\u0120", " ")
    assert again(text)["input_ids"] == tokenizer(text)["input_ids"] == [tokenizer.convert_tokens_to_ids(whole)]
