"""The lab: caching by digest, paired comparisons, what it refuses to say, and a whole small experiment."""

import json
import math
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from outgrow.cli.app import app
from outgrow.core.errors import OutgrowError, UsageError
from outgrow.evaluate.statistics import paired_ci95, seeds_ci95
from outgrow.experiments import load_experiment, write_page
from outgrow.experiments.code_digest import SHOWS_ONLY, code_digest
from outgrow.experiments.compare import arm_statistics, winner
from outgrow.experiments.mastery import mastery
from outgrow.experiments.rl_measures import LaterFailed, PassRateAt, RolloutsTo
from outgrow.experiments.rl_result import Point, RLResult, from_rl_line
from outgrow.types import Visit

REPOSITORY = Path(__file__).parents[1]
EXPERIMENT = """
title = "A small one"
question = "Does anything change?"
recipe = "micro"
seeds = {seeds}
baseline = "uniform"
set = [
    "learn.steps=2", "learn.problems_per_step=3", "learn.group_size=3", "sampling.max_tokens=24", "evaluate.every=1",
    "evaluate.validation_samples=1", "evaluate.samples=1", "evaluate.suite=held-out",
    "evaluate.validation=held-out", "evaluate.validation_share=99.0",
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
        "rollouts": 300, "mastered": 4, "visited_again": 2, "failed": 1, "retention": None, "lost": None,
        "wall_s": 9.0, "code": "c",
    }  # fmt: skip
    return RLResult(curve=[Point(rollouts, rate, {"1": rate / 2}) for rollouts, rate in curve], **{**values, **changes})


def test_rollouts_to_a_target_are_read_between_two_looks():
    """Smoothed over three: 0.3, 0.4, 0.6, 0.7 at 0, 100, 200, 300."""
    assert RolloutsTo(target=0.5).value(result()) == pytest.approx(150)
    assert RolloutsTo(target=0.65).value(result()) == pytest.approx(250)
    assert RolloutsTo(target=0.25).value(result()) == 0
    assert RolloutsTo(target=0.75).value(result()) == 300, "never reached: all that were written"
    assert [RolloutsTo(target=target).reached(result()) for target in (0.25, 0.65, 0.75)] == [True, True, False]
    assert RolloutsTo(target=0.25, level=1).value(result()) == pytest.approx(150)


def test_pass_rate_at_rollouts_is_read_in_proportion():
    assert PassRateAt(rollouts=125).value(result()) == pytest.approx(0.45)
    assert PassRateAt(rollouts=301).value(result()) is None


def test_a_result_survives_its_line():
    one = result(retention=0.5)
    assert from_rl_line(json.loads(json.dumps(one.line()))) == one


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
    assert LaterFailed().value(result()) == 0.5
    assert LaterFailed().value(result(visited_again=0, failed=0)) is None


@pytest.mark.parametrize("n", [6, 12])
@pytest.mark.parametrize("ratio", [True, False])
def test_intervals_over_few_seeds_cover_the_truth(n, ratio):
    """Of 1,500 experiments with a true effect of 0.8, or −20: 95%, within what a percentile bootstrap of skewed ratios allows."""
    rng = np.random.default_rng(n)
    base = 100 + 15 * rng.standard_normal((1500, n))
    ours = 0.8 * base + 8 * rng.standard_normal((1500, n)) if ratio else base - 20 + 8 * rng.standard_normal((1500, n))
    truth = 0.8 if ratio else -20
    found = [paired_ci95(one.tolist(), other.tolist(), ratio) for one, other in zip(ours[:400], base[:400], strict=True)]
    covered = sum(low <= truth <= high for _, low, high in found) / len(found)
    # Four standard errors of 400 are 0.044.
    assert 0.905 <= covered <= 0.994
    assert all(low <= value <= high for value, low, high in found)


def test_an_interval_without_spread_is_a_point():
    assert paired_ci95([3, 6, 9], [3, 6, 9], True) == (1, 1, 1)
    assert seeds_ci95([2.0] * 7) == (2, 2)


def test_keys_tell_recipes_apart_and_nothing_else(experiment):
    assert len({run.key for run in experiment.runs}) == 4
    again = load_experiment("small")
    assert [run.key for run in again.runs] == [run.key for run in experiment.runs]
    assert [(run.seed, run.arm) for run in experiment.runs] == [(0, "uniform"), (0, "frontier"), (1, "uniform"), (1, "frontier")]
    assert all(run.recipe.run.threads == 1 for run in experiment.runs)


def test_the_digest_of_the_code_is_of_all_that_decides_and_nothing_else(tmp_path):
    package = tmp_path / "outgrow"
    shutil.copytree(REPOSITORY / "src" / "outgrow", package, ignore=shutil.ignore_patterns("__pycache__"))
    assert all((package / name).exists() for name in SHOWS_ONLY)

    def digest_after(name):
        """With another last byte in this file."""
        file = package / name
        content = file.read_bytes()
        file.write_bytes(content + b"\n")
        code_digest.cache_clear()
        try:
            return code_digest(package)
        finally:
            file.write_bytes(content)

    whole = code_digest(package)
    assert whole == code_digest(), "where the package lies decides nothing"
    decides = [
        "core/rng.py", "core/oom_backoff.py", "core/registry.py", "config/schema.py", "evaluate/statistics.py",
        "sandbox/generate.py", "synthetic/select.py", "flywheel/stages.py", "train/update.py", "plan/fit_to_memory.py",
        "experiments/rl_trial.py",
        "recipes/micro.toml", "policy/models/micro-base/model.safetensors",
    ]  # fmt: skip
    digests = [digest_after(name) for name in decides]
    assert len({whole, *digests}) == 1 + len(decides)
    for name in ("report/charts.py", "report/page.css", "cli/app.py", "experiments/page.py", "runs/trackers/wandb.py"):
        assert digest_after(name) == whole, name
    (package / "algorithms" / "samplers" / "new.py").write_text("")
    code_digest.cache_clear()
    assert code_digest(package) != whole


def made_up(experiment, effect, noise=10.0):
    """Results in which the second arm needs `effect` of the first one's rollouts."""
    found = {}
    for run in experiment.runs:
        own = random.Random(run.seed).gauss(200, 30)
        reached = own * (effect if run.arm == "frontier" else 1) + random.Random(f"{run.arm}, seed {run.seed}").gauss(0, noise)
        found[run.key] = result(run.key, run.arm, run.seed, [(0, 0.1), (reached, 0.5), (2 * reached, 0.9)], rollouts=900)
    return found


