"""Tables of strangers: what is not a file, what unpacks to more than memory, what is too long or too wide, and names of columns."""

import gzip
import json
import os
import socket
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from outgrow.core import memory
from outgrow.core.errors import UsageError
from outgrow.problems import formats
from outgrow.problems.formats import read_file
from outgrow.problems.named_table import named_table
from outgrow.problems.table import Table

ROWS = [{"question": f"{i}+{i}?", "answer": str(2 * i)} for i in range(2000)]


@pytest.fixture
def little_memory(monkeypatch):
    """A machine of 400,000 bytes: packed files may unpack to 100,000, a line may have 25,000."""
    monkeypatch.setattr(memory, "_machine_memory", lambda: 400_000)


def refusal(file):
    with pytest.raises(UsageError) as refused:
        list(read_file(file))
    assert "\n" not in str(refused.value) and len(str(refused.value)) < 5000 and file.name in str(refused.value)
    return str(refused.value)


def _socket(path):
    with socket.socket(socket.AF_UNIX) as end:
        end.bind(str(path))


@pytest.mark.parametrize("suffix", [".jsonl", ".json", ".csv", ".tsv", ".parquet", ".arrow", ".jsonl.gz", ".parquet.gz"])
@pytest.mark.parametrize(
    "make",
    [os.mkfifo, Path.mkdir, _socket, lambda path: path.symlink_to("/dev/zero"), lambda path: path.symlink_to(path)],
    ids=["pipe", "folder", "socket", "device", "loop"],
)
def test_what_is_not_a_regular_file_is_refused_at_once(tmp_path, monkeypatch, make, suffix):
    monkeypatch.chdir(tmp_path)  # the path of a socket may have 107 bytes
    make(Path(f"rows{suffix}"))
    assert "cannot read" in refusal(Path(f"rows{suffix}"))
    with pytest.raises(UsageError, match="rows"):
        Table(path=Path(f"rows{suffix}")).load()


def _packed(kind, rows):
    """Return rows as a file that unpacks to many times its size."""
    sink = pa.BufferOutputStream()
    table = pa.Table.from_pylist(rows)
    if kind == "parquet":
        pq.write_table(table, sink, compression="zstd")
    elif kind == "arrow":
        with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as file:
            file.write_table(table)
    content = sink.getvalue().to_pybytes()
    texts = {
        "jsonl.gz": "\n".join(map(json.dumps, rows)),
        "json.gz": json.dumps(rows),
        "csv.gz": "question,answer\n" + "\n".join(f"{row['question']},{row['answer']}" for row in rows),
    }
    return gzip.compress(texts[kind].encode()) if kind in texts else content


@pytest.mark.parametrize("kind", ["parquet", "arrow", "jsonl.gz", "json.gz", "csv.gz"])
def test_what_unpacks_to_more_than_a_quarter_of_memory_is_refused(tmp_path, little_memory, kind):
    file = tmp_path / f"rows.{kind}"
    file.write_bytes(_packed(kind, ROWS[:50]))
    assert [row for _, row in read_file(file)] == ROWS[:50]
    file.write_bytes(_packed(kind, [{"question": "?" * 1000, "answer": "7"}] * 200))
    assert file.stat().st_size < 10_000
    message = refusal(file)
    assert "100,000 bytes" in message and f"{file.stat().st_size:,} bytes" in message and "JSON lines" in message


@pytest.mark.parametrize(
    "column", [pa.nulls(5000), pa.array([[None] * 5000], pa.list_(pa.null()))], ids=["rows", "items of a cell"]
)
def test_values_without_bytes_are_counted_too(tmp_path, little_memory, column):
    pq.write_table(pa.table({"question": column}), tmp_path / "rows.parquet")
    assert "100,000" in refusal(tmp_path / "rows.parquet")


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.csv", "rows.json", "rows.jsonl.gz"])
def test_a_line_that_is_too_long_to_be_held_is_refused(tmp_path, little_memory, name):
    long = json.dumps({"question": "?" * 30_000, "answer": "7"}) if "json" in name else "question,answer\n" + "?" * 30_000 + ",7\n"
    (tmp_path / name).write_bytes(gzip.compress(long.encode()) if name.endswith("gz") else long.encode())
    assert "25,000" in refusal(tmp_path / name)


def test_a_long_file_of_short_lines_is_read(tmp_path, little_memory):
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, ROWS * 4)))
    assert [row for _, row in read_file(tmp_path / "rows.jsonl")] == ROWS * 4


