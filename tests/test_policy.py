"""The policy: its characters, its chat shape, its files, and its log-probabilities against transformers."""

import json
import re
import shutil
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open
from transformers import AutoModelForCausalLM, AutoTokenizer

from outgrow.core.errors import UsageError
from outgrow.policy import Policy, Sampling, load_policy, packed_forward
from outgrow.policy.load import model_folder
from outgrow.policy.logprobs import completion_logprobs
from outgrow.policy.micro import MARKERS, MicroInit, make_model, make_tokenizer

TOKENIZER = make_tokenizer()
printable = st.text(st.sampled_from([chr(code) for code in range(32, 127)] + ["\n"]), max_size=60)
with_markers = st.lists(st.one_of(printable, st.sampled_from([*MARKERS, "<think", "\\boxed", "</", "}"])), max_size=6).map("".join)


@given(text=with_markers)
def test_printable_text_survives_the_tokenizer(text):
    ids = TOKENIZER(text, add_special_tokens=False)["input_ids"]
    assert TOKENIZER.decode(ids) == text
    assert TOKENIZER.unk_token_id not in ids
    # A character is a token, a marker is one.
    assert len(ids) == len(text) - sum(text.count(marker) * (len(marker) - 1) for marker in MARKERS)


@given(text=st.text(max_size=20))
def test_any_other_character_is_unknown_and_nothing_worse(text):
    ids = TOKENIZER(text, add_special_tokens=False)["input_ids"]
    strange = sum(not (32 <= ord(one) < 127 or one == "\n") for one in text)
    assert ids.count(TOKENIZER.unk_token_id) == strange
    assert len(ids) == len(text)


def test_chat_shape():
    policy = Policy(None, TOKENIZER)
    assert TOKENIZER.decode(policy.prompt_ids("3+4=?")) == "<|begin|><|user|>3+4=?<|assistant|><think>"
    assert policy.opens_think


def test_thoughts_of_earlier_turns_are_dropped():
    """As in R1's own template; what follows the last </think> stays."""
    messages = [
        {"role": "user", "content": "3+4=?"},
        {"role": "assistant", "content": "<think>a</think>b</think>\\boxed{7}"},
        {"role": "user", "content": "and 1 more?"},
        {"role": "assistant", "content": "8"},
        {"role": "user", "content": "sure?"},
    ]
    assert TOKENIZER.decode(Policy(None, TOKENIZER).chat_ids(messages)) == (
        "<|begin|><|user|>3+4=?<|assistant|>\\boxed{7}<|end|><|user|>and 1 more?<|assistant|>8<|end|>"
        "<|user|>sure?<|assistant|><think>"
    )


def test_text_of_a_completion_keeps_markers_and_drops_the_end(untrained):
    spec = untrained.spec()
    ids = TOKENIZER("3+4=7</think>\\boxed{7}<|end|>", add_special_tokens=False)["input_ids"]
    assert ids[-1] == spec.end_ids[0]
    assert spec.text(ids) == "3+4=7</think>\\boxed{7}"


@pytest.mark.parametrize("name", ["shipped", "untrained"])
def test_a_saved_policy_is_an_ordinary_hugging_face_folder(request, tmp_path, name):
    policy = request.getfixturevalue(name)
    policy.save(tmp_path)
    model, tokenizer = AutoModelForCausalLM.from_pretrained(tmp_path), AutoTokenizer.from_pretrained(tmp_path)
    messages = [{"role": "user", "content": "clock 12: 3+4=?"}]
    ids = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=True, return_tensors="pt")["input_ids"]
    assert ids[0].tolist() == policy.prompt_ids("clock 12: 3+4=?")
    with torch.no_grad():
        assert torch.equal(model(ids).logits, policy.model(ids).logits)
    loaded = load_policy(str(tmp_path))
    assert loaded.digest() == policy.digest()
    assert (loaded.pad_id, loaded.end_ids, loaded.context) == (policy.pad_id, policy.end_ids, policy.context)