def test_an_arm_that_never_arrives_is_not_called_better_for_having_written_less(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "made.toml").write_text(EXPERIMENT.format(seeds=12))
    asked = load_experiment("made.toml")
    measure, one = asked.measures[0], asked.on[0]
    found = made_up(asked, 1.0)
    stuck = {
        run.key: result(run.key, run.arm, run.seed, [(0, 0.1), (50, 0.2)], rollouts=50)
        for run in asked.runs
        if run.arm == "frontier"
    }
    [_, frontier] = arm_statistics(asked, one, measure, found | stuck)
    assert frontier.n_reached == 0
    assert frontier.vs_baseline.high < 1
    assert frontier.verdict.startswith("not shown")
    assert winner(asked, one, measure, found | stuck) is None
    # The other way round a bound is on the safe side: the baseline needs more than this.
    slow = {
        run.key: result(run.key, run.arm, run.seed, [(0, 0.1), (900, 0.2)], rollouts=900)
        for run in asked.runs
        if run.arm == "uniform"
    }
    [_, frontier] = arm_statistics(asked, one, measure, found | slow)
    assert frontier.verdict == "better"
    page = write_page(asked, found | slow, tmp_path).read_text()
    assert "| uniform | 12 (0 reached the target) | at least 900 |" in page
    # Neither side is shown to be better where the bound is within the other's interval.
    near = {
        run.key: result(run.key, run.arm, run.seed, [(0, 0.1), (200, 0.2)], rollouts=200)
        for run in asked.runs
        if run.arm == "frontier"
    }
    even = {}
    for run in asked.runs:
        if run.arm == "uniform":
            reached = 150 + 100 * (run.seed % 2)
            even[run.key] = result(run.key, run.arm, run.seed, [(0, 0.1), (reached, 0.5), (2 * reached, 0.9)], rollouts=900)
    [_, frontier] = arm_statistics(asked, one, measure, found | near | even)
    assert frontier.vs_baseline.low < 1 < frontier.vs_baseline.high
    assert frontier.verdict.startswith("not shown")


def test_a_measure_whose_higher_values_may_be_a_loss_has_no_better_arm(tmp_path, monkeypatch):
    class Neutral(RolloutsTo):
        neutral = True

    monkeypatch.chdir(tmp_path)
    (tmp_path / "made.toml").write_text(EXPERIMENT.format(seeds=12))
    asked = load_experiment("made.toml")
    neutral = asked.model_copy(update={"measures": (Neutral(**asked.measures[0].model_dump()),)})
    for effect, said in ((0.6, "lower"), (1.5, "higher")):
        found = made_up(asked, effect)
        assert arm_statistics(neutral, neutral.on[0], neutral.measures[0], found)[1].verdict == said
        assert winner(neutral, neutral.on[0], neutral.measures[0], found) is None
        assert "every other arm" not in write_page(neutral, found, tmp_path).read_text()


