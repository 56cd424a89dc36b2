"""Tables in every shape that people have them in, written here by pandas, pyarrow, csv and json: the same problems come out."""

import csv
import gzip
import json

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from outgrow.core.errors import UsageError
from outgrow.problems.formats import read_file
from outgrow.problems.named_table import absolute, label, named_table
from outgrow.problems.rows import file_rows
from outgrow.problems.suites import suite
from outgrow.problems.table import Table
from outgrow.runs.practice_problems import problems_of

ROWS = [
    {"question": "What is 3+4, in words?", "answer": "seven", "level": 2},
    {"question": 'Say "hello, world";\nthen count the words.', "answer": "2", "level": 1},
    {"question": "Wie groß ist π, gerundet?", "answer": "3", "level": 5},
]
FRAME = pd.DataFrame(ROWS)


def text_rows(path, dialect, **options):
    with path.open("w", newline="", **options) as file:
        writer = csv.DictWriter(file, ROWS[0].keys(), **dialect)
        writer.writeheader()
        writer.writerows(ROWS)


def arrow(path):
    table = pa.Table.from_pylist(ROWS)
    with pa.ipc.new_stream(path, table.schema) as file:
        file.write_table(table)


WRITERS = {
    "lines.jsonl": lambda path: FRAME.to_json(path, orient="records", lines=True),
    "lines.ndjson": lambda path: path.write_text("\n\n".join(map(json.dumps, ROWS))),
    "lines.json": lambda path: FRAME.to_json(path, orient="records", lines=True),
    "array.json": lambda path: path.write_text(json.dumps(ROWS)),
    "indented.json": lambda path: path.write_text(json.dumps(ROWS, indent=2, ensure_ascii=False), encoding="utf-8"),
    "array.jsonl": lambda path: path.write_text(json.dumps(ROWS)),
    "indented.jsonl": lambda path: path.write_text(json.dumps(ROWS, indent=4)),
    "inside.json": lambda path: path.write_text(json.dumps({"version": "1.0", "data": ROWS})),
    "columns.json": lambda path: FRAME.to_json(path),  # pandas' default: column -> index -> cell
    "bom.jsonl": lambda path: path.write_text("\n".join(map(json.dumps, ROWS)), encoding="utf-8-sig"),
    "comma.csv": lambda path: FRAME.to_csv(path, index=False),
    "index.csv": lambda path: FRAME.to_csv(path),  # pandas' default: a first column without a name
    "excel.csv": lambda path: text_rows(path, {"delimiter": ";", "quoting": csv.QUOTE_ALL}, encoding="utf-8-sig"),
    "tab.tsv": lambda path: FRAME.to_csv(path, index=False, sep="\t"),
    "pandas.parquet": lambda path: FRAME.to_parquet(path),
    "datasets.arrow": arrow,
    "lines.jsonl.gz": lambda path: FRAME.to_json(path, orient="records", lines=True),
    "array.json.gz": lambda path: path.write_bytes(gzip.compress(json.dumps(ROWS).encode())),
    "comma.csv.gz": lambda path: FRAME.to_csv(path, index=False),
    "pandas.parquet.gz": lambda path: path.write_bytes(gzip.compress(FRAME.to_parquet())),
}


@pytest.mark.parametrize("name", WRITERS)
def test_every_shape_gives_the_same_problems(tmp_path, name):
    WRITERS[name](tmp_path / name)
    problems = Table(path=tmp_path / name, level="level").load(pytest.fail)
    assert [(p.question, p.answer, p.level) for p in problems] == [tuple(row.values()) for row in ROWS]
    assert {p.field for p in problems} == {name.split(".")[0]}
    assert suite(str(tmp_path / name)).load() == Table(path=tmp_path / name).load()


