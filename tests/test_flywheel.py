"""A flywheel runs: each stage once, killed and continued, with its lineage and its page."""

import hashlib
import json
import os
import re
import shutil
import signal
import sqlite3
import sys
import time
from dataclasses import replace
from pathlib import Path

import plotly.graph_objects as go
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from helpers.flywheel import RecordedStages, artifact, write_flywheel
from helpers.report import Page
from helpers.runs import start_process
from outgrow.cli.app import app
from outgrow.config import load_recipe
from outgrow.core.callbacks import never_stop
from outgrow.core.errors import OutgrowError, UsageError
from outgrow.flywheel import load_flywheel, tasks
from outgrow.flywheel.lineage import Edge, Graph, Lineage
from outgrow.flywheel.page import render
from outgrow.flywheel.run import run_flywheel
from outgrow.flywheel.stage_cache import ProcessFull, StageCache, StageOutput, StageSpec
from outgrow.policy import load_policy
from outgrow.runs.cost import Budget, BudgetReached
from outgrow.runs.models import run_policy
from outgrow.train.sft import SFTJob

PAYLOAD = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&amp;"


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return write_flywheel(tmp_path_factory.mktemp("recipes"))


def spin(file: Path, folder: Path, overrides=(), watcher=None, budget=None):
    return run_flywheel(load_flywheel(str(file), overrides), folder, watcher or RecordedStages(), budget or Budget())


def command(file: Path, folder: Path):
    """The command itself, in a process of its own."""
    sys.argv = ["outgrow", "flywheel", str(file), "--out", str(folder)]
    app()


def stage_files(folder: Path) -> dict[str, dict]:
    return {
        str(path.parent.relative_to(folder)): json.loads(path.read_text()) for path in sorted(folder.glob("gen-*/*/stage.json"))
    }


def digests(folder: Path) -> dict[str, tuple[str, str]]:
    """Stage -> what it was made from, and what it made."""
    return {name: (found["inputs"], found["digest"]) for name, found in stage_files(folder).items()}


def short(name: str) -> str:
    """gen-1/student-1a2b3c4d -> student 1."""
    generation, stage = re.fullmatch(r"gen-(\d)/(\w+)-[0-9a-f]{8}", name).groups()
    return f"{stage} {generation}"


@pytest.fixture(scope="module")
def whole(file, tmp_path_factory):
    """A flywheel that nobody stopped."""
    folder = tmp_path_factory.mktemp("flywheels") / "whole"
    process = start_process(spin, file, folder)
    process.join()
    assert process.exitcode == 0
    return folder


@pytest.fixture
def copied(whole, tmp_path):
    """The same flywheel, moved elsewhere."""
    return Path(shutil.copytree(whole, tmp_path / "moved", symlinks=True))


def test_the_stages_are_runs_and_data(whole):
    stages = {short(name): whole / name for name in stage_files(whole)}
    first = ["base 1", "data 1", "promotion 1", "judge 1", "student 1", "teacher 1", "teacher_base 1"]
    assert sorted(stages) == sorted([*first, "base 2", "promotion 2", "judge 2", "student 2"])
    for name, path in stages.items():
        if name.split()[0] not in ("promotion", "data"):
            assert json.loads((path / "stage.json").read_text())["digest"] == run_policy(path).digest()
    data = stages["data 1"] / "made" / "data" / "train-00000-of-00001.parquet"
    found = json.loads((stages["data 1"] / "stage.json").read_text())
    assert found["digest"] == hashlib.sha256(data.read_bytes()).hexdigest()
    assert found["result"]["kept"] == pq.read_table(data).num_rows > 0
    assert found["rollouts"] == 4 * 152


