"""An old recipe name, key or type is refused in one line that says the new one, wherever a recipe is written or read."""

import hashlib
import typing

import pytest
from pydantic import BaseModel
from starlette.testclient import TestClient

from helpers.flywheel import write_flywheel
from outgrow.algorithms.rewards import REWARDS
from outgrow.config import load_recipe, parse_recipe, raw_recipe, shipped_recipes
from outgrow.config.renamed import FLYWHEEL_KEYS, KEYS, RECIPES, TYPES
from outgrow.config.schema import RLRecipe
from outgrow.core.errors import UsageError
from outgrow.flywheel import load_flywheel
from outgrow.flywheel.recipe import FlywheelRecipe
from outgrow.problems import SOURCES
from outgrow.report.live import application

REGISTRIES = {"rewards": REWARDS, "problems": SOURCES}

# The recipe.toml of a run, as it was written under the old names (made_with shortened).
STORED = """
name = "old"
seed = 0
kind = "rl"
rewards = [{ type = "accuracy", weight = 1.0, warmup_steps = 0, min_solve_rate = 0.0 }]
[policy]
model = "micro-base"
[[problems]]
type = "micro"
[engine]
type = "native"
max_rows = 512
memory = 0.4
[evaluate]
suite = "micro"
also = []
[run]
track = []
[learn]
steps = 165
tokens_per_pass = 16384
clip_low = 0.2
clip_high = 0.28
kl_weight = 0.07
averaging = "token"
[made_with]
outgrow = "0.1.0"
"""


def has_key(model: type[BaseModel], path: list[str]) -> bool:
    """Whether the schema has this key; of a component, whether any class below its base class has it."""
    field = model.model_fields.get(path[0])
    if field is None:
        return any(has_key(one, path) for one in model.__subclasses__() if one.__module__.startswith("outgrow."))
    if len(path) == 1:
        return True
    return any(has_key(inner, path[1:]) for inner in models_in(field.annotation))


def models_in(annotation) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in typing.get_args(annotation) for model in models_in(part)]


@pytest.mark.parametrize(("old", "new"), KEYS.items(), ids=KEYS)
def test_the_new_key_is_in_the_schema_and_the_old_one_is_not(old, new):
    assert has_key(RLRecipe, new.split("."))
    assert not has_key(RLRecipe, old.split("."))


@pytest.mark.parametrize(("old", "new"), KEYS.items(), ids=KEYS)
def test_an_old_key_is_refused_and_the_message_holds_the_new_one(old, new):
    with pytest.raises(UsageError) as refused:
        load_recipe("micro", [f"{old}=1"])
    assert refused.value.exit_code == 2
    assert repr(old) in str(refused.value) and repr(new) in str(refused.value)


def test_a_flywheel_has_its_own_old_keys_and_none_of_a_run():
    for old, new in FLYWHEEL_KEYS.items():
        assert has_key(FlywheelRecipe, [new]) and not has_key(FlywheelRecipe, [old])
        with pytest.raises(UsageError, match=f"'{old}'; it is now '{new}'"):
            load_flywheel("micro-flywheel", [f"{old}=[]"])
    with pytest.raises(UsageError) as refused:
        load_flywheel("micro-flywheel", ["generation=2"])
    assert "teacher" not in str(refused.value).partition("(known")[0], "[teacher] is a stage of a flywheel"


@pytest.mark.parametrize(
    ("table", "old", "new"), [(table, old, new) for table, (_, types) in TYPES.items() for old, new in types.items()]
)
def test_an_old_type_is_refused_and_the_message_holds_the_new_one(table, old, new):
    assert new in REGISTRIES[table] and old not in REGISTRIES[table]
    with pytest.raises(UsageError) as refused:
        load_recipe("micro", [f"{table}=[{{type='micro'}},{{type='{old}'}}]"])
    assert repr(old) in str(refused.value) and repr(new) in str(refused.value)


