"""Folders and files appear whole or not at all."""

import json

import pytest

from outgrow.core.figure_lines import each_figures, last_figures
from outgrow.core.files import new_file, new_folder
from outgrow.core.json_lines import keep_lines_through, lines_backwards


def test_a_new_folder_appears_whole(tmp_path):
    path = tmp_path / "deep" / "model"
    with new_folder(path) as unfinished:
        (unfinished / "weights").write_bytes(b"w")
        assert not path.exists()
    assert [file.name for file in path.iterdir()] == ["weights"]
    assert list(path.parent.iterdir()) == [path]


def test_a_new_file_appears_whole_and_replaces_nothing(tmp_path):
    path = tmp_path / "deep" / "model.gguf"
    with pytest.raises(TypeError), new_file(path) as unfinished:
        unfinished.write_bytes("no bytes")  # the file is open, and empty, when this fails
    assert list(tmp_path.iterdir()) == []
    with new_file(path) as unfinished:
        unfinished.write_bytes(b"w")
        assert not path.exists()
    with pytest.raises(FileExistsError, match=r"model\.gguf"), new_file(path) as unfinished:
        unfinished.write_bytes(b"x")
    assert path.read_bytes() == b"w"
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


@pytest.mark.parametrize("torn", [b"", b'{"step": 9', b'{"step": 99}'])
@pytest.mark.parametrize("width", [0, 10, 40_000, 200_000])
def test_lines_from_the_end_are_the_lines(tmp_path, torn, width):
    """Lines shorter and longer than what is read at once, with and without a torn last line."""
    path = tmp_path / "lines.jsonl"
    lines = [json.dumps({"step": step, "ü" * (width * (step % 3)): 0.5}).encode() for step in range(7)]
    path.write_bytes(b"".join(line + b"\n" for line in lines) + torn)
    backwards = list(lines_backwards(path))
    assert [line for _, line in backwards] == lines[::-1]
    whole = path.read_bytes()
    assert all(whole[:end].endswith(line + b"\n") for end, line in backwards)
    assert list(each_figures(path)) == [json.loads(line) for line in lines]
    assert last_figures(path)["step"] == 6


@pytest.mark.parametrize("step", [-1, 0, 3, 6, 50])
@pytest.mark.parametrize("torn", [b"", b'{"st'])
def test_what_is_kept_is_a_beginning_of_the_file(tmp_path, step, torn):
    path = tmp_path / "lines.jsonl"
    lines = [json.dumps({"step": number}).encode() + b"\n" for number in (0, 1, 1, 3, 4, 6)]
    path.write_bytes(b"".join(lines) + torn)
    keep_lines_through(path, step)
    assert path.read_bytes() == b"".join(line for line in lines if json.loads(line)["step"] <= step)


def test_no_file_has_no_lines(tmp_path):
    path = tmp_path / "missing.jsonl"
    assert (list(lines_backwards(path)), list(each_figures(path)), last_figures(path)) == ([], [], None)
    keep_lines_through(path, 3)
    assert not path.exists()
