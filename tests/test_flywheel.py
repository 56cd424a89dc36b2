"""The flywheel: who moves up and when it stops, stages done once, killed and continued, the lineage, and the page."""

import hashlib
import json
import os
import re
import shutil
import signal
import sqlite3
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import plotly.graph_objects as go
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from outgrow.cli.app import app
from outgrow.errors import OutgrowError, UsageError
from outgrow.evaluate import Evaluation
from outgrow.evaluate.compare import Against, Mean
from outgrow.evaluate.power import Needed
from outgrow.evaluate.sample import Sample
from outgrow.flywheel import ProcessFull, load_flywheel, run_flywheel, stages, tasks
from outgrow.flywheel.digest import asked_by, content, digest_of
from outgrow.flywheel.duel import Duel, duel
from outgrow.flywheel.lineage import Artifact, Edge, Graph, Lineage, Record
from outgrow.flywheel.page import render
from outgrow.flywheel.picture import layers, picture
from outgrow.flywheel.resolve import base_recipe, student_recipe, teacher_recipe
from outgrow.flywheel.stages import turn
from outgrow.flywheel.workshop import Done, Left, Task, Workshop
from outgrow.learn.policies import run_policy
from outgrow.policy import load_policy
from outgrow.recipes import load_recipe
from outgrow.runs.spending import Budget
from outgrow.verify import Verdict
from report_helper import Page
from runs_helper import SERVER, Silent

PAYLOAD = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&amp;"
RUN = """
run.threads = 1
sampling.max_tokens = 8
evaluate.every = 0
evaluate.validation = "{held}"
"""
PROBLEMS = 'problems = [{{ type = "table", path = "{train}", solution = "solution", level = "level" }}]\n'
SFT = "learn = {{ steps = 40, batch_size = 16, lr = 1e-2 }}\n"
RL = "learn = {{ steps = 3, problems_per_step = 4, group_size = 3 }}\n"
WHEEL = (
    """
kind = "flywheel"
name = "tiny"
generations = 2
patience = 2
suite = "{held}"
samples = 2
seed = 3

[data]
k = 4

[teacher_base]
recipe = "micro-base"
policy.init = {{ layers = 1, hidden = 48, heads = 2, kv_heads = 1, feed_forward = 64 }}
"""
    + RUN
    + PROBLEMS
    + SFT
    + """
[teacher]
recipe = "micro"
policy.lora = {{ rank = 2 }}
"""
    + RUN
    + PROBLEMS
    + RL
    + """
[base]
recipe = "micro-base"
policy.init = {{ layers = 1, hidden = 32, heads = 2, kv_heads = 1, feed_forward = 48 }}
"""
    + RUN
    + PROBLEMS
    + SFT
    + """
[student]
recipe = "micro"
teacher = {{ rubric = "{{question}}{{completion}}", max_tokens = 12, max_unscored = 0.99 }}
rewards = [{{ type = "hero" }}]
"""
    + RUN
    + PROBLEMS
    + RL
    + """
[judge]
recipe = "micro-base"
evaluate.suite = "{held}"
evaluate.samples = 1
run.threads = 1
sampling.max_tokens = 12
problems = [{{ type = "judgements", rubric = "{{question}}{{completion}}" }}]
"""
    + SFT
)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """A wheel's recipe, beside problems that ask whether a number is even: who knows the form is right half of the time."""
    folder = tmp_path_factory.mktemp("recipes")
    rows = [{"question": f"{n}?", "answer": str(1 + n % 2), "solution": "ab"[n % 2], "level": 1 + n // 100} for n in range(10, 200)]
    parts = {"held": rows[::5], "train": [row for place, row in enumerate(rows) if place % 5]}
    for name, part in parts.items():
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in part))
    path = folder / "tiny.toml"
    path.write_text(WHEEL.format(**{name: folder / f"{name}.jsonl" for name in parts}))
    return path


class Onlooker:
    """Keeps what it is told."""

    def __init__(self):
        self.said = []

    def stage(self, text):
        self.said.append(text)

    @contextmanager
    def watch(self):
        yield Watcher()