def test_figures_are_those_of_the_samples(whole):
    """pass@1 and the paired difference, from the raw rows alone."""
    told = json.loads((whole / "flywheel.json").read_text())
    assert told["finished"]

    def rates(name):
        rows = [row for row in pq.read_table(whole / name / "evals" / "after.parquet").to_pylist() if row["index"] >= 0]
        assert len(rows) == 38 * 2
        return {
            row["problem_id"]: sum(r["verdict"] == "right" for r in rows if r["problem_id"] == row["problem_id"]) / 2
            for row in rows
        }

    for one in told["generations"]:
        found = {role: rates(model["name"]) for role, model in one["models"].items()}
        for role, model in one["models"].items():
            assert model["value"] == pytest.approx(sum(found[role].values()) / 38)
        change = sum(found["student"][problem] - found["teacher"][problem] for problem in found["teacher"]) / 38
        assert one["promotion"]["teacher"]["change"]["value"] == pytest.approx(change)
    stages = stage_files(whole).values()
    assert told["cost"]["rollouts"] == sum(one["rollouts"] for one in stages) == 4 * 152 + 3 * 3 * 4 * 3
    assert told["cost"]["hours"] == pytest.approx(sum(one["seconds"] for one in stages) / 3600)


def test_the_lineage_says_what_came_from_what(whole):
    with sqlite3.connect(whole / "lineage.sqlite") as db:
        edges = {(short(child), role, short(parent)) for child, parent, role in db.execute("SELECT child, parent, role FROM edges")}
        kinds = {short(name): kind for name, kind in db.execute("SELECT name, kind FROM artifacts")}
        recipes = {short(name): recipe for name, recipe in db.execute("SELECT name, recipe FROM stages")}
    one = json.loads((whole / "flywheel.json").read_text())["generations"][0]
    winner = short(one["winner"])
    assert edges == {
        ("teacher 1", "base of", "teacher_base 1"),
        ("judge 1", "base of", "teacher 1"),
        ("judge 1", "trained on", "teacher 1"),
        ("student 1", "base of", "base 1"),
        ("student 1", "judge of", "judge 1"),
        ("promotion 1", "compared with", "student 1"),
        ("promotion 1", "compared with", "teacher 1"),
        ("data 1", "made by", winner),
        ("base 2", "trained on", "data 1"),
        ("judge 2", "base of", winner),
        ("judge 2", "trained on", "teacher 1"),
        ("judge 2", "trained on", "student 1"),
        ("student 2", "base of", "base 2"),
        ("student 2", "judge of", "judge 2"),
        ("promotion 2", "compared with", "student 2"),
        ("promotion 2", "compared with", winner),
        ("promotion 2", "compared with", "student 1"),
    }
    assert kinds["data 1"] == "data" and kinds["promotion 2"] == "measurement" and kinds["student 2"] == "model"
    assert 'type = "synthetic"' in recipes["base 2"] and 'type = "synthetic"' not in recipes["base 1"]


def test_a_second_call_does_nothing(whole, file, monkeypatch):
    def never(*_, **__):
        raise AssertionError("nothing is to be done")

    for name in ("train", "resume", "make_data", "export"):
        monkeypatch.setattr(tasks, name, never)
    before, watcher = digests(whole), RecordedStages()
    # Words, the machine's price, and where checkpoints fall decide nothing of what is made.
    spin(file, whole, ["name=other", "student.run.dollars_per_hour=2.5", "base.run.checkpoint_every=7"], watcher)
    assert digests(whole) == before
    assert len(watcher.lines) == len(before) and all("done before" in line for line in watcher.lines)


def test_a_changed_line_costs_what_depends_on_it(copied, file):
    """A copy, moved elsewhere: digests are of contents, so that nothing else is done again."""
    before = digests(copied)
    result = spin(file, copied, ["student.learn.lr=1e-3"])
    fresh = {short(name) for name in digests(copied).keys() - before.keys()}
    expected = {"student 1", "promotion 1", "judge 2", "student 2", "promotion 2"}
    # Where a student is the maker, its data and what learns from that are others, too.
    if result.generations[0].promotion.promotes:
        expected |= {"data 1", "base 2"}
    assert fresh == expected
    assert before.items() <= digests(copied).items(), "nothing is overwritten, so going back is free"
    with Lineage(copied / "lineage.sqlite") as lineage:
        graph = lineage.graph(one.name for one in result.stages)
    assert [one.name for one in graph.artifacts] == [one.name for one in result.stages], "those of the other setting are left out"


