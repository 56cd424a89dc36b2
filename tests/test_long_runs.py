"""Long runs: what is kept of the past says what the past says."""

import random
import sqlite3

import numpy as np
import pytest

from outgrow.ledger import Ledger, PassRatePosterior, snapshots
from outgrow.ledger.posterior import COLUMNS
from outgrow.ledger.step_totals import StepHistory, StepTotals
from outgrow.report.curves import BUCKETS, bucket, bucket_counts, smooth, visit_windows
from outgrow.report.visit_table import VisitTable
from outgrow.types import Problem, Visit

PROBLEMS = [Problem(f"{field}:{number}", field, number % 3, "?", "7") for field in ("sum", "clock") for number in range(40)]


def history(seed, steps):
    rng = random.Random(seed)
    for step in range(1, steps + 1):
        visits = []
        for problem in rng.sample(PROBLEMS, 6):
            right = rng.choice([0, 8, rng.randint(0, 8)])
            visits.append(Visit(step, problem.id, 8, right, rng.random() * 50, rng.randint(3, 9) if right else None))
        yield visits


@pytest.fixture
def often(monkeypatch):
    """A snapshot about every five steps."""
    monkeypatch.setattr("outgrow.ledger.ledger.VISITS_BETWEEN", 30)


def state(ledger):
    known = ledger.known(PROBLEMS)
    evidence = known._evidence
    columns = {name: getattr(evidence, name)[known._rows].tobytes() for name in COLUMNS}
    cells = {key: cell for key, cell in evidence.cells.items() if cell.met}
    return columns, cells, list(known.steps), [ledger.expected(problem) for problem in PROBLEMS]


def filled(path, steps, settings=(40.0, 4.0), seed=0):
    with Ledger(path, PassRatePosterior(*settings)) as ledger:
        ledger.enter(PROBLEMS)
        for visits in history(seed, steps):
            ledger.record(visits)
        return state(ledger)


def snapshot_steps(path):
    db = sqlite3.connect(path)
    steps = [step for (step,) in db.execute("SELECT step FROM snapshots ORDER BY step")]
    db.close()
    return steps


@pytest.mark.parametrize("settings", [(40.0, 4.0), (3.3, 10.0)])
def test_a_ledger_opened_from_a_snapshot_is_the_same_to_the_last_bit(tmp_path, monkeypatch, settings, often):
    lived = filled(tmp_path / "ledger", 53, settings)
    assert len(snapshot_steps(tmp_path / "ledger")) == 3
    replayed = []
    observe = PassRatePosterior.observe
    monkeypatch.setattr(PassRatePosterior, "observe", lambda self, visit, cell: replayed.append(1) or observe(self, visit, cell))
    with Ledger(tmp_path / "ledger", PassRatePosterior(*settings)) as again:
        assert len(replayed) < 40 and state(again) == lived
        replayed.clear()
        again.rewind(53)
        assert not replayed, "nothing was dropped, so nothing is replayed"
    db = sqlite3.connect(tmp_path / "ledger")
    db.execute("DELETE FROM snapshots")
    db.commit()
    db.close()
    with Ledger(tmp_path / "ledger", PassRatePosterior(*settings)) as whole:
        assert len(replayed) == 53 * 6 and state(whole) == lived


@pytest.mark.parametrize("step", [0, 4, 30, 47, 52])
def test_going_back_and_on_is_the_same_to_the_last_bit(tmp_path, often, step):
    lived = filled(tmp_path / "whole", 53)
    before = filled(tmp_path / "short", step)
    filled(tmp_path / "ledger", 53)
    with Ledger(tmp_path / "ledger", PassRatePosterior()) as ledger:
        ledger.rewind(step)
        assert state(ledger) == before
        for visits in history(0, 53):
            if visits[0].step > step:
                ledger.record(visits)
        assert state(ledger) == lived
    assert snapshot_steps(tmp_path / "ledger")[-1] == snapshot_steps(tmp_path / "whole")[-1]


def others_visits(path):
    db = sqlite3.connect(path)
    db.execute("UPDATE visits SET right = 8 - right WHERE step = 3 AND right < 4")
    db.execute("UPDATE visits SET truncated = 0")
    db.commit()
    db.close()


def broken_state(path):
    db = sqlite3.connect(path)
    db.execute("UPDATE snapshots SET state = substr(state, 1, length(state) - 7)")
    db.commit()
    db.close()


