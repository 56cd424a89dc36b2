"""`outgrow verify`: a file of outputs graded, or one clear line and nothing written."""

import json
import sys

import pytest

from outgrow.cli import main

ROWS = [
    {"id": 1, "text": r"so \boxed{18}", "answer": 18, "note": "é\u2028"},
    {"id": 2, "text": r"so \boxed{17}, the answer is 18.", "answer": "18"},
    {"id": 3, "text": "the answer is $18.", "answer": 18.0},
    {"id": 4, "text": "<think>18", "answer": "18"},
    {"id": 5, "text": r"\boxed{18}", "answer": ""},
    {"id": 6, "text": None, "answer": "18"},
    {"id": 7, "text": ["18"], "answer": "18"},
    {"id": 8, "text": "18", "answer": "N/A"},
]


@pytest.fixture
def outgrow(monkeypatch, capsys, tmp_path):
    """Run the command line in this process: exit code, output, errors."""
    monkeypatch.chdir(tmp_path)

    def run(*args):
        monkeypatch.setattr(sys, "argv", ["outgrow", "verify", *args])
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code, *capsys.readouterr()

    return run


def write(tmp_path, rows):
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def test_rows_are_graded_and_kept(outgrow, tmp_path):
    write(tmp_path, ROWS)
    args = ("in.jsonl", "--output", "text", "--answer", "answer")
    code, printed, warned = outgrow(*args, "--extract", "boxed", "--extract", "phrase", "--out", "out.jsonl")
    assert not code
    [skipped] = warned.splitlines()
    reasons = (
        "skipped 3 rows",
        "empty in 'answer' (1)",
        "list in place of text in 'text' (1)",
        "'N/A' in 'answer' (1)",
        "lines 5, 7, 8",
    )
    assert [part for part in reasons if part not in skipped] == [], skipped
    verdicts, found_by = printed.splitlines()
    assert found_by.split("   ") == ["found by", "boxed 2", "phrase 1"]
    assert verdicts.split("   ") == [
        "n = 5",
        "right 2 (40.0%)",
        "wrong 1 (20.0%)",
        "no answer 2 (40.0%)",
        "truncated 0 (0.0%)",
        "verifier failed 0 (0.0%)",
    ]
    graded = [json.loads(line) for line in (tmp_path / "out.jsonl").read_bytes().splitlines()]
    assert [(row.pop("verdict"), row.pop("extracted")) for row in graded] == [
        ("right", "18"),
        ("wrong", "17"),
        ("right", "$18"),
        ("no answer", None),
        ("skipped", None),
        ("no answer", None),
        ("skipped", None),
        ("skipped", None),
    ]
    assert graded == ROWS
    # auto is the default; nothing is written unless asked for; the file itself may be replaced
    assert outgrow(*args)[1] == outgrow(*args, "--extract", "auto")[1]
    assert "right 1 " in outgrow(*args, "--extract", "boxed")[1]
    assert not outgrow(*args, "--out", "in.jsonl")[0]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.jsonl", "out.jsonl"]
    assert len((tmp_path / "in.jsonl").read_bytes().splitlines()) == len(ROWS)


@pytest.mark.parametrize(
    ("content", "args", "said"),
    [
        (b'{"text":"7","answer":"7"}', ["--output", "txt"], "line 1: no column 'txt' (did you mean 'text'?)"),
        (b'{"text":"7","answer":"7"}\n\n{"text":"7"}', [], "line 3: no column 'answer'"),
        (b'{"text":"7","answer":"7"}\n{"text":', [], "line 2: not a JSON row"),
        (b'{"text":"7","answer":"7"}\n[1]', [], "line 2: a row must be a JSON object"),
        (b'{"text":"7","answer":null}', [], "line 1: empty in 'answer'"),
        (b'{"text":["7"],"answer":"7"}', [], "line 1: list in place of text in 'text'"),
        (b'{"text":"\xff","answer":"7"}', [], "line 1: not a JSON row"),
        (b"[" * 10**5, [], "line 1: not a JSON row"),
        (b"\n", [], "no rows"),
        (None, [], "in.jsonl: cannot read this file (No such file or directory)"),
        (b'{"text":"7","answer":"7"}', ["--extract", "box"], "no extractor called 'box' (did you mean 'boxed'?)"),
        (b'{"text":"7","answer":"7"}', ["--out", "no/out.jsonl"], "the folder no does not exist"),
        *(
            (b'{"text":"7","answer":"7"}', ["--out", f"out{end}"], f"out{end}")
            for end in (".csv", ".xlsx", ".jsonl.gz", ".json", "")
        ),
    ],
)
def test_a_mistake_is_one_clear_line_and_nothing_is_written(outgrow, tmp_path, content, args, said):
    if content is not None:
        (tmp_path / "in.jsonl").write_bytes(content)
    given = {"--output": "text", "--answer": "answer", "--out": "out.jsonl", **dict(zip(args[::2], args[1::2], strict=True))}
    code, _, complaint = outgrow("in.jsonl", *(part for pair in given.items() for part in pair))
    assert code == 2
    assert said in complaint
    assert len(complaint.strip().splitlines()) == 1, complaint
    assert [path.name for path in tmp_path.iterdir()] == (["in.jsonl"] if content is not None else [])


