"""Profiles: what they hold, that they go on where they stopped, and what a run makes of one."""

import json
import sqlite3

import pyarrow.parquet as pq
import pytest
from scipy import stats
from typer.testing import CliRunner

from helpers.runs import SMALL, Silent
from outgrow.cli import main
from outgrow.cli.app import app
from outgrow.config import load_recipe
from outgrow.core.errors import OutgrowError
from outgrow.evaluate import pass_rates as profiles
from outgrow.evaluate.pass_rates import read_profile, summed
from outgrow.evaluate.statistics import wilson_ci95
from outgrow.report import write_report
from outgrow.train.loop import train
from outgrow.types import Visit

QUESTIONS = [("1+1=?", 2), ("2+3=?", 5), ("17+5=?", 22), ("4321+8765=?", 13086), ("count a in banana", 3)]


@pytest.fixture
def problems(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = [{"question": question, "answer": answer} for question, answer in QUESTIONS]
    (tmp_path / "mine.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path / "profiles" / "mine"


def passrate(*options, code=0):
    usual = [word for pair in (("--samples", "4"), ("--max-tokens", "40")) if pair[0] not in options for word in pair]
    told = CliRunner().invoke(app, ["passrate", "micro-base", "mine.jsonl", *usual, *options])
    if isinstance(told.exception, OutgrowError):
        return str(told.exception)
    assert told.exit_code == code, told.output
    return told.output


def table(folder):
    return pq.read_table(folder / "pass_rates.parquet").to_pylist()


def test_the_table_says_what_the_ledger_holds(problems):
    told = passrate()
    rows = table(problems)
    assert [row["n"] for row in rows] == [4] * 5
    with sqlite3.connect(problems / "ledger.sqlite") as db:
        visits = {row[0]: row[1:] for row in db.execute("SELECT problem_id, n, right, mean_length, truncated FROM visits")}
    for row in rows:
        n, right, length, truncated = visits[row["id"]]
        assert (row["n"], row["right"], row["mean_length"], row["truncated"]) == (n, right, length, truncated / n)
        assert row["pass_rate"] == right / n
        assert row["low"] <= row["pass_rate"] <= row["high"]
        assert row["band"] == ("easy" if right / n >= 0.8 else "hard" if right / n <= 0.2 else "medium")
    assert "n = 5 problems × 4 samples" in told
    assert sum(row["right"] for row in rows) > 4, "the shipped model adds small numbers"


@pytest.mark.parametrize(("right", "n"), [(0, 10), (3, 10), (10, 10), (32, 64)])
def test_intervals_are_wilsons(right, n):
    found = stats.binomtest(right, n).proportion_ci(method="wilson")
    assert wilson_ci95(right, n) == pytest.approx((found.low, found.high))


def test_a_profile_goes_on_where_it_stopped(problems, monkeypatch):
    passrate("--out", "whole")
    monkeypatch.setattr(profiles, "_CHUNK", 2)
    asked, real = [], profiles.sample_problems

    def failing(respondent, verifier, chunk, *rest):
        asked.extend(problem.question for problem in chunk)
        if len(asked) == 4:
            raise OutgrowError("the machine went away")
        return real(respondent, verifier, chunk, *rest)

    monkeypatch.setattr(profiles, "sample_problems", failing)
    assert "went away" in passrate()
    assert not (problems / "pass_rates.parquet").exists()
    asked.clear()
    passrate()
    assert len(asked) == 3, "the first two were not asked again"
    assert table(problems) == table(problems.parents[1] / "whole")


def test_update_adds_other_samples_and_again_changes_nothing(problems):
    passrate()
    first = table(problems)
    passrate()
    assert table(problems) == first
    passrate("--update", "--samples", "6")
    both = table(problems)
    assert [row["n"] for row in both] == [10] * 5
    with sqlite3.connect(problems / "ledger.sqlite") as db:
        passes = db.execute("SELECT step, sum(n), sum(right) FROM visits GROUP BY step").fetchall()
    assert [(step, n) for step, n, _ in passes] == [(1, 20), (2, 30)]
    assert sum(right for _, _, right in passes) == sum(row["right"] for row in both)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--temperature", "0.9"), "made with temperature 0.6, not 0.9; choose another --out"),
        (("--samples", "5"), "made with samples 4, not 5"),
        (("--update", "--max-tokens", "41"), "made with max_tokens 40, not 41"),
        (("--update", "--seed", "1"), "made with seed 0, not 1"),
    ],
)
def test_another_question_needs_another_folder(problems, options, told):
    passrate()
    before = table(problems)
    assert told in passrate(*options)
    assert table(problems) == before