def test_data_of_what_the_student_wrote_costs_nothing(copied, file):
    before = digests(copied)
    result = spin(file, copied, ["data.k=0", "data.rollouts=true"])
    fresh = {short(name): copied / name for name in digests(copied).keys() - before.keys()}
    assert fresh.keys() >= {"data 1", "base 2"} and "student 1" not in fresh
    [data] = [one.data for one in result.generations if one.data]
    assert (data.rollouts, data.result["written"]) == (0, 3 * 4 * 3)
    student = result.generations[0].student
    with Lineage(copied / "lineage.sqlite") as lineage:
        graph = lineage.graph(one.name for one in result.stages)
    assert [edge.parent for edge in graph.edges if edge.child == data.name and edge.role == "made by"] == [student.name]
    wrote = [row for part in sorted((student.path / "rollouts").iterdir()) for row in pq.read_table(part).to_pylist()]
    rows = pq.read_table(data.path / "made" / "data").to_pylist()
    assert {row["sampled"] for row in rows} == {row["completion"] for row in wrote if row["verdict"] == "right"}
    assert f"{data.result['drawn']} to 152 problems, 36 of them written in training" in render(result, graph)


def test_killed_and_stopped_it_ends_the_same(whole, file, tmp_path):
    folder = tmp_path / "killed"

    def lines(stage: str) -> int:
        return sum(path.read_bytes().count(b"\n") for path in folder.glob(f"gen-{stage}-*/metrics.jsonl"))

    moments = [
        (lambda: lines("1/teacher_base") > 10, signal.SIGKILL),
        (lambda: lines("1/teacher") > 0, signal.SIGTERM),
        (lambda: any(folder.glob("gen-1/data-*/timings.jsonl")), signal.SIGKILL),
        (lambda: lines("2/judge") > 5, signal.SIGKILL),
    ]
    for reached, number in moments:
        process = start_process(command, file, folder)
        while process.is_alive() and not reached():
            time.sleep(0.002)
        os.kill(process.pid, number)
        process.join()
        assert process.exitcode == (-signal.SIGKILL if number is signal.SIGKILL else 128 + signal.SIGTERM)
    last = start_process(command, file, folder)
    last.join()
    assert last.exitcode == 0
    assert digests(folder) == digests(whole)


def test_a_stage_that_fails_is_named_and_nothing_is_half_done(copied, file):
    before = digests(copied)
    broken = ["--set", 'student.verify.extract=["hash"]', "--set", "student.learn.give_up_after=1"]
    result = CliRunner().invoke(app, ["flywheel", str(file), "--out", str(copied), *broken])
    assert isinstance(result.exception, OutgrowError) and result.exception.exit_code == 1
    message = str(result.exception)
    assert message.startswith("generation 1, student: ") and f"outgrow flywheel {copied}" in message
    assert digests(copied) == before
    # The folder remembers the recipe that failed; mended, it goes on from there.
    again = load_flywheel(str(copied / "flywheel.toml"), ['student.verify.extract=["boxed"]', "student.learn.give_up_after=20"])
    assert run_flywheel(again, copied, RecordedStages(), Budget()).finished
    assert digests(copied) == before


def test_a_run_whose_mark_is_lost_is_looked_at_again(copied, file):
    before, watcher = digests(copied), RecordedStages()
    [mark] = copied.glob("gen-2/student-*/stage.json")
    mark.unlink()
    (copied / "lineage.sqlite").unlink()
    spin(file, copied, watcher=watcher)
    assert [line for line in watcher.lines if "done before" not in line] == [
        f"generation 2, student: continuing in {mark.parent.relative_to(copied)}"
    ]
    assert digests(copied) == before
    with sqlite3.connect(copied / "lineage.sqlite") as db:
        assert db.execute("SELECT count(*) FROM stages").fetchone() == (len(before),)
    mark.write_text("{")
    with pytest.raises(OutgrowError, match=re.escape(f"{mark}: cannot be read")):
        spin(file, copied)


