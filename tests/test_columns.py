"""Which column holds what: by name, by a path, or found; rows as the sets on the hub have them."""

import json
import shlex

import pandas as pd
import pytest

from outgrow.config import parse_recipe
from outgrow.core.errors import UsageError
from outgrow.problems.named_table import named_table
from outgrow.problems.table import Table

CHAT = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "3+4=?"}]
# A row in the shape of sets that people train on -> the problem in it, and what is said of the columns.
SHAPES = {
    "question and answer": ({"question": "3+4=?", "answer": "7"}, "3+4=?", ("7", ""), None),
    "capitals": ({"ID": "2024-I-1", "Problem": "3+4=?", "Answer": 7}, "3+4=?", ("7", ""), "'Problem'.*'Answer'"),
    "MATH": (
        {"problem": "3+4=?", "level": "Level 1", "solution": r"So $\boxed{7}$."},
        "3+4=?", ("7", r"So $\boxed{7}$."), "'problem'.*'solution'",
    ),
    "MATH with answers": (
        {"problem": "3+4=?", "solution": r"So $\boxed{7.}$", "answer": "7"}, "3+4=?", ("7", r"So $\boxed{7.}$"), "'problem'",
    ),
    "GSM8K": ({"question": "3+4=?", "answer": "3+4=<<3+4=7>>7\n#### 7"}, "3+4=?", ("7", "3+4=<<3+4=7>>7"), None),
    "final answers": ({"question": "3+4=?", "final_answer": "7", "r1_solution_1": "…"}, "3+4=?", ("7", ""), "'final_answer'"),
    "turns and a ground truth": (
        {"data_source": "own", "prompt": CHAT, "reward_model": {"style": "rule", "ground_truth": "7"}, "extra_info": {"index": 0}},
        "3+4=?", ("7", ""), "'prompt'.*'reward_model.ground_truth'",
    ),
    "the question without its instruction": (
        {"prompt": [{"role": "user", "content": "3+4=? Think step by step."}], "reward_model": {"ground_truth": "7"},
         "extra_info": {"question": "3+4=?", "answer": "7\n#### 7"}},
        "3+4=?", ("7", ""), "'extra_info.question'.*'reward_model.ground_truth'",
    ),
    "a prompt and a text": ({"prompt": "3+4=?", "ground_truth": "7"}, "3+4=?", ("7", ""), "'prompt'.*'ground_truth'"),
    "aliases": ({"question": "3+4=?", "answer": ["7", "seven"]}, "3+4=?", ("7", ""), None),
    "nested as text": ({"prompt": "3+4=?", "extra_info": json.dumps({"answer": 7})}, "3+4=?", ("7", ""), "'extra_info.answer'"),
}  # fmt: skip


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
@pytest.mark.parametrize("shape", SHAPES)
def test_columns_are_found_and_said(tmp_path, shape, suffix):
    row, question, (answer, solution), said = SHAPES[shape]
    path = tmp_path / f"own.{suffix}"
    pd.DataFrame([row]).to_parquet(path) if suffix == "parquet" else path.write_text(json.dumps(row))
    notes = []
    [problem] = Table(path=path).load(notes.append)
    assert (problem.question, problem.answer, problem.solution) == (question, answer, solution)
    if said is None:
        assert not notes
    else:
        [note] = notes
        assert pd.Series([note]).str.contains(said).all() and note.startswith("own: ")


def test_a_column_that_is_named_is_taken_and_not_said(tmp_path):
    path = tmp_path / "own.jsonl"
    row = {"question": "no", "answer": "no", "task": {"text": "3+4=?", "gold": [6, 7]}, "meta.level": "Level 4", "kind": None}
    path.write_text(json.dumps(row))
    [problem] = Table(path=path, question="task.text", answer="task.gold.1", level="meta.level", field="kind").load(pytest.fail)
    assert (problem.question, problem.answer, problem.level, problem.field) == ("3+4=?", "7", 4, "own")