def test_what_is_no_profile_is_left_alone(problems):
    problems.mkdir(parents=True)
    (problems / "thesis.txt").write_text("mine")
    assert "choose another --out" in passrate()
    assert [path.name for path in problems.iterdir()] == ["thesis.txt"]
    (problems / "profile.json").write_text('{"model": 3}')
    assert "cannot read this profile" in passrate()


def test_passes_are_summed():
    visits = [Visit(1, "a", 4, 1, 10.0, 8, 1), Visit(1, "b", 4, 0, 5.0), Visit(2, "a", 12, 6, 20.0, 6, 2)]
    assert summed(visits) == [Visit(0, "a", 16, 7, 17.5, 6, 3), Visit(0, "b", 4, 0, 5.0)]


def test_a_run_begins_with_its_profile_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    small = [*SMALL, "learn.steps=2", "run.checkpoint_every=1", "evaluate.every=0"]
    source = next(line for line in SMALL if line.startswith("problems"))
    (tmp_path / "small.toml").write_text(
        f'extends = "micro"\n{source.replace("problems=", "problems = ").replace("per_level=40", "per_level=6")}\n'
    )
    told = CliRunner().invoke(app, ["passrate", "micro-base", "small.toml", "--samples", "2", "--max-tokens", "32"])
    assert told.exit_code == 0, told.output
    asked, visits = read_profile(tmp_path / "profiles" / "small")
    assert (asked.samples, asked.passes) == (2, 1)
    assert {visit.step for visit in visits} == {0}
    watcher = Silent()
    train(load_recipe("micro", [*small, "ledger.profile=profiles/small"]), tmp_path / "run", watcher)
    assert any("temperature 0.6" in warn and "at 1" in warn for warn in watcher.notes)
    with sqlite3.connect(tmp_path / "run" / "ledger.sqlite") as db:
        assert db.execute("SELECT count(*) FROM visits WHERE step = 0").fetchone() == (len(visits),)
        assert db.execute("SELECT count(*) FROM visits WHERE step > 0").fetchone() == (12,)
    page = write_report(tmp_path / "run").read_text()
    assert '"profile"' in page
    told = CliRunner().invoke(app, ["calibration", "run", "--samples", "4", "--problems", "5"])
    assert told.exit_code == 0, told.output
    rows = json.loads((tmp_path / "run" / "evals" / "calibration.json").read_text())
    assert rows[-1]["staleness"] == "all"
    assert rows[-1]["n"] == sum(row["n"] for row in rows[:-1])
    assert "the ledger's estimates</h3>" not in page
    assert "the ledger's estimates</h3>" in write_report(tmp_path / "run").read_text()


@pytest.mark.parametrize("answered", [False, True])
def test_a_profile_that_fails_before_an_answer_leaves_no_folder(problems, monkeypatch, answered):
    real, calls = profiles.sample_problems, []

    def fail(respondent, verifier, chunk, *rest):
        calls.append(chunk)
        if answered and len(calls) == 1:
            return real(respondent, verifier, chunk, *rest)
        raise OutgrowError("the server is gone")

    monkeypatch.setattr(profiles, "_CHUNK", 2)
    monkeypatch.setattr(profiles, "sample_problems", fail)
    assert "the server is gone" in passrate()
    assert problems.parent.exists() == answered, "what was answered can be continued from"


def test_a_profile_of_other_problems_is_refused(problems, tmp_path, monkeypatch, capsys):
    passrate()
    command = ["outgrow", "train", "micro", "--set", "ledger.profile=profiles/mine", "--out", "run"]
    monkeypatch.setattr("sys.argv", command)
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 2
    assert "ledger.profile" in capsys.readouterr().err
