"""What a person's name of a model stands for."""

from pathlib import Path

import pytest

from outgrow.cli.merge import step_of
from outgrow.config import load_recipe
from outgrow.config.sections import PolicySection
from outgrow.core.errors import OutgrowError, UsageError
from outgrow.flywheel import load_flywheel
from outgrow.flywheel.run import run_flywheel
from outgrow.plan.models import shape_of
from outgrow.policy.load import load_policy, model_folder
from outgrow.runs.checkpoint import save_checkpoint
from outgrow.runs.cost import Budget
from outgrow.runs.folder import RunFolder, create_run
from outgrow.runs.resolve_model import resolve_model
from outgrow.train.watcher import SilentWatcher


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


def checkpoint_in(run: Path, step: int, shipped) -> None:
    save_checkpoint(run, step, shipped, {}, {}, keep=2)


def test_a_run_says_which_checkpoint_is_read_and_whether_it_goes_on(tmp_path, shipped):
    for step in (3, 12):
        checkpoint_in(tmp_path, step, shipped)
    found = resolve_model(str(tmp_path))
    assert found.step == 12 and "step-000012" in found.location
    assert step_of(str(tmp_path), found) == ", step 12 (the run has not ended)"
    RunFolder(tmp_path).summary.write_text("{}")
    assert step_of(str(tmp_path), found) == ", step 12"
    assert step_of("micro-base", resolve_model("micro-base")) == ""


def test_the_name_of_a_recipe_hints_at_its_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=r"micro: no such model; this is a recipe; outgrow train micro makes .* runs/micro"):
        resolve_model("micro")
    for name in ("micro", "mine"):
        folder = RunFolder(Path("runs") / name)
        folder.path.mkdir(parents=True)
        folder.recipe.write_text("")
        with pytest.raises(UsageError, match=f"{name}: no such model; did you mean the run runs/{name}"):
            resolve_model(name)
    assert resolve_model("micro-base").step is None, "a model as well as a recipe"


def test_an_empty_file_is_told_as_such(tmp_path):
    (file := tmp_path / "bad.gguf").touch()
    with pytest.raises(UsageError, match=r"bad\.gguf: cannot load this model: the file is empty"):
        load_policy(str(file))
    with pytest.raises(UsageError, match="the file is empty"):
        shape_of(PolicySection(model=str(file)))


def test_a_run_or_flywheel_below_a_file_names_the_file(tmp_path):
    (file := tmp_path / "note.txt").touch()
    with pytest.raises(UsageError, match=r"note\.txt is not a folder"):
        create_run(file / "run", load_recipe("micro"), {})
    for below in ("", "wheel"):
        with pytest.raises(UsageError, match=r"note\.txt is not a folder"):
            run_flywheel(load_flywheel("micro-flywheel"), file / below, SilentWatcher(), Budget())
