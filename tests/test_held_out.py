"""The slice of a recipe's own problems: never practised, the same in any order, and hardly changed by more problems."""

import json
import re

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from outgrow.config import load_recipe
from outgrow.core.callbacks import quiet
from outgrow.core.errors import UsageError
from outgrow.evaluate import Evaluation
from outgrow.evaluate.measured import validation_problems, validation_room
from outgrow.problems.held_out import HELD_OUT, by_hash, held_out_slice
from outgrow.runs.practice_problems import practice_problems, suite_problems, suites_of_training
from outgrow.types import Problem


def problems(count, first=0):
    return [Problem(f"p{number}", "sum", 1, f"What is {number}+1?", str(number + 1)) for number in range(first, first + count)]


def write_rows(file, count, first=0):
    rows = [{"question": problem.question, "answer": problem.answer} for problem in problems(count, first)]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.fixture
def own(tmp_path):
    """A recipe of one's own with 60 sums that names no suite."""
    write_rows(tmp_path / "sums.jsonl", 60)
    (tmp_path / "own.toml").write_text(
        f"""
name = "own"
[policy]
model = "micro-base"
[[problems]]
type = "table"
path = "{tmp_path}/sums.jsonl"
[sampling]
max_tokens = 20
[learn]
steps = 2
problems_per_step = 4
group_size = 2
"""
    )
    return tmp_path / "own.toml"


@given(st.integers(10, 1500), st.randoms())
def test_a_fifth_is_held_out_in_any_order(count, random):
    asked = problems(count)
    held_out = held_out_slice(asked)
    assert len(held_out) == min(200, max(5, round(count / 5)))
    assert held_out_slice(random.sample(asked, count)) == held_out
    assert len({problem.id for problem in held_out}) == len(held_out)


@given(st.integers(10, 600), st.integers(1, 30))
def test_more_problems_hardly_change_what_is_held_out(count, more):
    before = {problem.id for problem in held_out_slice(problems(count))}
    after = {problem.id for problem in held_out_slice(problems(count + more))}
    assert len(before - after) <= more, "a new problem pushes out one at most"
    new = {problem.id for problem in problems(more, count)}
    assert len(before & after) >= len(after) - len(new) - max(1, round(more / 5))


def test_another_writing_of_a_question_is_the_same_question():
    twice = [*problems(40), *(Problem(f"q{n}", "x", 1, f"  what is {n} + 1 ", str(n + 1)) for n in range(40))]
    assert len(by_hash(twice)) == 40
    assert {problem.id[0] for problem in held_out_slice(twice)} == {"p"}


@pytest.mark.parametrize("count", [0, 1, 9])
def test_too_few_problems_are_refused(count):
    with pytest.raises(UsageError, match=r"evaluate\.suite"):
        held_out_slice(problems(count))


def test_what_is_held_out_is_not_practised(own):
    recipe = load_recipe(str(own))
    told = []
    practised = practice_problems(recipe, told.append)
    measured = suite_problems(recipe, HELD_OUT)
    assert (len(practised), len(measured)) == (48, 12)
    assert not {problem.question for problem in practised} & {problem.question for problem in measured}
    assert any(re.search(r"12 of 60 .*evaluate\.suite", line) for line in told)


def test_both_writings_of_a_held_out_question_are_dropped(own):
    measured = suite_problems(load_recipe(str(own)), HELD_OUT)
    with (own.parent / "sums.jsonl").open("a") as file:
        file.writelines(
            json.dumps({"question": f" {problem.question.upper()}", "answer": problem.answer}) + "\n" for problem in measured
        )
    recipe = load_recipe(str(own))
    assert len(suite_problems(recipe, HELD_OUT)) == 12
    assert len(practice_problems(recipe, quiet)) == 48


def test_a_named_suite_takes_its_place(own):
    write_rows(own.parent / "test.jsonl", 15, first=50)
    recipe = load_recipe(str(own), [f"evaluate.suite={own.parent}/test.jsonl", "evaluate.every=0"])
    assert suites_of_training(recipe) == [f"{own.parent}/test.jsonl"]
    assert len(practice_problems(recipe, quiet)) == 50, "10 of the 15 are among the 60"
    with_validation = load_recipe(str(own), [f"evaluate.suite={own.parent}/test.jsonl", "evaluate.every=1"])
    assert len(suite_problems(with_validation, HELD_OUT)) == 10, "a fifth of what the suite leaves"
    assert len(practice_problems(with_validation, quiet)) == 40


def test_a_run_is_measured_on_what_it_never_practised(own, outgrow):
    run = own.parent / "run"
    code, out, err = outgrow("train", own, "--out", run)
    assert code == 0, err
    assert "held out" in out
    measured = {sample.question for sample in Evaluation.load(run / "evals" / "after.parquet").samples}
    practised = {row["question"] for part in (run / "rollouts").glob("*.parquet") for row in pq.read_table(part).to_pylist()}
    assert len(measured) == 12
    assert practised
    assert not measured & practised
    # Without a word, the finished run is measured on its own slice again.
    code, out, _ = outgrow("eval", run, "--samples", 1)
    assert code == 0
    assert "n = 12 problems" in out


def test_problems_of_their_own_do_not_inherit_a_suite(own):
    mine = own.parent / "mine.toml"
    table = f'problems = [{{type="table",path="{own.parent}/sums.jsonl"}}]'
    mine.write_text(f'extends = "micro"\nname = "mine"\n{table}\n')
    recipe = load_recipe(str(mine))
    assert (recipe.evaluate.suite, recipe.evaluate.validation) == (HELD_OUT, HELD_OUT)
    assert recipe.evaluate.samples == load_recipe("micro").evaluate.samples, "the other keys are kept"
    mine.write_text(f'extends = "micro"\nname = "mine"\n{table}\n[evaluate]\nsuite = "micro-lab"\n')
    assert load_recipe(str(mine)).evaluate.suite == "micro-lab"
    override = table.replace(" ", "")
    assert load_recipe("micro", [override]).evaluate.suite == HELD_OUT
    named = load_recipe("micro", ["evaluate.suite=micro", override])
    assert (named.evaluate.suite, named.evaluate.validation) == ("micro", HELD_OUT)
    assert load_recipe("micro").evaluate.suite == "micro"


@pytest.mark.parametrize(
    ("steps", "every", "samples", "share", "room"),
    [(10, 2, 1, 0.1, 25), (10, 3, 1, 0.1, 32), (40, 8, 1, 0.1, 102), (40, 8, 2, 0.1, 51), (40, 8, 2, 0.5, 256), (1, 1, 8, 0.01, 1)],
)
def test_validation_writes_a_tenth_of_the_rollouts_at_most(own, steps, every, samples, share, room):
    overrides = [f"learn.steps={steps}", "learn.problems_per_step=16", "learn.group_size=8", f"evaluate.every={every}"]
    recipe = load_recipe(str(own), [*overrides, f"evaluate.validation_samples={samples}", f"evaluate.validation_share={share}"])
    assert validation_room(recipe) == room  # share × steps × 16 × 8 / (measurements × samples), rounded down


def test_a_long_validation_suite_is_cut_and_told(own):
    recipe = load_recipe(str(own), ["learn.steps=5", "evaluate.every=1", "evaluate.validation=micro-validation"])
    told = []
    some = validation_problems(recipe, told.append)
    whole = suite_problems(recipe, "micro-validation")
    assert len(some) == validation_room(recipe) == 1  # 0.1 × 5 × 4 × 2 / 5, and at least one
    assert some[0] in whole
    assert any("evaluate.validation_share" in line for line in told)
