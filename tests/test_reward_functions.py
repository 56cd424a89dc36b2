"""Reward functions of TRL and verl, taken as they are: against TRL's own call, and through a run, an audit and a resume."""

import asyncio
import importlib
import json
import shutil
import sys
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import torch
from transformers import TrainerState as RealState

from helpers.groups import group
from outgrow.algorithms.rewards import compose
from outgrow.audit.record import audit_key
from outgrow.config import parse_recipe
from outgrow.core.errors import OutgrowError, UsageError
from outgrow.problems.shuffled import Shuffled
from outgrow.problems.table import Table
from outgrow.runs.data_record import digests_of
from outgrow.runs.folder import RunFolder, read_recipe
from outgrow.runs.practice_problems import practice_problems
from outgrow.train.loop import resume, train
from outgrow.train.watcher import SilentWatcher

pytestmark = pytest.mark.usefixtures("own_code")

CODE = """
import asyncio, math
import numpy as np

SEEN = []

def lengths(completions, **kwargs):
    SEEN.append({"completions": completions, **kwargs})
    return [float(len(text)) for text in completions]

def right(prompts, completions, answer):
    return [float(a in c) for c, a in zip(completions, answer, strict=True)]

def needs(completions, rubric, **kwargs):
    return [0.0 for _ in completions]

def chats(prompts, completions, **kwargs):
    SEEN.append({"prompts": prompts, "completions": completions})
    return [float(len(completion[0]["content"])) for completion in completions]

async def slow(completions, **kwargs):
    await asyncio.sleep(0)
    return [2.0 for _ in completions]

def schedule(completions, trainer_state, **kwargs):
    return [trainer_state.global_step / trainer_state.max_steps for _ in completions]

def logs(completions, log_extra, log_metric, **kwargs):
    log_extra("n", [1] * len(completions))
    log_metric("n", 1.0)
    return np.ones(len(completions), dtype=np.float32)

class Scaled:
    def __init__(self, by): self.by = by
    def __call__(self, completions, **kwargs): return [self.by for _ in completions]

scaled = Scaled(0.25)

def none(completions, **kwargs): return [None, 1, True][: len(completions)]
def few(completions, **kwargs): return [1.0]
def one(completions, **kwargs): return 1.0
def words(completions, **kwargs): return ["good"] * len(completions)
def nan(completions, **kwargs): return [math.nan] * len(completions)
def huge(completions, **kwargs): return [math.inf] * len(completions)
def raises(completions, **kwargs): return [kwargs["rubric"] for _ in completions]

def compute_score(data_source, solution_str, ground_truth, extra_info=None):
    SEEN.append((data_source, solution_str, ground_truth, dict(extra_info)))
    extra_info["mine"] = "written"
    return {"score": float(ground_truth in solution_str), "acc": True}

def plain_score(data_source, solution_str, ground_truth, extra_info): return ground_truth in solution_str
def few_names(solution_str, ground_truth, method="strict"): return 0.5 if method == "strict" else 0.25
def no_score(data_source, solution_str, ground_truth, extra_info): return {"acc": 1.0}
def text_score(data_source, solution_str, ground_truth, extra_info): return "1.0"
async def slow_score(data_source, solution_str, ground_truth, extra_info): return 1.5
def wants_more(data_source, solution_str, ground_truth, extra_info, router): return 0.0

def other(texts, answers): return [0.0]
def anything(**kwargs): return [0.0]
"""


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """The module above, importable as in a run of one's own folder."""
    (tmp_path / "mine.py").write_text(CODE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "mine", raising=False)
    yield importlib.import_module("mine")
    sys.modules.pop("mine", None)


def recipe_of(*rewards, problems=None, **more):
    values = {"name": "x", "policy": {"model": "micro-base"}, "rewards": [dict(reward) for reward in rewards], **more}
    values.setdefault("evaluate", {"suite": "micro", "every": 0})
    return parse_recipe({**values, "problems": problems} if problems else values)


def reward(name, **settings):
    return recipe_of({"type": f"mine:{name}", **settings}).rewards[0]


TEXTS = [r"3+4</think>\boxed{7}", r"\boxed{8}", ""]


