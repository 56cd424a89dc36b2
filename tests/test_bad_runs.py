"""One bad run never takes the others down: it is shown as unreadable with its reason, and the others stand."""

import json
import os
import shutil
import sqlite3

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from starlette.testclient import TestClient

from outgrow.config import RLRecipe
from outgrow.core.errors import OutgrowError
from outgrow.core.parquet import read_parquet
from outgrow.evaluate import Evaluation
from outgrow.evaluate.answer_cache import AnswerCache
from outgrow.evaluate.sample import Sample
from outgrow.flywheel.lineage import Lineage
from outgrow.ledger import Ledger
from outgrow.ledger.ledger_file import MAX_VISITS
from outgrow.report import write_report
from outgrow.report.data import read_run
from outgrow.report.live import application
from outgrow.runs.folder import create_run
from outgrow.types import Problem, Verdict, Visit


def samples(right=True, k=2):
    verdict = Verdict.RIGHT if right else Verdict.WRONG
    return [
        Sample(f"p{problem}", "sum", 1, f"question {problem}", "4", index, "4", verdict, "4", 3)
        for problem in range(3)
        for index in range(-1, k)
    ]


def make_run(path, name):
    recipe = {"name": name, "policy": {"model": "micro-base"}, "learn": {"steps": 2}}
    create_run(path, RLRecipe.model_validate(recipe), {})
    (path / "metrics.jsonl").write_text('{"step": 1, "rollouts/pass_rate": 0.5}\n{"step": 2, "rollouts/pass_rate": 0.6}\n')
    (path / "timings.jsonl").write_text('{"step": 1, "generation": 1.5}\n')
    (path / "sessions.jsonl").write_text('{"began": 1700000000.0, "first_step": 0}\n')
    (path / "rollouts").mkdir()
    with Ledger(path / "ledger.sqlite") as ledger:
        ledger.enter([Problem("p0", "sum", 1, "question 0", "4")])
        ledger.record([Visit(1, "p0", 4, 2, 3.0, 2, 0)])
    (path / "evals").mkdir()
    for when in ("before", "after"):
        Evaluation(samples(when == "after")).save(path / "evals" / f"{when}.parquet")


@pytest.fixture
def runs(tmp_path):
    for name in ("first", "bad", "third"):
        make_run(tmp_path / name, name)
    return tmp_path


def replaced(name, content):
    def spoil(run):
        (run / name).write_bytes(content)

    return spoil


def pipe(name):
    def spoil(run):
        (run / name).unlink(missing_ok=True)
        os.mkfifo(run / name)

    return spoil


def folder(name):
    def spoil(run):
        (run / name).unlink(missing_ok=True)
        (run / name).mkdir()

    return spoil


def device(name):
    def spoil(run):
        (run / name).unlink(missing_ok=True)
        (run / name).symlink_to("/dev/zero")

    return spoil


def evaluated(change):
    def spoil(run):
        table = pa.Table.from_pylist([{**vars(sample), "verdict": str(sample.verdict)} for sample in samples()])
        pq.write_table(change(table), run / "evals" / "after.parquet")

    return spoil


def with_column(name, values):
    return lambda table: table.set_column(table.schema.get_field_index(name), name, pa.array(values))


SPOILED = {
    "metrics: a step that is text": replaced("metrics.jsonl", b'{"step": "two"}\n'),
    "metrics: a text in place of a number": replaced("metrics.jsonl", b'{"step": 1, "reward/total": "high"}\n'),
    "metrics: a number without end": replaced("metrics.jsonl", b'{"step": 1, "reward/total": 1e999}\n'),
    "metrics: a text before a good line": replaced("metrics.jsonl", b'{"step": 1, "loss": "low"}\n{"step": 2}\n'),
    "metrics: a list": replaced("metrics.jsonl", b"[1]\n"),
    "metrics: deep": replaced("metrics.jsonl", b"[" * 50_000 + b"\n"),
    "metrics: a pipe": pipe("metrics.jsonl"),
    "metrics: a folder": folder("metrics.jsonl"),
    "metrics: a device": device("metrics.jsonl"),
    "timings: a text": replaced("timings.jsonl", b'{"step": 1, "generation": "long"}\n'),
    "sessions: a pipe": pipe("sessions.jsonl"),
    "sessions: a text": replaced("sessions.jsonl", b'{"began": "then", "first_step": 0}\n'),
    "sessions: a time without a calendar": replaced("sessions.jsonl", b'{"began": 1e300, "first_step": 0}\n'),
    "worse: deep": replaced("worse.json", b'{"a":' * 50_000),
    "worse: a list": replaced("worse.json", b"[]"),
    "recipe: a pipe": pipe("recipe.toml"),
    "recipe: a folder": folder("recipe.toml"),
    "recipe: a device": device("recipe.toml"),
    "recipe: deep": replaced("recipe.toml", b"a = " + b"[" * 50_000),
    "recipe: tables in tables": replaced("recipe.toml", b".".join([b"a"] * 5_000) + b" = 1"),
    "recipe: bytes": replaced("recipe.toml", b"\xff\xfe"),
    "evaluation: empty": evaluated(lambda table: table.slice(0, 0)),
    "evaluation: greedy only": evaluated(lambda table: table.filter(pa.compute.less(table["index"], 0))),
    "evaluation: a sample is missing": evaluated(lambda table: table.slice(0, 8)),
    "evaluation: a number as text": evaluated(with_column("level", ["high"] * 9)),
    "evaluation: a text as number": evaluated(with_column("question", [7] * 9)),
    "evaluation: no problem": evaluated(with_column("problem_id", [None] * 9)),
    "evaluation: no verdict of ours": evaluated(with_column("verdict", ["splendid"] * 9)),
    "evaluation: another column": evaluated(lambda table: table.append_column("more", pa.array(["x"] * 9))),
    "evaluation: a pipe": pipe("evals/after.parquet"),
    "evaluation: a folder": folder("evals/after.parquet"),
    "evaluation: not Parquet": replaced("evals/after.parquet", b"PAR1 and more"),
}