class Watcher(Silent):
    def counting(self, what, whole):
        return lambda done: None


def spin(file: Path, folder: Path, overrides=(), onlooker=None, budget=None):
    return run_flywheel(load_flywheel(str(file), overrides), folder, onlooker or Onlooker(), budget or Budget())


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
    """A wheel that nobody stopped."""
    folder = tmp_path_factory.mktemp("wheels") / "whole"
    process = SERVER.Process(target=spin, args=(file, folder))
    process.start()
    process.join()
    assert process.exitcode == 0
    return folder


@pytest.fixture
def copied(whole, tmp_path):
    """The same wheel, moved elsewhere."""
    return Path(shutil.copytree(whole, tmp_path / "moved", symlinks=True))


def test_the_stages_are_runs_and_data(whole):
    stages = {short(name): whole / name for name in stage_files(whole)}
    first = ["base 1", "data 1", "duel 1", "judge 1", "student 1", "teacher 1", "teacher_base 1"]
    assert sorted(stages) == sorted([*first, "base 2", "duel 2", "judge 2", "student 2"])
    for name, path in stages.items():
        if name.split()[0] not in ("duel", "data"):
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
        assert one["duel"]["teacher"]["change"]["value"] == pytest.approx(change)
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
        ("duel 1", "compared with", "student 1"),
        ("duel 1", "compared with", "teacher 1"),
        ("data 1", "made by", winner),
        ("base 2", "trained on", "data 1"),
        ("judge 2", "base of", winner),
        ("judge 2", "trained on", "teacher 1"),
        ("judge 2", "trained on", "student 1"),
        ("student 2", "base of", "base 2"),
        ("student 2", "judge of", "judge 2"),
        ("duel 2", "compared with", "student 2"),
        ("duel 2", "compared with", winner),
        ("duel 2", "compared with", "student 1"),
    }
    assert kinds["data 1"] == "data" and kinds["duel 2"] == "measurement" and kinds["student 2"] == "model"
    assert 'type = "made"' in recipes["base 2"] and 'type = "made"' not in recipes["base 1"]


def test_a_second_call_does_nothing(whole, file, monkeypatch):
    def never(*_, **__):
        raise AssertionError("nothing is to be done")

    for name in ("train", "resume", "make_data", "export"):
        monkeypatch.setattr(tasks, name, never)
    before, onlooker = digests(whole), Onlooker()
    # Words, the machine's price, and where checkpoints fall decide nothing of what is made.
    spin(file, whole, ["name=other", "student.run.dollars_per_hour=2.5", "base.run.checkpoint_every=7"], onlooker)
    assert digests(whole) == before
    assert len(onlooker.said) == len(before) and all("done before" in line for line in onlooker.said)


def test_a_changed_line_costs_what_depends_on_it(copied, file):
    """A copy, moved elsewhere: digests are of contents, so that nothing else is done again."""
    before = digests(copied)
    turned = spin(file, copied, ["student.learn.lr=1e-3"])
    fresh = {short(name) for name in digests(copied).keys() - before.keys()}
    expected = {"student 1", "duel 1", "judge 2", "student 2", "duel 2"}
    # Where a student is the maker, its data and what learns from that are others, too.
    if turned.generations[0].duel.moves_up:
        expected |= {"data 1", "base 2"}
    assert fresh == expected
    assert before.items() <= digests(copied).items(), "nothing is overwritten, so going back is free"
    with Lineage(copied / "lineage.sqlite") as lineage:
        graph = lineage.graph(one.name for one in turned.done)
    assert [one.name for one in graph.artifacts] == [one.name for one in turned.done], "those of the other setting are left out"


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
        process = SERVER.Process(target=command, args=(file, folder))
        process.start()
        while process.is_alive() and not reached():
            time.sleep(0.002)
        os.kill(process.pid, number)
        process.join()
        assert process.exitcode == (-signal.SIGKILL if number is signal.SIGKILL else 128 + signal.SIGTERM)
    last = SERVER.Process(target=command, args=(file, folder))
    last.start()
    last.join()
    assert last.exitcode == 0
    assert digests(folder) == digests(whole)