def answered(problem=None, texts=TEXTS):
    made = group(texts, ["right", "wrong", "no answer"][: len(texts)], step=3)
    return replace(made, steps=10, **({"problem": problem} if problem else {}))


@pytest.mark.parametrize(
    ("name", "paid"),
    [
        ("lengths", [float(len(text)) for text in TEXTS]),
        ("right", [1.0, 0.0, 0.0]),
        ("slow", [2.0] * 3),
        ("schedule", [0.2] * 3),
        ("logs", [1.0] * 3),
        ("scaled", [0.25] * 3),
        ("none", [0.0, 1.0, 1.0]),
        ("compute_score", [1.0, 0.0, 0.0]),
        ("plain_score", [1.0, 0.0, 0.0]),
        ("few_names", [0.5] * 3),
        ("slow_score", [1.5] * 3),
    ],
)
def test_a_function_pays_each_completion(mine, name, paid):
    assert reward(name).compute(answered()) == paid
    assert compose([reward(name, weight=0.5)], answered()) == {f"mine:{name}": [0.5 * one for one in paid]}


def test_async_functions_also_run_inside_a_running_loop(mine):
    async def inside():
        return reward("slow").compute(answered()) + reward("slow_score").compute(answered())

    assert asyncio.run(inside()) == [2.0] * 3 + [1.5] * 3


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("few", "1 values for 3 completions"),
        ("one", "1.0 .float. for 3 completions"),
        ("words", "'good' .str. for completion 1 of 3"),
        ("nan", "nan for completion 1 of 3"),
        ("huge", "inf for completion 1 of 3"),
        ("raises", "KeyError: 'rubric'"),
        ("chats", "TypeError: .*conversational"),
        ("no_score", "without 'score'.*'acc'"),
        ("text_score", "'1.0' .str."),
    ],
)
def test_a_function_that_pays_no_number_is_one_line_that_names_it(mine, name, said):
    with pytest.raises(OutgrowError, match=said) as refused:
        reward(name).compute(answered())
    assert f"'mine:{name}'" in str(refused.value) and "'sum:3+4'" in str(refused.value) and "\n" not in str(refused.value)


@pytest.mark.parametrize(("name", "column"), [("needs", "rubric"), ("wants_more", "router")])
def test_a_parameter_that_the_data_lacks_is_told_before_the_run(mine, name, column):
    with pytest.raises(UsageError, match=f"'mine:{name}' needs '{column}'.*question, answer"):
        reward(name).require(answered().problem)


@pytest.mark.parametrize("name", ["other", "anything", "SEEN", "absent"])
def test_what_has_neither_form_is_refused_with_the_two_forms(mine, name):
    said = "completions, .*columns.*solution_str" if name in ("other", "anything") else f"mine:{name}"
    with pytest.raises(UsageError, match=said):
        reward(name)


def test_reward_kwargs_are_arguments_of_verls_function(mine):
    assert reward("few_names", reward_kwargs={"method": "flexible"}).compute(answered()) == [0.25] * 3
    with pytest.raises(UsageError, match=r"the reward .* has no key 'reward_kwargs'"):
        reward("lengths", reward_kwargs={})


# Columns


VERL = {
    "data_source": "openai/gsm8k",
    "prompt": [{"role": "user", "content": "3+4=? Use ####."}],
    "ability": "math",
    "reward_model": {"style": "rule", "ground_truth": "7"},
    "extra_info": {"split": "train", "index": 5},
}


def problems_of(path: Path, rows, *rewards, **settings):
    path.write_text("\n".join(map(json.dumps, rows)))
    recipe = recipe_of(*rewards, problems=[{"type": "table", "path": str(path), **settings}])
    return practice_problems(recipe, lambda line: None)


