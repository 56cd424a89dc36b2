"""The commands a person types: what they print, and one clear line for every mistake."""

import io
import json
import re
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import typer

from helpers.runs import SMALL
from outgrow.cli.app import app
from outgrow.config import dump_recipe, load_recipe

TINY = [arg for override in [*SMALL, "learn.steps=3"] for arg in ("--set", override)]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished run and what its command printed, in a process of its own; most other commands here are given in this one."""
    path = tmp_path_factory.mktemp("cli") / "runs" / "tiny"
    command = [sys.executable, "-m", "outgrow", "train", "micro", "--out", str(path), *TINY]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    return path, result.stdout


def test_train_prints_the_comparison_and_the_report(finished):
    path, printed = finished
    summary = json.loads((path / "summary.json").read_text())
    assert f"{summary['before']['pass@1']:.3f}" in printed
    assert f"{summary['after']['pass@1']:.3f}" in printed
    assert str(path / "report.html") in printed
    assert (path / "report.html").stat().st_size < 3_000_000
    assert "step 3/3" in printed
    [line] = [line for line in printed.splitlines() if "outgrow audit" in line]
    assert "outgrow audit micro --set" in line and "learn.steps" not in line


def test_resuming_a_finished_run_changes_nothing(finished, outgrow):
    path, _ = finished
    before = (path / "summary.json").read_text()
    assert outgrow("resume", path)[0] == 0
    assert (path / "summary.json").read_text() == before


def test_runs_lists_it(finished, outgrow):
    path, _ = finished
    _, printed, _ = outgrow("runs", path.parent)
    assert "tiny" in printed
    assert "3/3" in printed


def test_a_run_alone_is_compared_with_its_start(finished, outgrow):
    path, printed = finished
    code, compared, complaint = outgrow("compare", path)
    assert code == 0, complaint
    before = next(line for line in printed.splitlines() if line.startswith("│ before"))
    assert before.split()[3] in next(line for line in compared.splitlines() if line.strip().startswith("before"))
    assert "after against before: " in compared


def test_eval_and_generate_take_a_run(finished, tmp_path, outgrow):
    path, _ = finished
    kept = tmp_path / "samples.parquet"
    _, printed, _ = outgrow("eval", path, "--on", "micro-validation", "--samples", "2", "--out", kept)
    assert re.search(r"pass@1 \d\.\d{3} \(\d\.\d{3} to \d\.\d{3}\)", printed)
    assert "letters" in printed
    assert kept.exists()
    _, answer, _ = outgrow("generate", path, "27+58=?")
    assert answer.startswith("<think>")


def test_a_run_is_measured_again_as_its_recipe_says(finished, outgrow):
    path, _ = finished
    after = json.loads((path / "summary.json").read_text())["after"]
    low, high = after["ci95"]
    printed = " ".join(outgrow("eval", path)[1].split())
    assert f"n = {after['n']} problems × 1 sample pass@1 {after['pass@1']:.3f} ({low:.3f} to {high:.3f})" in printed


def test_a_model_is_asked_as_a_recipe_says(tmp_path, outgrow):
    recipe = tmp_path / "shout.toml"
    recipe.write_text(
        'name="shout"\n[policy]\nmodel="micro-base"\n[prompt]\ntemplate="plain"\nuser_template="{question}!"\n'
        '[[problems]]\ntype="micro"\n[sampling]\nmax_tokens=3\n[[rewards]]\ntype="accuracy"\n'
        '[evaluate]\nsuite="micro-validation"\nsamples=1\n'
    )
    code, printed, _ = outgrow("eval", "micro-base", "--recipe", str(recipe))
    assert code == 0
    assert "× 1 sample" in printed
    assert "mean length 3.0 tokens" in printed
    assert outgrow("generate", "micro-base", "27+58=?", "--recipe", str(recipe))[1].endswith("… cut at --max-tokens\n")


def test_generate_repeats_and_samples(outgrow):
    _, first, _ = outgrow("generate", "micro-base", "27+58=?", "--samples", "3", "--temperature", "1")
    assert len(first.splitlines()) == 3
    assert first == outgrow("generate", "micro-base", "27+58=?", "--samples", "3", "--temperature", "1")[1]


def test_chat_answers_until_an_empty_line(outgrow, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("2+3=?\n\n"))
    code, printed, _ = outgrow("chat", "micro-base")
    assert code == 0
    assert "<think>" in printed
    whole = outgrow("generate", "micro-base", "2+3=?")[1].strip()
    assert printed.count(whole) == 1 and printed.count("<think>") == 1


def test_recipes_lists_every_shipped_one(outgrow):
    _, printed, _ = outgrow("recipes")
    for name in ("outgrow sft micro-base", "outgrow train micro", "outgrow train micro-random-reward"):
        assert name in printed


MISTAKES = [
    (["train", "mcro"], "did you mean 'micro'"),
    (["train", "micro-taught"], "it is now 'micro-judged'"),
    (["train", "nothing.toml"], "cannot read"),
    (["train", "micro-base"], "outgrow sft micro-base"),
    (["train", "micro", "--set", "learn.stps=3"], "unknown key 'learn.stps' (did you mean 'steps'?)"),
    (["train", "micro", "--set", "lern.steps=3"], "'learn.steps'"),
    (["train", "micro", "--set", "run.track=[]"], "'run.track'; it is now 'run.trackers'"),
    (["train", "micro", "--set", "learn.steps=many"], "learn.steps takes a whole number"),
    (["train", "micro", "--set", "learn.steps"], "key.path=value"),
    (["train", "micro", "--set", "learn.steps=0"], "learn.steps takes a whole number ≥ 1, not 0"),
    (["train", "micro", "--set", "policy.model=./nowhere"], "no such model"),
    (["train", "micro", "--set", 'problems=[{type="micro",fields=["sums"]}]'], "did you mean 'sum'"),
    (["train", "micro", "--set", 'problems=[{type="micor"}]'], "did you mean 'micro'"),
    (["train", "micro", "--set", 'rewards=[{type="acuracy"}]'], "did you mean 'accuracy'"),
    (["train", "micro", "--set", 'rewards=[{type="no.such:Thing"}]'], "cannot import"),
    (["train", "micro", "--set", 'advantage={type="grpo",epsilom=1.0}'], "did you mean 'epsilon'"),
    (["train", "micro", "--set", "evaluate.suite=mirco"], "did you mean 'micro'"),
    (["train", "micro", "--set", 'verify.extract=["box"]'], "no extractor called 'box' (did you mean 'boxed'?)"),
    (["train", "micro", "--set", "sampling.max_tokens=5000"], "context"),
    (["train", "micro", "--set", 'run.trackers=["tensorbord"]'], "no tracker called 'tensorbord' (did you mean 'tensorboard'?)"),
    (["train", "micro", "--set", "engine.type=vllm"], "the vllm engine needs a package that is not installed"),
    (["train", "micro", "--set", "engine.type=vlm"], "did you mean 'vllm'"),
    (["train", "micro", "--budget", "25usd"], "--set run.dollars_per_hour="),
    (["eval", "micro-base", "--on", "gsm9k"], "no suite"),
    (["eval", "nowhere", "--on", "micro"], "no such model"),
    (["eval", "micro-base"], "--on"),
    (["eval", "micro-base", "--recipe", "microo"], "did you mean 'micro'"),
    (["resume", "nowhere"], "no run here"),
    (["report", "nowhere"], "nowhere"),
    (["runs", "nowhere"], "nowhere"),
    (["sft", "micro-bas"], "did you mean 'micro-base'"),
    (["plan", "micro-base"], "kind 'sft'"),
    (["plan", "micro", "--gpus", "nowhere.toml"], "nowhere.toml"),
    (["controls", "micro-base"], "kind 'sft'"),
    (["flywheel", "micro"], "outgrow train micro"),
    (["lab", "nowhere"], "labs/nowhere.toml"),
    (["compare", "nowhere"], "does not exist"),
    (["compare", "nowhere", "elsewhere"], "nowhere"),
    (["drift", "nowhere", "--on", "micro"], "no run here"),
    (["passrate", "nowhere", "micro"], "no such model"),
    (["passrate", "micro-base", "nowhere.jsonl"], "nowhere.jsonl"),
    (["calibration", "nowhere"], "no run here"),
    (["judge", "micro-base", "nowhere"], "no run here"),
    (["judge", "micro-base", "nowhere", "--recipe", "micro"], "[judge]"),
    (["analyze", "nowhere"], "no run here"),
    (["serve", "nowhere"], "nowhere"),
    (["chat", "nowhere"], "no such model"),
    (["data", "micro-base", "micro-flywheel", "--out", "x"], "kind 'flywheel'"),
    (["data", "micro-base", "micro", "--out", "x", "--set", "data.levles=[1]"], "did you mean 'levels'"),
    (["data", "micro-base", "micro", "--out", "x", "--data", "nowhere"], "--data nowhere"),
    (["verify", "nowhere.jsonl", "--output", "a", "--answer", "b"], "nowhere.jsonl"),
    (["harness", "nowhere", "x"], "no such model"),
    (["push", "nowhere", "--to", "me/x"], "no such model"),
]


@pytest.mark.parametrize("command", typer.main.get_command(app).commands)
def test_an_unknown_option_is_named_and_exit_code_2(outgrow, command):
    code, _, complaint = outgrow(command, "--bugdet", "3")
    assert code == 2
    assert "--bugdet" in complaint


def test_help_does_not_wait_for_torch():
    loaded = "import sys, outgrow.cli; print({'torch', 'transformers', 'pydantic', 'numpy'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True).stdout == "set()\n"


@pytest.mark.parametrize(("args", "said"), MISTAKES, ids=[" ".join(args) for args, _ in MISTAKES])
def test_a_mistake_is_one_clear_line_and_exit_code_2(outgrow, monkeypatch, args, said, tmp_path):
    monkeypatch.chdir(tmp_path)
    code, _, complaint = outgrow(*args)
    assert code == 2
    lines = [line for line in complaint.strip().splitlines() if not line.startswith("imports the module ")]
    assert len(lines) == 1, complaint
    assert said in complaint
    assert not list(tmp_path.iterdir()), "a refused command leaves nothing behind"


def test_broken_recipe_file(tmp_path, outgrow):
    recipe = tmp_path / "mine.toml"
    recipe.write_text("name = \n")
    code, _, complaint = outgrow("train", recipe)
    assert code == 2
    assert "not valid TOML" in complaint


def test_a_limit_that_cuts_everything_is_said_and_ends_the_run(tmp_path, outgrow):
    path = tmp_path / "run"
    args = [*TINY, "--set", "learn.steps=50", "--set", "sampling.max_tokens=2", "--set", "learn.give_up_after=4"]
    code, printed, complaint = outgrow("train", "micro", "--out", path, *args)
    assert code == 1
    assert "every completion was cut at sampling.max_tokens=2; raise it" in printed
    assert "nothing to learn from in 4 steps in a row" in complaint
    # all rewards are alike, so that even an advantage with a memory, as the recipe's, weighs nothing
    rows = [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]
    assert [(row["groups/trained_frac"], "train/loss" in row) for row in rows] == [(0, False)] * len(rows)
    # the folder can still be gone on with, once the limit is raised
    code, _, complaint = outgrow("resume", path, "--set", "sampling.max_tokens=32", "--set", "learn.steps=5")
    assert code == 0, complaint


def test_a_loss_that_is_not_finite_is_said_and_a_lower_rate_helps(tmp_path, outgrow):
    path = tmp_path / "run"
    args = [*TINY, "--set", "learn.lr=1e30", "--set", "learn.warmup=0", "--set", "learn.schedule=constant"]
    code, printed, complaint = outgrow("train", "micro", "--out", path, *args, "--set", "run.checkpoint_every=10")
    assert code == 1, printed
    assert "finite" in complaint
    assert "--set learn.lr=" in complaint
    assert not path.exists(), "it failed in its first step, so the same command can be given again"
    assert outgrow("train", "micro", "--out", path, *args, "--set", "learn.lr=1e-4")[0] == 0


def test_a_spent_budget_says_how_to_go_on_and_leaves_a_report(tmp_path, outgrow):
    path = tmp_path / "run"
    code, printed, complaint = outgrow(
        "train", "micro", "--out", path, *TINY, "--set", "run.dollars_per_hour=3600", "--budget", "$0.01", "--budget", "9h"
    )
    assert code == 0, complaint
    said = re.search(r"^Stopped by its budget after .+ and \$\S+\. Progress is saved; continue with: outgrow (.*)$", printed, re.M)
    assert said is not None
    assert re.fullmatch(rf"resume {re.escape(str(path))} --budget 9h,\S+usd", said[1])
    assert f"report: {path / 'report.html'}" in printed
    assert "Unfinished: step 0 of 3" in re.sub(r"<[^>]*>", "", (path / "report.html").read_text())
    code, printed, complaint = outgrow("resume", path, "--budget", "1000000 USD")
    assert code == 0, complaint
    assert re.search(r"step 3/3  pass rate \d\.\d\d  length \d+  \$\d+\.\d\d", printed)


OUTSIDE = """
from outgrow.algorithms.advantages import Advantage
from outgrow.algorithms.losses import Loss
from outgrow.algorithms.samplers import Sampler
from outgrow.algorithms.rewards import Reward