def test_a_budget_is_of_the_whole_flywheel(file, tmp_path):
    folder = tmp_path / "flywheel"
    result = CliRunner().invoke(app, ["flywheel", str(file), "--out", str(folder), "--budget", "0.001s"])
    assert result.exit_code == 0, result.output
    assert f"outgrow flywheel {folder} --budget" in result.output
    assert Page(folder / "flywheel.html").text and json.loads((folder / "flywheel.json").read_text())["generations"] == []
    with pytest.raises(UsageError, match="dollars_per_hour"):
        spin(file, folder, budget=Budget(dollars=1.0))


def test_a_budget_ends_the_drawing_of_data_too(copied, file):
    """It is asked while answers are drawn, for no step ends there; later the same data comes of it."""
    before = digests(copied)
    (data,) = copied.glob("gen-1/data-*")
    shutil.rmtree(data)
    spent = sum(found["seconds"] for name, found in stage_files(copied).items() if name.startswith("gen-1/")) / 3600
    with pytest.raises(BudgetReached):
        spin(file, copied, budget=Budget(hours=spent + 1e-6))
    assert not (data / "made").exists()
    spin(file, copied)
    assert digests(copied) == before


def test_a_flywheel_whose_first_stage_fails_leaves_no_folder(file, tmp_path, monkeypatch):
    def fail(*_):
        raise OutgrowError("no room")

    monkeypatch.setattr(SFTJob, "advance", fail)
    was = sorted(tmp_path.rglob("*"))
    result = CliRunner().invoke(app, ["flywheel", str(file), "--out", str(tmp_path / "runs" / "flywheel")])
    assert isinstance(result.exception, OutgrowError) and "no room" in str(result.exception)
    assert sorted(tmp_path.rglob("*")) == was, "also the folder around it"
    assert "continue with" not in str(result.exception)


def test_a_process_with_a_vllm_makes_room_for_the_next_stage(tmp_path, monkeypatch):
    recipe = load_recipe("micro", ["engine.type=vllm"])

    class EmptyStage(StageSpec):
        def cache_key(self, path_digest):
            return {"stage": self.stage}

        def run(self, path, watcher, budget):
            path.mkdir()
            return StageOutput("made")

    base, student = EmptyStage(1, "base", recipe), EmptyStage(1, "student", recipe)
    with Lineage(tmp_path / "lineage.sqlite") as lineage:
        cache = StageCache(tmp_path, lineage, RecordedStages(), Budget(), never_stop)
        cache.run(base)
        with pytest.raises(ProcessFull):
            cache.run(student)
        again = StageCache(tmp_path, lineage, RecordedStages(), Budget(), never_stop)
        assert [again.run(stage).stage for stage in (base, student)] == ["base", "student"]

    def full(*_):
        raise ProcessFull

    started = []
    monkeypatch.setattr("outgrow.flywheel.run.run_flywheel", full)
    monkeypatch.setattr(os, "execv", lambda *command: started.append(command) or sys.exit(0))
    monkeypatch.setattr(sys, "argv", ["outgrow", "flywheel", "micro-flywheel"])
    CliRunner().invoke(app, ["flywheel", "micro-flywheel", "--out", str(tmp_path / "flywheel")])
    assert started == [(sys.executable, [sys.executable, "-m", "outgrow", "flywheel", "micro-flywheel"])]


def test_a_folder_is_continued_where_it_is(copied):
    result = CliRunner().invoke(app, ["flywheel", str(copied), "--out", str(copied.parent / "elsewhere")])
    assert isinstance(result.exception, UsageError) and "--out" in str(result.exception)
    result = CliRunner().invoke(app, ["flywheel", str(copied)])
    assert result.exit_code == 0, result.output
    assert "2 student" in result.output and str(copied / "flywheel.html") in result.output
    table = result.output[: result.output.index("Generation 2's student")]
    assert max(len(line) for line in table.splitlines() if "done before" not in line) <= 80


