"""The lab: caching by digest, paired comparisons, what it refuses to say, and a whole small experiment."""

import json
import math
import random

import pytest
from scipy import stats
from typer.testing import CliRunner

from outgrow.cli.app import app
from outgrow.curriculum import Visit
from outgrow.errors import UsageError
from outgrow.evaluate.statistics import paired_ci95
from outgrow.lab import load_experiment
from outgrow.lab.compare import numbers, winner
from outgrow.lab.mastery import mastery
from outgrow.lab.measures import LaterFailed, PassRateAt, RolloutsTo
from outgrow.lab.page import write_page
from outgrow.lab.result import Point, Result, from_line

EXPERIMENT = """
title = "A small one"
question = "Does anything change?"
recipe = "micro"
seeds = {seeds}
baseline = "uniform"
set = [
    "learn.steps=2", "learn.problems_per_step=3", "learn.group_size=3", "sampling.max_tokens=24", "evaluate.every=1",
    "evaluate.validation_samples=1", "evaluate.samples=1", "evaluate.suite=micro-validation",
    'problems=[{{type="micro",fields=["sum"],levels=[1,2,3],per_level=5}}]',
]
measures = [{{ type = "rollouts_to", target = 0.5 }}, {{ type = "retention", problems = 3, samples = 1 }}]

[[arms]]
name = "uniform"
set = ["curriculum={{type='uniform'}}"]

[[arms]]
name = "frontier"
set = ["curriculum={{type='frontier'}}"]
"""


@pytest.fixture
def experiment(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "labs").mkdir()
    (tmp_path / "labs" / "small.toml").write_text(EXPERIMENT.format(seeds=2))
    return load_experiment("small")


def result(key="k", arm="uniform", seed=0, curve=((0, 0.2), (100, 0.4), (200, 0.6), (300, 0.8)), **changes):
    values = {
        "key": key, "on": "", "arm": arm, "seed": seed, "before": 0.2, "after": 0.8, "tokens_before": 30.0, "tokens": 20.0,
        "rollouts": 300, "mastered": 4, "visited_again": 2, "failed": 1, "retention": None, "wall_s": 60.0,
    }  # fmt: skip
    return Result(curve=[Point(rollouts, rate, {"1": rate / 2}) for rollouts, rate in curve], **{**values, **changes})


def test_rollouts_to_a_target_are_read_between_two_looks():
    """Smoothed over three: 0.3, 0.4, 0.6, 0.7 at 0, 100, 200, 300."""
    assert RolloutsTo(target=0.5).of(result()) == pytest.approx(150)
    assert RolloutsTo(target=0.65).of(result()) == pytest.approx(250)
    assert RolloutsTo(target=0.25).of(result()) == 0
    assert RolloutsTo(target=0.75).of(result()) == 300, "never reached: all that were written"
    assert RolloutsTo(target=0.25, level=1).of(result()) == pytest.approx(150)


def test_pass_rate_at_rollouts_is_read_in_proportion():
    assert PassRateAt(rollouts=125).of(result()) == pytest.approx(0.45)
    assert PassRateAt(rollouts=301).of(result()) is None


def test_a_result_survives_its_line():
    one = result(retention=0.5)
    assert from_line(json.loads(json.dumps(one.line()))) == one


def test_mastered_is_twice_all_right_and_failing_later_counts_once():
    def visits(*rights):
        return [Visit(step, "a", 8, right, 5.0) for step, right in enumerate(rights, 1)]

    for rights, mastered, again, failed in (
        ((8, 7, 8), 0, 0, 0),
        ((8, 8), 1, 0, 0),
        ((8, 8, 8), 1, 1, 0),
        ((8, 8, 7, 0, 8, 8), 1, 1, 1),
    ):
        found = mastery(visits(*rights))
        assert (len(found.mastered), len(found.visited_again), len(found.failed)) == (mastered, again, failed)
    assert LaterFailed().of(result()) == 0.5
    assert LaterFailed().of(result(visited_again=0, failed=0)) is None


def test_paired_intervals_are_scipys():
    rng = random.Random(0)
    theirs = [100 + 20 * rng.gauss(0, 1) for _ in range(12)]
    ours = [0.7 * value + 5 * rng.gauss(0, 1) for value in theirs]
    for ratio in (True, False):
        value, low, high = paired_ci95(ours, theirs, ratio)

        def statistic(one, other, axis, ratio=ratio):
            return one.mean(axis) / other.mean(axis) if ratio else one.mean(axis) - other.mean(axis)

        found = stats.bootstrap((ours, theirs), statistic, paired=True, vectorized=True, method="percentile", n_resamples=9999)
        width = high - low
        assert low == pytest.approx(found.confidence_interval.low, abs=0.06 * width)
        assert high == pytest.approx(found.confidence_interval.high, abs=0.06 * width)
        assert low < value < high
    assert paired_ci95(theirs, theirs, True) == (1, 1, 1)