@pytest.mark.parametrize("spoil", SPOILED.values(), ids=SPOILED)
def test_a_bad_run_is_shown_with_its_reason_and_the_others_stand(runs, outgrow, spoil, request):
    spoil(runs / "bad")
    file = request.node.callspec.id.partition(":")[0]
    client = TestClient(application(runs), base_url="http://localhost")
    page = client.get("/").text
    assert page.count("cannot be read") >= 1
    compared = client.get("/compare", params={"run": ["first", "bad", "third"]})
    assert compared.status_code == 200 and "cannot be read" in compared.text
    assert client.get("/runs/first").status_code == client.get("/runs/third").status_code == 200
    assert "cannot be read" in client.get("/runs/bad").text
    status, out, err = outgrow("runs", runs)
    assert status == 0 and "first" in out and "third" in out
    if file in ("metrics", "sessions", "recipe") and "before" not in request.node.name:  # what the list in the terminal reads
        assert "cannot be read" in out and "bad" in err
    for command in ("report", "analyze"):
        status, _, err = outgrow(command, runs / "bad")
        assert status and len(err.strip().splitlines()) == 1 and file.removesuffix("uation") in err
    if file == "evaluation":
        status, out, err = outgrow("compare", runs / "first", runs / "bad", runs / "third")
        assert status == 1 and "after.parquet" in err and "third" in out
        assert outgrow("compare", runs / "bad", runs / "first")[0] == 1


def test_a_summary_with_wrong_values_is_shown_with_its_reason(runs, outgrow):
    for content in ("[]", "{}", '{"before": 1}', "[" * 50_000):
        (runs / "bad" / "summary.json").write_text(content)
        status, out, err = outgrow("runs", runs)
        assert status == 0 and "cannot be read" in out and "summary.json" in err
        assert "summary.json" in TestClient(application(runs), base_url="http://localhost").get("/").text


def test_names_of_a_run_are_text_and_no_orders_to_a_terminal(runs, outgrow):
    (runs / "bad").rename(runs / "[red]a\x1b]0;b")
    status, out, _ = outgrow("runs", runs)
    assert status == 0 and "[red]a]0;b" in out and "\x1b]0" not in out
    recipe = runs / "first" / "recipe.toml"
    recipe.write_text(recipe.read_text().replace('name = "first"', 'name = "a\\u001b]0;b"'))
    status, out, err = outgrow("runs", runs)
    assert status == 0 and "cannot be read" in out and "name" in err and "\x1b" not in out + err


VIEW = """
DROP TABLE visits;
CREATE VIEW visits AS WITH RECURSIVE up(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM up WHERE x < 1000000000)
SELECT x AS step, 'p0' AS problem_id, 4 AS n, 2 AS right, 1.0 AS mean_length, NULL AS shortest_right, 0 AS truncated FROM up;
"""
COMPUTED = """
DROP TABLE problems;
CREATE TABLE problems (id TEXT PRIMARY KEY, field TEXT NOT NULL, level INTEGER AS (length(hex(zeroblob(100000)))));
"""
LEDGERS = {
    "a view": VIEW,
    "a computed column": COMPUTED,
    "a trigger": "CREATE TRIGGER more AFTER INSERT ON visits BEGIN DELETE FROM problems; END",
    "a text as number": "PRAGMA ignore_check_constraints = ON; UPDATE visits SET n = 'many'",
    "more right than there are": "PRAGMA ignore_check_constraints = ON; UPDATE visits SET right = 9",
    "an infinite length": "UPDATE visits SET mean_length = 9e999",
    "a problem that is not known": "DELETE FROM problems",
    "a level of text": "UPDATE problems SET level = 'high'",
    "a long text": "UPDATE problems SET field = hex(zeroblob(1000000))",
}