@pytest.mark.parametrize("damage", [others_visits, broken_state])
def test_a_snapshot_that_does_not_fit_is_not_used(tmp_path, often, damage):
    filled(tmp_path / "ledger", 40)
    damage(tmp_path / "ledger")
    with Ledger(tmp_path / "ledger") as opened:
        found = state(opened)
        visits = opened.visits()
    with Ledger(tmp_path / "other") as other:
        other.enter(PROBLEMS)
        other.record(visits)
        assert state(other) == found


def test_other_settings_use_no_snapshot_of_these(tmp_path, often):
    filled(tmp_path / "ledger", 40)
    expected = filled(tmp_path / "other", 40, (7.0, 2.0))
    with Ledger(tmp_path / "ledger", PassRatePosterior(7.0, 2.0)) as opened:
        assert state(opened) == expected


def test_a_step_recorded_in_parts_is_whole_in_a_snapshot(tmp_path, often):
    with Ledger(tmp_path / "ledger") as ledger:
        ledger.enter(PROBLEMS)
        for visits in history(2, 40):
            for visit in sorted(visits, key=lambda visit: visit.problem_id):
                ledger.record([visit])
        lived = state(ledger)
    with Ledger(tmp_path / "ledger") as again:
        assert state(again) == lived
    assert len(snapshot_steps(tmp_path / "ledger")) == snapshots._KEPT


@pytest.mark.parametrize("seed", range(5))
def test_totals_of_steps_and_sums_over_them(seed):
    rng, steps, plain = random.Random(seed), StepHistory(), []

    def total(so_far, one):
        return so_far * 0.9 + one.right / one.n

    for visits in history(seed, 30):
        for visit in visits:
            steps.observe(visit)
        counts = (len(visits), sum(0 < v.right < v.n for v in visits), sum(v.n for v in visits), sum(v.right for v in visits))
        plain.append(StepTotals(visits[0].step, *counts))
        assert list(steps) == plain and steps[-1] == plain[-1] and steps[:3] == plain[:3]
        before = rng.choice([visits[0].step + 1, visits[0].step, rng.randint(0, 31)])
        expected = 0.5
        for one in plain:
            if one.step < before:
                expected = total(expected, one)
        assert steps.fold("key", 0.5, total, before) == expected
    assert StepHistory(steps.as_bytes()) == steps
    with pytest.raises(ValueError, match="totals"):
        StepHistory(steps.as_bytes()[:-8])


def test_a_sum_over_many_steps_adds_each_step_once():
    steps, added = StepHistory(), []
    for step in range(1, 200):
        steps.observe(Visit(step, "a", 8, 3, 1.0))
        steps.fold("key", 0, lambda so_far, one: added.append(one.step) or so_far + 1, step + 1)
    assert len(added) < 2 * 200


@pytest.mark.parametrize("seed", range(5))
def test_visits_as_columns_count_as_visits(tmp_path, seed):
    visits = [visit for step in history(seed, 23) for visit in sorted(step, key=lambda visit: visit.problem_id)]
    profile = [Visit(0, problem.id, 4, 2, 1.0) for problem in sorted(PROBLEMS[:5], key=lambda problem: problem.id)]
    with Ledger(tmp_path / "ledger") as ledger:
        ledger.enter(PROBLEMS)
        ledger.record([*profile, *visits])
    db = sqlite3.connect(tmp_path / "ledger")
    for table in (VisitTable.of([*profile, *visits]), VisitTable.read(db)):
        found = zip(
            (table.problem_ids[code] for code in table.problem), table.step, table.n, table.right, table.mean_length, strict=True
        )
        assert list(found) == [(v.problem_id, v.step, v.n, v.right, v.mean_length) for v in (*profile, *visits)]
        spans = visit_windows(table, 4)
        assert spans == [range(1), range(1, 7), range(7, 13), range(13, 19), range(19, 24)]
        expected = [[0] * len(BUCKETS) for _ in spans]
        for v in (*profile, *visits):
            [place] = [place for place, span in enumerate(spans) if v.step in span]
            expected[place][bucket(v.right, v.n)] += 1
        assert bucket_counts(table, spans) == expected
        assert len(table.in_training()) == len(visits)
    db.close()
    assert visit_windows(VisitTable(), 4) == [] and bucket_counts(VisitTable(), []) == []


@pytest.mark.parametrize("width", [1, 3, 7, 51])
def test_a_moving_mean_is_the_mean_of_each_window(width):
    rng = random.Random(width)
    values = [None if rng.random() < 0.2 else rng.gauss(0, 1) for _ in range(60)]
    found = smooth(values, width)
    for place, value in enumerate(values):
        window = [v for v in values[max(0, place - width // 2) : place + width // 2 + 1] if v is not None]
        assert found[place] is None if value is None else found[place] == pytest.approx(np.mean(window))
    assert smooth([], 3) == []