def test_a_long_cell_and_an_empty_line(tmp_path):
    """The csv module's own limit is 131,072 characters a cell; it is as it was afterwards."""
    before = csv.field_size_limit()
    (tmp_path / "long.csv").write_text(f"question,answer\n\n{'why ' * 60_000},7\n\n")
    [problem] = Table(path=tmp_path / "long.csv").load(pytest.fail)
    assert (len(problem.question), problem.answer) == (4 * 60_000 - 1, "7")
    assert csv.field_size_limit() == before


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("cells.csv", b"question,answer\na,1\nb,2,3\n", "cells.csv, line 3: 3 cells where the header names 2 columns"),
        ("twice.csv", b"question,answer,answer\na,1,2\n", "twice.csv: two columns have the name 'answer'"),
        ("latin.csv", b"question,answer\n\xfcber,1\n", "latin.csv, after line 1: cannot be read as text"),
        ("empty.csv", b"", "empty: no problem"),
        ("header.csv", b"question,answer\n", "header: no problem"),
        ("broken.json", b'[{"question": "a", "answer": "1"},', "broken.json: not JSON"),
        ("number.json", b"7", "number.json: holds no array of rows"),
        ("two.json", b'{"train": [{"question": "a"}], "test": [{"question": "b"}]}', "two.json: holds no array of rows"),
        ("items.json", b'[{"question": "a", "answer": "1"}, 7]', "items.json, row 2: a row must be a JSON object"),
        (
            "cut.jsonl.gz",
            gzip.compress(b'{"question": "a", "answer": "1"}\n' * 99, mtime=0)[:-20],
            "cut.jsonl.gz: not a whole gzip file",
        ),
        ("none.jsonl.gz", b"plain text", "none.jsonl.gz: not a whole gzip file"),
        ("none.parquet", b"PAR1 and then nothing", "none.parquet: not a Parquet file"),
        ("none.arrow", b"no stream", "none.arrow: not an Arrow file"),
        ("none.xlsx", b"PK", "none.xlsx: rows are read from .jsonl, .json, .csv, "),
    ],
)
def test_what_cannot_be_read_is_one_line(tmp_path, name, content, said):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UsageError) as error:
        Table(path=tmp_path / name).load()
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_a_parquet_text_that_is_not_utf8_costs_its_row_only(tmp_path):
    answers = pa.array([b"7", b"\xff\xfe", b"9"]).view(pa.string())
    table = pa.table({"question": ["a?", "b?", "c?"], "answer": answers, "n": [1, 2, 3]})
    pq.write_table(table, tmp_path / "own.parquet")
    notes = []
    problems = Table(path=tmp_path / "own.parquet").load(notes.append)
    assert [p.answer for p in problems] == ["7", "9"]
    assert len(notes) == 1 and "bytes" in notes[0] and "own.parquet, row 2" in notes[0]


FOLDERS = {
    "a file for each split": ["train.jsonl", "test.jsonl"],
    "the hub's shards": [
        "data/train-00000-of-00002.parquet",
        "data/train-00001-of-00002.parquet",
        "data/test-00000-of-00001.parquet",
    ],
    "shards at the top": ["train-00000-of-00001.parquet", "test-00000-of-00001.parquet"],
    "folders of splits": ["train/0000.parquet", "train/0001.parquet", "test/0000.parquet"],
    "what datasets saves": [
        "dataset_dict.json",
        "train/data-00000-of-00001.arrow",
        "train/state.json",
        "test/data-00000-of-00001.arrow",
    ],
    "other files in it": ["README.md", ".train.jsonl", "notes/plan.txt", "train.csv.gz", "test.csv"],
}


def fill(folder, files):
    """Write one row a file: its question is the file's name."""
    for name in files:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        row = {"question": name, "answer": "7"}
        if path.suffix == ".parquet":
            pd.DataFrame([row]).to_parquet(path)
        elif path.suffix == ".arrow":
            table = pa.Table.from_pylist([row])
            with pa.ipc.new_stream(path, table.schema) as file:
                file.write_table(table)
        elif path.name.startswith("t") and ".csv" in path.name:
            pd.DataFrame([row]).to_csv(path, index=False)
        else:
            path.write_text(json.dumps(row) + "\n")