@pytest.mark.parametrize("script", LEDGERS.values(), ids=LEDGERS)
def test_a_made_up_ledger_is_one_line_where_it_is_read_and_where_it_is_opened(runs, outgrow, script):
    ledger = runs / "bad" / "ledger.sqlite"
    db = sqlite3.connect(ledger)
    db.executescript(script)
    db.close()
    with pytest.raises(OutgrowError, match=r"ledger\.sqlite"):
        read_run(runs / "bad")
    with pytest.raises(OutgrowError, match=r"ledger\.sqlite"):
        Ledger(ledger)
    status, _, err = outgrow("report", runs / "bad")
    assert status == 1 and len(err.strip().splitlines()) == 1 and "ledger.sqlite" in err


def test_a_ledger_of_more_visits_than_a_run_makes_is_refused(runs, monkeypatch):
    assert MAX_VISITS > 100_000 * 32
    with Ledger(runs / "bad" / "ledger.sqlite") as ledger:
        ledger.record([Visit(2, "p0", 4, 2, 3.0, 2, 0)])
    monkeypatch.setattr("outgrow.ledger.ledger_file.MAX_VISITS", 1)
    with pytest.raises(OutgrowError, match=r"2 visits.*\b1\b"):
        read_run(runs / "bad")


def test_a_snapshot_may_be_long_or_missing(runs):
    """A snapshot of 100,000 problems is longer than any text of a ledger may be; a ledger without snapshots is whole."""
    ledger = runs / "bad" / "ledger.sqlite"
    for script in ("INSERT INTO snapshots VALUES (1, 'other', zeroblob(5000000))", "DROP TABLE snapshots"):
        db = sqlite3.connect(ledger)
        db.executescript(script)
        db.close()
        assert len(read_run(runs / "bad").visits) == 1
        with Ledger(ledger) as opened:
            assert opened.rollouts() == 4


@pytest.mark.parametrize("make", [pipe, folder], ids=["pipe", "folder"])
def test_a_ledger_that_is_not_a_file_is_one_line(runs, make):
    make("ledger.sqlite")(runs / "bad")
    for read in (lambda run: read_run(run), lambda run: Ledger(run / "ledger.sqlite")):
        with pytest.raises(OutgrowError, match=r"ledger\.sqlite.*regular"):
            read(runs / "bad")


def marked_journal(file):
    """Write a journal without pages that ends as one of a transaction over several files does; there is nothing to play back."""
    file.with_name(f"{file.name}-journal").write_bytes(bytes(512) + bytes.fromhex("d9d505f920a163d7"))


def test_a_journal_of_a_transaction_over_several_files_is_refused(runs, tmp_path):
    ledger = runs / "bad" / "ledger.sqlite"
    marked_journal(ledger)
    for use in (lambda: read_run(runs / "bad"), lambda: Ledger(ledger)):
        with pytest.raises(OutgrowError, match=r"ledger\.sqlite.*journal"):
            use()
    cache, said = tmp_path / "cache" / "answers.sqlite", []
    AnswerCache(cache).close()
    marked_journal(cache)
    for _ in range(2):
        AnswerCache(cache, warn=said.append).close()
    assert len(said) == 1 and "journal" in said[0]
    Lineage(tmp_path / "lineage.sqlite")._db.close()
    marked_journal(tmp_path / "lineage.sqlite")
    with pytest.raises(OutgrowError, match="journal"):
        Lineage(tmp_path / "lineage.sqlite")


def test_a_small_file_that_unpacks_to_much_is_refused(tmp_path):
    file = tmp_path / "bomb.parquet"
    text = "x" * 10_000
    pq.write_table(pa.table({"text": pa.array([text] * 3_000)}), file)  # a dictionary of one text
    assert file.stat().st_size < 20_000
    assert read_parquet(file, limit=40_000_000).num_rows == 3_000
    with pytest.raises(OSError, match="3,000 rows"):
        read_parquet(file, limit=20_000_000)


def test_a_parquet_file_is_read_as_pyarrow_reads_it(tmp_path):
    table = pa.table({"a": range(1000), "b": [str(number) for number in range(1000)]}).replace_schema_metadata({"k": "v"})
    pq.write_table(table, tmp_path / "t.parquet", row_group_size=300)
    assert read_parquet(tmp_path / "t.parquet").equals(pq.read_table(tmp_path / "t.parquet"), check_metadata=True)
    assert read_parquet(tmp_path / "t.parquet", ["b"]).equals(pq.read_table(tmp_path / "t.parquet", columns=["b"]))
    pq.write_table(table.slice(0, 0), tmp_path / "empty.parquet")
    assert read_parquet(tmp_path / "empty.parquet").equals(table.slice(0, 0), check_metadata=True)


def test_the_bad_run_of_these_tests_is_good_before_it_is_spoiled(runs, outgrow):
    client = TestClient(application(runs), base_url="http://localhost")
    assert "cannot be read" not in client.get("/").text + client.get("/runs/bad").text
    assert write_report(runs / "bad").exists() and outgrow("compare", runs / "first", runs / "bad")[0] == 0
    shutil.rmtree(runs / "bad")
    assert json.loads((runs / "first" / "metrics.jsonl").read_text().splitlines()[0])["step"] == 1