def test_every_column_of_the_row_reaches_the_function(mine, tmp_path):
    row = {"prompt": "3+4=?", "answer": "3 and 4.\n#### 7", "tags": ["sum", {"deep": [1, None]}], "completion": "no"}
    [problem] = problems_of(tmp_path / "own.jsonl", [row], {"type": "mine:lengths"})
    reward("lengths").compute(answered(problem))
    [seen] = mine.SEEN
    assert seen["tags"] == [row["tags"]] * 3 and seen["answer"] == [row["answer"]] * 3 and seen["question"] == ["3+4=?"] * 3
    assert seen["prompts"] == ["3+4=?"] * 3 and seen["completions"] == TEXTS
    assert seen["completion_ids"] == [[5] * len(text) for text in TEXTS]
    assert not {"prompt", "completion", "log_extra"} & seen.keys()
    real = RealState(global_step=2, max_steps=10)
    assert (seen["trainer_state"].global_step, seen["trainer_state"].max_steps) == (real.global_step, real.max_steps)


def test_rows_are_kept_only_where_a_reward_reads_them(mine, tmp_path):
    rows = [{"question": "3+4=?", "answer": "7", "tags": "x" * 1000}]
    [without] = problems_of(tmp_path / "own.jsonl", rows, {"type": "accuracy"})
    [with_row] = problems_of(tmp_path / "own.jsonl", rows, {"type": "accuracy"}, {"type": "mine:right"})
    assert (without.row, json.loads(with_row.row)) == ("", rows[0])
    assert replace(with_row, row="") == without and hash(with_row) != hash(without)


def test_the_functions_of_chats_get_messages(mine, tmp_path):
    chat = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "3+4=?"}]
    [problem] = problems_of(tmp_path / "own.jsonl", [{"prompt": chat, "answer": "7"}], {"type": "mine:chats"})
    assert reward("chats").compute(answered(problem)) == [float(len(text)) for text in TEXTS]
    assert mine.SEEN[0]["prompts"] == [chat] * 3
    assert mine.SEEN[0]["completions"] == [[{"role": "assistant", "content": text}] for text in TEXTS]
    reward("chats", conversational=True).compute(answered())
    assert mine.SEEN[1]["prompts"] == [[{"role": "user", "content": "3+4=?"}]] * 3
    assert reward("lengths", conversational=False).compute(answered(problem)) == [float(len(text)) for text in TEXTS]


def test_verls_function_gets_its_four_arguments(mine, tmp_path):
    [problem] = problems_of(tmp_path / "verl.jsonl", [VERL], {"type": "mine:compute_score"})
    assert problem.question == "3+4=? Use ####."
    reward("compute_score").compute(answered(problem))
    added = {"num_turns": 2, "rollout_reward_scores": {}}
    assert [("openai/gsm8k", text, "7", {**VERL["extra_info"], **added}) for text in TEXTS] == mine.SEEN, "one copy a call"
    mine.SEEN.clear()
    reward("compute_score").compute(answered())
    assert mine.SEEN[0] == ("sum", TEXTS[0], "7", added)


def test_extra_info_that_is_no_table_is_told_before_the_run(mine, tmp_path):
    [problem] = problems_of(tmp_path / "verl.jsonl", [{**VERL, "extra_info": "a text"}], {"type": "mine:compute_score"})
    with pytest.raises(UsageError, match="extra_info"):
        reward("compute_score").require(problem)


def test_shuffled_answers_shuffle_the_columns_too(mine, tmp_path):
    rows = [{"question": f"{n}+1=?", "answer": str(n + 1), "gold": str(n + 1)} for n in range(6)]
    path = tmp_path / "own.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    problems = Shuffled(source=Table(path=path)).with_rows().load()
    assert all(json.loads(p.row)["gold"] == p.answer and p.question != f"{int(p.answer) - 1}+1=?" for p in problems)


# TRL's own functions, and its own call


def trl_calls(function, prompts, completions, ids, columns, state):
    """TRL's own code that calls a reward function, on a trainer of which only that part is there."""
    from trl import GRPOTrainer

    trainer = GRPOTrainer.__new__(GRPOTrainer)
    trainer.accelerator = type("A", (), {"device": "cpu", "process_index": 0, "is_main_process": True})()
    trainer.reward_funcs, trainer.reward_func_names, trainer.reward_processing_classes = [function], ["f"], [None]
    trainer.environments, trainer.state = None, state
    trainer._has_async_funcs = False
    inputs = [dict(columns) for _ in prompts]
    raw = GRPOTrainer._calculate_rewards
    while hasattr(raw, "__wrapped__"):
        raw = raw.__wrapped__
    with (
        mock.patch("trl.trainer.grpo_trainer.gather", lambda tensor: tensor),
        mock.patch("trl.trainer.grpo_trainer.profiling_context", return_value=nullcontext()),
    ):
        return raw(trainer, inputs, prompts, completions, ids)[:, 0].tolist()