@pytest.mark.parametrize(("effect", "said"), [(0.6, "better"), (1.0, "no difference shown"), (1.5, "worse")])
def test_a_winner_is_named_only_where_the_interval_excludes_no_difference(tmp_path, monkeypatch, effect, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "made.toml").write_text(EXPERIMENT.format(seeds=12))
    asked = load_experiment("made.toml")
    found = made_up(asked, effect)
    measure, one = asked.measures[0], asked.on[0]
    [uniform, frontier] = arm_statistics(asked, one, measure, found)
    assert uniform.vs_baseline is None
    assert uniform.n == frontier.n == 12
    assert frontier.vs_baseline.low < frontier.vs_baseline.value < frontier.vs_baseline.high
    assert frontier.vs_baseline.value == pytest.approx(effect, abs=0.06)
    assert winner(asked, one, measure, found) == {"better": "frontier", "worse": "uniform"}.get(said)
    assert winner(asked, one.model_copy(update={"arms": ("frontier",)}), measure, found) is None, (
        "there is nothing to be better than"
    )
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
        (("seeds = 2", "seeds = 1000000000000"), "2,000,000,000,000 runs (seeds x arms x conditions); at most 100,000"),
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


@pytest.mark.parametrize("name", sorted(path.stem for path in (REPOSITORY / "docs" / "lab").glob("*.jsonl")))
def test_the_results_in_the_repository_are_of_the_experiments_as_they_are_now(name, monkeypatch):
    """A change of a recipe, or of a default, would make them those of another experiment. Not every run need be done yet."""
    monkeypatch.chdir(REPOSITORY)
    rows = [json.loads(line) for line in (REPOSITORY / "docs" / "lab" / f"{name}.jsonl").read_text().splitlines()]
    assert rows
    assert {row["key"] for row in rows} <= {run.key for run in load_experiment(name).runs}


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
    assert all(0 <= row["retention"] <= 1 for row in first)
    assert len({row["code"] for row in first}) == 1
    assert not list((tmp_path / "runs" / "lab").iterdir())
    content = lines.read_bytes()
    left = tmp_path / "runs" / "lab" / first[0]["key"] / "rollouts"
    left.mkdir(parents=True)  # as a lab leaves it that is killed while it removes a finished run
    lab()
    assert lines.read_bytes() == content
    assert not list((tmp_path / "runs" / "lab").iterdir())
    lines.write_text("".join(json.dumps(row) + "\n" for row in first[1:]))
    lab()
    again = {row["key"]: row for row in map(json.loads, lines.read_text().splitlines())}
    for row in first:
        assert {**again[row["key"]], "wall_s": 0} == {**row, "wall_s": 0}
    assert all(math.isfinite(row["wall_s"]) for row in first)


def test_a_page_of_nothing_is_refused(experiment, tmp_path):
    told = CliRunner().invoke(app, ["lab", "small", "--page"])
    assert isinstance(told.exception, UsageError)
    assert re.search(r"small.*docs/lab.*--page", str(told.exception))
    assert not (tmp_path / "docs").exists()


def test_two_arms_that_are_the_same_recipe_are_refused(experiment, tmp_path):
    text = (tmp_path / "labs" / "small.toml").read_text().replace("curriculum={type='frontier'}", "curriculum={type='uniform'}")
    (tmp_path / "same.toml").write_text(text)
    with pytest.raises(UsageError, match=r"'uniform' and 'frontier' are the same recipe"):
        len(load_experiment("same.toml").runs)


def test_a_failed_run_is_told_and_the_others_are_kept(experiment, tmp_path):
    text = (
        (tmp_path / "labs" / "small.toml").read_text().replace("type='frontier'}", "type='frontier'}\", \"ledger.profile=nowhere")
    )
    (tmp_path / "labs" / "small.toml").write_text(text)
    told = CliRunner().invoke(app, ["lab", "small", "--processes", "2"])
    assert told.exit_code == 1
    assert isinstance(told.exception, OutgrowError)
    assert "2 of 4 runs failed" in str(told.exception)
    assert re.search(r"frontier, seed \d failed: UsageError: \S*nowhere is not a complete profile", told.stderr.replace("\n", " "))
    rows = [json.loads(line) for line in (tmp_path / "docs" / "lab" / "small.jsonl").read_text().splitlines()]
    assert [row["arm"] for row in rows] == ["uniform", "uniform"]


