"""A model as one GGUF file: read back to the bit, its blocks within their scale, its tokens by llama.cpp's names."""

import subprocess
import sys
from functools import cache
from itertools import combinations

import gguf
import pytest
import torch
from gguf import GGMLQuantizationType
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
from transformers import (
    GemmaConfig,
    GemmaForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
)

from helpers.gguf_files import ABOUT, FAMILIES, SMALL, TEXT, bpe, learnt_family, written
from outgrow.cli import main
from outgrow.config.sections import PolicySection
from outgrow.core.errors import UsageError
from outgrow.plan.models import shape_from_config, shape_of
from outgrow.policy import Policy, load_policy
from outgrow.policy.gguf_file import GGUF_TYPES, export_gguf
from outgrow.policy.gguf_tokenizer import PRE_TOKENIZERS, PROBE, pre_tokenizer_name
from outgrow.policy.lora import add_adapter
from outgrow.policy.lora_settings import LoRA


@pytest.fixture(scope="module")
def trained():
    """A policy of each family that has learnt TEXT. Do not change it."""
    return cache(learnt_family)


def greedy(policy, ids, tokens=40):
    """The greedy continuation by transformers itself."""
    with torch.no_grad():
        return policy.model.generate(
            torch.tensor([ids]), max_new_tokens=tokens, do_sample=False, pad_token_id=0, attention_mask=torch.ones(1, len(ids))
        )[0].tolist()


@pytest.mark.parametrize("family", FAMILIES)
def test_float32_is_read_back_to_the_bit(family, trained, tmp_path):
    policy = trained(family)
    again = load_policy(str(written(policy, tmp_path, "f32")))
    assert again.digest() == policy.digest()  # names, shapes, types and bytes
    ids = torch.tensor([policy.tokenizer(TEXT)["input_ids"]])
    with torch.no_grad():
        # Also what computes with them: theta, the heads' size and the constant of the norms.
        assert torch.allclose(policy.model(ids).logits, again.model(ids).logits, rtol=0, atol=1e-5)
    assert again.context == 200
    assert again.end_ids == policy.end_ids
    assert again.prompt_text("1+1?") == policy.prompt_text("1+1?")
    for text in (TEXT, policy.prompt_text("12 + 7 <think>?")):
        assert again.tokenizer(text)["input_ids"] == policy.tokenizer(text)["input_ids"]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_file_is_planned_as_the_model_in_it(family, trained, tmp_path):
    policy = trained(family)
    file = written(policy, tmp_path, "q8_0")
    assert shape_of(PolicySection(model=str(file))) == shape_from_config(policy.model.config, family)


def test_a_file_that_cannot_be_planned_is_named(tmp_path):
    (file := tmp_path / "x.gguf").write_bytes(b"no GGUF file" * 9)
    with pytest.raises(UsageError, match=r"x\.gguf: cannot read this GGUF file: "):
        shape_of(PolicySection(model=str(file)))


def test_the_models_of_these_tests_could_hide_nothing(trained):
    """Biases, norms of queries and keys, and the output matrix are learnt."""
    weights = {family: trained(family).named_weights() for family in FAMILIES}
    assert weights["qwen2"]["model.layers.0.self_attn.k_proj.bias"].abs().min() > 0
    assert (weights["qwen3"]["model.layers.1.self_attn.q_norm.weight"] - 1).abs().min() > 0
    assert not torch.equal(weights["llama"]["lm_head.weight"], weights["llama"]["model.embed_tokens.weight"])


@pytest.mark.parametrize("kind", ["f16", "bf16"])
@pytest.mark.parametrize("family", FAMILIES)
def test_half_precision_answers_as_what_was_trained(family, kind, trained, tmp_path):
    policy = trained(family)
    ids = policy.tokenizer(TEXT)["input_ids"]
    answer = greedy(policy, ids[:8], len(ids) - 8)
    assert answer == ids, "the model has not learnt its text, so its answers prove little"
    assert greedy(load_policy(str(written(policy, tmp_path, kind))), ids[:8], len(ids) - 8) == answer


@pytest.mark.parametrize("kind", ["f16", "q8_0"])
def test_the_shipped_model_answers_as_before(kind, shipped, tmp_path):
    """Its tokenizer of single characters is written as byte-level BPE without merges."""
    again = load_policy(str(written(shipped, tmp_path, kind)))
    for question in ("What is 17 + 28?", "Compute: 3 * (4 + 5)\n= ~{x}!"):
        assert again.prompt_ids(question) == shipped.prompt_ids(question)
    ids = shipped.prompt_ids("What is 17 + 28?")
    if kind == "f16":
        assert greedy(again, ids) == greedy(shipped, ids)
    with torch.no_grad():
        given, wanted = (policy.model(torch.tensor([ids])).logits.softmax(-1) for policy in (again, shipped))
    assert (given - wanted).abs().max() < (0.01 if kind == "f16" else 0.1)


