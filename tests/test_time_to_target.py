"""The benchmark of time to a target: its clock, its rule of arrival, its learning rate for TRL, its kept runs, its table."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))
try:
    import bench
    import table
    import time_to_target
    from target_sides import WORKS
    from target_trace import CONFIRMS, Target, Trace
finally:
    sys.path.remove(str(BENCHMARKS))

TARGET = Target(rate=0.7, every=2, samples=1, confirming=4, bound=100.0)


class Clock:
    """A clock that a test moves; a measurement takes 1000 s of it."""

    def __init__(self, rates: dict[int, float]) -> None:
        self.time, self.rates, self.asked = 0.0, rates, []

    def __call__(self) -> float:
        return self.time

    def measure(self, samples: int, seed: int) -> float:
        self.time += 1000
        self.asked.append((samples, seed))
        return self.rates.get(seed, 0.5)


def run(rates: dict[int, float], target: Target = TARGET, steps: int = 20, step_seconds: float = 10.0) -> tuple[Trace, Clock]:
    clock = Clock(rates)
    trace = Trace(target, clock.measure, clock)
    trace.start()
    for step in range(1, steps + 1):
        clock.time += step_seconds
        if trace.step_done(step):
            break
    return trace, clock


def test_measuring_is_not_training_time():
    trace, clock = run({4: 0.7, CONFIRMS + 4: 0.71})
    found = trace.result()
    assert (found["arrived"], found["steps"], found["seconds"], found["interval"]) == (True, 4, 40.0, 20.0)
    assert clock.time == 40 + 1000 * 4  # before, at step 2, and twice at step 4
    assert clock.asked == [(4, CONFIRMS), (1, 2), (1, 4), (4, CONFIRMS + 4)]


def test_a_crossing_by_chance_is_not_an_arrival():
    trace, _ = run({2: 0.9, CONFIRMS + 2: 0.69, 6: 0.7, CONFIRMS + 6: 0.7})
    found = trace.result()
    assert (found["steps"], found["seconds"]) == (6, 60.0)
    assert found["confirmed"] == [[2, 0.69], [6, 0.7]]


def test_what_does_not_arrive_counts_as_the_bound():
    found = run({})[0].result()
    assert (found["arrived"], found["seconds"], found["trained"], found["steps"]) == (False, 100.0, 100.0, 10)
    ended = run({}, steps=3)[0].result()  # its steps ran out before
    assert (ended["arrived"], ended["seconds"], ended["trained"]) == (False, 100.0, 30.0)


def test_an_arrival_behind_the_bound_is_none():
    found = run({3: 0.9, CONFIRMS + 3: 0.9}, step_seconds=40.0)[0].result()
    assert found["curve"][-1] == [3, 120.0, 0.9]
    assert (found["arrived"], found["seconds"]) == (False, 100.0)


def test_a_pause_inside_a_step_does_not_count():
    clock = Clock({})
    trace = Trace(TARGET, clock.measure, clock)
    trace.start()
    clock.time += 3
    with trace.paused():
        clock.time += 500
    clock.time += 4
    trace.step_done(1)
    assert trace.seconds == 7


def tried(rate: float, arrived: bool, seconds: float, last: float) -> dict[str, object]:
    return {"rate": rate, "arrived": arrived, "seconds": seconds, "last": last}


def test_the_rate_that_arrives_first_is_taken_and_else_the_highest():
    slow, fast, never = tried(1e-4, True, 90, 0.9), tried(3e-4, True, 50, 0.7), tried(1e-3, False, 100, 0.95)
    assert time_to_target.best_rate([slow, fast, never]) == 3e-4
    assert time_to_target.best_rate([never, tried(2e-3, False, 100, 0.4)]) == 1e-3


@pytest.fixture
def made(monkeypatch):
    """The options of every run that a benchmark has started, each of which arrives after 50 s."""
    options: list[tuple[str, ...]] = []

    def in_process(_file, *arguments, environment):
        options.append(arguments)
        return {"arrived": True, "seconds": 50.0, "rate": 1.0, "last": 0.7}

    monkeypatch.setattr(time_to_target, "in_process", in_process)
    return options


def test_finished_runs_are_kept(tmp_path, made):
    first = time_to_target.Runs("micro", tmp_path).run("ours", 30, None, 100.0)
    file = tmp_path / "micro.jsonl"
    file.write_text(file.read_text() + '{"side": "trl", "seed"')  # killed while it wrote the next one
    runs = time_to_target.Runs("micro", tmp_path)
    assert runs.run("ours", 30, None, 100.0) == first
    runs.run("trl", 30, 3e-4, 100.0)
    assert [options[2] for options in made] == ["ours", "trl"]
    assert [json.loads(line)["side"] for line in file.read_text().splitlines()] == ["ours", "trl"]


def test_runs_of_another_recipe_are_not_counted_and_of_another_processor_refused(tmp_path, made, monkeypatch):
    time_to_target.Runs("micro", tmp_path).run("ours", 30, None, 100.0)
    with monkeypatch.context() as other:
        other.setattr(time_to_target, "processor", lambda: "an abacus")
        with pytest.raises(SystemExit, match="an abacus"):
            time_to_target.Runs("micro", tmp_path)
    changed = replace(WORKS["micro"], target=replace(WORKS["micro"].target, rate=0.6))
    monkeypatch.setitem(time_to_target.WORKS, "micro", changed)
    time_to_target.Runs("micro", tmp_path).run("ours", 30, None, 100.0)
    assert len(made) == 2


def test_a_later_rate_is_tried_no_longer_than_an_earlier_one_took(tmp_path, made):
    time_to_target.tried_rates(time_to_target.Runs("micro", tmp_path), WORKS["micro"])
    bounds = [float(options[options.index("--bound") + 1]) for options in made]
    assert bounds == [WORKS["micro"].tuning_bound, 50.0, 50.0]
    assert WORKS["micro"].tuning_seed not in time_to_target.SEEDS["micro"]


def test_the_table_says_what_did_not_arrive():
    ours = {"arrived": True, "seconds": 50.0, "trained": 50.0, "steps": 5, "interval": 10.0}
    late = {"arrived": False, "seconds": 600.0, "trained": 630.0, "steps": 60, "interval": 6.3}
    rows = time_to_target.table("micro", [{"ours": ours, "trl": late}, {"ours": ours, "trl": ours}], 600.0, 4)
    assert (rows[0]["lowest"], rows[0]["median"], rows[0]["highest"]) == (1.0, 6.5, 12.0)
    assert "1 of 2" in rows[0]["figure"] and "10 min" in rows[0]["figure"]
    assert rows[-1]["highest"] == 0.2
    assert "≥ 4, reach for 8 |" in table.line(rows[0], "AVX2", "x")
    assert "reach" not in table.line(rows[1], "AVX2", "x")


def test_a_benchmark_that_was_killed_goes_on_where_it_was(tmp_path, monkeypatch):
    started: list[tuple[str, ...]] = []
    kills = [4]  # the runs that are finished when a kill comes, in TRL's at the first seed

    def in_process(_file, *arguments, environment):
        options = dict(zip(arguments[1::2], arguments[2::2], strict=True))
        if [len(started)] == kills:
            kills.clear()
            raise KeyboardInterrupt
        started.append(arguments)
        seconds = 50.0 if options["--side"] == "ours" else 300.0 - float(options["--rate"])
        run = {"arrived": True, "seconds": seconds, "trained": seconds, "steps": 5, "interval": 5.0, "before": 0.5, "last": 0.7}
        return {**run, "rate": float(options.get("--rate", 4e-4)), "side": options["--side"]}

    monkeypatch.setattr(time_to_target, "in_process", in_process)
    monkeypatch.setattr(bench, "RESULTS", tmp_path)
    monkeypatch.setattr(sys, "argv", ["time_to_target.py", "micro", "--seeds", "2", "--folder", str(tmp_path / "runs")])
    with pytest.raises(KeyboardInterrupt):
        time_to_target.main()
    assert len(started) == 4  # three rates, and ours at the first seed
    time_to_target.main()
    assert len(started) == len(set(started)) == 7
    (found,) = table.kept("time_to_target_micro", tmp_path).values()
    assert found["trl_rate"] == max(WORKS["micro"].rates)  # it was the fastest
    assert found["table"][0]["median"] == pytest.approx((300 - found["trl_rate"]) / 50)
    assert found["machine"]["processor"] and found["versions"]["trl"]


def test_a_figure_stands_once_for_each_kind_of_processor(tmp_path, monkeypatch):
    monkeypatch.setattr(bench, "RESULTS", tmp_path)
    for kind, first, second in (("AVX2", 1.0, 2.0), ("AMX", 3.0, 4.0)):
        monkeypatch.setattr(bench, "instructions", lambda kind=kind: kind)
        bench.write_for_kind("speed", [bench.row("same", [first], 2), bench.row("other", [9]), bench.row("same", [second], 2)])
    bench.write("speedy", [bench.row("not of this name", [1])])
    rows = [row.strip("|").split("|") for row in table.merged(table.kept("speed", tmp_path)).splitlines()]
    found = [(cells[0].strip(), float(cells[2]), cells[4].strip()) for cells in rows]
    same = [("same", 3.0, "AMX"), ("same", 1.0, "AVX2"), ("other", 9.0, "AMX"), ("other", 9.0, "AVX2")]
    assert found == [*same, ("same", 4.0, "AMX"), ("same", 2.0, "AVX2")]
