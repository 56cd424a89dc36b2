"""The rules of a flywheel: who is promoted and when it stops, its recipe, cache keys, the lineage and its drawing."""

import os
import shutil
import sqlite3
from pathlib import Path

import pytest
from typer.testing import CliRunner

from helpers.flywheel import artifact, write_flywheel
from outgrow.cli.app import app
from outgrow.config import load_recipe
from outgrow.core.errors import OutgrowError, UsageError
from outgrow.core.estimate import Estimate
from outgrow.evaluate import Evaluation
from outgrow.evaluate.compare import Against
from outgrow.evaluate.power import Needed
from outgrow.evaluate.sample import Sample
from outgrow.flywheel import load_flywheel, stages, tasks
from outgrow.flywheel.cache_key import recipe_key
from outgrow.flywheel.lineage import Edge, Graph, Lineage, Record
from outgrow.flywheel.lineage_graph import layers, picture
from outgrow.flywheel.promotion import Promotion, promotion
from outgrow.flywheel.stage_cache import StageResult
from outgrow.flywheel.stage_recipes import base_recipe, student_recipe, teacher_recipe
from outgrow.flywheel.stages import run_generations
from outgrow.runs.input_digests import content, digest_of
from outgrow.types import Verdict


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return write_flywheel(tmp_path_factory.mktemp("recipes"))


# Who is promoted, and when it stops


def of_rates(rates: list[float], k: int = 4) -> Evaluation:
    """An evaluation of problems with these pass rates."""
    return Evaluation(
        [
            Sample(f"p{place}", "sum", 1, f"{place}?", "1", index, "", Verdict.RIGHT if index < rate * k else Verdict.WRONG, "1", 3)
            for place, rate in enumerate(rates)
            for index in range(-1, k)
        ]
    )


def test_a_student_is_promoted_only_where_the_paired_interval_says_so():
    low, high, mixed = of_rates([0.25] * 30), of_rates([0.5] * 30), of_rates([0.5, 0.25, 0.0] * 10)
    better = promotion(high, low, None)
    assert better.promotes and better.improves and better.teacher.change == Estimate(0.25, 0.25, 0.25, 30)
    even = promotion(mixed, low, high)
    assert even.teacher.change.value == 0 and not even.promotes and not even.improves
    assert not promotion(low, high, None).promotes
    # A larger mean is not enough: 9 of 30 problems gain, 8 lose as much.
    likelier = promotion(of_rates([0.5] * 9 + [0.0] * 8 + [0.25] * 13), low, None)
    assert likelier.teacher.change.value > 0 and not likelier.promotes
    assert not promotion(of_rates([0.5] * 8), of_rates([0.25] * 8), None).promotes, "too few problems"
    with pytest.raises(UsageError, match="different problems"):
        promotion(high, of_rates([0.25] * 29), None)


class FakeCache:
    """Runs no stage. outcomes: whether each generation's student beats its teacher, and the best student before it."""

    def __init__(self, monkeypatch, folder: Path, outcomes: list[tuple[bool, bool]]) -> None:
        self.folder, self.outcomes, self.log = folder, iter(outcomes), {}
        monkeypatch.setattr(StageResult, "evaluation", lambda result: result.name)
        monkeypatch.setattr(stages, "promotion", self.promotion)

    def run(self, spec):
        name = f"{spec.stage} {spec.generation}"
        self.log[name] = {(role, parent.name) for parent, role in spec.parents}
        folder = self.folder / name
        return StageResult(name, spec.generation, spec.stage, spec.recipe, folder, f"m/{name}", name, name, 0, 0.0, 0.0, 0.0, {})

    def promotion(self, student, teacher, best):
        promotes, improves = next(self.outcomes)
        return Promotion(shown(promotes), shown(improves) if best else None)


def shown(better: bool) -> Against:
    change = Estimate(0.1, 0.05, 0.15, 50) if better else Estimate(0.01, -0.05, 0.06, 50)
    return Against("student", change, 9, 3, 0.1, Needed(None, None), 0.02)


def fake_generations(monkeypatch, tmp_path, file, outcomes, *overrides):
    cache = FakeCache(monkeypatch, tmp_path, outcomes)
    return list(run_generations(load_flywheel(str(file), ["generations=5", *overrides]), cache)), cache.log


def compared(*names):
    return {("compared with", name) for name in names}


def test_students_are_promoted_and_it_stops_when_they_no_longer_improve(monkeypatch, tmp_path, file):
    generations, log = fake_generations(monkeypatch, tmp_path, file, [(True, True), (False, True), (True, False)], "patience=1")
    assert [one.number for one in generations] == [1, 2, 3] and [one.stalled for one in generations] == [0, 0, 1]
    assert [one.teacher.name for one in generations] == ["teacher 1", "student 1", "student 1"]
    assert [log[f"data {g}"] for g in (1, 2)] == [{("made by", "student 1")}] * 2
    assert generations[-1].data is None and "data 3" not in log
    assert [log[f"promotion {g}"] for g in (1, 2, 3)] == [
        compared("student 1", "teacher 1"),
        compared("student 2", "student 1"),
        compared("student 3", "student 1", "student 2"),
    ]
    assert log["base 3"] == {("trained on", "data 1"), ("trained on", "data 2")}, "data are accumulated"
    assert log["judge 3"] >= {("base of", "student 1"), ("trained on", "teacher 1"), ("trained on", "student 2")}