@pytest.mark.parametrize(("old", "new"), RECIPES.items())
def test_an_old_recipe_name_is_refused_wherever_a_recipe_is_named(outgrow, tmp_path, old, new):
    assert new in shipped_recipes() and old not in shipped_recipes()
    file = tmp_path / "mine.toml"
    file.write_text(f'extends = "{old}"\n')
    stage = f"student.recipe={old}"
    commands = [
        ("train", old), ("plan", old), ("sft", old), ("train", file), ("eval", "micro-base", "--recipe", old),
        ("passrate", "micro-base", old),
        ("flywheel", "micro-flywheel", "--set", stage), ("plan", "micro-flywheel", "--set", stage),
    ]  # fmt: skip
    for command in commands:
        code, _, complaint = outgrow(*command)
        assert code == 2, command
        assert len(complaint.strip().splitlines()) == 1, complaint
        assert repr(old) in complaint and repr(new) in complaint, complaint


def test_every_way_to_write_a_key_is_seen(outgrow, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "base.toml").write_text('extends = "micro"\n[distill]\nmodel = "micro-base"\nbound = 5.0\n')
    (tmp_path / "mine.toml").write_text('extends = "base.toml"\n[run]\nthreads = 1\n')
    old, new = "'distill.bound'", "'distill.advantage_clip'"
    for command in (
        ("train", "mine.toml"),
        ("train", "micro", "--set", "distill.bound=5"),
        ("train", "micro", "--set", "distill={model='micro-base',bound=5}"),
        ("plan", "micro", "--set", "distill.bound=5"),
    ):
        code, _, complaint = outgrow(*command)
        assert code == 2
        assert len(complaint.strip().splitlines()) == 1, complaint
        assert old in complaint and new in complaint
    assert sorted(path.name for path in tmp_path.iterdir()) == ["base.toml", "mine.toml"], "nothing is made"


def test_a_stage_of_a_flywheel_is_a_recipe(outgrow, tmp_path, monkeypatch):
    write_flywheel(tmp_path)
    monkeypatch.chdir(tmp_path)
    for line, new in (
        ("student.learn.tokens_per_pass=9", "learn.tokens_per_microbatch"),
        ("base.engine.max_rows=3", "engine.max_sequences"),
        ("student.teacher.model=micro-base", "judge"),
        ("student.evaluate.also=['micro']", "evaluate.extra_suites"),
        ("student.rewards=[{type='teacher'}]", "judge_score"),
    ):
        code, _, complaint = outgrow("flywheel", "micro-flywheel", "--set", line)
        assert code == 2
        assert line.partition(".")[0] in complaint and repr(new) in complaint, complaint


def test_all_old_keys_of_a_recipe_are_told_at_once():
    values = {**raw_recipe("micro"), "teacher": {"model": "micro-base", "watch": {"slice": 3}}, "run": {"track": []}}
    with pytest.raises(UsageError) as refused:
        parse_recipe(values)
    for name in ("teacher", "judge", "teacher.watch.slice", "judge.watch.heldout_problems", "run.track", "run.trackers"):
        assert repr(name) in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_component_from_outside_keeps_its_own_keys():
    with pytest.raises(UsageError) as refused:
        load_recipe("micro", ["engine={type='mine:Engine',memory=1}", "nothing.such=1"])
    assert "it is now" not in str(refused.value)


def test_a_run_of_the_old_names_is_refused_and_stays_as_it_is(outgrow, tmp_path):
    run = tmp_path / "runs" / "old"
    run.mkdir(parents=True)
    (run / "recipe.toml").write_text(STORED)
    (run / "metrics.jsonl").write_text('{"step": 1, "pass_rate": 0.5}\n')

    def content():
        return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in run.rglob("*")}

    before = content()
    for command in ("resume", "eval", "report", "chat"):
        code, _, complaint = outgrow(command, run)
        assert code == 2, complaint
        assert len(complaint.strip().splitlines()) == 1, complaint
        assert str(run / "recipe.toml") in complaint
        for name in ("engine.max_rows", "engine.max_sequences", "learn.tokens_per_pass", "run.track", "run.trackers"):
            assert repr(name) in complaint, complaint
    page = TestClient(application(tmp_path / "runs"), base_url="http://127.0.0.1").get("/")
    assert page.status_code == 200 and "engine.max_sequences" in page.text
    assert content() == before