@pytest.mark.parametrize("chat", [False, True])
def test_a_function_is_called_as_trl_calls_it(mine, tmp_path, chat):
    prompt = [{"role": "user", "content": "3+4=?"}] if chat else "3+4=?"
    row = {"prompt": prompt, "answer": "7", "tags": ["a"]}
    [problem] = problems_of(tmp_path / "own.jsonl", [row], {"type": "mine:lengths"})
    name = "chats" if chat else "lengths"
    ours = reward(name).compute(answered(problem))
    completions = [[{"role": "assistant", "content": text}] for text in TEXTS] if chat else TEXTS
    ids, state = [[5] * len(text) for text in TEXTS], RealState(global_step=2, max_steps=10)
    theirs = trl_calls(getattr(mine, name), [prompt] * 3, completions, ids, row, state)
    assert ours == pytest.approx(theirs)
    first, second = mine.SEEN
    same = first.keys() & second.keys()
    assert same >= {"prompts", "completions"} | ({"tags", "answer", "completion_ids"} if not chat else set())
    assert all(first[key] == second[key] for key in same - {"trainer_state"})


@pytest.mark.parametrize(
    ("name", "settings"),
    [("think_format_reward", {}), ("accuracy_reward", {}), ("reasoning_accuracy_reward", {})],
)
def test_trls_own_rewards_are_named_as_they_are(tmp_path, name, settings):
    pytest.importorskip("math_verify")
    import trl.rewards

    row = {"prompt": [{"role": "user", "content": "3+4=?"}], "solution": "$7$"}
    [problem] = problems_of(tmp_path / "own.jsonl", [row], {"type": f"trl.rewards:{name}"})
    texts = [r"<think>3+4</think>So $\boxed{7}$", r"<think>3+4</think>So $\boxed{8}$", "no"]
    paid = recipe_of({"type": f"trl.rewards:{name}", **settings}).rewards[0].compute(answered(problem, texts))
    completions = [[{"role": "assistant", "content": text}] for text in texts]
    assert paid == [one or 0.0 for one in getattr(trl.rewards, name)(completions=completions, solution=["$7$"] * 3)]
    assert len(set(paid)) == 2


# Through a run


MICRO = {"name": "x", "policy": {"model": "micro-base"}, "run": {"threads": 1}}


def rows_of_sums(path: Path, start: int, count: int) -> str:
    sums = [(a, b) for a in range(2, 10) for b in range(2, 10)][start : start + count]
    path.write_text("\n".join(json.dumps({"question": f"{a}+{b}=?", "answer": str(a + b), "bonus": a / 10}) for a, b in sums))
    return str(path)


def own_recipe(folder: Path, steps: int):
    held_out = rows_of_sums(folder / "held-out.jsonl", 40, 6)
    return parse_recipe(
        {
            **MICRO,
            "problems": [{"type": "table", "path": rows_of_sums(folder / "own.jsonl", 0, 12)}],
            "rewards": [{"type": "accuracy"}, {"type": "mine:bonus"}, {"type": "mine:compute_score", "weight": 0.5}],
            "learn": {"steps": steps, "problems_per_step": 4, "group_size": 4, "lr": 1e-4, "schedule": "constant"},
            "sampling": {"max_tokens": 24},
            "evaluate": {"suite": held_out, "validation": held_out, "every": 0, "samples": 1},
            "run": {"threads": 1, "checkpoint_every": 1},
        }
    )


@pytest.fixture
def bonus(mine, tmp_path):
    with (tmp_path / "mine.py").open("a") as file:
        file.write("\ndef bonus(completions, bonus, **kwargs): return [value for value in bonus]\n")
    sys.modules.pop("mine")
    return importlib.import_module("mine")