def test_patience_waits_and_remembers_the_best(monkeypatch, tmp_path, file):
    outcomes = [(False, True), (True, False), (False, True), (False, False), (False, False)]
    generations, log = fake_generations(monkeypatch, tmp_path, file, outcomes, "patience=2", "accumulate=false")
    assert [one.stalled for one in generations] == [0, 1, 0, 1, 2]
    assert [log[f"promotion {g}"] for g in range(1, 6)] == [
        compared("student 1", "teacher 1"),
        compared("student 2", "teacher 1", "student 1"),
        compared("student 3", "student 2", "student 1"),
        compared("student 4", "student 2", "student 3"),
        compared("student 5", "student 2", "student 3"),
    ]
    assert [one.teacher.name for one in generations] == ["teacher 1", "teacher 1", *["student 2"] * 3]
    assert log["base 4"] == {("trained on", "data 3")}, "the last data alone"


# Recipes


def test_anchors_keep_their_share(file):
    """A quarter of the examples are the recipe's own, the rest is divided evenly, whatever the weights of its own sources are."""
    flywheel = load_flywheel(str(file), ["anchors=0.25"])
    own, *made = base_recipe(flywheel, ["a", "b", "c"]).problems
    assert [source.type for source in (own, *made)] == ["table", "synthetic", "synthetic", "synthetic"]
    assert own.weight / (own.weight + sum(source.weight for source in made)) == pytest.approx(0.25)
    assert len({source.weight for source in made}) == 1
    assert [source.type for source in base_recipe(load_flywheel(str(file), ["anchors=0"]), ["a"]).problems] == ["synthetic"]
    assert [source.type for source in base_recipe(flywheel, []).problems] == ["table"]


def test_the_flywheel_fills_in_models_seed_and_suites(file):
    flywheel = load_flywheel(str(file), ["student.learn.steps=7", "temperature=0.5"])
    student = student_recipe(flywheel, "BASE", "TEACHER", "JUDGE")
    assert (student.policy.model, student.policy.init, student.judge.model) == ("BASE", None, "JUDGE")
    assert (student.learn.steps, student.learn.group_size, student.curriculum.type) == (7, 3, "frontier")
    for recipe in (student, teacher_recipe(flywheel, "BASE"), base_recipe(flywheel, [])):
        section = recipe.evaluate
        assert (recipe.seed, section.suite, section.samples, section.temperature) == (3, flywheel.suite, 2, 0.5)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("studnt={}", "unknown key 'studnt' (did you mean 'student'?)"),
        ("student.learn.stepz=3", "[student] --set student.learn.stepz=3: unknown key 'learn.stepz' (did you mean 'steps'?)"),
        ("base.recipe=micro-bas", "[base] no recipe called 'micro-bas' (did you mean 'micro-base'?)"),
        ("base.recipe=nowhere.toml", "[base] nowhere.toml: cannot read this recipe"),
        ("base.recipe=micro-flywheel", "[base] micro-flywheel is a recipe of kind 'flywheel'; this stage takes one of kind 'sft'"),
        ("student.recipe=micro-base", "[student] micro-base is a recipe of kind 'sft'; this stage takes one of kind 'rl'"),
        ("student.seed=1", "[student] seed cannot be set per stage; set `seed`"),
        ("base.evaluate.samples=9", "[base] evaluate.samples cannot be set per stage; set `samples`"),
        ("judge.policy.model=micro-base", "[judge] policy.model cannot be set per stage"),
        ("student.evaluate=3", "[student] evaluate is a table with keys, not 3"),
        ("student.judge=3", "[student] judge is a table with keys, not 3"),
        ("judge.problems=3", "[judge] --set judge.problems=3: problems takes a list of tables, not 3"),
        ('judge.problems=["x"]', "problems.0: this problem source needs a type"),
        ("teacher=3", "--set teacher=3: teacher takes a table, not 3"),
        ("suite=mcro", "no suite called 'mcro' (did you mean 'micro'?)"),
        ("teacher.model=micro-base", "teacher: needs either recipe or model"),
        ("anchors=1", "--set anchors=1: anchors takes a number ≥ 0 and < 1, not 1"),
        ('data={keep="nothing"}', 'data.keep takes "verified" or "all"'),
    ],
)
def test_what_is_wrong_is_told_in_one_line(file, override, message):
    with pytest.raises(UsageError) as caught:
        load_flywheel(str(file), [override])
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_a_flywheel_and_a_recipe_are_not_mixed_up():
    for name in ("train", "sft"):
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
        return digest_of(recipe_key(load_recipe(name, [*lines, *overrides]), lambda key, path: None))

    first = digest()
    assert digest("name=other", "expected=much", "run.dollars_per_hour=3", "run.keep_checkpoints=9") == first
    assert len({first, digest("seed=1"), digest("learn.lr=1e-5"), digest("run.threads=1")}) == 4
    moved = tmp_path / "elsewhere.jsonl"
    data.rename(moved)
    lines[0] = f'problems=[{{type="table",path="{moved}"}}]'
    assert digest() == first
    moved.write_text('{"question":"1","answer":"2"}\n')
    assert digest() != first
    assert recipe_key(load_recipe("micro"), lambda key, path: None)["evaluate"]["suite"] == "micro"
    assert (
        content("model", "owner/name") == "owner/name"
        and content("model", "http://localhost:8000/v1") == "http://localhost:8000/v1"
    )
    model = Path(shutil.copytree(Path(tasks.__file__).parents[1] / "policy" / "models" / "micro-base", tmp_path / "model"))
    assert content("model", str(model)) == content("model", "micro-base")
    (model / "README.md").write_text("a card says nothing of the weights")
    assert content("model", str(model)) == content("model", "micro-base")
    weights = model / "model.safetensors"
    *_, last = data_bytes = weights.read_bytes()
    weights.write_bytes(data_bytes[:-1] + bytes([last ^ 1]))
    assert content("model", str(model)) != content("model", "micro-base")
    with pytest.raises(UsageError, match="no such model"):
        content("model", "./nowhere")


