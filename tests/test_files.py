"""Folders and files appear whole or not at all."""

import pytest

from outgrow.core.files import new_folder


def test_a_new_folder_appears_whole(tmp_path):
    path = tmp_path / "deep" / "model"
    with new_folder(path) as unfinished:
        (unfinished / "weights").write_bytes(b"w")
        assert not path.exists()
    assert [file.name for file in path.iterdir()] == ["weights"]
    assert list(path.parent.iterdir()) == [path]


def test_a_failure_leaves_what_was_there(tmp_path):
    path = tmp_path / "model"
    path.mkdir()
    (path / "old").touch()
    with pytest.raises(FileNotFoundError), new_folder(path, replace=True) as unfinished:
        (unfinished / "absent" / "new").touch()
    assert [file.name for file in tmp_path.rglob("*")] == ["model", "old"]


def test_a_folder_with_files_is_replaced_only_where_asked(tmp_path):
    path = tmp_path / "model"
    path.mkdir()
    with new_folder(path) as unfinished:  # an empty folder is taken over
        (unfinished / "first").touch()
    with pytest.raises(OSError, match="model"), new_folder(path) as unfinished:
        (unfinished / "second").touch()
    assert [file.name for file in path.iterdir()] == ["first"]
    with new_folder(path, replace=True) as unfinished:
        (unfinished / "second").touch()
    assert [file.name for file in path.iterdir()] == ["second"]
    assert list(tmp_path.iterdir()) == [path]


def test_the_rest_of_a_kill_is_no_part_of_the_next(tmp_path):
    (tmp_path / ".model.0123456789abcdef.tmp").mkdir()
    (tmp_path / ".model.0123456789abcdef.tmp" / "half").touch()
    with new_folder(tmp_path / "model") as unfinished:
        assert list(unfinished.iterdir()) == []
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