def test_a_teacher_that_is_there_already_is_measured(file, tmp_path):
    """And a first base: what both are asked, they are asked as the student is."""
    text = re.sub(r"\[(teacher|teacher_base|judge)\]\n(?:.+\n|\n(?!\[))*", "", file.read_text())
    text = re.sub(r"judge = .*\nrewards = .*\n", "", text).replace("[data]", '[teacher]\nmodel = "micro-base"\n\n[data]')
    path = tmp_path / "ready.toml"
    path.write_text(text.replace("generations = 2", 'generations = 1\nfirst_base = "micro-base"'))
    result = spin(path, tmp_path / "flywheel")
    [one] = result.generations
    assert one.teacher.digest == one.base.digest == load_policy("micro-base").digest()
    assert one.teacher.evaluation() == one.base.evaluation() and one.student.recipe.policy.model == "micro-base"
    assert {short(done.name) for done in result.stages} == {"teacher 1", "base 1", "student 1", "promotion 1"}


def test_the_page_shows_the_figures(whole):
    page, told = Page(whole / "flywheel.html"), json.loads((whole / "flywheel.json").read_text())
    rows = page.table("generation")
    for one in told["generations"]:
        shares = [f"{100 * one['models'][role]['value']:.1f}%" for role in ("base", "teacher", "student")]
        assert [cell.split()[0] for cell in rows[str(one["generation"])][:3]] == shares
    data = told["generations"][0]["data"]
    assert page.table("data")["generation 1"][1:5] == [f"{data[key]:,}" for key in ("problems", "drawn", "right", "kept")]
    assert f"n = {data['precision']['n']}" in page.table("data")["generation 1"][6]
    assert len(page.table("stage")) == 1 + len(stage_files(whole))
    assert {"svg", "path"} <= {tag for tag, _ in page.elements}
    [chart] = page.figures()
    go.Figure(json.loads(re.sub(r'"@[\w-]+"', '"#123456"', json.dumps(chart))))
    assert [trace["name"] for trace in chart["data"]] == ["base", "teacher", "student"]
    assert chart["data"][2]["y"] == pytest.approx([one["models"]["student"]["value"] for one in told["generations"]], rel=1e-3)


def test_alarms_of_runs_stand_on_the_page(copied, file):
    [metrics] = copied.glob("gen-1/student-*/metrics.jsonl")
    rows = [json.loads(line) for line in metrics.read_text().splitlines()]
    metrics.write_text("".join(json.dumps({**row, "judge/alarm": float(row["step"] > 1)}) + "\n" for row in rows))
    spin(file, copied)
    page = Page(copied / "flywheel.html")
    assert page.table("run") == {
        "run": ["steps with an alarm", "first", "last"],
        str(metrics.parent.relative_to(copied)): ["2", "2", "3"],
    }


def test_nothing_on_the_page_becomes_markup(whole, file, tmp_path):
    flywheel = load_flywheel(str(file)).model_copy(
        update={"name": PAYLOAD, "description": PAYLOAD, "expected": PAYLOAD, "suite": PAYLOAD}
    )
    result = spin(file, whole)
    done = [replace(one, recipe=one.recipe.model_copy(update={"name": PAYLOAD})) for one in result.stages]
    artifacts = [artifact(one.name, one.generation, one.stage) for one in done]
    graph = Graph(artifacts, [Edge(done[1].name, done[0].name, PAYLOAD)])
    path = tmp_path / "hostile.html"
    path.write_text(render(type(result)(flywheel, result.generations, done), graph), encoding="utf-8")
    hostile, plain = Page(path), Page(whole / "flywheel.html")
    assert PAYLOAD in hostile.text and len(hostile.scripts) == len(plain.scripts)
    assert not [attributes for tag, attributes in hostile.elements if tag == "img" or "onerror" in attributes]