def test_a_stage_that_fails_is_named_and_nothing_is_half_done(copied, file):
    before = digests(copied)
    broken = ["--set", 'student.verify.extract=["hash"]', "--set", "student.learn.give_up_after=1"]
    result = CliRunner().invoke(app, ["flywheel", str(file), "--out", str(copied), *broken])
    assert isinstance(result.exception, OutgrowError) and result.exception.exit_code == 1
    message = str(result.exception)
    assert message.startswith("generation 1, student: nothing to learn from") and f"outgrow flywheel {copied}" in message
    assert digests(copied) == before
    # The folder remembers the recipe that failed; mended, it goes on from there.
    again = load_flywheel(str(copied / "flywheel.toml"), ['student.verify.extract=["boxed"]', "student.learn.give_up_after=20"])
    assert run_flywheel(again, copied, Onlooker(), Budget()).finished
    assert digests(copied) == before


def test_a_run_whose_mark_is_lost_is_looked_at_again(copied, file):
    before, onlooker = digests(copied), Onlooker()
    [mark] = copied.glob("gen-2/student-*/stage.json")
    mark.unlink()
    (copied / "lineage.sqlite").unlink()
    spin(file, copied, onlooker=onlooker)
    assert [line for line in onlooker.said if "done before" not in line] == [
        f"generation 2, student: going on in {mark.parent.relative_to(copied)}"
    ]
    assert digests(copied) == before
    with sqlite3.connect(copied / "lineage.sqlite") as db:
        assert db.execute("SELECT count(*) FROM stages").fetchone() == (len(before),)
    mark.write_text("{")
    with pytest.raises(OutgrowError, match=re.escape(f"{mark}: cannot be read")):
        spin(file, copied)


def test_a_budget_is_of_the_whole_wheel(file, tmp_path):
    folder = tmp_path / "wheel"
    result = CliRunner().invoke(app, ["flywheel", str(file), "--out", str(folder), "--budget-hours", "0.000001"])
    assert result.exit_code == 0, result.output
    assert "stopped by its budget" in result.output and f"outgrow flywheel {folder} --budget-hours" in result.output
    assert "No generation is done yet." in Page(folder / "flywheel.html").text
    with pytest.raises(UsageError, match="dollars_per_hour"):
        spin(file, folder, budget=Budget(dollars=1.0))


def test_a_process_with_a_vllm_makes_room_for_the_next_stage(tmp_path, monkeypatch):
    recipe = load_recipe("micro", ["engine.type=vllm"])

    def work(path, watcher, budget):
        path.mkdir()
        return Left("made")

    def do(shop, stage):
        return shop.once(Task(1, stage, "model", recipe, {"stage": stage}, work))

    with Lineage(tmp_path / "lineage.sqlite") as lineage:
        shop = Workshop(tmp_path, lineage, Onlooker(), Budget())
        do(shop, "base")
        with pytest.raises(ProcessFull):
            do(shop, "student")
        again = Workshop(tmp_path, lineage, Onlooker(), Budget())
        assert [do(again, stage).stage for stage in ("base", "student")] == ["base", "student"]

    def full(*_):
        raise ProcessFull

    started = []
    monkeypatch.setattr("outgrow.flywheel.run_flywheel", full)
    monkeypatch.setattr(os, "execv", lambda *command: started.append(command) or sys.exit(0))
    monkeypatch.setattr(sys, "argv", ["outgrow", "flywheel", "micro-flywheel"])
    CliRunner().invoke(app, ["flywheel", "micro-flywheel", "--out", str(tmp_path / "wheel")])
    assert started == [(sys.executable, [sys.executable, "-m", "outgrow", "flywheel", "micro-flywheel"])]