def test_a_run_with_functions_stops_resumes_and_sees_changed_code_and_columns(bonus, tmp_path):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train(own_recipe(tmp_path, 4), whole, SilentWatcher())
    train(own_recipe(tmp_path, 2), parts, SilentWatcher())
    assert resume(parts, ["learn.steps=4"], SilentWatcher())
    lines = [RunFolder(run).metrics.read_text() for run in (whole, parts)]
    assert lines[0] == lines[1]
    rows = [json.loads(line) for line in lines[0].splitlines()]
    assert all({"reward/accuracy", "reward/mine:bonus", "reward/mine:compute_score"} <= row.keys() for row in rows)

    data = tmp_path / "own.jsonl"
    data.write_text(data.read_text().replace('"bonus": 0.2', '"bonus": 0.7'))
    (tmp_path / "mine.py").write_text((tmp_path / "mine.py").read_text() + "\n# changed\n")
    said = []
    watcher = SilentWatcher()
    watcher.warn = said.append
    assert resume(parts, ["learn.steps=5"], watcher)
    assert any("code of mine:bonus" in line for line in said), said
    assert any("[[problems]] number 1" in line and "changed" in line for line in said), said
    assert read_recipe(parts)[0].rewards[1].type == "mine:bonus"


def test_a_run_that_a_function_ends_says_why(bonus, tmp_path):
    recipe = own_recipe(tmp_path, 2)
    broken = recipe.model_copy(update={"rewards": (recipe_of({"type": "mine:raises"}).rewards[0],)})
    with pytest.raises(OutgrowError, match="'mine:raises' raised KeyError: 'rubric'"):
        train(broken, tmp_path / "run", SilentWatcher())
    assert not (tmp_path / "run").exists(), "a start that fails leaves nothing"
    missing = recipe.model_copy(update={"rewards": (recipe_of({"type": "mine:needs"}).rewards[0],)})
    with pytest.raises(UsageError, match="needs 'rubric'"):
        train(missing, tmp_path / "other", SilentWatcher())
    assert not (tmp_path / "other").exists()


def test_an_audit_tries_functions_and_names_their_errors(bonus, tmp_path):
    from outgrow.audit.audit import problems_to_audit, try_reward
    from outgrow.runs.models import base_policy

    recipe = own_recipe(tmp_path, 2)
    policy = base_policy(recipe)

    def audited(*names):
        rewards = recipe_of(*({"type": f"mine:{name}"} for name in names)).rewards
        tried = recipe.model_copy(update={"rewards": rewards})
        return try_reward(tried, policy, problems_to_audit(tried, 4, 0, lambda line: None), lambda: None)

    assert not audited("compute_score").sound, "it pays for the answer wherever it stands"
    found = audited("raises")
    assert found.raises == [f"the reward raises KeyError ({len(found.errors)} of {len(found.errors)} completions)"]


def test_the_code_of_a_function_is_part_of_what_an_audit_and_a_run_record(bonus, tmp_path):
    recipe = own_recipe(tmp_path, 2)
    before, code = audit_key(recipe), digests_of(recipe, [[]], {}, {})
    assert set(before["code"]) == {"mine:bonus", "mine:compute_score"}
    assert {part for part in code if part.startswith("code of")} == {"code of mine:bonus", "code of mine:compute_score"}
    (tmp_path / "mine.py").write_text((tmp_path / "mine.py").read_text() + "\n# changed\n")
    assert audit_key(recipe)["code"] != before["code"] and digests_of(recipe, [[]], {}, {}) != code
    shutil.rmtree(tmp_path / "__pycache__", ignore_errors=True)


def test_tensors_and_arrays_are_lists(mine):
    from outgrow.algorithms.rewards.function_trl import TRLFunction

    for values in (torch.tensor([1.0, 0.0, 2.0]), np.array([1, 0, 2]), (1, 0, 2)):
        mine.anything_else = lambda completions, values=values: values
        assert TRLFunction(type="mine:anything_else").compute(answered()) == [1.0, 0.0, 2.0]
