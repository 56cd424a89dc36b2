"""What a run costs is counted over all its sessions, and a budget ends it where it can be gone on with."""

import doctest
import json
import math
from functools import partial

import pytest

from helpers.report import Page
from helpers.runs import SMALL, Silent, fingerprint
from outgrow.config import load_recipe
from outgrow.core.errors import UsageError
from outgrow.core.json_lines import read_lines, write_lines
from outgrow.report import write_report
from outgrow.runs import cost as spending
from outgrow.runs.cost import Budget, BudgetReached, Meter, Spent, folded, seconds_by_phase, spent
from outgrow.train.loop import resume, train

TIMINGS = [
    {"step": 0, "loading": 60.0},
    {"step": 0, "evaluation_before": 540.0},
    {"step": 1, "generation": 1200.0, "learning": 600.0},
    {"step": 2, "generation": 1800.0, "learning": 1200.0},
    {"step": 2, "saving": 30.0},
    {"step": 3, "generation": 900.0, "learning": 870.0},
]


def test_examples_in_docstrings():
    assert doctest.testmod(spending).attempted >= 3
    assert doctest.testmod(spending).failed == 0


def test_two_hours_at_two_and_a_half_dollars():
    """60 + 540 + 1800 + 3000 + 30 + 1770 = 7200 s."""
    assert spent(TIMINGS, 2.5) == Spent(hours=2.0, dollars=5.0)
    assert spent(TIMINGS, 0.0) == Spent(hours=2.0, dollars=0.0)
    assert spent([], 2.5) == Spent(0.0, 0.0)
    assert seconds_by_phase(TIMINGS) == {
        "loading": 60.0,
        "evaluation_before": 540.0,
        "generation": 3900.0,
        "learning": 2670.0,
        "saving": 30.0,
    }


def test_steps_that_are_done_again_stay_paid_for():
    rows = folded(TIMINGS, 1)
    assert rows == [*TIMINGS[:3], {"step": 1, "lost": 3000.0 + 30.0 + 1770.0}]
    assert spent(rows, 2.5) == spent(TIMINGS, 2.5)
    assert folded(TIMINGS, 3) == TIMINGS
    assert folded(rows, 0)[-1] == {"step": 0, "lost": 1800.0 + 4800.0}, "what was lost once is carried on"


@pytest.mark.parametrize(
    ("hours", "dollars", "price", "text", "options"),
    [
        (9.99, 0.0, 0.0, None, None),
        (10.0, 0.0, 0.0, "10 h", "--budget 20h"),
        (10.02, 25.05, 2.5, "10 h 1 min", "--budget 20h,50.10usd"),
        (9.0, 22.5, 2.5, None, None),
        (9.0, 27.0, 3.0, "9 h", "--budget 10h,54usd"),
        (31.0, 0.0, 0.0, "31 h", "--budget 62h"),
    ],
)
def test_budget(hours, dollars, price, text, options):
    budget = Budget(hours=10.0, dollars=25.0 if price else math.inf)
    if options is None:
        budget.check(Spent(hours, dollars))
        return
    with pytest.raises(BudgetReached) as reached:
        budget.check(Spent(hours, dollars))
    assert reached.value.options == options
    assert str(reached.value) == (f"{text} and ${dollars:.2f}" if price else text)


def test_no_budget_is_never_reached():
    Budget().check(Spent(1e9, 1e9))
    Budget().require_price(0.0)


def test_dollars_need_a_price():
    with pytest.raises(UsageError, match=r"--set run\.dollars_per_hour="):
        Budget(dollars=25.0).require_price(0.0)
    Budget(dollars=25.0).require_price(2.5)


def test_the_meter_counts_every_second_between_its_lines(tmp_path, monkeypatch):
    clock = iter([103.0, 110.0, 112.5, 113.0])
    monkeypatch.setattr(spending.time, "perf_counter", lambda: next(clock))
    file = tmp_path / "timings.jsonl"
    write_lines(file, [{"step": 4, "learning": 50.0}, {"step": 5, "learning": 40.0}])
    with file.open("a") as torn:
        torn.write('{"step": 6, "lear')
    meter = Meter(file, 36.0, 100.0, Budget(hours=102 / 3600))
    meter.rewind(4)
    meter.write(4, "loading")
    meter.check()
    meter.write(5, "other", {"generation": 4.0, "learning": 2.0})
    meter.write(5, "saving")
    assert meter.spent().hours * 3600 == pytest.approx(50 + 40 + 12.5)
    assert meter.spent().dollars == pytest.approx(1.025)
    with pytest.raises(BudgetReached):
        meter.check()
    meter.close()
    assert read_lines(file) == [
        {"step": 4, "learning": 50.0},
        {"step": 4, "lost": 40.0},
        {"step": 4, "loading": 3.0},
        {"step": 5, "generation": 4.0, "learning": 2.0, "other": 1.0},
        {"step": 5, "saving": 2.5},
        {"step": 5, "other": 0.5},
    ]


def test_a_run_stopped_by_its_budget_ends_as_if_it_never_had_been(tmp_path, monkeypatch):
    """An hour a step stands in for the clock, so that the steps at which the budget ends the run are known."""
    whole, path = tmp_path / "whole", tmp_path / "run"
    train(load_recipe("micro", SMALL), whole, Silent())
    recipe = load_recipe("micro", [*SMALL, "run.dollars_per_hour=2.5"])
    with monkeypatch.context() as patch:
        patch.setattr(Meter, "spent", lambda meter: Spent(float(meter._step), 2.5 * meter._step))
        for done, budget, options in [
            (7, Budget(hours=7), "--budget 14h"),
            (12, Budget(hours=14, dollars=30), "--budget 14h,60usd"),
            (12, Budget(hours=12), "--budget 24h"),
        ]:
            go = partial(resume, path, []) if path.exists() else partial(train, recipe, path)
            with pytest.raises(BudgetReached, match=rf"{done} h and \${2.5 * done:.2f}") as reached:
                go(Silent(), budget)
            assert reached.value.options == options
            assert (path / "checkpoints" / "latest").resolve().name == f"step-{done:06d}"
            assert len(read_lines(path / "metrics.jsonl")) == done
            assert not (path / "summary.json").exists()
            assert f"step {done} of 18" in Page(write_report(path)).text
    resume(path, [], Silent())
    assert fingerprint(path) == fingerprint(whole)
    timings = read_lines(path / "timings.jsonl")
    assert [row["step"] for row in timings if "learning" in row] == list(range(1, 19))
    assert sum("loading" in row for row in timings) == 4, "every session is paid for"
    summary = json.loads((path / "summary.json").read_text())
    assert summary["wall_s"] == pytest.approx(3600 * spent(timings, 0).hours, abs=1.0)
    assert sum(seconds_by_phase(timings).values()) == pytest.approx(
        sum(value for row in timings for key, value in row.items() if key != "step")
    )


def test_more_steps_are_measured_anew(tmp_path):
    """A finished run that is taken further does not keep what was measured at its old end."""
    path = tmp_path / "run"
    train(load_recipe("micro", [*SMALL, "learn.steps=3"]), path, Silent())
    first = json.loads((path / "summary.json").read_text())
    resume(path, ["learn.steps=5", "learn.lr=1e-2"], Silent())
    second = json.loads((path / "summary.json").read_text())
    assert (first["steps"], second["steps"]) == (3, 5)
    assert first["before"] == second["before"]
    assert first["after"] != second["after"]
    assert first["policy_sha256"] != second["policy_sha256"]
