"""Rows of numbers that grow: what is read on is what reading from the beginning gives."""

import json
import os
import random

import pytest

from outgrow.core.figure_lines import parsed_figures
from outgrow.core.json_lines import read_lines
from outgrow.core.row_table import AppendedLines, FollowedRows, RowTable


def made_up(seed, count):
    rng = random.Random(seed)
    for step in range(1, count + 1):
        row = {"step": step, "whole": rng.randint(-5, 5), "mixed": rng.choice([1, 0.5])}
        yield row | ({"now and then": rng.random()} if rng.random() < 0.4 else {})


@pytest.mark.parametrize("seed", range(5))
def test_columns_hold_the_rows(seed):
    rows = list(made_up(seed, 40))
    table = RowTable.of(rows)
    assert list(table) == rows and table[-1] == rows[-1] and table[3:7] == rows[3:7] and len(table) == 40
    for key in ("step", "whole", "mixed", "now and then", "never"):
        assert table.column(key) == [row.get(key) for row in rows]
    assert table.keys == list(dict.fromkeys(key for row in rows for key in row))
    assert all(type(row["step"]) is int and type(row["whole"]) is int for row in table)


def test_rows_stay_what_they_were_while_the_table_grows():
    table, rows = RowTable(), list(made_up(1, 60))
    states = []
    for row in rows:
        states.append(table.rows())
        table.add(row)
    assert [list(state) for state in states] == [rows[:count] for count in range(60)]


@pytest.mark.parametrize("row", [[1], {"step": "1"}, {"step": None}, {"step": [1]}, "x", {"step": 10**400}])
def test_what_is_no_row_of_numbers_is_refused(tmp_path, row):
    path = tmp_path / "metrics.jsonl"
    path.write_text(json.dumps({"step": 1}) + "\n" + json.dumps(row) + "\n")
    followed = FollowedRows(path)
    with pytest.raises(ValueError, match=r"not a|large"):
        followed.read()
    path.write_text(json.dumps({"step": 1}) + "\n")  # repaired
    assert list(followed.read()) == [{"step": 1}]


def test_deep_json_is_refused(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text("[" * 100_000 + "]" * 100_000 + "\n")
    with pytest.raises(ValueError, match="deep"):
        FollowedRows(path).read()


@pytest.mark.parametrize("seed", range(20))
def test_following_a_file_is_reading_it(tmp_path, seed):
    """Appended by halves of lines, cut back, written again in place and by a rename, removed."""
    rng, path = random.Random(seed), tmp_path / "metrics.jsonl"
    followed, lines = FollowedRows(path), AppendedLines(path)
    known, row = [], 0
    for _ in range(60):
        act = rng.choice(["append"] * 6 + ["half", "cut", "again", "rename", "remove"])
        old = path.read_bytes() if path.exists() else b""
        new = b"".join(json.dumps({"step": row + place, "x": rng.random()}).encode() + b"\n" for place in range(rng.randint(1, 30)))
        row += 30
        if act == "append":
            path.write_bytes(old[: old.rfind(b"\n") + 1]) if not old.endswith(b"\n") else None
            with path.open("ab") as file:
                file.write(new)
        elif act == "half":
            with path.open("ab") as file:
                file.write(new[:-3] if old.endswith(b"\n") or not old else b"")
        elif act == "cut":
            path.write_bytes(b"".join(old[: old.rfind(b"\n") + 1].splitlines(keepends=True)[: rng.randint(0, 3)]))
        elif act == "again":
            path.write_bytes(new)
        elif act == "rename":
            (tmp_path / "other").write_bytes(new)
            (tmp_path / "other").replace(path)
        else:
            path.unlink(missing_ok=True)
        expected = read_lines(path)
        assert list(followed.read()) == expected, act
        again, appended = lines.read()
        known = [*([] if again else known), *map(json.loads, appended)]
        assert known == expected, act


def test_only_what_was_appended_is_read(tmp_path, monkeypatch):
    path = tmp_path / "metrics.jsonl"
    path.write_text("".join(json.dumps({"step": step}) + "\n" for step in range(1000)))
    seen = []
    monkeypatch.setattr("outgrow.core.row_table.parsed_figures", lambda lines: seen.extend(lines) or parsed_figures(lines))
    followed = FollowedRows(path)
    assert len(followed.read()) == len(seen) == 1000
    with path.open("a") as file:
        file.write('{"step": 1000}\n')
    assert len(followed.read()) == 1001 and len(seen) == 1001
    assert len(followed.read()) == 1001 and len(seen) == 1001


def test_a_pipe_is_no_file_of_lines(tmp_path):
    os.mkfifo(tmp_path / "metrics.jsonl")
    with pytest.raises(OSError, match="regular"):
        AppendedLines(tmp_path / "metrics.jsonl").read()
