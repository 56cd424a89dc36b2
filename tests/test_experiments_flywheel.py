"""The lab's flywheels: equal rollouts, lines that are the wheels' own figures, remembered, and continued after a stop."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from helpers.flywheel import PROBLEMS, RL, RUN, SFT, RecordedStages, write_flywheel
from outgrow.cli.app import app
from outgrow.core.callbacks import quiet
from outgrow.core.errors import UsageError
from outgrow.experiments import load_experiment, write_page
from outgrow.experiments.flywheel_measures import BaseGain, OverTeacher, PassAtK, Precision, Student
from outgrow.experiments.flywheel_result import (
    FlywheelTrialResult,
    GenerationResult,
    Score,
    SyntheticDataResult,
    from_flywheel_line,
)
from outgrow.flywheel.run import run_flywheel
from outgrow.flywheel.stage_recipes import student_recipe
from outgrow.runs.cost import Budget
from outgrow.runs.practice_problems import distinct, training_problems

REPOSITORY = Path(__file__).parents[1]
SIZE = "policy.init = {{ layers = 1, hidden = 32, heads = 2, kv_heads = 1, feed_forward = 48 }}\n"
WHEEL = (
    'kind = "flywheel"\nname = "tiny"\ngenerations = 2\npatience = 2\nsuite = "{held}"\nsamples = 2\n'
    '[data]\nk = 3\n[teacher]\nmodel = "micro-base"\n'
    + ('[base]\nrecipe = "micro-base"\n' + SIZE + RUN + PROBLEMS + SFT)
    + ('[student]\nrecipe = "micro"\n' + RUN + PROBLEMS + RL + 'curriculum = {{ type = "uniform" }}\n')
)
# Twice 3 steps x 4 problems x 3, and 152 problems x 3 for data: as many as 44 steps.
EXPERIMENT = """
title = "Small wheels"
question = "Do they turn?"
recipe = "tiny.toml"
seeds = 2
baseline = "one run"
set = ["teacher.model=prepared:teacher"]
measures = [
    {{ type = "student" }}, {{ type = "student", level = 5 }}, {{ type = "over_teacher" }}, {{ type = "base_gain" }},
    {{ type = "precision" }}, {{ type = "pass@k", k = 2 }},
]

[[prepare]]
name = "teacher"
recipe = "micro-base"
set = [
    'problems=[{{type="table",path="{train}",solution="solution",level="level"}}]', "evaluate.suite={held}", "evaluate.samples=1",
    "policy.init={{layers=1,hidden=48,heads=2,kv_heads=1,feed_forward=64}}", "sampling.max_tokens=8",
    "learn.steps=30", "learn.batch_size=16", "learn.lr=1e-2",
]

[[arms]]
name = "one run"
set = ["generations=1", "student.learn.steps=44", "student.learn.give_up_after=44"]

[[arms]]
name = "wheel"

