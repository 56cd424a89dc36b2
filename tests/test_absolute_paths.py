"""Relative paths of a recipe mean the folder in which the run was started, wherever it is continued from."""

import json
from pathlib import Path

import pytest

from helpers.runs import SMALL, Silent
from outgrow.config import load_recipe, parse_recipe, with_absolute_paths
from outgrow.problems.suites import suite
from outgrow.report.data import read_run
from outgrow.runs.cost import Budget, BudgetReached
from outgrow.runs.folder import RunFolder, create_run, read_recipe
from outgrow.runs.practice_problems import training_problems
from outgrow.train.loop import resume, train

ROWS = [{"question": f"{a}+{b}=?", "answer": str(a + b)} for a in range(10, 16) for b in (3, 4)]


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder with data, in which a person works."""
    folder = tmp_path / "project"
    (folder / "sets").mkdir(parents=True)
    (folder / "sets" / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS[:8]))
    (folder / "sets" / "held.csv").write_text("q,answer\n" + "".join(f"{row['question']},{row['answer']}\n" for row in ROWS[8:10]))
    (folder / "other.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS[10:]))
    monkeypatch.chdir(folder)
    return folder


PATHS = [
    'problems=[{type="table",path="sets/train.jsonl"},{type="shuffled",source={type="table",path="other.jsonl"}}]',
    "evaluate.suite=sets/held.csv:question=q",
    "evaluate.validation=other.jsonl",
    'evaluate.extra_suites=["micro-validation","./other.jsonl"]',
]


def test_every_path_of_a_recipe_becomes_absolute(project):
    (project / "gsm8k").mkdir()  # a folder that is called as a suite is
    (project / "model").mkdir()
    (project / "model" / "config.json").write_text("{}")
    (project / "runs" / "old" / "checkpoints").mkdir(parents=True)
    judge = [
        "judge.model=runs/old",
        "judge.watch.second_model=someone/judge",
        "policy.model=model",
        'rewards=[{type="hero"}]',
        "ledger.profile=profile",
    ]
    recipe = with_absolute_paths(load_recipe("micro", [*PATHS, *judge, "evaluate.validation=gsm8k"]))
    assert recipe.problems[0].path == project / "sets" / "train.jsonl"
    assert recipe.problems[1].source.path == project / "other.jsonl"
    assert recipe.evaluate.suite == f"{project}/sets/held.csv:question=q"
    assert (recipe.evaluate.validation, recipe.evaluate.extra_suites[0]) == ("gsm8k", "micro-validation")
    assert Path(recipe.evaluate.extra_suites[1]) == project / "other.jsonl"
    assert (recipe.policy.model, recipe.judge.model) == (f"{project}/model", f"{project}/runs/old")
    assert (recipe.judge.watch.second_model, recipe.ledger.profile) == ("someone/judge", project / "profile")
    assert with_absolute_paths(recipe) == recipe


@pytest.mark.parametrize("source", [{"type": "table", "hub": "someone/set"}, {"type": "gsm8k"}, {"type": "micro"}])
def test_other_names_stay(project, source):
    recipe = parse_recipe({"name": "x", "policy": {"model": "micro-base"}, "problems": [source], "evaluate": {"suite": "a/b:dev"}})
    assert with_absolute_paths(recipe) == recipe


def test_paths_of_set_are_meant_from_the_present_folder(project, tmp_path, monkeypatch):
    create_run(tmp_path / "run", with_absolute_paths(load_recipe("micro", PATHS)), {})
    monkeypatch.chdir(project / "sets")
    recipe, _ = read_recipe(tmp_path / "run", ["evaluate.validation=held.csv:question=q"])
    assert recipe.evaluate.validation == f"{project}/sets/held.csv:question=q"
    assert [len(problems) for problems in training_problems(recipe, lambda _: None)] == [8, 2]
    assert len(suite(recipe.evaluate.suite).load()) == 2


def test_a_run_is_continued_from_another_folder(project, tmp_path, monkeypatch):
    """It stops before its first step; what it measured before stays, and it is measured on the same suites after."""
    (project / "second.json").write_text(json.dumps([{"question": f"{a}-4=?", "answer": a - 4} for a in range(10, 16)]))
    second = 'problems=[{type="table",path="sets/train.jsonl"},{type="shuffled",source={type="table",path="second.json"}}]'
    recipe = load_recipe("micro", [*SMALL, *PATHS, second, "learn.steps=2", "evaluate.every=1"])
    with pytest.raises(BudgetReached):
        train(recipe, Path("run"), Silent(), Budget(hours=1e-9))
    before = {file: file.stat().st_mtime_ns for file in (project / "run" / "evals").rglob("before.parquet")}
    assert len(before) == 3
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    resume(project / "run", [], Silent())
    assert RunFolder(project / "run").read_summary()["steps"] == 2
    assert {file: file.stat().st_mtime_ns for file in before} == before
    assert set(read_run(project / "run").others) == {"micro-validation", "other.jsonl"}
    card = next((project / "run").rglob("README.md")).read_text()
    assert "held.csv:question=q" in card and str(tmp_path) not in card
