"""What a person's name of a model stands for."""

from pathlib import Path

import pytest

from outgrow.core.errors import OutgrowError, UsageError
from outgrow.policy.load import model_folder
from outgrow.runs.folder import RunFolder
from outgrow.runs.resolve_model import resolve_model


def model_in(folder: Path, file: str = "config.json", text: str = "{}") -> Path:
    folder.mkdir(parents=True)
    (folder / file).write_text(text)
    return folder


def test_a_server_is_known_by_its_address():
    found = resolve_model("http://localhost:8000/v1#qwen")
    assert found.served and found.name == found.location == "http://localhost:8000/v1#qwen"


def test_shipped_folder_file_and_hub_id(tmp_path):
    assert resolve_model("micro-base").location == model_folder("micro-base")
    folder, gguf = model_in(tmp_path / "model"), tmp_path / "model.gguf"
    gguf.touch()
    for name in (str(folder), str(gguf), "someone/model"):
        found = resolve_model(name)
        assert (found.name, found.location, found.served, found.adapter_base()) == (name, name, False, None)


def test_an_adapter_names_its_base(tmp_path):
    text = '{"base_model_name_or_path": "someone/model", "revision": "v2"}'
    folder = model_in(tmp_path / "adapter", "adapter_config.json", text)
    assert resolve_model(str(folder)).adapter_base() == ("someone/model", "v2")


def test_what_is_nowhere_is_refused(tmp_path):
    for name in (str(tmp_path / "nowhere"), "runs/nowhere", "nowhere"):
        with pytest.raises(UsageError, match="nowhere"):
            resolve_model(name)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match=r"config\.json"):
        resolve_model(str(tmp_path / "empty"))


def test_a_run_without_a_whole_checkpoint_is_refused(tmp_path):
    model_in(RunFolder(tmp_path).checkpoint(3) / "policy")
    with pytest.raises(OutgrowError, match="step-000003"):
        resolve_model(str(tmp_path))