@pytest.mark.parametrize(("kind", "bytes_per_block", "steps"), [("q8_0", 34, 127), ("q4_0", 18, 8)])
def test_blocks_have_their_size_and_error(kind, bytes_per_block, steps, shipped, tmp_path):
    """A block is 32 values and a scale d = (its largest value / steps) in float16, which is off by at most a factor of 2^-11.

    8 bits have steps on both sides, so a value is off by half of one. 4 bits have 8 below 0 and 7 above it, so the value at the
    other end is off by a whole one.
    """
    file = written(shipped, tmp_path, kind)
    again = load_policy(str(file)).named_weights()
    for name, weight in shipped.named_weights().items():
        if weight.ndim == 1:
            assert torch.equal(again[name], weight)
            continue
        whole = kind == "q8_0" or "embed" in name or "lm_head" in name  # the vocabulary's matrix has 8 bits
        blocks, given = weight.reshape(-1, 32), again[name].reshape(-1, 32)
        d = blocks.abs().amax(1, keepdim=True) / (127 if whole else steps)
        bound = d * ((0.5 if whole else 1) + (127 if whole else steps) * 2**-11) + 1e-7
        assert ((given - blocks).abs() <= bound).all(), name
        assert not torch.equal(given, blocks)
    tensors = gguf.GGUFReader(file).tensors
    for tensor in tensors:
        size = 34 if tensor.name == "token_embd.weight" else bytes_per_block
        per_value = 4 if tensor.name.endswith("norm.weight") else size / 32
        assert tensor.n_bytes == tensor.n_elements * per_value, tensor.name
    assert file.stat().st_size < sum(int(tensor.n_bytes) for tensor in tensors) + 12_000


def test_rows_that_blocks_do_not_divide_stay_in_f16(untrained, tmp_path):
    """This model's feed-forward layer has a width of 48."""
    said = []
    file = written(untrained, tmp_path, "q8_0", said.append)
    kinds = {tensor.name: tensor.tensor_type for tensor in gguf.GGUFReader(file).tensors}
    assert [name for name, kind in kinds.items() if kind is GGMLQuantizationType.F16] == [
        "blk.0.ffn_down.weight",
        "blk.1.ffn_down.weight",
    ]
    assert len(said) == 1
    for part in ("blk.0.ffn_down.weight", "48", "1 more"):
        assert part in said[0]
    assert kinds["blk.0.ffn_up.weight"] is GGMLQuantizationType.Q8_0


