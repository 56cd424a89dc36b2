"""Folders, recipes and files of strangers: nothing is written through a link, reading runs no code, bad files are one line."""

import os
import pickle
import stat
from functools import partial
from importlib.resources import files
from pathlib import Path

import pytest

from outgrow.config import RLRecipe, load_recipe, with_plugins
from outgrow.core.errors import OutgrowError, UsageError
from outgrow.core.files import read_plain, remove_temporary, write_atomic
from outgrow.core.json_lines import append_line, read_lines
from outgrow.core.plugins import plugins_imported, plugins_refused
from outgrow.core.stand_ins import stands_in
from outgrow.experiments.experiment import load_experiment
from outgrow.plan.gpus import load_gpu_catalog
from outgrow.runs.folder import create_run, held, read_recipe

CODE = """
import pathlib
pathlib.Path("was-imported").touch()
from outgrow.algorithms.rewards import Reward

class Zero(Reward):
    power: float = 2.0

    def compute(self, group):
        return [0.0] * len(group.rollouts)
"""
OUTSIDE = {
    "rewards": [{"type": "accuracy"}, {"type": "of_a_stranger:Zero", "power": 3.0, "weight": 0.5}],
    "advantage": {"type": "of_a_stranger:A"},
    "loss": {"type": "of_a_stranger:L", "clip": 0.5},
    "curriculum": {"type": "of_a_stranger:S"},
    "engine": {"type": "of_a_stranger:E"},
    "problems": [{"type": "of_a_stranger:P"}, {"type": "shuffled", "source": {"type": "of_a_stranger:Q"}}],
}


def recipe_of(**more):
    return RLRecipe.model_validate({"name": "strange", "policy": {"model": "micro-base"}, **more})


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "run"
    create_run(folder, recipe_of(), {})
    return folder


def test_a_file_is_written_under_a_new_name_and_a_link_in_its_place_is_replaced(tmp_path, victim):
    target = tmp_path / "report.html"
    for name in (".report.html.tmp", "report.html"):
        (tmp_path / name).symlink_to(victim)
    write_atomic(target, b"page")
    assert target.read_bytes() == b"page" and not target.is_symlink()
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(target.stat().st_mode) == 0o666 & ~umask  # as open() makes a file


def test_lines_are_not_appended_through_a_link_nor_into_a_pipe(tmp_path, victim):
    (tmp_path / "log").symlink_to(victim)
    with pytest.raises(OSError, match="link"):
        append_line(tmp_path / "log", {"a": 1})
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="pipe"):
        append_line(tmp_path / "pipe", {"a": 1})


@pytest.mark.parametrize("place", [".lock", "metrics.jsonl", "ledger.sqlite-wal", "rollouts", "evals/before.parquet"])
def test_a_run_with_a_link_in_it_is_not_written_into(run, victim, place):
    (run / place).parent.mkdir(exist_ok=True)
    (run / place).symlink_to(victim)
    with pytest.raises(OutgrowError, match=place), held(run):
        pytest.fail("it is held")


def test_a_lock_is_not_emptied(run):
    (run / ".lock").write_text("something")
    with held(run):
        assert (run / ".lock").read_text() == "something"
        with pytest.raises(OutgrowError, match="another process"), held(run):
            pytest.fail("it is held twice")


def test_what_killed_processes_left_is_removed_when_a_run_is_held(run):
    left = [run / ".metrics.jsonl.0123456789abcdef.tmp", run / "checkpoints" / ".step-000001.fedcba9876543210.tmp"]
    (run / "checkpoints").mkdir()
    left[0].touch()
    left[1].mkdir()
    mine = run / ".notes.tmp"
    mine.touch()
    with held(run):
        assert not any(path.exists() for path in left)
        assert mine.exists()
    remove_temporary(run / "absent")


def _device(path):
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize("make", [os.mkfifo, Path.mkdir, _device], ids=["pipe", "folder", "device"])
def test_what_is_not_a_regular_file_is_not_read(tmp_path, make):
    make(tmp_path / "file")
    for read in (read_plain, read_lines):
        with pytest.raises(OSError, match="regular"):
            read(tmp_path / "file")


def test_deep_json_and_rows_that_are_no_objects_are_errors_of_values(tmp_path):
    file = tmp_path / "lines"
    for content in (b"[" * 100_000 + b"\n", b'{"a": 1}\n[1]\n', b"7\n"):
        file.write_bytes(content)
        with pytest.raises(ValueError, match=r"deep|line \d"):
            read_lines(file)
    with pytest.raises(OSError, match="9 bytes"):
        read_plain(file, 9) if file.write_bytes(b"0" * 10) else None


def test_a_recipe_is_read_without_importing_what_it_names(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "of_a_stranger.py").write_text(CODE)
    recipe = recipe_of(**OUTSIDE)
    create_run(tmp_path / "run", recipe, {})
    stored = read_recipe(tmp_path / "run")[0]
    for read in (recipe, stored, pickle.loads(pickle.dumps(recipe))):
        reward, source = read.rewards[1], read.problems[1].source
        parts = (reward, read.advantage, read.loss, read.curriculum, read.engine, read.problems[0], source)
        assert all(map(stands_in, parts))
        assert [part.type.partition(":")[0] for part in parts] == ["of_a_stranger"] * 7
        assert reward.model_dump() == {**read.rewards[0].model_dump(), **OUTSIDE["rewards"][1]}
        for use in (partial(reward.compute, None), reward.code_file, read.engine.build, read.problems[1].load):
            with pytest.raises(UsageError, match="of_a_stranger:"):
                use()
    assert not (tmp_path / "was-imported").exists()


