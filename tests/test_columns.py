"""Which column holds what: by name, by a path, or found; rows as the sets on the hub have them."""

import json
import shlex

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from outgrow.config import parse_recipe
from outgrow.core.errors import UsageError
from outgrow.problems.chat import Chat, read_chat
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
    "verl's GSM8K, with the instruction of its prompt": (
        {"data_source": "openai/gsm8k", "prompt": [{"role": "user", "content": "3+4=? Think step by step."}], "ability": "math",
         "reward_model": {"style": "rule", "ground_truth": "7"},
         "extra_info": {"split": "train", "index": 0, "question": "3+4=?", "answer": "7\n#### 7"}},
        "3+4=? Think step by step.", ("7", ""), "'prompt'.*'reward_model.ground_truth'",
    ),
    "a question next to a prompt as text": (
        {"prompt": "Q: 3+4=?", "extra_info": {"question": "3+4=?"}, "answer": "7"}, "3+4=?", ("7", ""), "'extra_info.question'",
    ),
    "TRL's DeepMath": (
        {"prompt": [{"role": "user", "content": "3+4=?"}], "solution": "$7$"}, "3+4=?", ("$7$", "$7$"), "'prompt'.*'solution'",
    ),
    "TRL's prompts and completions": (
        {"prompt": [{"role": "user", "content": "3+4=?"}], "completion": [{"role": "assistant", "content": r"So \boxed{7}."}]},
        "3+4=?", ("7", r"So \boxed{7}."), "'prompt'.*'completion'",
    ),
    "messages": (
        {"messages": [*CHAT, {"role": "assistant", "content": "3 and 4 are 7.\n#### 7"}]},
        "3+4=?", ("7", "3 and 4 are 7."), "the chat of column 'messages'",
    ),
    "messages with a phrase": (
        {"messages": [*CHAT, {"role": "assistant", "content": "The answer is 7."}]},
        "3+4=?", ("7", "The answer is 7."), "the chat of column 'messages'",
    ),
    "messages with a short reply": (
        {"messages": [*CHAT, {"role": "assistant", "content": "7"}]}, "3+4=?", ("7", ""), "the chat of column 'messages'",
    ),
    "messages and an answer": (
        {"messages": [*CHAT, {"role": "assistant", "content": "It is seven."}], "answer": "7"},
        "3+4=?", ("7", "It is seven."), "'messages'",
    ),
    "from and value": (
        {"conversations": [{"from": "human", "value": "3+4=?"}, {"from": "gpt", "value": "#### 7"}]},
        "3+4=?", ("7", ""), "the chat of column 'conversations'",
    ),
    "parts of text": (
        {"prompt": [{"role": "user", "content": [{"type": "text", "text": "3+4=?"}]}], "answer": 7}, "3+4=?", ("7", ""), "'prompt'",
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
        ({"question": "a", "answer": {"value": "7", "aliases": []}}, {}, "name one of 'answer.value', 'answer.aliases'"),
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


SAID = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(str.strip)
EXAMPLE = [{"role": "user", "content": "1+1=?"}, {"role": "assistant", "content": "2"}]


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_the_turns_before_a_question_are_kept_in_order(tmp_path, suffix):
    rows = [
        {"prompt": CHAT, "answer": "7"},
        {"prompt": [CHAT[0], *EXAMPLE, CHAT[1]], "answer": "7"},
        {"prompt": [{"role": "system", "content": ""}, CHAT[1]], "answer": "7"},
        {"prompt": [*EXAMPLE, {"role": "user", "content": "2+5=?"}], "answer": "7"},
    ]
    path = tmp_path / f"own.{suffix}"
    pd.DataFrame(rows).to_parquet(path) if suffix == "parquet" else path.write_text("\n".join(map(json.dumps, rows)))
    problems = Table(path=path).load()
    example = (("user", "1+1=?"), ("assistant", "2"))
    assert [(p.question, p.turns) for p in problems] == [
        ("3+4=?", (("system", "Be brief."),)),
        ("3+4=?", (("system", "Be brief."), *example)),
        ("3+4=?", ()),
        ("2+5=?", example),
    ]
    assert len({p.id for p in problems}) == 4, "the same question behind other turns is another problem"
    plain = tmp_path / "own.csv"
    plain.write_text("question,answer\n3+4=?,7\n")
    assert Table(path=plain).load()[0].id == problems[2].id, "a chat of one user turn is that question"


@pytest.mark.parametrize(
    ("turns", "reason"),
    [
        ([CHAT[0]], "without a user turn at its end"),
        ([CHAT[1], EXAMPLE[1]], "ends with an assistant turn"),
        ([CHAT[1], {"role": "tool", "content": "7"}, CHAT[1]], "role 'tool'"),
        ([CHAT[1], {"role": "assistant", "content": "", "tool_calls": [{"name": "add"}]}, CHAT[1]], "tool calls"),
        ([{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "3+4=?"}]}], "more than text"),
        ([CHAT[1], CHAT[0], CHAT[1]], "a system turn after"),
        ([{"role": "user", "content": None}], "empty"),
    ],
)
def test_a_chat_that_cannot_be_put_as_it_is_is_skipped_with_its_reason(tmp_path, turns, reason):
    path = tmp_path / "own.jsonl"
    path.write_text("\n".join(json.dumps({"prompt": chat, "answer": "7"}) for chat in (CHAT, turns)))
    notes = []
    assert [p.question for p in Table(path=path).load(notes.append)] == ["3+4=?"]
    assert any("skipped 1 row" in note and reason in note for note in notes)


@pytest.mark.parametrize("reply", ["It is seven.", "First 3.\nThen 4.", ""])
def test_a_reply_that_marks_no_answer_is_skipped(tmp_path, reply):
    path = tmp_path / "own.jsonl"
    rows = [[*CHAT, {"role": "assistant", "content": text}] for text in ("#### 7", reply)]
    path.write_text("\n".join(json.dumps({"messages": row}) for row in rows))
    notes = []
    assert [p.answer for p in Table(path=path).load(notes.append)] == ["7"]
    assert any("skipped 1 row" in note for note in notes)


@given(
    st.lists(st.tuples(st.sampled_from(["user", "assistant"]), SAID), max_size=5),
    SAID,
)
def test_every_chat_of_text_keeps_its_turns_word_for_word(before, question):
    chat = read_chat([{"role": role, "content": text} for role, text in [*before, ("user", question)]])
    assert chat == Chat(tuple(before), question.strip(), "")


def test_a_recipe_keeps_the_columns_that_it_names():
    source = {"type": "table", "path": "own.jsonl", "answer": "reward_model.ground_truth"}
    recipe = parse_recipe({"name": "x", "policy": {"model": "micro-base"}, "problems": [source]})
    assert recipe.problems[0].model_dump(exclude_defaults=True, mode="json") == {
        "path": "own.jsonl",
        "answer": "reward_model.ground_truth",
    }
