"""A model's folder, an adapter, a GGUF file and a data set of a stranger: refused in one line, and no code of theirs runs."""

import ast
import json
import pickle
import shutil
import struct
from pathlib import Path

import pytest

import outgrow
from outgrow.config.sections import PolicySection
from outgrow.core.errors import UsageError
from outgrow.plan.models import shape_of
from outgrow.policy import load_policy
from outgrow.policy.load import model_folder
from outgrow.problems.formats import read_file

TOUCH = "import pathlib\npathlib.Path({!r}).touch()\n"


class Touches:
    """An object whose pickle makes a file when it is read."""

    def __init__(self, file):
        self.file = file

    def __reduce__(self):
        return Path.touch, (Path(self.file),)


@pytest.fixture
def model(tmp_path):
    return Path(shutil.copytree(model_folder("micro-base"), tmp_path / "model"))


def changed(file, **values):
    file.write_text(json.dumps({**json.loads(file.read_text()), **values}))


def test_code_that_comes_with_a_model_is_neither_run_nor_asked_about(model, monkeypatch):
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("it asks"))
    touched = model / "was-run"
    (model / "modeling_x.py").write_text(TOUCH.format(str(touched)))
    names = {"AutoConfig": "modeling_x.C", "AutoModelForCausalLM": "modeling_x.M", "AutoTokenizer": ["modeling_x.T", None]}
    changed(model / "config.json", auto_map=names, model_type="of-a-stranger")
    changed(model / "tokenizer_config.json", auto_map=names, tokenizer_class="T")
    for read in (lambda: load_policy(str(model)), lambda: shape_of(PolicySection(model=str(model)))):
        with pytest.raises(UsageError, match="model"):
            read()
    assert not touched.exists()


def test_every_class_of_transformers_that_could_run_code_is_told_not_to():
    calls = [
        call
        for file in Path(outgrow.__file__).parent.rglob("*.py")
        for call in ast.walk(ast.parse(file.read_text()))
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "from_pretrained"
        and isinstance(call.func.value, ast.Name) and call.func.value.id.startswith("Auto")
    ]  # fmt: skip
    assert len(calls) >= 4
    for call in calls:
        assert [word.value.value for word in call.keywords if word.arg == "trust_remote_code"] == [False], ast.unparse(call)


def test_a_pickle_in_place_of_weights_is_not_read(model, tmp_path):
    (model / "model.safetensors").unlink()
    (model / "pytorch_model.bin").write_bytes(pickle.dumps({"a": Touches(tmp_path / "was-read")}))
    with pytest.raises(UsageError, match="model"):
        load_policy(str(model))
    assert not (tmp_path / "was-read").exists()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        struct.pack("<Q", 2**62) + b"{}",
        struct.pack("<Q", 8) + b"[[[[[[[[",
        struct.pack("<Q", 68) + b'{"a": {"dtype": "F32", "shape": [99999999], "data_offsets": [0, 8]}}' + b"0" * 8,
    ],
    ids=["empty", "a header of 2^62 bytes", "no header", "a tensor that is not there"],
)
def test_weights_that_are_not_safetensors_are_one_line(model, content):
    (model / "model.safetensors").write_bytes(content)
    with pytest.raises(UsageError, match="cannot load this model") as refused:
        load_policy(str(model))
    assert "\n" not in str(refused.value)


def test_an_adapter_of_a_stranger_is_refused_in_one_line(tmp_path):
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    config = adapter / "adapter_config.json"
    for text in ("[" * 50_000, "[]", "{}", '{"base_model_name_or_path": "micro-base", "peft_type": "NONE_OF_PEFTS"}'):
        config.write_text(text)
        with pytest.raises(UsageError, match="adapter"):
            load_policy(str(adapter))
    config.write_text('{"base_model_name_or_path": "micro-base", "peft_type": "LORA", "r": 2, "target_modules": ["q_proj"]}')
    (adapter / "adapter_model.bin").write_bytes(pickle.dumps({"a": Touches(tmp_path / "was-read")}))
    with pytest.raises(UsageError, match="adapter"):
        load_policy(str(adapter))
    assert not (tmp_path / "was-read").exists()


@pytest.mark.parametrize(
    "content",
    [
        b"GGUF",
        b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + struct.pack("<Q", 2**60) + b"name",
        b"GGUF" + struct.pack("<IQQ", 99, 0, 0),
        b"not one",
    ],
    ids=["cut", "a name of 2^60 bytes", "a version that is not known", "another file"],
)
def test_a_gguf_file_of_a_stranger_is_one_line(tmp_path, content):
    file = tmp_path / "model.gguf"
    file.write_bytes(content)
    with pytest.raises(UsageError, match=r"model\.gguf") as refused:
        load_policy(str(file))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.json", "rows.parquet", "rows.arrow", "rows.jsonl.gz"])
def test_a_data_set_of_a_stranger_is_one_line(tmp_path, name):
    file = tmp_path / name
    for content in (b"[" * 50_000, b"\xff\xfe\x00", b'{"a":' * 50_000):
        file.write_bytes(content)
        with pytest.raises(UsageError, match=r"rows\.") as refused:
            list(read_file(file))
        assert "\n" not in str(refused.value)