def test_code_is_imported_only_where_it_is_needed_and_is_announced_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "stranger_b.py").write_text(CODE)
    reward = {"type": "stranger_b:Zero", "power": 3.0}
    recipe = recipe_of(rewards=[reward])
    wrong, said = recipe_of(rewards=[{"type": "stranger_b:Zero", "powr": 3.0}]), []
    with plugins_imported(("engine",)):
        assert stands_in(with_plugins(recipe).rewards[0])
    with plugins_imported(announce=lambda line: said.append((line, (tmp_path / "was-imported").exists()))):
        real = with_plugins(recipe)
        assert load_recipe("micro") and with_plugins(real) is real
    [(line, was_imported)] = said
    assert "stranger_b.py" in line and "stranger_b:Zero" in line and not was_imported
    assert not stands_in(real.rewards[0]) and real.rewards[0].power == 3.0
    assert (tmp_path / "was-imported").exists()
    with plugins_imported(), pytest.raises(UsageError, match=r"stranger_b:Zero.*powr"):
        with_plugins(wrong)
    with plugins_refused(), plugins_imported(), pytest.raises(UsageError, match=r"stranger_b:Zero.*--no-plugins"):
        with_plugins(recipe)


@pytest.fixture
def torn(tmp_path, monkeypatch):
    """A recipe whose reward is in a module with a syntax error, and a run of it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "torn_reward.py").write_text("import pathlib; pathlib.Path('was-imported').touch()\ndef (")
    (tmp_path / "torn.toml").write_text(
        'extends = "micro"\nname = "torn"\nrewards = [{type = "torn_reward:R"}]\ncurriculum = {type = "torn_reward:S"}\n'
    )
    create_run(tmp_path / "runs" / "torn", load_recipe("torn.toml"), {})
    return tmp_path


def test_commands_that_read_show_a_run_whose_code_cannot_be_imported(torn, outgrow):
    for command in (["runs"], ["report", "runs/torn"], ["analyze", "runs/torn"], ["plan", "torn.toml"]):
        status, out, err = outgrow(*command)
        assert status == 0, err
    status, out, _ = outgrow("recipes", "torn.toml", "--show")
    assert status == 0 and "torn_reward:R" in out
    assert "torn_reward:R" in (torn / "runs" / "torn" / "report.html").read_text()
    assert not (torn / "was-imported").exists()


def test_commands_that_train_say_what_they_import_and_can_refuse_it(torn, outgrow):
    status, _, err = outgrow("train", "torn.toml", "--no-plugins")
    assert status == 2 and "torn_reward:R" in err and "--no-plugins" in err
    assert not (torn / "was-imported").exists()
    status, _, err = outgrow("train", "torn.toml", "--out", "run")
    assert status == 2 and "torn_reward.py" in err.splitlines()[0] and "cannot import" in err.splitlines()[-1]
    assert not (torn / "run").exists()


def _made(path, content):
    if content is None:
        os.mkfifo(path)
    else:
        path.write_bytes(content)


BAD_TOML = {
    "a pipe": None,
    "deep": b"a = " + b"[" * 50_000,
    "tables in tables": b".".join([b"a"] * 5_000) + b" = 1",
    "bytes": b"\xff\xfe",
    "a number of many digits": b"a = 1" + b"0" * 10_000,
    "larger than a recipe may be": b"#" * (2**24 + 1),
    "not TOML": b"a = ",
}


@pytest.mark.parametrize("content", BAD_TOML.values(), ids=BAD_TOML)
@pytest.mark.parametrize("load", [load_gpu_catalog, lambda path: load_experiment(str(path)), lambda path: load_recipe(str(path))])
def test_toml_of_a_stranger_is_one_line(tmp_path, load, content):
    _made(tmp_path / "file.toml", content)
    with pytest.raises(UsageError, match=r"file\.toml") as refused:
        load(tmp_path / "file.toml")
    assert "\n" not in str(refused.value) and len(str(refused.value)) < 1000


@pytest.mark.parametrize("value", ["nan", "inf", "-1", "'many'"])
def test_figures_of_gpus_that_cannot_be_are_told_with_their_line(tmp_path, value):
    shipped = Path(str(files("outgrow.plan") / "gpus.toml")).read_text()
    number = next(place for place, line in enumerate(shipped.splitlines(), 1) if line.startswith("memory_gb"))
    lines = shipped.splitlines()
    lines[number - 1] = f"memory_gb = {value}"
    (tmp_path / "file.toml").write_text("\n".join(lines))
    with pytest.raises(UsageError, match=rf"file\.toml, line {number}: .*memory_gb"):
        load_gpu_catalog(tmp_path / "file.toml")
