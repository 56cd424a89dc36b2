"""The page of trust is what its command writes from the files of results, and says met or short as the figures do."""

import json
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "benchmarks"))

import trust_page  # noqa: E402
from alarm_jobs import ALARMS, FAULTS, rung  # noqa: E402
from kills import upper_95  # noqa: E402

PARTS = ("all", "serve", "long", "kills", "disks", "alarms")
EMPTY = "".join(f"before {name}\n<!-- benchmarks/trust_page.py writes {name} from here -->\n<!-- to here -->\n" for name in PARTS)
WORK = {"chains": 40, "ended": 160, "faults": 0, "slowest_s": 1.5}
DISK = {"operations": 90, "failed": 30, "ended": 28, "faults": 0}


def line(figure, value, aim, *, highest=None, least=False):
    met = value >= aim if least else value <= aim
    ends = {"lowest": value, "highest": highest or value}
    return {"figure": figure, "median": value, **ends, "must": aim, "least": least, "met": met}


def measured(*table, **more):
    machine = {"cores": 2, "processor": "a processor", "python": "3.11"}
    return {"machine": machine, "load": [1.0, 1.0, 1.0], "table": list(table), **more}


def alarms(runs, rang, steps=3):
    share = {"rang": rang, "runs": runs, "share": rang / runs, "upper_95": upper_95(rang, runs)}
    fault = {
        "alarm": "verifier rejects all",
        "what": "it rejects all",
        "steps": steps,
        "text": "a|b `c`",
        "others": [],
        "early": [],
    }
    shapes = {"LoRA": {"runs": runs, "rang": rang, "hinted": 0}}
    healthy = {"runs": runs, "seeds": [0, runs - 1], "shapes": shapes, "alarms": {"worse": share}, "any": share, "cpu_s": 4.0}
    return {"processor": "a processor", "code": "0", "aim": 0.02, "first_step": 6, "faults": {"x": fault}, "healthy": healthy}


def written(tmp_path, **files):
    for name, content in files.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    return trust_page.page(EMPTY, tmp_path)


def verdicts(page):
    """Figure -> verdict, from the table on top."""
    top = page.partition("before serve")[0]
    rows = [[cell.strip() for cell in row.strip("|").split("|")] for row in top.splitlines() if row.startswith("| ")]
    return {row[1]: row[4] for row in rows[2:]}


def test_the_page_is_what_its_command_writes_and_has_every_part():
    text = trust_page.PAGE.read_text()
    assert trust_page.page(text, trust_page.RESULTS) == text, "run: python benchmarks/trust_page.py"
    assert sorted(re.findall(r"trust_page\.py writes (\w+) from here", text)) == sorted(PARTS)


def test_without_files_nothing_is_measured_and_the_text_between_stays(tmp_path):
    page = written(tmp_path)
    assert set(verdicts(page).values()) == {"not measured"}
    assert page.count("does not exist") == 3
    assert re.findall(r"^before \w+$", page, re.MULTILINE) == [f"before {name}" for name in PARTS]
    assert trust_page.page(page, tmp_path) == page, "a second time changes nothing"


@pytest.mark.parametrize(
    ("row", "verdict"),
    [
        (line("f", 1.0, 2.0), "met"),
        (line("f", 1.0, 2.0, highest=2.5), "falls short: the highest"),
        (line("f", 3.0, 2.0), "falls short"),
        (line("f", 3.0, 2.0, least=True), "met"),
        (line("f", 1.0, 2.0, least=True), "falls short"),
    ],
)
def test_a_measured_line_is_met_where_its_worst_value_is(tmp_path, row, verdict):
    assert verdicts(written(tmp_path, serve_load=measured(row)))["f"] == verdict


@pytest.mark.parametrize(("faults", "ended", "met"), [(0, 1000, True), (0, 990, False), (1, 1000, False), (1, 1600, True)])
def test_kills_reach_three_in_a_thousand_by_their_interval(tmp_path, faults, ended, met):
    """0 faults in n: 1 − 0.05^(1/n), which is below 0.003 from n = 998 on; the file holds 5 digits."""
    kill = {"works": {"rl": WORK}, "ended": ended, "faults": faults, "upper_95": upper_95(faults, ended)}
    found = verdicts(written(tmp_path, kills={"KILL": kill}))
    [verdict] = [verdict for figure, verdict in found.items() if figure.startswith("kill −9")]
    assert verdict == ("met" if met else "falls short")
    assert found["SIGTERM: seconds until the slowest was saved"] == "not measured"


def test_a_slow_save_and_a_fault_after_a_signal_fall_short(tmp_path):
    of = {"works": {"rl": WORK, "lab": {**WORK, "slowest_s": 11.0}}, "ended": 320, "faults": 1, "upper_95": 0.01}
    found = verdicts(written(tmp_path, kills={"TERM": of, "HUP": {**of, "works": {"rl": WORK}, "faults": 0}}))
    slowest, faults = "seconds until the slowest was saved", "chains with a fault"
    assert (found[f"SIGTERM: {slowest}"], found[f"SIGTERM: {faults}"]) == ("falls short", "falls short")
    assert (found[f"SIGHUP: {slowest}"], found[f"SIGHUP: {faults}"]) == ("met", "met")


@pytest.mark.parametrize(("faults", "verdict"), [(0, "met"), (1, "falls short")])
def test_disks(tmp_path, faults, verdict):
    page = written(tmp_path, disk_faults={"ENOSPC": DISK, "EIO": {**DISK, "faults": faults}})
    assert [found for figure, found in verdicts(page).items() if figure.startswith("operations")] == [verdict]
    assert f"| EIO | 90 | 30 | 28 | {faults} |" in page and f"{faults} of 60" in page


@pytest.mark.parametrize(
    ("runs", "rang", "verdict"), [(300, 6, "met"), (300, 7, "falls short"), (299, 0, "not measured: 299 of 300 runs")]
)
def test_alarms_on_healthy_runs(tmp_path, runs, rang, verdict):
    page = written(tmp_path, alarms=alarms(runs, rang))
    assert verdicts(page)["share of healthy runs with an alarm"] == verdict
    assert verdicts(page)["faults whose alarm rings"] == "met"
    assert "`a\\|b 'c'`" in page, "what an alarm says stays in its cell"


def test_an_alarm_that_does_not_ring_falls_short(tmp_path):
    page = written(tmp_path, alarms=alarms(300, 0, steps=None))
    assert verdicts(page)["faults whose alarm rings"] == "falls short" and "does not ring" in page


def test_every_alarm_has_a_fault_that_rings_it():
    assert {fault.alarm for fault in FAULTS.values()} == set(ALARMS)


@pytest.mark.parametrize(
    ("text", "alarm"),
    [
        ("step 3: a weight is no longer finite; lower the learning rate", "number that is not finite"),
        ("nothing to learn from in 20 steps in a row. step 20: all rewards within every group are equal", "run stands still"),
        ("WORSE: held-out problems got worse by step 6", "worse"),
        ("step 3: 60% of the completions were cut at sampling.max_tokens=8; raise it", None),
        ("validation measures 80 of 190 problems", None),
    ],
)
def test_the_text_of_an_alarm_is_known_and_a_hint_is_none(text, alarm):
    assert rung(text) == alarm