def test_a_folder_is_continued_where_it_is(copied):
    result = CliRunner().invoke(app, ["flywheel", str(copied), "--out", str(copied.parent / "elsewhere")])
    assert isinstance(result.exception, UsageError) and "goes on where it is" in str(result.exception)
    result = CliRunner().invoke(app, ["flywheel", str(copied)])
    assert result.exit_code == 0, result.output
    assert "2 student" in result.output and str(copied / "flywheel.html") in result.output
    table = result.output[: result.output.index("Generation 2's student")]
    assert max(len(line) for line in table.splitlines() if "done before" not in line) <= 80


def test_a_teacher_that_is_there_already_is_measured(file, tmp_path):
    """And a first base: what both are asked, they are asked as the student is."""
    text = re.sub(r"\[(teacher|teacher_base|judge)\]\n(?:.+\n|\n(?!\[))*", "", file.read_text())
    text = re.sub(r"teacher = .*\nrewards = .*\n", "", text).replace("[data]", '[teacher]\nmodel = "micro-base"\n\n[data]')
    path = tmp_path / "ready.toml"
    path.write_text(text.replace("generations = 2", 'generations = 1\nfirst_base = "micro-base"'))
    turned = spin(path, tmp_path / "wheel")
    [one] = turned.generations
    assert one.teacher.digest == one.base.digest == load_policy("micro-base").digest()
    assert one.teacher.evaluation() == one.base.evaluation() and one.student.recipe.policy.model == "micro-base"
    assert {short(done.name) for done in turned.done} == {"teacher 1", "base 1", "student 1", "duel 1"}


# Who moves up, and when it stops


def of_rates(rates: list[float], k: int = 4) -> Evaluation:
    """Problems solved so often."""
    return Evaluation(
        [
            Sample(f"p{place}", "sum", 1, f"{place}?", "1", index, "", Verdict.RIGHT if index < rate * k else Verdict.WRONG, "1", 3)
            for place, rate in enumerate(rates)
            for index in range(-1, k)
        ]
    )


def test_a_student_moves_up_only_where_the_paired_interval_says_so():
    low, high, mixed = of_rates([0.25] * 30), of_rates([0.5] * 30), of_rates([0.5, 0.25, 0.0] * 10)
    better = duel(high, low, None)
    assert better.moves_up and better.rises and better.teacher.change == Mean(0.25, 0.25, 0.25)
    even = duel(mixed, low, high)
    assert even.teacher.change.value == 0 and not even.moves_up and not even.rises
    assert not duel(low, high, None).moves_up
    # A larger mean is not enough: 9 of 30 problems gain, 8 lose as much.
    likelier = duel(of_rates([0.5] * 9 + [0.0] * 8 + [0.25] * 13), low, None)
    assert likelier.teacher.change.value > 0 and not likelier.moves_up
    assert not duel(of_rates([0.5] * 8), of_rates([0.25] * 8), None).moves_up, "too few problems"
    with pytest.raises(UsageError, match="different problems"):
        duel(high, of_rates([0.25] * 29), None)


class Shop:
    """A workshop in which all is known beforehand. outcomes: whether a student beats its teacher, and the best before it."""

    def __init__(self, monkeypatch, folder: Path, outcomes: list[tuple[bool, bool]]) -> None:
        self.folder, self.outcomes, self.log = folder, iter(outcomes), []
        for name, made in (("run", self.run), ("compare", self.compare), ("make", self.make)):
            monkeypatch.setattr(stages, name, made)

    def done(self, generation, stage, recipe=None):
        name = f"{stage} {generation}"
        return Done(name, generation, stage, recipe, self.folder / name, f"m/{name}", name, name, 0, 0.0, 0.0, 0.0, {})

    def run(self, shop, generation, stage, recipe, parents=()):
        self.log.append((f"{stage} {generation}", {(role, parent.name) for parent, role in parents}))
        return self.done(generation, stage, recipe)

    def compare(self, shop, generation, student, teacher, best):
        up, rises = next(self.outcomes)
        self.log.append((f"duel {generation}", (student.name, teacher.name, best and best.name)))
        return Duel(shown(up), shown(rises) if best else None)

    def make(self, shop, generation, maker, student, section):
        self.log.append((f"data {generation}", (maker.name, student.name)))
        return self.done(generation, "data")


