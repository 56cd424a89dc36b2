"""--limit: a seeded sample of the problems, the same wherever it is taken, and said with every figure."""

import json
import re
from functools import partial

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from outgrow.engines import LocalModel, NativeEngine, sync
from outgrow.evaluate import Evaluation
from outgrow.evaluate.pass_rates import read_profile
from outgrow.problems.limit import Limit, limited
from outgrow.problems.suites import suite
from outgrow.synthetic import read_summary
from outgrow.types import Problem

PROBLEMS = [Problem(f"p{number}", "sum", 1, f"{number}+1=?", str(number + 1)) for number in range(60)]


@given(st.integers(1, 80), st.integers(0, 1000), st.randoms())
def test_a_sample_is_a_subset_by_its_seed_whatever_the_order(n, seed, random):
    sample, limit = limited(PROBLEMS, n, seed)
    assert len(sample) == min(n, 60)
    assert sample == [problem for problem in PROBLEMS if problem in sample], "in the suite's order"
    assert limit == (Limit(n, 60, seed) if n < 60 else None)
    assert limited(PROBLEMS, n, seed) == (sample, limit)
    shuffled = random.sample(PROBLEMS, 60)
    assert set(limited(shuffled, n, seed)[0]) == set(sample)
    larger, _ = limited(PROBLEMS, n + 7, seed)
    assert set(sample) <= set(larger)


def test_another_seed_takes_another_sample_and_every_problem_has_the_same_chance():
    times = dict.fromkeys((problem.id for problem in PROBLEMS), 0)
    samples = [tuple(problem.id for problem in limited(PROBLEMS, 20, seed)[0]) for seed in range(900)]
    assert len(set(samples)) == 900
    for sample in samples:
        for problem in sample:
            times[problem] += 1
    # 300 of 900 expected; the standard deviation is 14.
    assert all(240 < count < 360 for count in times.values()), times


def test_no_limit_takes_all():
    assert limited(PROBLEMS, None, 3) == (PROBLEMS, None)
    assert limited([], 3, 3) == ([], None)