def test_llama_rows_lie_as_llama_cpp_rotates_them(trained, tmp_path):
    """It rotates rows 2i and 2i + 1 of a head together, transformers rows i and i + D / 2. Rows of Qwen keep their order."""
    for family, reordered in (("llama", True), ("qwen2", False)):
        policy = trained(family)
        (tmp_path / family).mkdir()
        stored = {t.name: t.data for t in gguf.GGUFReader(written(policy, tmp_path / family, "f32")).tensors}
        for name, heads in (("q", 4), ("k", 2)):
            weight = policy.named_weights()[f"model.layers.1.self_attn.{name}_proj.weight"]
            for head in range(heads):
                first = 16 * head
                order = [first + i // 2 + 8 * (i % 2) for i in range(16)] if reordered else list(range(first, first + 16))
                assert torch.equal(torch.tensor(stored[f"blk.1.attn_{name}.weight"][first : first + 16]), weight[order])


def test_an_adapter_is_written_merged(untrained, tmp_path):
    adapter = add_adapter(untrained.model, LoRA(rank=4), 0, "somebody/base")
    for name, weight in untrained.model.named_parameters():
        if "lora_B" in name:
            weight.data.normal_(std=0.2)
    policy = Policy(untrained.model, untrained.tokenizer, untrained.prompt, adapter)
    assert load_policy(str(written(policy, tmp_path, "f32"))).digest() == policy.digest()


def fields(file):
    return {name: field.contents() for name, field in gguf.GGUFReader(file).fields.items()}


def test_tokens_and_their_kinds(trained, tmp_path, monkeypatch):
    policy = trained("qwen2")
    monkeypatch.setattr(policy.model.generation_config, "eos_token_id", [2, 0])  # as Qwen's own: <|im_end|> and <|endoftext|>
    told = fields(written(policy, tmp_path, "f16"))
    size = len(policy.tokenizer)
    tokens, kinds = told["tokenizer.ggml.tokens"], told["tokenizer.ggml.token_type"]
    assert tokens[:size] == policy.tokenizer.convert_ids_to_tokens(range(size))
    assert tokens[size:] == [f"[PAD{index}]" for index in range(size, size + 7)]
    assert [kinds[:3], kinds[size - 1], kinds[size:]] == [[3, 3, 3], 4, [5] * 7]
    assert set(kinds[3 : size - 1]) == {1}
    assert told["tokenizer.ggml.pre"] == "qwen2"
    assert (told["tokenizer.ggml.eos_token_id"], told["tokenizer.ggml.eot_token_id"]) == (2, 0)
    assert "tokenizer.ggml.bos_token_id" not in told
    assert not told["tokenizer.ggml.add_bos_token"]
    assert (told["general.name"], told["general.architecture"]) == ("tiny", "qwen2")


def test_markers_outside_of_ascii_are_written_as_they_are(small_r1, tmp_path):
    """llama.cpp looks for them in the text, not in the letters that byte-level BPE has for bytes."""
    told = fields(written(load_policy(str(small_r1)), tmp_path, "f16"))
    tokens = told["tokenizer.ggml.tokens"]
    assert told["tokenizer.ggml.token_type"][tokens.index("<｜User｜>")] == 3
    assert tokens[told["tokenizer.ggml.eos_token_id"]] == "<｜end▁of▁sentence｜>"


def test_every_way_to_cut_text_is_told_from_the_others():
    for one, other in combinations(PRE_TOKENIZERS.values(), 2):
        assert one.pre_tokenize_str(PROBE) != other.pre_tokenize_str(PROBE)
    for name, known in PRE_TOKENIZERS.items():
        assert pre_tokenizer_name(known) == name
    assert pre_tokenizer_name(pre_tokenizers.ByteLevel(add_prefix_space=True)) is None
    assert pre_tokenizer_name(pre_tokenizers.Split(Regex(r"\d{1,2}|\D+"), "isolated")) is None


def refused(policy, tmp_path, *parts, kind="f16"):
    with pytest.raises(UsageError) as told:
        export_gguf(policy, tmp_path / "model.gguf", kind, ABOUT)
    assert "\n" not in str(told.value)
    for part in parts:
        assert part in str(told.value)
    assert list(tmp_path.iterdir()) == []


def with_model(kind, config, **settings):
    tokenizer = bpe("qwen2")
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": len(tokenizer)}
    return Policy(kind(config(**SMALL | heads | settings)), tokenizer)


def test_models_that_the_format_or_outgrow_has_no_words_for(tmp_path):
    refused(with_model(GemmaForCausalLM, GemmaConfig, head_dim=16), tmp_path, "gemma", "llama, qwen2, qwen3")
    scaled = {"rope_type": "linear", "rope_theta": 1e4, "factor": 2.0}
    refused(with_model(LlamaForCausalLM, LlamaConfig, rope_parameters=scaled), tmp_path, "'linear'")
    refused(with_model(LlamaForCausalLM, LlamaConfig, attention_bias=True), tmp_path, "self_attn.q_proj.bias")
    window = {"use_sliding_window": True, "sliding_window": 8, "max_window_layers": 1}
    refused(with_model(Qwen2ForCausalLM, Qwen2Config, **window), tmp_path, "sliding window")
    refused(with_model(LlamaForCausalLM, LlamaConfig, hidden_act="gelu"), tmp_path, "'gelu'")


def test_tokenizers_that_the_format_would_read_otherwise(untrained, tmp_path):
    def with_backend(backend):
        tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="<|end|>")
        tokenizer.chat_template = "{{ messages[0]['content'] }}"
        return Policy(untrained.model, tokenizer)

    refused(with_backend(Tokenizer(models.Unigram([("<|end|>", 0.0), ("a", -1.0)], 0))), tmp_path, "Unigram")
    refused(with_backend(Tokenizer(models.WordLevel({"<|end|>": 0, "word": 1}, "<|end|>"))), tmp_path, "WordLevel")
    sentencepiece = Tokenizer(models.BPE({"<|end|>": 0, "▁a": 1}, [], byte_fallback=True))
    sentencepiece.normalizer = normalizers.Prepend("▁")
    refused(with_backend(sentencepiece), tmp_path, "BPE")
    strange = Tokenizer(models.BPE({"<|end|>": 0, "a": 1}, []))
    strange.decoder = decoders.ByteLevel()
    strange.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Whitespace(), pre_tokenizers.ByteLevel()])
    refused(with_backend(strange), tmp_path, "llama-bpe")
    untrained.tokenizer.add_tokens(["<one too many>"])
    refused(untrained, tmp_path, "<one too many>", "105")