def shown(better: bool) -> Against:
    change = Mean(0.1, 0.05, 0.15) if better else Mean(0.01, -0.05, 0.06)
    return Against("student", 50, change, 9, 3, 0.1, Needed(None, None), 0.02)


def turned_by(monkeypatch, tmp_path, file, outcomes, *overrides):
    shop = Shop(monkeypatch, tmp_path, outcomes)
    wheel = load_flywheel(str(file), ["generations=5", *overrides])
    return list(turn(wheel, shop)), dict(shop.log)


def test_roles_move_up_and_it_stops_when_students_no_longer_rise(monkeypatch, tmp_path, file):
    turns, log = turned_by(monkeypatch, tmp_path, file, [(True, True), (False, True), (True, False)], "patience=1")
    assert [one.number for one in turns] == [1, 2, 3] and [one.stalled for one in turns] == [0, 0, 1]
    assert [one.teacher.name for one in turns] == ["teacher 1", "student 1", "student 1"]
    assert [log[f"data {g}"][0] for g in (1, 2)] == ["student 1", "student 1"]
    assert turns[-1].data is None and "data 3" not in log
    assert [log[f"duel {g}"][2] for g in (1, 2, 3)] == [None, "student 1", "student 2"]
    assert log["base 3"] == {("trained on", "data 1"), ("trained on", "data 2")}, "data are accumulated"
    assert log["judge 3"] >= {("base of", "student 1"), ("trained on", "teacher 1"), ("trained on", "student 2")}


def test_patience_waits_and_remembers_the_best(monkeypatch, tmp_path, file):
    outcomes = [(False, True), (True, False), (False, True), (False, False), (False, False)]
    turns, log = turned_by(monkeypatch, tmp_path, file, outcomes, "patience=2", "accumulate=false")
    assert [one.stalled for one in turns] == [0, 1, 0, 1, 2]
    assert [log[f"duel {g}"][2] for g in range(1, 6)] == [None, "student 1", "student 1", "student 3", "student 3"]
    assert [one.teacher.name for one in turns] == ["teacher 1", "teacher 1", *["student 2"] * 3]
    assert log["base 4"] == {("trained on", "data 3")}, "the last data alone"


# Recipes


def test_anchors_keep_their_share(file):
    """A quarter of the examples are the recipe's own, the rest is divided evenly, whatever the weights of its own sources are."""
    wheel = load_flywheel(str(file), ["anchors=0.25"])
    own, *made = base_recipe(wheel, ["a", "b", "c"]).problems
    assert [source.type for source in (own, *made)] == ["table", "made", "made", "made"]
    assert own.weight / (own.weight + sum(source.weight for source in made)) == pytest.approx(0.25)
    assert len({source.weight for source in made}) == 1
    assert [source.type for source in base_recipe(load_flywheel(str(file), ["anchors=0"]), ["a"]).problems] == ["made"]
    assert [source.type for source in base_recipe(wheel, []).problems] == ["table"]