def test_keys_tell_recipes_apart_and_nothing_else(experiment):
    assert len({run.key for run in experiment.runs}) == 4
    again = load_experiment("small")
    assert [run.key for run in again.runs] == [run.key for run in experiment.runs]
    assert [(run.seed, run.arm) for run in experiment.runs] == [(0, "uniform"), (0, "frontier"), (1, "uniform"), (1, "frontier")]
    assert all(run.recipe.run.threads == 1 for run in experiment.runs)


def made_up(experiment, effect, noise=10.0):
    """Results in which the second arm needs `effect` of the first one's rollouts."""
    found = {}
    for run in experiment.runs:
        own = random.Random(run.seed).gauss(200, 30)
        reached = own * (effect if run.arm == "frontier" else 1) + random.Random(run.key).gauss(0, noise)
        found[run.key] = result(run.key, run.arm, run.seed, [(0, 0.1), (reached, 0.5), (2 * reached, 0.9)], rollouts=900)
    return found


@pytest.mark.parametrize(("effect", "said"), [(0.6, "better"), (1.0, "no difference shown"), (1.5, "worse")])
def test_a_winner_is_named_only_where_the_interval_excludes_no_difference(tmp_path, monkeypatch, effect, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "made.toml").write_text(EXPERIMENT.format(seeds=12))
    asked = load_experiment("made.toml")
    found = made_up(asked, effect)
    measure, one = asked.measures[0], asked.on[0]
    [uniform, frontier] = numbers(asked, one, measure, found)
    assert uniform.against is None
    assert uniform.n == frontier.n == 12
    assert frontier.against.low < frontier.against.value < frontier.against.high
    assert frontier.against.value == pytest.approx(effect, abs=0.06)
    assert winner(asked, one, measure, found) == {"better": "frontier", "worse": "uniform"}.get(said)
    text = write_page(asked, found, tmp_path).read_text()
    [row] = [line for line in text.splitlines() if line.startswith("| frontier | 12 |")]
    assert said in row
    assert ("No arm is shown to be better" in text.split("pass@1")[0]) is (said == "no difference shown")
    picture = (tmp_path / "made.svg").read_bytes()
    write_page(asked, found, tmp_path)
    assert (tmp_path / "made.svg").read_bytes() == picture


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("baseline = \"uniform\"", "baseline = \"unifrom\""), "no arm called 'unifrom' (did you mean 'uniform'?)"),
        (("seeds = 2", "seed = 2"), "unknown key 'seed'"),
        (("type = \"rollouts_to\"", "type = \"rollouts\""), "unknown measure 'rollouts'"),
        (("name = \"frontier\"", "name = \"uniform\""), "two arms have the same name"),
    ],
)  # fmt: skip
def test_a_wrong_experiment_is_told_in_one_line(experiment, tmp_path, change, told):
    text = (tmp_path / "labs" / "small.toml").read_text().replace(*change)
    (tmp_path / "wrong.toml").write_text(text)
    with pytest.raises(UsageError, match=r"wrong\.toml") as error:
        load_experiment("wrong.toml")
    assert told in str(error.value)
    with pytest.raises(UsageError, match=r"did you mean 'small'"):
        load_experiment("smal")


def test_an_experiment_runs_is_remembered_and_goes_on(experiment, tmp_path):
    """Real runs, two at a time: four lines, a page, nothing run twice, and one lost line run again to the same numbers."""

    def lab():
        told = CliRunner().invoke(app, ["lab", "small", "--processes", "2"], catch_exceptions=False)
        assert told.exit_code == 0, told.output
        return told.output

    assert "page: docs/lab/small.md" in lab()
    lines = tmp_path / "docs" / "lab" / "small.jsonl"
    first = [json.loads(line) for line in lines.read_text().splitlines()]
    assert {row["key"] for row in first} == {run.key for run in experiment.runs}
    assert all(row["rollouts"] == 18 and len(row["curve"]) == 3 for row in first)
    assert not list((tmp_path / "runs" / "lab").iterdir())
    content = lines.read_bytes()
    lab()
    assert lines.read_bytes() == content
    lines.write_text("".join(json.dumps(row) + "\n" for row in first[1:]))
    lab()
    again = {row["key"]: row for row in map(json.loads, lines.read_text().splitlines())}
    for row in first:
        assert {**again[row["key"]], "wall_s": 0} == {**row, "wall_s": 0}
    assert all(math.isfinite(row["wall_s"]) for row in first)