class Shorter(Reward):
    def compute(self, group):
        return [-float(len(r.completion_ids)) for r in group.rollouts]

class Broken(Reward):
    def compute(self, group):
        return [float("nan")] * len(group.rollouts)

class Unfinished(Reward):
    pass

class NoLoss(Loss):
    def compute(self, batch):
        return batch.logprobs_BT

class Lists(Advantage):
    def compute(self, rewards_PG, groups):
        return rewards_PG.tolist()

class LastOnes(Sampler):
    def pick(self, ask, known):
        return range(len(known) - ask.count, len(known))

class Twice(Advantage):
    factor: float = 2.0

    def compute(self, rewards_PG, groups):
        return self.factor * rewards_PG
"""


def train_words(*overrides):
    return ["train", "micro", "--out", "run", *TINY, *(part for override in overrides for part in ("--set", override))]


@pytest.fixture
def outside(tmp_path):
    """A folder that holds classes of its own."""
    (tmp_path / "mine.py").write_text(OUTSIDE)
    (tmp_path / "leaves.py").write_text("import sys; sys.exit(3)")
    (tmp_path / "torn.py").write_text("def (")
    return tmp_path


@pytest.fixture
def train_outside(outside, outgrow, monkeypatch):
    """Train in that folder; no class of another test's folder is known, and none of this one's to the next test."""
    monkeypatch.chdir(outside)
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    before = set(sys.modules)
    yield lambda *overrides: outgrow(*train_words(*overrides))
    for name in {"mine", "leaves", "torn"} - before:
        sys.modules.pop(name, None)


def test_a_sampler_a_reward_and_an_advantage_from_outside_the_package(outside):
    """With the command that a person types there."""
    words = train_words(
        'rewards=[{type="mine:Shorter"}]', 'curriculum={type="mine:LastOnes"}', 'advantage={type="mine:Twice",factor=3.0}'
    )
    command = [Path(sys.executable).with_name("outgrow"), *words]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=outside)
    assert result.returncode == 0, result.stderr
    metrics = [json.loads(line) for line in (outside / "run" / "metrics.jsonl").read_text().splitlines()]
    assert all(row["reward/total"] == pytest.approx(-row["rollouts/mean_tokens"], abs=1e-3) for row in metrics)
    rows = [row for part in sorted((outside / "run" / "rollouts").iterdir()) for row in pq.read_table(part).to_pylist()]
    assert all(row["advantage"] == pytest.approx(3 * row["reward"]) for row in rows)
    asked = [sorted({row["problem_id"] for row in rows if row["step"] == step}) for step in (1, 2, 3)]
    assert len(asked[0]) == 6
    assert asked[0] == asked[1] == asked[2]


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ('rewards=[{type="mine:LastOnes"}]', ["mine:LastOnes", "Reward"]),  # a component, but a sampler
        ('loss={type="mine:Twice"}', ["mine:Twice", "Loss"]),
        ('engine={type="mine:Shorter"}', ["mine:Shorter", "EngineConfig"]),
        ('rewards=[{type="mine:Unfinished"}]', ["mine:Unfinished", "compute"]),
        ('rewards=[{type="leaves:Anything"}]', ["cannot import", "leaves:Anything"]),  # a module that ends the process
        ('rewards=[{type="torn:Anything"}]', ["cannot import", "torn:Anything"]),  # one that is not Python
    ],
)
def test_a_class_from_outside_of_the_wrong_kind_is_one_line(train_outside, override, words):
    code, _, complaint = train_outside(override)
    assert code == 2
    announced, line = complaint.splitlines()
    assert any(f"module {module} " in announced for module in ("mine", "leaves", "torn"))
    assert all(word in line for word in words), line
    assert not Path("run").exists()


@pytest.mark.parametrize(
    ("override", "name"),
    [
        ('loss={type="mine:NoLoss"}', "mine:NoLoss"),
        ('advantage={type="mine:Lists"}', "mine:Lists"),
    ],
)
def test_what_returns_something_else_is_named(train_outside, override, name):
    code, _, complaint = train_outside(override)
    assert code == 1
    assert name in complaint
    assert "Traceback" not in complaint


def test_recipes_that_extend_each_other_are_one_line(tmp_path, outgrow):
    first, second = tmp_path / "a.toml", tmp_path / "b.toml"
    first.write_text(f'extends = "{second}"')
    second.write_text(f'extends = "{first}"')
    code, _, complaint = outgrow("plan", first)
    assert (code, complaint.count("\n")) == (2, 1)
    assert str(first) in complaint and "circle" in complaint


def test_the_recipe_of_a_run_is_a_recipe(tmp_path):
    recipe = load_recipe("micro")
    (tmp_path / "recipe.toml").write_text(dump_recipe(recipe, {"made_with": {"outgrow": "0.1.0"}}))
    assert load_recipe(str(tmp_path / "recipe.toml")) == recipe


@pytest.mark.parametrize(
    "words", [("eval", "micro-base", "--on", "micro", "--on", "gsm8k"), ("new", "a.toml", "--data", "a.csv", "--data", "b.csv")]
)
def test_no_option_replaces_an_earlier_one_in_silence(words, outgrow):
    code, _, complaint = outgrow(*words)
    assert code == 2 and words[-2] in complaint and "give it once" in " ".join(complaint.replace("│", "").split())


def test_a_run_that_cannot_be_read_hides_no_other(tmp_path, outgrow):
    recipe = dump_recipe(load_recipe("micro"), {"made_with": {}})
    for name, text in (("good", recipe), ("old", recipe + '[teacher]\nmodel = "m"\n')):
        (tmp_path / name).mkdir()
        (tmp_path / name / "recipe.toml").write_text(text)
    code, printed, complaint = outgrow("runs", tmp_path)
    assert code == 0
    assert "good" in printed and "old" in printed
    assert "judge" in printed + complaint, "the old key's new name is said"


def test_a_reward_from_outside_that_pays_no_number_is_named(train_outside):
    code, _, complaint = train_outside('rewards=[{type="mine:Broken"}]')
    assert code == 1
    assert "reward 'mine:Broken' paid [nan" in complaint
    assert "Traceback" not in complaint


def test_a_name_that_is_too_long_for_the_system_is_one_line(outgrow):
    code, _, told = outgrow("recipes", "x" * 5000)
    assert code == 1 and "too long" in told and told.count("\n") == 1
