"""The pool of processes: one that hangs, dies or cannot start costs its answer, and nothing else."""

import os
import signal
import threading
import time

import pytest

from outgrow.core.errors import OutgrowError
from outgrow.verify.pool import LIMIT_S, Kind, Pool

# Right where both are equal; "hang" hangs, "raise" raises, anything printed must not look like a reply.
PROGRAM = """
import json, os, sys, time
replies = os.dup(1)
for line in sys.stdin:
    os.write(replies, b"r")
    known, answer = json.loads(line)
    if answer == "hang":
        time.sleep(600)
    os.write(replies, b"x" if answer == "raise" else b"1" if known == answer else b"0")
"""


@pytest.fixture
def pool(tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM)
    pool = Pool(Kind("compare", tmp_path / "program.py", "nothing"))
    yield pool
    pool.close()
    assert pool._workers == []


def test_a_hung_comparison_is_killed_in_time_and_the_next_answer_is_graded(pool):
    assert pool.compare([("a", "a"), ("a", "b")]) == [True, False]
    started = time.monotonic()
    assert pool.compare([("a", "hang"), ("a", "a"), ("a", "raise")]) == [None, True, None]
    assert LIMIT_S <= time.monotonic() - started < LIMIT_S + 5
    assert pool.compare([("a", "a")]) == [True]


def test_a_worker_that_dies_costs_only_its_answer(pool):
    assert pool.compare([("a", "a")]) == [True]
    [worker] = pool._workers
    os.kill(worker.pid, signal.SIGKILL)  # idle: replaced unseen
    worker._child._process.wait()
    assert pool.compare([("a", "a")]) == [True]
    [worker] = pool._workers
    threading.Timer(0.5, os.kill, (worker.pid, signal.SIGKILL)).start()  # busy, as the kernel does out of memory
    assert pool.compare([("a", "hang")]) == [None]
    assert pool.compare([("a", "a")]) == [True]


def test_a_stop_request_ends_a_comparison_and_its_workers(pool):
    class Stop(Exception):
        pass

    def check_stop():
        if time.monotonic() > started + 0.5:
            raise Stop

    started = time.monotonic()
    with pytest.raises(Stop):
        pool.compare([("a", "hang")] * 50, check_stop)
    assert time.monotonic() - started < 5
    assert pool._workers == []


def test_a_worker_that_cannot_start_is_one_clear_error(tmp_path):
    (tmp_path / "broken.py").write_text("import no_such_module\n")
    with pytest.raises(OutgrowError, match="is no-such-package installed"):
        Pool(Kind("compare", tmp_path / "broken.py", "no-such-package")).compare([("a", "a")])


def test_a_storm_has_a_budget_of_each_scorer_and_is_told_once(tmp_path, monkeypatch):
    """Two killed scorings of a scorer, and its other answers wait no longer; answers of other scorers are scored."""
    monkeypatch.setattr("outgrow.verify.pool.LIMIT_S", 0.3)
    (tmp_path / "program.py").write_text(PROGRAM)
    notes = []
    pool = Pool(Kind("compare", tmp_path / "program.py", "nothing"), notes.append)
    pool._size = 1  # so that the order of the pairs is that of the scorings
    assert pool.compare([("a", "hang")] * 9 + [("b", "b")]) == [None] * 9 + [True]
    assert pool.compare([("c", "hang")] * 5 + [("d", "d")]) == [None] * 5 + [True]
    assert len(notes) == 1 and "7 further answers" in notes[0]
    started = []
    give = pool._employ
    pool._employ = lambda waiting, pairs: (started.append(len(waiting)), give(waiting, pairs))[1]
    known = [(f"{number}", "hang") for number in range(40)]
    assert pool.compare(known) == [None] * 40
    assert 40 - started[-2] <= 17, "16 killed scorings of different scorers end the rest"
    pool.close()