def test_below_a_null_there_is_nothing(tmp_path):
    path = tmp_path / "own.jsonl"
    path.write_text(
        '{"question": "a", "meta": {"gold": 7}}\n{"question": "b", "meta": null}\n{"question": "c", "meta": {"gold": null}}'
    )
    notes = []
    assert [p.question for p in Table(path=path, answer="meta.gold").load(notes.append)] == ["a"]
    assert len(notes) == 1 and "empty (2)" in notes[0]


@pytest.mark.parametrize(
    ("row", "columns", "said"),
    [
        ({"text": "3+4=?", "label": 7}, {}, "own.jsonl, line 1: .*question.*'text', 'label'"),
        ({"question": "3+4=?", "meta": {"label": 7}}, {}, "own.jsonl, line 1: .*answer.*'question', 'meta.label'"),
        (
            {"question": "3+4=?", "solution": "It is seven."},
            {},
            "own.jsonl, line 1: .*the answer",
        ),  # a solution that marks no answer
        ({"question": "a", "answer": "7"}, {"answer": "meta.gold"}, "no column 'meta.gold'; it has 'question', 'answer'"),
        (
            {"question": "a", "meta": {"gold": 7}},
            {"answer": "meta.god"},
            "no column 'meta.god' .did you mean 'meta.gold'.*; it has 'question', 'meta.gold'",
        ),
        ({"question": "a", "answer": {"value": "7", "aliases": []}}, {}, "name one of answer.value, answer.aliases"),
        ({"question": ["a"], "answer": "7"}, {}, "column 'question' holds list values"),
    ],
)
def test_a_column_that_is_missing_is_told_with_those_that_are_there(tmp_path, row, columns, said):
    path = tmp_path / "own.jsonl"
    path.write_text(json.dumps(row))
    with pytest.raises(UsageError, match=said):
        Table(path=path, **columns).load()


@pytest.mark.parametrize(
    ("row", "name", "form"),
    [
        ({"Aufgabe": "3+4=?", "Loesung": 7}, "odd.jsonl", "odd.jsonl:question=Aufgabe:answer=Loesung"),
        ({"question": "3+4=?", "meta": {"gold": 7}}, "odd.jsonl", "odd.jsonl:answer=meta.gold"),
        ({"A b": "3+4=?", "c": 7}, "odd.jsonl:answer=c", "'odd.jsonl:answer=c:question=A b'"),
        ({"question": "3+4=?"}, "odd.jsonl", "odd.jsonl:answer=COLUMN"),
    ],
)
def test_a_table_of_the_command_line_is_told_how_to_name_columns_there(tmp_path, monkeypatch, row, name, form):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "odd.jsonl").write_text(json.dumps(row))
    with pytest.raises(UsageError) as refused:
        named_table(name, "test").load()
    assert str(refused.value).endswith(f": {form}")
    with pytest.raises(UsageError, match='answer = "'):  # a recipe's form
        Table(path=tmp_path / "odd.jsonl").load()
    if "COLUMN" not in form:
        [given] = shlex.split(form)
        assert named_table(given, "test").load()[0].answer == "7"


def test_a_chat_of_several_turns_holds_no_one_question(tmp_path):
    turns = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}, {"role": "user", "content": "3+4=?"}]
    rows = [
        {"prompt": CHAT, "answer": "7"},
        {"prompt": turns, "answer": "7"},
        {"prompt": [{"from": "human", "value": "2+5=?"}], "answer": "7"},
    ]
    path = tmp_path / "own.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    notes = []
    assert [p.question for p in Table(path=path).load(notes.append)] == ["3+4=?", "2+5=?"]
    assert any("skipped 1 rows" in note for note in notes)


def test_a_recipe_keeps_the_columns_that_it_names():
    source = {"type": "table", "path": "own.jsonl", "answer": "reward_model.ground_truth"}
    recipe = parse_recipe({"name": "x", "policy": {"model": "micro-base"}, "problems": [source]})
    assert recipe.problems[0].model_dump(exclude_defaults=True, mode="json") == {
        "path": "own.jsonl",
        "answer": "reward_model.ground_truth",
    }
