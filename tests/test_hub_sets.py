"""Sets on the hub: configurations, splits, and what is said without a connection. The hub is a stub, or a real cache folder."""

import os

import pandas as pd
import pytest

from outgrow.core.errors import UsageError
from outgrow.problems.suites import suite
from outgrow.problems.table import Table


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A stub: a set's files by name; returns what was asked for."""
    asked = []

    def put(*files):
        for name in files:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            pd.DataFrame([{"question": name, "answer": "7"}]).to_parquet(tmp_path / name)

        def download(repository, **wanted):
            asked.append((repository, wanted))
            return str(tmp_path)

        monkeypatch.setattr("outgrow.problems.hub.HfApi.list_repo_files", lambda self, repository, **_: ["README.md", *files])
        monkeypatch.setattr("outgrow.problems.hub.snapshot_download", download)
        return asked

    return put


def test_a_split_is_read_in_its_converted_shape(hub):
    """The hub keeps CONFIG/SPLIT/0000.parquet, 0001.parquet, … of every set in the branch refs/convert/parquet."""
    asked = hub("main/train/0000.parquet", "main/train/0001.parquet", "socratic/train/0000.parquet", "main/test/0000.parquet")
    problems = Table(hub="someone/set", config="main").load()
    assert [p.question for p in problems] == ["main/train/0000.parquet", "main/train/0001.parquet"]
    wanted = {"repo_type": "dataset", "revision": "refs/convert/parquet", "allow_patterns": "main/train/*.parquet"}
    assert asked == [("someone/set", wanted)]
    assert [p.question for p in suite("someone/set:config=main").load()] == ["main/test/0000.parquet"]


@pytest.mark.parametrize(
    ("files", "settings", "read"),
    [
        (["default/train/0.parquet"], {}, "default/train/0.parquet"),
        (["only/train/0.parquet", "only/test/0.parquet"], {}, "only/train/0.parquet"),  # the only configuration has another name
        (["a/train/0.parquet", "default/train/0.parquet"], {}, "default/train/0.parquet"),
        (["a/train/0.parquet", "b/train/0.parquet"], {"config": "b"}, "b/train/0.parquet"),
    ],
)
def test_the_configuration_that_is_meant(hub, files, settings, read):
    hub(*files)
    assert [p.question for p in Table(hub="someone/set", **settings).load()] == [read]


@pytest.mark.parametrize(
    ("files", "settings", "said"),
    [
        (["a/train/0.parquet", "b/train/0.parquet"], {}, "someone/set: give config, one of: a, b"),
        (["main/train/0.parquet"], {"config": "mian"}, "no config 'mian' .did you mean 'main'"),
        (
            ["main/train/0.parquet", "main/test/0.parquet"],
            {"split": "dev"},
            "no split 'dev' of config 'main' .* it has test, train",
        ),
        ([], {}, "no Parquet files of this set"),
    ],
)
def test_what_a_set_has_is_said(hub, files, settings, said):
    asked = hub(*files)
    with pytest.raises(UsageError, match=said):
        Table(hub="someone/set", **settings).load()
    assert not asked, "nothing is downloaded"


def test_without_a_connection_and_without_a_copy(tmp_path, monkeypatch):
    """The tests run with HF_HUB_OFFLINE, so this is huggingface_hub's own way to say no."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(
        UsageError, match=r"someone/set: cannot get this set from the hub .HF_HUB_OFFLINE is set.*no earlier download"
    ) as error:
        Table(hub="someone/set").load()
    assert "\n" not in str(error.value)


def test_without_a_connection_the_copy_of_an_earlier_download_is_read(tmp_path, monkeypatch):
    """The cache's layout is huggingface_hub's: refs/REVISION names a commit, snapshots/COMMIT holds its files."""
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    assert os.environ["HF_HUB_OFFLINE"] == "1"
    place = tmp_path / "datasets--someone--set"
    (place / "refs" / "refs" / "convert").mkdir(parents=True)
    (place / "refs" / "refs" / "convert" / "parquet").write_text("0" * 40)
    folder = place / "snapshots" / ("0" * 40) / "main" / "train"
    folder.mkdir(parents=True)
    pd.DataFrame([{"question": "3+4=?", "answer": "7"}]).to_parquet(folder / "0000.parquet")
    assert [p.answer for p in Table(hub="someone/set").load()] == ["7"]
    with pytest.raises(UsageError, match=r"the copy on this machine.*no split 'test' of config 'main'.*it has train"):
        Table(hub="someone/set", split="test").load()