def test_the_wheel_fills_in_models_seed_and_suites(file):
    wheel = load_flywheel(str(file), ["student.learn.steps=7", "temperature=0.5"])
    student = student_recipe(wheel, "BASE", "TEACHER", "JUDGE")
    assert (student.policy.model, student.policy.init, student.teacher.model) == ("BASE", None, "JUDGE")
    assert (student.learn.steps, student.learn.group_size, student.curriculum.type) == (7, 3, "frontier")
    for recipe in (student, teacher_recipe(wheel, "BASE"), base_recipe(wheel, [])):
        section = recipe.evaluate
        assert (recipe.seed, section.suite, section.samples, section.temperature) == (3, wheel.suite, 2, 0.5)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("studnt={}", "unknown key 'studnt' (did you mean 'student'?)"),
        ("student.learn.stepz=3", "[student] micro: unknown key 'learn.stepz' (did you mean 'steps'?)"),
        ("base.recipe=micro-bas", "[base] no recipe called 'micro-bas' (did you mean 'micro-base'?)"),
        ("base.recipe=nowhere.toml", "[base] nowhere.toml: cannot read this recipe"),
        ("base.recipe=micro-flywheel", "[base] micro-flywheel is a recipe of kind 'flywheel'; this stage takes one of kind 'sft'"),
        ("student.recipe=micro-base", "[student] micro-base is a recipe of kind 'sft'; this stage takes one of kind 'rl'"),
        ("student.seed=1", "[student] seed is for the wheel to say; set seed above its stages"),
        ("base.evaluate.samples=9", "[base] evaluate.samples is for the wheel to say; set samples above its stages"),
        ("judge.policy.model=micro-base", "[judge] policy.model is for the wheel to say; drop it"),
        ("student.evaluate=3", "[student] evaluate is a table with keys, not 3"),
        ("student.teacher=3", "[student] teacher is a table with keys, not 3"),
        ("judge.problems=3", "[judge] micro-base: problems: input should be a valid tuple, not 3"),
        ('judge.problems=["x"]', "[judge] micro-base: problems.0: this problem source needs a type"),
        ("teacher=3", "teacher: input should be a valid dictionary"),
        ("suite=mcro", "no suite called 'mcro' (did you mean 'micro'?)"),
        ("teacher.model=micro-base", "teacher: needs either recipe or model"),
        ("anchors=1", "anchors: input should be less than 1"),
        ('data={keep="nothing"}', "data.keep: input should be 'verified' or 'all'"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(file, override, message):
    with pytest.raises(UsageError) as caught:
        load_flywheel(str(file), [override])
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_a_flywheel_and_a_recipe_are_not_mixed_up():
    for name in ("train", "sft", "plan"):
        result = CliRunner().invoke(app, [name, "micro-flywheel"])
        assert isinstance(result.exception, UsageError) and "outgrow flywheel micro-flywheel" in str(result.exception)
    with pytest.raises(UsageError, match="outgrow train micro"):
        load_flywheel("micro")
    listed = CliRunner().invoke(app, ["recipes"])
    assert "outgrow flywheel micro-flywheel" in listed.output and "outgrow flywheel r1-flywheel" in listed.output


# Digests


def test_a_digest_is_of_contents(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "micro").mkdir()  # a folder of a suite's name changes nothing
    (tmp_path / "micro" / "x").write_text("x")
    data = tmp_path / "data.jsonl"
    data.write_text('{"question":"1","answer":"1"}\n')
    lines = [f'problems=[{{type="table",path="{data}"}}]']

    def digest(*overrides, name="micro"):
        return digest_of(asked_by(load_recipe(name, [*lines, *overrides]), lambda key, path: None))

    first = digest()
    assert digest("name=other", "expected=much", "run.dollars_per_hour=3", "run.keep_checkpoints=9") == first
    assert len({first, digest("seed=1"), digest("learn.lr=1e-5"), digest("run.threads=1")}) == 4
    moved = tmp_path / "elsewhere.jsonl"
    data.rename(moved)
    lines[0] = f'problems=[{{type="table",path="{moved}"}}]'
    assert digest() == first
    moved.write_text('{"question":"1","answer":"2"}\n')
    assert digest() != first
    assert asked_by(load_recipe("micro"), lambda key, path: None)["evaluate"]["suite"] == "micro"
    assert (
        content("model", "owner/name") == "owner/name"
        and content("model", "http://localhost:8000/v1") == "http://localhost:8000/v1"
    )
    model = Path(shutil.copytree(Path(tasks.__file__).parents[1] / "policy" / "models" / "micro-base", tmp_path / "model"))
    assert content("model", str(model)) == content("model", "micro-base")
    (model / "README.md").write_text("a card says nothing of the weights")
    assert content("model", str(model)) == content("model", "micro-base")
    weights = model / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\1")
    assert content("model", str(model)) != content("model", "micro-base")
    with pytest.raises(UsageError, match="no such model"):
        content("model", "./nowhere")


# Lineage and page


def artifact(name, generation, stage, kind="model"):
    return Artifact(name, "d" * 64, kind, generation, stage, 0.0)


def test_the_picture_runs_from_left_to_right():
    chain = [
        artifact("b1", 1, "base"),
        artifact("t1", 1, "teacher"),
        artifact("s1", 1, "student"),
        artifact("d1", 1, "data", "data"),
    ]
    graph = Graph(
        [*chain, artifact("b2", 2, "base"), artifact("s2", 2, "student")],
        [
            Edge("s1", "b1", "base of"), Edge("d1", "t1", "made by"), Edge("b2", "d1", "trained on"), Edge("s2", "b2", "base of"),
            Edge("s2", "s1", "teacher of"),
        ],
    )  # fmt: skip
    assert layers(graph) == {"b1": 0, "t1": 0, "s1": 1, "d1": 1, "b2": 2, "s2": 3}
    drawn = picture(graph, {one.name: [one.name] for one in graph.artifacts}, {one.name: "" for one in graph.artifacts})
    boxes = {box.name: (box.x, box.y) for box in drawn.boxes}
    assert len(set(boxes.values())) == 6, "no two boxes in one place"
    assert all(boxes[edge.parent][0] < boxes[edge.child][0] for edge in graph.edges)
    (_, first, width), (_, second, _) = drawn.bands
    assert first + width <= second, "generations do not overlap"


def test_a_stage_is_written_again_whole_or_not_at_all(tmp_path):
    record = Record("i", "recipe", 3, 1.5, 0.0, {})
    with Lineage(tmp_path / "lineage.sqlite") as lineage:
        lineage.write(artifact("a", 1, "base"), record, [])
        lineage.write(artifact("b", 1, "student"), record, [Edge("b", "a", "base of"), Edge("b", "x", "judge of")])
        lineage.write(artifact("b", 1, "student"), record, [Edge("b", "a", "base of")])
        with pytest.raises(OutgrowError):
            lineage.write(artifact("a", 1, "base"), record, [Edge("a", None, "base of")])
        graph = lineage.graph(["a", "b", "c"])
    assert graph.edges == [Edge("b", "a", "base of")] and [one.name for one in graph.artifacts] == ["a", "b"]
    (tmp_path / "torn.sqlite").write_text("this is no database, however long it may be" * 30)
    with pytest.raises(OutgrowError, match=r"torn\.sqlite"):
        Lineage(tmp_path / "torn.sqlite")


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
    assert "All 2 generations of the recipe are done." in page.text


def test_alarms_of_runs_stand_on_the_page(copied, file):
    [metrics] = copied.glob("gen-1/student-*/metrics.jsonl")
    rows = [json.loads(line) for line in metrics.read_text().splitlines()]
    metrics.write_text("".join(json.dumps({**row, "alarm": float(row["step"] > 1)}) + "\n" for row in rows))
    spin(file, copied)
    page = Page(copied / "flywheel.html")
    assert page.table("run") == {
        "run": ["steps with an alarm", "first", "last"],
        str(metrics.parent.relative_to(copied)): ["2", "2", "3"],
    }


def test_nothing_on_the_page_becomes_markup(whole, file, tmp_path):
    wheel = load_flywheel(str(file)).model_copy(
        update={"name": PAYLOAD, "description": PAYLOAD, "expected": PAYLOAD, "suite": PAYLOAD}
    )
    turned = spin(file, whole)
    done = [replace(one, recipe=one.recipe.model_copy(update={"name": PAYLOAD})) for one in turned.done]
    artifacts = [artifact(one.name, one.generation, one.stage) for one in done]
    graph = Graph(artifacts, [Edge(done[1].name, done[0].name, PAYLOAD)])
    path = tmp_path / "hostile.html"
    path.write_text(render(type(turned)(wheel, turned.generations, done), graph), encoding="utf-8")
    hostile, plain = Page(path), Page(whole / "flywheel.html")
    assert PAYLOAD in hostile.text and len(hostile.scripts) == len(plain.scripts)
    assert not [attributes for tag, attributes in hostile.elements if tag == "img" or "onerror" in attributes]