@pytest.mark.parametrize("shape", FOLDERS)
def test_a_folder_of_splits(tmp_path, shape):
    fill(tmp_path, FOLDERS[shape])
    tables = [name for name in FOLDERS[shape] if not name.endswith((".md", ".txt", "_dict.json", "state.json")) and name[0] != "."]
    for split in ("train", "test"):
        expected = [name for name in tables if split in name]
        assert [p.question for p in Table(path=tmp_path, split=split).load()] == expected
        assert [p.question for p in suite(f"{tmp_path}:{split}").load()] == expected
        assert [p.question for p in suite(str(tmp_path)).load()] == [name for name in tables if "test" in name]
        assert [p.question for p in problems_of(str(tmp_path), pytest.fail)[0]] == [name for name in tables if "train" in name]
    with pytest.raises(UsageError, match=r"no split 'validation' in this folder; it has .*test.*train"):
        Table(path=tmp_path, split="validation").load()


def test_a_folder_with_one_file_is_that_file_and_an_empty_one_is_told(tmp_path):
    fill(tmp_path, ["mine.jsonl"])
    assert [p.question for p in Table(path=tmp_path).load()] == ["mine.jsonl"]
    (tmp_path / "mine.jsonl").unlink()
    with pytest.raises(UsageError, match=r"no split 'train' in this folder; it has no \.jsonl"):
        Table(path=tmp_path).load()


def test_names_of_tables(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, table in {
        "someone/set": Table(hub="someone/set", split="test"),
        "someone/set:dev:config=main:answer=a.b": Table(hub="someone/set", split="dev", config="main", answer="a.b"),
        "own.csv:question=q": Table(path="own.csv", split="test", question="q"),
    }.items():
        assert named_table(name, "test").model_dump() == table.model_dump()
    assert named_table("gsm9k", "test") is None
    with pytest.raises(UsageError, match=r"no key 'anser' of a table.*'answer'"):
        named_table("own.csv:anser=a", "test")
    (tmp_path / "a:b=c.csv").write_text("question,answer\nq,1\n")  # a file whose own name looks like one with a key
    assert [p.answer for p in suite("a:b=c.csv").load()] == ["1"]


def test_a_suite_before_a_folder_of_its_name(tmp_path, monkeypatch, data):
    monkeypatch.chdir(tmp_path)
    fill(tmp_path, ["gsm8k/test.jsonl", "micro/train.jsonl"])
    assert suite("gsm8k").load()[0].question != "gsm8k/test.jsonl"
    assert problems_of("micro", pytest.fail)[1] is not None


def test_columns_of_a_suite_by_name(tmp_path):
    file = tmp_path / "own.jsonl"
    file.write_text(json.dumps({"text": "3+4=?", "checked": {"by": "hand", "result": 7}, "other": "8"}) + "\n")
    [problem] = suite(f"{file}:question=text:answer=checked.result").load(pytest.fail)
    assert (problem.question, problem.answer) == ("3+4=?", "7")


def test_absolute_names_and_labels(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert absolute("sets/own.csv:answer=a") == f"{tmp_path}/sets/own.csv:answer=a"
    assert label(absolute("sets/own.csv:answer=a")) == "own.csv:answer=a"
    assert absolute("someone/set:dev") == label("someone/set:dev") == "someone/set:dev"


def test_rows_say_where_they_stand(tmp_path):
    (tmp_path / "a.jsonl").write_text('\n{"x": 1}\n\n{"x": 2}\n')
    (tmp_path / "b.csv").write_text('x,y\n1,"two\nlines"\n3,4\n')
    assert [where for where, _ in read_file(tmp_path / "a.jsonl")] == ["a.jsonl, line 2", "a.jsonl, line 4"]
    assert [where for where, _ in file_rows(tmp_path / "b.csv")] == ["b.csv, line 3", "b.csv, line 4"]