def test_where_it_cannot_write_nothing_half_written_stays(outgrow, tmp_path, monkeypatch):
    write(tmp_path, ROWS)
    (tmp_path / "out.jsonl").write_text("before")

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("outgrow.core.files.os.fsync", full)
    code, _, complaint = outgrow("in.jsonl", "--output", "text", "--answer", "answer", "--out", "out.jsonl")
    assert code == 1
    assert "cannot write the graded rows (No space left on device)" in complaint
    assert (tmp_path / "out.jsonl").read_text() == "before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.jsonl", "out.jsonl"]


STRONG = [{"text": f"She has {n} * 2 = {2 * n} pens.\n#### {2 * n}", "answer": 2 * n} for n in range(1, 9)]
ARGS = ("in.jsonl", "--output", "text", "--answer", "answer")


def test_by_default_every_way_is_tried_and_counted(outgrow, tmp_path):
    texts = [
        (r"#### 5 so \boxed{4}", "4"),
        ("She eats #### 7 dozen eggs in 4 weeks.", "7"),
        ("The answer is 72, which is right.", "72"),
        ("She has 3 of 9.", "9"),
        ("<think>7", "7"),
        ("none", "7"),
        *((row["text"], row["answer"]) for row in STRONG),
    ]
    write(tmp_path, [{"text": text, "answer": answer} for text, answer in texts])
    code, printed, warned = outgrow(*ARGS)
    verdicts, found_by = printed.splitlines()
    assert (code, warned) == (0, "")
    assert "right 12 (85.7%)" in verdicts
    assert found_by.split("   ") == ["found by", "boxed 1", "hash 9", "phrase 1", "last_number 1"]


@pytest.mark.parametrize(
    ("rows", "extractor", "told"),
    [
        # most outputs have no answer: the extractor that finds right ones
        (STRONG, "boxed", [r"\boxed{...}", "8 have no answer", r"2 * 2 = 4 pens.\n#### 4", "--extract hash", "8 of 8"]),
        ([*STRONG, {"text": r"\boxed{1} of 7", "answer": 1}], "boxed", ["1 of 9 outputs are right", "--extract auto"]),
        # none is right, though each has an answer
        (
            [{"text": f"#### {n}\nThe answer is 4.", "answer": 4} for n in (1, 2)],
            "hash",
            ["####", "0 have no answer", "--extract phrase"],
        ),
        # a form that only auto reads
        ([{"text": "#### 4", "answer": 4}, {"text": r"\boxed{5} of 6", "answer": 5}], "phrase", ["--extract auto"]),
        # nothing helps
        ([{"text": "#### 4", "answer": 5}], "hash", ["No other extractor", "known answer: 5"]),
        ([{"text": "<think>#### 4", "answer": 4}] * 3, "hash", ["3 of 3", "</think>"]),
    ],
)
def test_outputs_that_are_not_read_are_shown_with_the_extractor_that_would(outgrow, tmp_path, rows, extractor, told):
    write(tmp_path, rows)
    code, _, warned = outgrow(*ARGS, "--extract", extractor)
    assert code == 0
    assert [part for part in told if part not in warned] == [], warned


def test_outputs_are_shown_short_and_without_what_a_terminal_obeys(outgrow, tmp_path):
    write(tmp_path, [{"text": f"{n}" + "x" * 10**5 + "\x1b[31m\u202e\ud800\r\nend", "answer": "7"} for n in range(3)])
    _, _, warned = outgrow(*ARGS, "--extract", "hash")
    shown = [line for line in warned.splitlines() if line.endswith("(known answer: 7)")]
    assert len(shown) == 2
    assert all("…xxx" in line and r"\x1b[31m\u202e\ud800\r\nend" in line and len(line) < 250 for line in shown)
    assert warned.replace("\n", "").isprintable()


def test_outputs_that_are_read_are_not_shown(outgrow, tmp_path):
    write(tmp_path, [*STRONG, *({"text": "none", "answer": 1} for _ in STRONG)])
    assert outgrow(*ARGS, "--extract", "hash")[2] == ""


def test_known_answers_are_read_as_those_of_problems(outgrow, tmp_path):
    """By a path into nested values, out of a whole solution, out of a list; a row whose text holds none is skipped."""
    known = ["6*3=18\n#### 18", r"So $\boxed{18}$.", ["eighteen", "18"], 18.0, "N/A", r"\boxed{}", "6*3=18\n#### 19"]
    write(tmp_path, [{"model": {"output": "\\boxed{18}"}, "reward_model": {"ground_truth": answer}} for answer in known])
    code, _, _ = outgrow("in.jsonl", "--output", "model.output", "--answer", "reward_model.ground_truth", "--out", "out.jsonl")
    assert not code
    graded = [json.loads(line)["verdict"] for line in (tmp_path / "out.jsonl").read_bytes().splitlines()]
    assert graded == ["right"] * 4 + ["skipped"] * 2 + ["wrong"]


@pytest.mark.parametrize("name", ["in.csv", "in.json", "in.jsonl.gz"])
def test_other_formats_are_graded(outgrow, tmp_path, name):
    import pandas as pd

    frame = pd.DataFrame([{"text": r"\boxed{7}", "answer": "7"}, {"text": r"\boxed{8}", "answer": "7"}])
    if name.endswith(".csv"):
        frame.to_csv(tmp_path / name)
    else:
        frame.to_json(tmp_path / name, orient="records", lines=".jsonl" in name)
    code, printed, _ = outgrow(name, "--output", "text", "--answer", "answer")
    assert not code
    assert "right 1 (50.0%)" in printed and "wrong 1 (50.0%)" in printed