def _json(path, row):
    path.write_text(json.dumps([row]))


def _csv(path, row):
    path.write_text(",".join(row) + "\n" + ",".join(row.values()) + "\n")


WRITERS = {
    "jsonl": lambda path, row: path.write_text(json.dumps(row)),
    "json": _json,
    "csv": _csv,
    "parquet": lambda path, row: pq.write_table(pa.Table.from_pylist([row]), path),
}


@pytest.mark.parametrize("kind", WRITERS)
def test_a_table_of_too_many_columns_is_refused(tmp_path, monkeypatch, kind):
    monkeypatch.setattr(formats, "_MOST_COLUMNS", 400)
    file = tmp_path / f"rows.{kind}"
    row = {f"column-{number}": "x" for number in range(401)}
    WRITERS[kind](file, row)
    assert "401" in refusal(file) and "400" in refusal(file)
    del row["column-0"]
    WRITERS[kind](file, row)
    with pytest.raises(UsageError, match="370 more") as refused:  # of 400, the message has the first
        Table(path=file).load()
    assert len(str(refused.value)) < 2000


def test_two_columns_of_a_name_are_refused_in_every_format(tmp_path):
    table = pa.Table.from_arrays([pa.array(["a"]), pa.array(["b"])], names=["question", "question"])
    pq.write_table(table, tmp_path / "rows.parquet")
    with pa.ipc.new_stream(tmp_path / "rows.arrow", table.schema) as file:
        file.write_table(table)
    (tmp_path / "rows.csv").write_text("question,question\na,b\n")
    for name in ("rows.parquet", "rows.arrow", "rows.csv"):
        assert "'question'" in refusal(tmp_path / name)


@pytest.mark.parametrize(
    "column",
    [
        pa.StructArray.from_arrays([pa.array(["a"]), pa.array(["b"])], names=["x", "x"]),
        pa.array([0], pa.timestamp("s", "No/Where")),
        pa.array([2**62], pa.duration("s")),
        pa.StructArray.from_arrays(
            [pa.Array.from_buffers(pa.string(), 1, [None, pa.py_buffer(b"\0\0\0\0\1\0\0\0"), pa.py_buffer(b"\xff")])], names=["x"]
        ),
    ],
    ids=["a name twice in a struct", "a time zone that is not known", "a duration without end", "nested text that is not UTF-8"],
)
def test_values_that_python_cannot_hold_are_one_line(tmp_path, column):
    pq.write_table(pa.table({"question": column}), tmp_path / "rows.parquet")
    assert "after row 0" in refusal(tmp_path / "rows.parquet")


@pytest.mark.parametrize("name", ["the answer: exact", "Answer:", "a.b", "a b", 'say "x"', "ünï", "a:b:c"])
def test_a_column_of_any_name_can_be_named(tmp_path, name):
    file = tmp_path / "rows.jsonl"
    file.write_text(json.dumps({"question": "3+4?", name: "7", "": "index"}))
    assert Table(path=file, answer=name).load()[0].answer == "7"
    assert named_table(f"{file}:train:answer={name}:question=question", "train").load()[0].answer == "7"
    assert named_table(f"{file}:question=question:answer={name}", "train").load()[0].answer == "7"


def test_an_empty_name_of_a_column_is_one_line_and_is_not_proposed(tmp_path):
    file = tmp_path / "rows.csv"
    file.write_text(",question\n7,3+4?\n")
    with pytest.raises(UsageError, match="answer takes text") as refused:
        named_table(f"{file}:answer=", "train")
    assert "\n" not in str(refused.value)
    with pytest.raises(UsageError, match='answer = "COLUMN"'):
        Table(path=file).load()


def test_names_of_columns_are_shown_as_they_are_and_are_no_orders_to_a_terminal(tmp_path, outgrow):
    """rich shows a text such as :b: as an emoji, also without markup."""
    file = tmp_path / "rows.jsonl"
    file.write_text(json.dumps({"a:b:c": "x", "\x1b[31mred\x07": "y", "b\u202ec": "z"}))
    status, _, err = outgrow("eval", "micro-base", "--on", f"{file}:question=a:b:d")
    assert status == 2 and "'a:b:c'" in err and "question=a:b:d" in err and len(err.strip().splitlines()) == 1
    assert not {"\x1b", "\x07", "\u202e"} & set(err) and "answer=red" not in err