[[arms]]
name = "unverified"
set = ["data.keep=all"]
"""


def write_lab(folder: Path) -> None:
    write_flywheel(folder)
    (folder / "labs").mkdir()
    for name, text in (("tiny.toml", WHEEL), ("labs/small.toml", EXPERIMENT)):
        # Paths that hold wherever a stage is: relative ones, since a key is of what a recipe says.
        (folder / name).write_text(text.format(train="train.jsonl", held="held.jsonl"))


def rows(folder: Path) -> dict[str, dict]:
    lines = (folder / "docs" / "lab" / "small.jsonl").read_text().splitlines()
    return {row["key"]: row for row in map(json.loads, lines)}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The folder of a lab that nobody stopped."""
    folder = tmp_path_factory.mktemp("lab")
    write_lab(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        told = CliRunner().invoke(app, ["lab", "small", "--processes", "2"], catch_exceptions=False)
    assert told.exit_code == 0, told.output
    return folder


def test_wheels_are_run_once_at_equal_rollouts(whole, monkeypatch):
    monkeypatch.chdir(whole)
    experiment, found = load_experiment("small"), rows(whole)
    assert found.keys() == {run.key for run in experiment.runs}
    assert {(row["arm"], len(row["turns"]), row["turns"][-1]["rollouts"]) for row in found.values()} == {
        ("one run", 1, 528), ("wheel", 2, 528), ("unverified", 2, 528),
    }  # fmt: skip
    for row in found.values():
        assert [turn["data"] is None for turn in row["turns"]] == [False] * (len(row["turns"]) - 1) + [True]
        if row["arm"] == "wheel":
            assert row["turns"][0]["data"]["precision"] == 1
    by_arm = {(row["arm"], row["seed"]): row for row in found.values()}
    for seed in (0, 1):
        wheel, unverified = by_arm["wheel", seed], by_arm["unverified", seed]
        assert wheel["turns"][0]["student"] == unverified["turns"][0]["student"], "they part at the data"
        assert unverified["turns"][0]["data"]["precision"] < 1
    before = (whole / "docs" / "lab" / "small.jsonl").read_bytes()
    again = CliRunner().invoke(app, ["lab", "small"], catch_exceptions=False)
    assert "preparing" not in again.output
    assert (whole / "docs" / "lab" / "small.jsonl").read_bytes() == before
    assert [path.name for path in (whole / "runs" / "lab").iterdir()] == ["prepared"]


def test_the_page_names_arms_and_measures(whole, monkeypatch):
    monkeypatch.chdir(whole)
    page = (whole / "docs" / "lab" / "small.md").read_text()
    for measure in load_experiment("small").measures:
        assert f"| arm | n | {measure.label} | minus one run | |" in page
    assert page.count("| unverified | 2 |") == 5
    assert page.count("| unverified | 0 |") == 1, "its suite has no level 5"
    assert page.count("| one run | 0 |") == 2, "nor did it make data"
    assert "Each run wrote 528." in page
    assert "| teacher | micro-base |" in page
    assert "![the student's pass@1 by rollouts](small.svg)" in page
    assert "the student's pass@1</text>" in (whole / "docs" / "lab" / "small.svg").read_text()


def test_a_line_is_what_the_wheel_itself_says(whole, tmp_path, monkeypatch):
    """The same wheel turned outside the lab: its page's figures, and pass@k from its raw answers, whose dice are the same."""
    monkeypatch.chdir(whole)
    run = next(run for run in load_experiment("small").runs if run.arm == "unverified")
    run_flywheel(run.recipe, tmp_path / "wheel", RecordedStages(), Budget())
    told, row = json.loads((tmp_path / "wheel" / "flywheel.json").read_text()), rows(whole)[run.key]
    assert row["turns"][-1]["rollouts"] == told["cost"]["rollouts"]
    for turn, one in zip(row["turns"], told["generations"], strict=True):
        assert {role: turn[role]["rate"] for role in one["models"]} == {
            role: pytest.approx(model["value"]) for role, model in one["models"].items()
        }
    data = told["generations"][0]["data"]
    assert row["turns"][0]["data"] == {
        "drawn": data["drawn"], "kept": data["kept"], "precision": data["precision"]["value"],
        "sound": data["sound"] and data["sound"]["value"],
    }  # fmt: skip
    ends = {"first_base": told["generations"][0]["models"]["base"], "last_student": told["generations"][1]["models"]["student"]}
    for name, model in ends.items():
        samples = pq.read_table(tmp_path / "wheel" / model["name"] / "evals" / "after.parquet").to_pylist()
        right, levels = {}, {}
        for sample in samples:
            if sample["index"] >= 0:
                right.setdefault(sample["problem_id"], []).append(sample["verdict"] == "right")
                levels.setdefault(str(sample["level"]), []).append(sample["verdict"] == "right")
        assert row[name] == {"2": pytest.approx(sum(map(any, right.values())) / len(right))}
        if name == "last_student":
            shares = {level: pytest.approx(sum(ones) / len(ones)) for level, ones in levels.items()}
            assert row["turns"][-1]["student"]["levels"] == shares


def test_a_stopped_lab_goes_on_inside_its_wheels(whole, tmp_path):
    """Two of the arms: the others' keys are not theirs to change."""
    write_lab(tmp_path)
    file = tmp_path / "labs" / "small.toml"
    file.write_text(file.read_text().partition('\n[[arms]]\nname = "unverified"')[0])
    command = [sys.executable, "-m", "outgrow", "lab", "small", "--processes", "2"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=tmp_path)
    scratch = tmp_path / "runs" / "lab"
    while process.poll() is None and not list(scratch.glob("*/gen-1/base-*/stage.json")):
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 130, output
    kept = {path: path.read_bytes() for path in scratch.glob("*/gen-*/*/stage.json")}
    assert kept, "what was done of a wheel is there"
    finished = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stdout + finished.stderr

    def plain(found):
        return {key: {**row, "wall_s": 0} for key, row in found.items()}

    assert plain(rows(tmp_path)) == {key: row for key, row in plain(rows(whole)).items() if row["arm"] != "unverified"}


def wheel_result(turns, **changes):
    values = {"key": "k", "on": "", "arm": "a", "seed": 0, "first_base": {}, "last_student": {}, "wall_s": 1.0, "code": "c"}
    return FlywheelTrialResult(turns=turns, **{**values, **changes})


def turn(rollouts, base, teacher, student, data=None):
    scores = (Score(rate, {"6": rate / 2}) for rate in (base, teacher, student))
    return GenerationResult(rollouts, *scores, data)


def test_measures_of_three_generations():
    """Hand-worked: labels are counted by row, not by generation."""
    one = wheel_result(
        [
            turn(100, 0.3, 0.5, 0.4, SyntheticDataResult(80, 30, 1.0, 0.9)),
            turn(300, 0.4, 0.5, 0.6, SyntheticDataResult(80, 10, 0.8, None)),
            turn(500, 0.2, 0.6, 0.7),
        ],
        first_base={"64": 0.75, "8": 0.5},
        last_student={"64": 0.7, "8": 0.65},
    )
    assert from_flywheel_line(json.loads(json.dumps(one.line()))) == one
    assert Student().value(one) == 0.7
    assert Student(level=6).value(one) == 0.35
    assert Student(level=1).value(one) is None
    assert OverTeacher().value(one) == pytest.approx(0.1)
    assert OverTeacher(first=True).value(one) == pytest.approx(0.2)
    assert BaseGain().value(one) == pytest.approx(-0.1)
    assert BaseGain(level=6).value(one) == pytest.approx(-0.05)
    assert Precision().value(one) == pytest.approx((30 + 8) / 40)
    assert PassAtK(k=64).value(one) == pytest.approx(-0.05)
    assert [PassAtK(k=k).is_measured(one) for k in (8, 16, 64)] == [True, False, True]
    assert one.rollouts == 500
    assert [(point.rollouts, point.pass_rate) for point in one.curve] == [(0, 0.3), (100, 0.4), (300, 0.6), (500, 0.7)]
    assert Precision().value(wheel_result([turn(500, 0.2, 0.6, 0.7)])) is None


def test_unequal_rollouts_are_told(whole, tmp_path, monkeypatch):
    monkeypatch.chdir(whole)
    experiment = load_experiment("small")
    found = {
        run.key: wheel_result([turn(10 + run.seed, 0.1, 0.2, 0.3)], key=run.key, first_base={"2": 0.1}, last_student={"2": 0.2})
        for run in experiment.runs
    }
    assert "Runs wrote 10 to 11." in write_page(experiment, found, tmp_path).read_text()


def test_a_key_is_of_what_decides(whole, monkeypatch):
    monkeypatch.chdir(whole)
    text = (whole / "labs" / "small.toml").read_text()

    def keys(*lines):
        (whole / "other.toml").write_text(
            text.replace('set = ["teacher.model', f'set = [{"".join(map("{!r}, ".format, lines))}"teacher.model')
        )
        return [run.key for run in load_experiment("other.toml").runs]

    known = list(rows(whole))
    assert sorted(keys()) == sorted(known)
    assert sorted(keys("name=other", "extra_suites=['micro']", "student.expected=much", "base.run.threads=2")) == sorted(known)
    for line in ("student.learn.lr=0.1", "base.learn.steps=41", "samples=3", "anchors=0.5", "data.k=2"):
        assert not set(keys(line)) & set(known), line


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (("tiny.toml", "micro"), "micro has no measure 'student'; choose from: alarm,"),
        (
            ('type = "base_gain"', 'type = "retention"'),
            "tiny.toml has no measure 'retention'; choose from: base_gain, over_teacher,",
        ),
        (("tiny.toml", "micro-base"), "micro-base has no measure 'student'; choose from: alarm,"),
    ],
)
def test_a_measure_of_the_other_kind_is_refused(whole, monkeypatch, text, told):
    monkeypatch.chdir(whole)
    (whole / "wrong.toml").write_text((whole / "labs" / "small.toml").read_text().replace(*text, 1))
    with pytest.raises(UsageError, match=r"wrong\.toml") as error:
        load_experiment("wrong.toml")
    assert told in str(error.value)


def test_the_arms_of_the_experiment_write_as_many_rollouts(monkeypatch):
    """As its recipes say: none screens, refills or can give up, so that a student writes steps x problems x group."""
    monkeypatch.chdir(REPOSITORY)
    planned = {}
    for run in load_experiment("flywheel").runs[:4]:
        wheel, student = run.recipe, student_recipe(run.recipe, "base", "teacher", None)
        learn = student.learn
        assert (student.curriculum.screen, student.curriculum.refill) == (0, 0)
        assert learn.give_up_after >= learn.steps
        assert wheel.patience >= wheel.generations, "none stops early"
        problems = sum(map(len, distinct(training_problems(student, quiet))))
        drawn = (wheel.generations - 1) * problems * wheel.data.k
        planned[run.arm] = wheel.generations * learn.steps * learn.problems_per_step * learn.group_size + drawn
    assert len(planned) == 4
    assert len(set(planned.values())) == 1, planned
