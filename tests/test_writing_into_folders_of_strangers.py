"""What is written into, copied out of and published from a folder of a stranger: never a file outside of it."""

import json
import os
from pathlib import Path

import pytest

from helpers.runs import Silent
from outgrow.config import load_recipe
from outgrow.core.errors import OutgrowError, UsageError
from outgrow.core.files import read_json
from outgrow.policy import push as pushing
from outgrow.policy.push import push
from outgrow.runs.folder import RunFolder, held
from outgrow.runs.model_card import write_card
from outgrow.train.loop import train


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    run = tmp_path_factory.mktemp("trained") / "run"
    train(load_recipe("micro", ["learn.steps=1", "evaluate.samples=1"]), run, Silent())
    return run


def test_a_card_is_not_written_through_a_link(trained, tmp_path, victim):
    (tmp_path / "policy").mkdir()
    (tmp_path / "policy" / "config.json").write_text('{"model_type": "llama"}')
    card = tmp_path / "policy" / "README.md"
    card.symlink_to(victim)
    write_card(trained, tmp_path / "policy", read_json(RunFolder(trained).summary))
    assert not card.is_symlink() and card.read_text().startswith("---")


@pytest.mark.parametrize("place", ["checkpoints/step-000001/policy", "checkpoints/step-000001", "evals/other/before.parquet"])
def test_a_run_is_not_held_where_a_folder_in_it_is_a_link(tmp_path, place):
    run = tmp_path / "run"
    (run / place).parent.mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    (run / place).symlink_to(tmp_path / "outside")
    with pytest.raises(OutgrowError, match=place), held(run):
        pytest.fail("it is held")


def test_a_card_that_is_a_link_or_a_pipe_is_not_copied_into_a_merged_model(trained, outgrow, tmp_path, victim):
    card = RunFolder(trained).latest.resolve() / "policy" / "README.md"
    own = card.read_text()
    for make in (lambda: card.symlink_to(victim), lambda: os.mkfifo(card)):
        card.unlink()
        make()
        status, _, err = outgrow("merge", trained, "--out", tmp_path / "merged")
        assert status == 1 and "README.md" in err and len(err.strip().splitlines()) == 1
        assert not (tmp_path / "merged").exists()
    card.unlink()
    card.write_text(own)
    assert outgrow("merge", trained, "--out", tmp_path / "merged")[0] == 0


def _link(path, victim):
    path.symlink_to(victim)


def _folder(path, victim):
    path.symlink_to(victim.parent)


@pytest.mark.parametrize("make", [_link, _folder, lambda path, victim: os.mkfifo(path)], ids=["link", "link to a folder", "pipe"])
def test_nothing_outside_of_a_folder_is_published(tmp_path, victim, monkeypatch, make):
    monkeypatch.setattr(pushing.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(pushing, "HfApi", lambda: pytest.fail("it is published"))
    model = tmp_path / "model"
    (model / "deep").mkdir(parents=True)
    (model / "config.json").write_text("{}")
    make(model / "deep" / "file", victim)
    with pytest.raises(UsageError, match="deep/file"):
        push(model, "a/b")


def test_a_link_inside_a_folder_is_published(tmp_path, monkeypatch):
    class Hub:
        def create_repo(self, *_, **__):
            return "address"

        def upload_folder(self, repo_id, folder_path):
            sent.append(folder_path)

    sent: list[Path] = []
    monkeypatch.setattr(pushing.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(pushing, "HfApi", Hub)
    (tmp_path / "config.json").write_text(json.dumps({}))
    (tmp_path / "same.json").symlink_to("config.json")
    assert push(tmp_path, "a/b") == "address" and sent == [tmp_path]