def test_the_seed_alone_makes_the_weights():
    init = MicroInit(layers=1, hidden=16, heads=2, kv_heads=1, feed_forward=16)
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    first = make_model(init, TOKENIZER, seed=0)
    assert torch.equal(torch.random.get_rng_state(), before), "the global stream was moved"
    torch.rand(100)
    assert Policy(make_model(init, TOKENIZER, seed=0), TOKENIZER).digest() == Policy(first, TOKENIZER).digest()
    assert Policy(make_model(init, TOKENIZER, seed=1), TOKENIZER).digest() != Policy(first, TOKENIZER).digest()


def test_digest_knows_every_weight(untrained):
    original = untrained.digest()
    for name, weight in untrained.model.state_dict().items():
        kept = weight.clone()
        flat = weight.view(-1)
        flat[-1] = torch.nextafter(flat[-1], torch.tensor(9.0))
        assert untrained.digest() != original, name
        weight.copy_(kept)
        assert untrained.digest() == original, name


PROMPTS = ["3+4=?", "clock 12: 3+11=?", "roman XIV=?", "1+1=?"]
COMPLETIONS = ["3+4=7</think>\\boxed{7}<|end|>", "1", "X10,IV14</think>\\boxed{14}<|end|>", "<|end|>"]


def rows_of(policy):
    return [policy.prompt_ids(question) for question in PROMPTS], [
        policy.tokenizer(text, add_special_tokens=False)["input_ids"] for text in COMPLETIONS
    ]


def logprobs_alone(policy, prompt, completion, temperature):
    """By transformers' plain forward pass over one row, without padding."""
    logits = policy.model(input_ids=torch.tensor([prompt + completion]), use_cache=False).logits[0, len(prompt) - 1 : -1]
    logprobs = (logits / temperature).log_softmax(-1)
    return logprobs.gather(-1, torch.tensor(completion)[:, None]).squeeze(-1), -(logprobs.exp() * logprobs).sum(-1)


@pytest.mark.parametrize(("temperature", "block"), [(1.0, 256), (0.6, 256), (1.0, 3)])
def test_logprobs_and_gradient_are_those_of_each_row_alone(untrained, monkeypatch, temperature, block):
    monkeypatch.setattr(packed_forward, "_BLOCK", block)  # 3: prompts and completions of several blocks, the last not full
    prompts, completions = rows_of(untrained)
    logprobs, entropy, mask = completion_logprobs(untrained, prompts, completions, Sampling(temperature=temperature))
    weights = torch.rand(logprobs.shape, generator=torch.Generator().manual_seed(0)) + 0.5
    (weights * logprobs).sum().backward()
    gradients = {name: weight.grad.clone() for name, weight in untrained.model.named_parameters()}

    untrained.model.zero_grad()
    for row, (prompt, completion) in enumerate(zip(prompts, completions, strict=True)):
        length = len(completion)
        alone, entropy_alone = logprobs_alone(untrained, prompt, completion, temperature)
        torch.testing.assert_close(logprobs[row, :length], alone, rtol=0, atol=1e-5)
        torch.testing.assert_close(entropy[row, :length], entropy_alone, rtol=0, atol=1e-5)
        assert mask[row].tolist() == [1.0] * length + [0.0] * (mask.shape[1] - length)
        assert logprobs[row, length:].abs().sum() == entropy[row, length:].abs().sum() == 0
        (weights[row, :length] * alone).sum().backward()
    for name, weight in untrained.model.named_parameters():
        torch.testing.assert_close(
            gradients[name], weight.grad, rtol=1e-4, atol=1e-4, msg=lambda text, name=name: f"{name}: {text}"
        )