def test_a_lab_that_is_stopped_saves_what_is_running_and_goes_on(experiment, tmp_path):
    text = (tmp_path / "labs" / "small.toml").read_text().replace("learn.steps=2", "learn.steps=8")
    (tmp_path / "labs" / "small.toml").write_text(text)
    command = [sys.executable, "-m", "outgrow", "lab", "small", "--processes", "2"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=tmp_path)
    scratch = tmp_path / "runs" / "lab"
    while process.poll() is None and not any(path.read_bytes().count(b"\n") >= 3 for path in scratch.glob("*/metrics.jsonl")):
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 130, output
    assert "same command" in output
    begun = {path.name for path in scratch.iterdir() if any(path.glob("checkpoints/step-*"))}
    assert begun, "what was running had saved itself"
    finished = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    rows = [json.loads(line) for line in (tmp_path / "docs" / "lab" / "small.jsonl").read_text().splitlines()]
    assert len(rows) == len({row["key"] for row in rows}) == 4
    assert begun <= {row["key"] for row in rows}


PREPARED = """
[[prepare]]
name = "base"
recipe = "micro-base"
set = ["learn.steps=2", "learn.batch_size=2", "policy.init={layers=1,hidden=16,feed_forward=16}", "evaluate.samples=1",
    "evaluate.suite=held-out", "sampling.max_tokens=8"]

[[prepare]]
name = "teacher"
recipe = "micro"
set = ["policy.model=prepared:base", "learn.steps=1", "learn.problems_per_step=2", "learn.group_size=2", "sampling.max_tokens=8",
    "evaluate.samples=1", "evaluate.suite=held-out", "evaluate.every=0", "learn.give_up_after=9"]
"""


def test_what_arms_need_is_prepared_once_in_order(experiment, tmp_path):
    file = tmp_path / "labs" / "small.toml"
    text = EXPERIMENT.format(seeds=2).replace("\n[[arms]]", PREPARED + "\n[[arms]]", 1)
    text = text.replace("\"curriculum={type='frontier'}\"", '"policy.model=prepared:teacher"')
    file.write_text(text.replace("measures = [", 'measures = [{ type = "over_prepared", name = "teacher" }, '))
    one = load_experiment("small")
    base, teacher = (one.prepared[name] for name in ("base", "teacher"))
    assert teacher.recipe.policy.model == f"runs/lab/prepared/{base.key}"
    told = CliRunner().invoke(app, ["lab", "small", "--processes", "1"])
    assert told.exit_code == 0, told.output
    place = tmp_path / "runs" / "lab" / "prepared"
    assert {path.name for path in place.iterdir()} == {base.key, teacher.key}
    reached = json.loads((place / teacher.key / "summary.json").read_text())["after"]["pass@1"]
    lines = [json.loads(line) for line in (tmp_path / "docs" / "lab" / "small.jsonl").read_text().splitlines()]
    assert len(lines) == 4
    assert all(line["prepared"]["teacher"] == reached for line in lines)
    assert {line["arm"] for line in lines if line["before"] == reached} >= {"frontier"}, "it starts where its teacher ended"
    page = (tmp_path / "docs" / "lab" / "small.md").read_text()
    assert "pass@1 after minus teacher's" in page and "| teacher | micro |" in page
    again = CliRunner().invoke(app, ["lab", "small"])
    assert "preparing" not in again.output, "nothing is left to run, so nothing is prepared"
    results = tmp_path / "docs" / "lab" / "small.jsonl"
    results.write_text("".join(results.read_text().splitlines(keepends=True)[:-1]))
    (place / base.key / "code.json").write_text('"other"')
    more = CliRunner().invoke(app, ["lab", "small", "--processes", "1"])
    assert more.exit_code == 0 and "preparing" not in more.output
    said = " ".join(more.output.split())
    assert said.count("another version of the code") == 1 and f"base in runs/lab/prepared/{base.key} was" in said


def test_what_is_not_prepared_is_told(experiment, tmp_path):
    file = tmp_path / "labs" / "small.toml"
    file.write_text(EXPERIMENT.format(seeds=2).replace("\"curriculum={type='frontier'}\"", '"policy.model=prepared:techer"'))
    with pytest.raises(UsageError, match="prepared:techer"):
        _ = load_experiment("small").runs
