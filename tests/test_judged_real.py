"""Recipes in which r1-7b is distilled into r1-1.5b or judges it, on small models of the family, with the documented commands."""

import json
import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from helpers.data import FIXTURES
from helpers.r1 import QUICK, WITH_FORMAT, make_r1
from helpers.runs import Silent
from helpers.server import completion
from outgrow.config import load_recipe
from outgrow.config.sections import PolicySection
from outgrow.core.json_lines import read_lines
from outgrow.plan.models import shape_of
from outgrow.policy import load_policy
from outgrow.train.loop import train

TEACHER, MERGED, STUDENT = Path("runs/r1-7b-gsm8k"), Path("models/r1-7b-gsm8k"), Path("runs/r1-1.5b-gsm8k-judged")
CODE = re.compile(r"End with the code ([0-9a-f]{6}) ")


def sets(overrides):
    return [part for override in overrides for part in ("--set", override)]


@pytest.fixture(scope="module")
def folder_with_teacher(tmp_path_factory):
    """A folder in which the teacher has been trained: larger than the student, with more outputs than there are tokens."""
    folder = tmp_path_factory.mktemp("judged")
    base = make_r1(folder / "seven", hidden=240, layers=4, beyond=8, seed=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("OUTGROW_DATA", str(FIXTURES))
        train(load_recipe("r1-7b-gsm8k", [f"policy.model={base}", *QUICK, WITH_FORMAT]), TEACHER, Silent())
    return folder


@pytest.fixture
def workplace(folder_with_teacher, data, monkeypatch):
    monkeypatch.chdir(folder_with_teacher)
    return folder_with_teacher


def figures(run):
    rows = read_lines(run / "metrics.jsonl")
    assert [row["step"] for row in rows] == [1, 2]
    assert all({"train/loss", "train/grad_norm", "policy/kl_to_reference", "rollouts/mean_tokens"} <= row.keys() for row in rows), (
        "no weights moved"
    )
    return rows


def test_the_teacher_learns_as_the_student_does(workplace):
    figures(TEACHER)
    adapter = json.loads((TEACHER / "checkpoints" / "latest" / "policy" / "adapter_config.json").read_text())
    assert (adapter["r"], adapter["lora_alpha"], adapter["base_model_name_or_path"]) == (64, 64, str(workplace / "seven"))
    assert len(pq.read_table(TEACHER / "rollouts")) == 2 * 4 * 7


def test_the_teacher_is_distilled_and_then_only_rewards_count(workplace, small_r1):
    run = Path("runs/r1-1.5b-gsm8k-distilled")
    told = ["distill.steps=1", "distill.dtype=float32"]
    recipe = load_recipe("r1-1.5b-gsm8k-distilled", [f"policy.model={small_r1}", *QUICK, *told, WITH_FORMAT])
    watcher = Silent()
    train(recipe, run, watcher)
    first, second = figures(run)
    assert first["distill/kl_to_teacher"] > 0
    assert first["groups/trained_frac"] == 1
    assert "distill/kl_to_teacher" not in second
    assert len(pq.read_table(run / "rollouts")) == 2 * 4 * 7
    # The plan finds the teacher, an adapter, and its outputs that no token has.
    teacher, student = (shape_of(PolicySection(model=name)) for name in (str(TEACHER), str(small_r1)))
    assert (teacher.hidden, teacher.layers, teacher.vocabulary) == (240, 4, student.vocabulary + 8)


def test_a_judge_that_talks_nonsense_ends_the_run_and_another_one_takes_over(workplace, small_r1, outgrow, serve):
    code, _, complaint = outgrow("merge", TEACHER, "--out", MERGED)
    assert (code, complaint) == (0, "")
    assert "lora" not in " ".join(load_policy(str(MERGED)).model.state_dict())
    # A judge with random weights, in this process, and answers that some of them end before the limit.
    here = [f"judge.model={MERGED}", "judge.max_tokens=16", "judge.max_unscored=0", "sampling.max_tokens=64"]
    change = [f"policy.model={small_r1}", *QUICK, *here]
    few = ["learn.problems_per_step=1", "learn.group_size=4"]
    code, _, complaint = outgrow("train", "r1-1.5b-gsm8k-judged", *sets([*change, *few]))
    assert code == 1
    lines = [line for line in complaint.splitlines() if line]
    assert len(lines) == 1, complaint
    assert re.search(rf"{MERGED} .*\d+ of 4 answers in 3 tries", lines[0])
    assert not STUDENT.exists(), "a start that fails leaves nothing"

    def score(body):
        return int(CODE.search(body["messages"][-1]["content"])[1], 16) / 0xFFFFFF

    def judge(body):
        return 200, completion(
            rf"Step by step.</think> \boxed{{{CODE.search(body['messages'][-1]['content'])[1]} {score(body):.4f}}}"
        )

    stub = serve(judge)
    served = [*change, f"judge.model={stub.url}#r1-7b-gsm8k", "judge.max_tokens=2048"]
    train(load_recipe("r1-1.5b-gsm8k-judged", served), STUDENT, Silent())
    rows = figures(STUDENT)
    assert {(body["model"], body["temperature"], body["max_tokens"]) for body in stub.asked} == {("r1-7b-gsm8k", 0.6, 2048)}
    assert all(row["judge/unscored"] == 0 and row["groups/trained_frac"] > 0 for row in rows)
    assert rows[0]["judge/canary_empty"] > 0, "canaries are made of GSM8K, and asked for"
    answers = pq.read_table(STUDENT / "rollouts").to_pylist()
    assert len(answers) == 2 * 4 * 7
    scores = {round(score(body), 4) for body in stub.asked}
    whole = [row for row in answers if row["verdict"] != "truncated"]
    assert whole
    assert all(round(row["score"], 4) in scores for row in whole)
    assert all(row["score"] == 0 for row in answers if row not in whole)
    for row in answers:  # hero: scores count only within a verdict
        assert row["verdict"] != "right" and -0.1 - 1e-9 <= row["reward_hero"] <= 0.1 + 1e-9
    assert len({row["reward_hero"] for row in whole}) > 2