@pytest.mark.parametrize("key", ["problems", "evaluate.extra_suites", "judge.watch.second_model"])
def test_a_changed_file_changes_the_digest_under_every_key(tmp_path, key):
    file = tmp_path / ("file.gguf" if key.startswith("judge") else "file.jsonl")
    rows = ['{"question":"1","answer":"1"}', '{"question":"1","answer":"2"}']
    override = {
        "problems": f'problems=[{{type="table",path="{file}"}}]',
        "evaluate.extra_suites": f'evaluate.extra_suites=["{file}"]',
        "judge.watch.second_model": f'judge={{model="micro-base",watch={{second_model="{file}"}}}}',
    }[key]
    digests = set()
    for row in rows:
        file.write_text(row)
        recipe = load_recipe("micro", [override, 'rewards=[{type="hero"}]'] if key.startswith("judge") else [override])
        digests.add(digest_of(recipe_key(recipe, lambda key, path: None)))
    assert len(digests) == 2


# Lineage and page


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


LINEAGES = {
    "a view": "DROP TABLE edges; CREATE VIEW edges AS SELECT 'a' AS child, 'b' AS parent, 'base of' AS role",
    "a trigger": "CREATE TRIGGER more AFTER INSERT ON artifacts BEGIN DELETE FROM stages; END",
    "a missing column": "DROP TABLE stages; CREATE TABLE stages (name TEXT PRIMARY KEY) WITHOUT ROWID",
    "a text as number": "UPDATE artifacts SET generation = 'first'",
    "a time without a calendar": "UPDATE artifacts SET created = 9e999",
    "a kind that is not known": "UPDATE artifacts SET kind = 'other'",
    "bytes as name": "UPDATE artifacts SET name = x'ff'",
    "bytes as parent": "INSERT INTO edges VALUES ('a', x'ff', 'base of')",
}


@pytest.mark.parametrize("script", LINEAGES.values(), ids=LINEAGES)
def test_a_made_up_lineage_is_one_line(tmp_path, script):
    file = tmp_path / "lineage.sqlite"
    with Lineage(file) as lineage:
        lineage.write(artifact("a", 1, "base"), Record("i", "recipe", 3, 1.5, 0.0, {}), [])
    Lineage(file)._db.close()
    db = sqlite3.connect(file)
    db.executescript(script)
    db.close()
    with pytest.raises(OutgrowError, match=r"lineage\.sqlite.*remove") as refused:
        Lineage(file)
    assert "\n" not in str(refused.value)


def test_a_lineage_that_is_not_a_file_is_one_line(tmp_path):
    os.mkfifo(tmp_path / "lineage.sqlite")
    with pytest.raises(OutgrowError, match=r"lineage\.sqlite.*regular"):
        Lineage(tmp_path / "lineage.sqlite")


def test_data_of_nothing_are_told_before_anything_is_trained(tmp_path):
    told = CliRunner().invoke(app, ["flywheel", "micro-flywheel", "--out", str(tmp_path / "flywheel"), "--set", "data.levels=[9]"])
    assert told.exit_code != 0 and isinstance(told.exception, UsageError)
    assert not (tmp_path / "flywheel").exists()