def test_what_a_file_cannot_say_of_a_tokenizer(untrained, tmp_path):
    """transformers and llama.cpp would read other tokens: each of these changes the ids of a text."""

    def changed(change, text):
        tokenizer, plain = bpe("qwen2"), bpe("qwen2")
        change(tokenizer)
        assert tokenizer(text)["input_ids"] != plain(text)["input_ids"]
        return Policy(untrained.model, tokenizer)

    def normal(normalizer):
        return lambda tokenizer: setattr(tokenizer.backend_tokenizer, "normalizer", normalizer)

    def added(**flags):
        return lambda tokenizer: tokenizer.add_tokens([AddedToken("<x>", **flags)])

    refused(changed(normal(normalizers.Lowercase()), "Tom"), tmp_path, "Lowercase")
    refused(changed(normal(normalizers.Sequence([normalizers.Strip()])), " a "), tmp_path, "Sequence")
    untrained.model.resize_token_embeddings(400)
    refused(changed(added(lstrip=True), "a  <x>"), tmp_path, "'<x>'", "lstrip")
    refused(changed(added(single_word=True), "a <x> b"), tmp_path, "'<x>'", "single_word")
    whole = bpe("qwen2")
    whole.backend_tokenizer.model.ignore_merges = True
    refused(Policy(untrained.model, whole), tmp_path, "ignore_merges", "qwen2")


def test_values_that_a_type_cannot_hold(untrained, tmp_path):
    weight = untrained.model.model.layers[0].mlp.up_proj.weight.data
    weight[0, 0] = 1e5
    refused(untrained, tmp_path, "blk.0.ffn_up.weight", "100000", "bf16")
    assert load_policy(str(written(untrained, tmp_path, "q8_0"))).named_weights()["model.layers.0.mlp.up_proj.weight"].max() > 9e4
    (tmp_path / "model-q8_0.gguf").unlink()
    weight[0, 0] = float("nan")
    for kind in GGUF_TYPES:
        refused(untrained, tmp_path, "blk.0.ffn_up.weight", "not finite", kind=kind)


@pytest.fixture
def outgrow(tmp_path, monkeypatch, capsys):
    """The command line in an empty folder: its exit code and what it says of errors."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        monkeypatch.setattr("sys.argv", ["outgrow", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code or 0, capsys.readouterr().err

    return run


def test_the_command(outgrow, shipped, tmp_path):
    folder = tmp_path / "far" / "my-model"
    shipped.save(folder)
    (folder / "README.md").write_text("---\ntags: [x]\nlicense: apache-2.0\n---\n# Mine\n")
    assert outgrow("export", folder, "--gguf", "Q8_0")[0] == 0
    file = tmp_path / "my-model-q8_0.gguf"
    told = fields(file)
    assert (told["general.name"], told["general.license"]) == ("my-model", "apache-2.0")
    assert str(tmp_path).encode() not in file.read_bytes()
    assert b"far" not in file.read_bytes()

    before = file.read_bytes()
    code, said = outgrow("export", folder, "--gguf", "q8_0")
    assert (code, "my-model-q8_0.gguf already exists" in said) == (2, True)
    assert file.read_bytes() == before

    (tmp_path / "note.txt").write_text("mine")
    for out in ("note.txt/x.gguf", "note.txt/deep/x.gguf"):
        for command in (("export", folder, "--gguf", "f16"), ("merge", folder)):
            code, said = outgrow(*command, "--out", out)
            assert (code, "note.txt is not a folder" in said, "exists" in said) == (2, True, False)
    assert (tmp_path / "note.txt").read_text() == "mine"

    code, said = outgrow("export", folder, "--gguf", "q5_0")
    assert (code, said.count("\n")) == (2, 1)
    assert all(part in said for part in ("q5_0", *GGUF_TYPES))


def test_a_full_disk_leaves_nothing(tmp_path):
    code = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000)); from outgrow.cli import main; "
        "sys.argv = ['outgrow', 'export', 'micro-base', '--gguf', 'f32', '--out', 'deep/model.gguf']; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1, done.stderr
    assert "deep/model.gguf: cannot be written" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_comes_to_exist_meanwhile_is_left(shipped, tmp_path, monkeypatch):
    file = tmp_path / "model.gguf"
    monkeypatch.setattr("outgrow.policy.gguf_file.add_shape", lambda *_: file.write_text("theirs"))
    with pytest.raises(UsageError, match="already exists"):
        export_gguf(shipped, file, "f16", ABOUT)
    assert file.read_text() == "theirs"
    assert list(tmp_path.iterdir()) == [file]