@pytest.fixture
def sums(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = [{"question": f"{number}+1=?", "answer": str(number + 1)} for number in range(1200)]
    for name in ("sums.jsonl", "more.jsonl"):
        (tmp_path / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


def ran(outgrow, *command):
    code, out, err = outgrow(*command)
    assert code == 0, err
    return out


def test_an_evaluation_says_its_sample_in_the_figure_and_in_the_file(outgrow, sums):
    asked = ("eval", "micro-base", "--on", "sums.jsonl", "--samples", "2")
    out = ran(outgrow, *asked, "--limit", "12", "--seed", "3", "--out", "a.parquet")
    assert "n = 12 of 1,200, seed 3, × 2 samples" in out
    first = Evaluation.load(sums / "a.parquet")
    chosen = [problem.id for problem in limited(suite(str(sums / "sums.jsonl")).load(), 12, 3)[0]]
    assert list(first.pass_rates()) == chosen
    assert first.limit == Limit(12, 1200, 3)
    assert first.summary()["limit"] == {"n": 12, "of": 1200, "seed": 3}
    ran(outgrow, *asked, "--limit", "12", "--seed", "4", "--out", "b.parquet")
    assert set(Evaluation.load(sums / "b.parquet").pass_rates()) != set(chosen)
    compared = ran(outgrow, "compare", "a.parquet", "same=a.parquet")
    assert compared.count("n = 12 of 1,200, seed 3") == 2, "said of each side"
    for sides in (("a.parquet", "b.parquet"), ("a.parquet,b.parquet", "same=a.parquet")):
        code, _, err = outgrow("compare", *sides)
        assert code == 2
        assert all(part in err for part in ("n = 12 of 1,200, seed 3", "n = 12 of 1,200, seed 4", "--limit", "--seed")), err
    whole = ran(outgrow, "eval", "micro-base", "--on", "micro-validation", "--samples", "1", "--limit", "190", "--out", "c.parquet")
    assert "n = 190 problems × 1 sample" in whole
    assert "limit" not in Evaluation.load(sums / "c.parquet").summary()


def test_several_suites_say_it_for_each(outgrow, sums):
    out = ran(outgrow, "eval", "micro-base", "--on", "sums.jsonl,more.jsonl,micro-validation", "--limit", "5", "--samples", "1")
    assert re.search(r"sample.* seed 0", out)
    assert out.count("5 of 1,200 × 1") == 2
    assert "5 of 190 × 1" in out


def test_a_limit_changes_no_default_but_the_number_of_problems(outgrow, sums):
    """A suite of 1,200 gets 4 samples a problem by default, and so does a part of it."""
    assert "n = 3 of 1,200, seed 0, × 4 samples" in ran(outgrow, "eval", "micro-base", "--on", "sums.jsonl", "--limit", "3")


def test_a_profile_says_its_sample_and_keeps_to_it(outgrow, sums):
    asked = ("passrate", "micro-base", "sums.jsonl", "--samples", "2", "--max-tokens", "24")
    assert "n = 6 of 1,200, seed 0, × 2 samples" in ran(outgrow, *asked, "--limit", "6")
    spec, visits = read_profile(sums / "profiles" / "sums")
    assert spec.limit == Limit(6, 1200, 0)
    assert {visit.problem_id for visit in visits} == {problem.id for problem in limited(suite("sums.jsonl").load(), 6, 0)[0]}
    assert json.loads((sums / "profiles" / "sums" / "profile.json").read_text())["limit"] == {"n": 6, "of": 1200, "seed": 0}
    assert "× 4 samples" in ran(outgrow, *asked, "--limit", "6", "--update")
    for options, told in ((("--limit", "7"), "--limit 6, not with --limit 7"), ((), "--limit 6, not with all 1,200 problems")):
        code, _, err = outgrow(*asked, *options)
        assert code == 2
        assert told in err


def test_data_says_its_sample_in_the_card_and_the_summary(outgrow, sums):
    asked = ("data", "micro-base", "sums.jsonl", "--set", "data.k=2", "--on", "micro-validation", "--out", "made")
    assert "9 problems (n = 9 of 1,200, seed 5)" in ran(outgrow, *asked, "--limit", "9", "--seed", "5")
    summary = read_summary(sums / "made")
    assert summary.limit == Limit(9, 1200, 5)
    assert summary.problems == 9
    assert "9 problems (n = 9 of 1,200, seed 5)" in (sums / "made" / "README.md").read_text()
    ids = {row["problem_id"] for file in (sums / "made" / "data").iterdir() for row in pq.read_table(file).to_pylist()}
    assert ids <= {problem.id for problem in limited(suite("sums.jsonl").load(), 9, 5)[0]}


TASK = r"""
task: NAME
dataset_path: json
dataset_kwargs: {data_files: {test: DATA}}
test_split: test
output_type: multiple_choice
doc_to_text: "{{question}}"
doc_to_choice: "{{choices}}"
doc_to_target: 0
target_delimiter: ""
metric_list:
  - {metric: acc, aggregation: mean, higher_is_better: true}
"""


def test_a_harness_task_is_sampled_by_the_seed(outgrow, shipped, tmp_path, monkeypatch):
    """A task made of the sampled documents only has the same figure; the harness's own limit would take the first ones."""
    lm_eval = pytest.importorskip("outgrow.evaluate.lm_eval")
    # Reading the harness's 14,000 task files takes half a minute.
    monkeypatch.setattr(lm_eval, "_LoadedOnce", partial(lm_eval._LoadedOnce, include_defaults=False))
    rows = [
        {"question": f"{n}+{n}=?", "choices": [str(2 * n), str(2 * n + 1)][:: 1 if n % 3 else -1]} for n in range(40)
    ]  # every third known answer is wrong

    def task(name, documents):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in documents))
        text = TASK.replace("NAME", name).replace("DATA", str(tmp_path / f"{name}.jsonl"))
        (tmp_path / f"{name}.yaml").write_text(text)

    task("all_of_them", rows)
    engine = NativeEngine()
    sync(engine, shipped)
    samples = {}
    for seed in (0, 1):
        [score] = lm_eval.run_tasks(LocalModel(shipped, engine), ["all_of_them"], tmp_path, limit=10, seed=seed)
        places = lm_eval.sample_places([f"all_of_them {place}" for place in range(40)], 10, seed)
        task(f"part_{seed}", [rows[place] for place in places])
        [alone] = lm_eval.run_tasks(LocalModel(shipped, engine), [f"part_{seed}"], tmp_path, limit=10, seed=seed)
        assert (score.value, score.error, score.n) == (alone.value, alone.error, 10)
        assert score.limit == Limit(10, 40, seed)
        assert alone.limit is None
        samples[seed] = places
    assert samples[0] != samples[1]
    assert samples[0] != list(range(10))
    out = ran(outgrow, "harness", "micro-base", "all_of_them", "--folder", tmp_path, "--limit", "10", "--out", tmp_path / "s.json")
    assert "10 of 40" in out
    assert "seed 0" in out
    assert json.loads((tmp_path / "s.json").read_text())[0]["limit"] == {"n": 10, "of": 40, "seed": 0}