def test_logprobs_stay_finite_where_truncation_would_drop_the_token(untrained):
    """After an update a drawn token may lie outside today's top-k: its log-probability and gradient must stay finite."""
    prompts, completions = rows_of(untrained)
    logprobs, entropy, mask = completion_logprobs(untrained, prompts, completions, Sampling(top_k=1))
    assert logprobs.isfinite().all()
    assert entropy.isfinite().all()
    assert (logprobs < -1e-3).any(), "no token lay outside"
    (logprobs * mask).sum().backward()
    assert all(weight.grad.isfinite().all() for weight in untrained.model.parameters())


def test_the_shipped_model_is_small(shipped):
    file = Path(model_folder("micro-base")) / "model.safetensors"
    assert file.stat().st_size <= 3_000_000
    with safe_open(file, framework="pt") as tensors:
        parameters = sum(tensors.get_tensor(name).numel() for name in tensors.keys())  # noqa: SIM118 (not a dict)
    assert 500_000 <= parameters <= 2_000_000
    assert shipped.model.num_parameters() == parameters
    assert all(weight.isfinite().all() for weight in shipped.model.parameters())
    assert shipped.tokenizer.get_vocab() == TOKENIZER.get_vocab()
    assert shipped.tokenizer.chat_template == TOKENIZER.chat_template
    assert next(iter(shipped.model.parameters())).dtype == torch.float32


def remove(name):
    return lambda folder: (folder / name).unlink()


def replace(name, content):
    return lambda folder: (folder / name).write_bytes(content)


def cut_weights(folder):
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:5000])


def set_config(**change):
    def damage(folder):
        file = folder / "config.json"
        file.write_text(json.dumps({**json.loads(file.read_text()), **change}))

    return damage


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        pytest.param(shutil.rmtree, "no such model", id="no folder"),
        pytest.param(remove("config.json"), "no config.json", id="no config"),
        pytest.param(replace("config.json", b"{nonsense"), "cannot load", id="garbage config"),
        pytest.param(replace("config.json", b"\xff\xfe\x00"), "cannot load", id="binary config"),
        pytest.param(replace("config.json", b"[]"), "cannot load", id="list for a config"),
        pytest.param(set_config(model_type="nonsense"), "cannot load", id="unknown kind of model"),
        pytest.param(set_config(hidden_size="wide"), "cannot load", id="word for a number"),
        pytest.param(set_config(hidden_size=64, head_dim=16), "cannot load", id="weights of another shape"),
        pytest.param(set_config(num_hidden_layers=3), "cannot load", id="layer without weights"),
        pytest.param(remove("model.safetensors"), "cannot load", id="no weights"),
        pytest.param(replace("model.safetensors", b"nonsense" * 99), "cannot load", id="garbage weights"),
        pytest.param(replace("model.safetensors", b""), "cannot load", id="empty weights"),
        pytest.param(cut_weights, "cannot load", id="weights cut short"),
        pytest.param(replace("tokenizer.json", b"{nonsense"), "cannot load", id="garbage tokenizer"),
        pytest.param(replace("tokenizer.json", b"{}"), "cannot load", id="empty tokenizer"),
        pytest.param(remove("tokenizer.json"), "the folder has no tokenizer", id="no tokenizer"),
        pytest.param(remove("chat_template.jinja"), "no chat template", id="no chat template"),
    ],
)
def test_a_model_that_cannot_be_loaded_is_told_in_one_line(untrained, tmp_path, damage, message):
    folder = tmp_path / "model"
    untrained.save(folder)
    damage(folder)
    with pytest.raises(UsageError, match=message) as told:
        load_policy(str(folder))
    assert str(folder) in str(told.value)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("name", ["micro-bass", "./micro-base", "/no/such/folder", "a/b/c", "nobody/nothing"])
def test_a_name_that_is_no_model_is_told_in_one_line(name):
    with pytest.raises(UsageError, match=name) as told:
        load_policy(name)
    assert "\n" not in str(told.value)


def test_the_shipped_model_is_the_one_its_card_names(shipped):
    card = Path(model_folder("micro-base"), "README.md").read_text()
    assert re.search(r"`Policy.digest\(\)`\):\s(\w{64})", card)[1] == shipped.digest()
