"""A run that is killed, stopped, or runs out of disk continues to the same last bit as one that never was."""

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.runs import SMALL, Silent, assert_same, fingerprint, go_short_of_memory, signal_when, start
from outgrow.algorithms.samplers import SAMPLERS
from outgrow.config import load_recipe
from outgrow.core.errors import OutgrowError, UsageError
from outgrow.core.files import link_atomic
from outgrow.train.loop import resume, train

STEPS = 18


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "run"
    process = start(path)
    process.join()
    assert process.exitcode == 0
    return path


def test_the_run_really_trained(uninterrupted):
    summary = json.loads((uninterrupted / "summary.json").read_text())
    assert summary["steps"] == STEPS
    assert summary["rollouts"] == STEPS * 6 * 4
    assert {"pass@1", "ci95", "greedy", "n", "k"} <= summary["before"].keys() & summary["after"].keys()
    assert {"pass@1", "ci95"} <= summary["paired_delta"].keys()
    assert summary["wall_s"] > 0


def test_ten_kills(uninterrupted, tmp_path):
    """kill -9 at 10 random moments: while loading, measuring, generating, learning, writing a checkpoint."""
    rng = random.Random(20)
    path = tmp_path / "run"
    # A moment is a step and a delay after it; step 0 is before the first one (loading, measuring), the last is measuring after.
    moments = sorted([(rng.randint(0, STEPS), rng.random() * 0.25) for _ in range(8)] + [(0, rng.random()), (STEPS, 0.05)])
    codes = [signal_when(start(path), path, step, delay, signal.SIGKILL) for step, delay in moments]
    assert codes.count(-signal.SIGKILL) >= 7, codes  # a kill that came after the end proves nothing
    last = start(path)
    last.join()
    assert last.exitcode == 0
    assert_same(uninterrupted, path)


@pytest.mark.parametrize("seed", range(2))
def test_sigterm_loses_at_most_the_step_in_hand(uninterrupted, tmp_path, seed):
    rng = random.Random(seed)
    path = tmp_path / "run"
    code = signal_when(start(path), path, rng.randint(2, STEPS - 5), rng.random() * 0.2, signal.SIGTERM)
    assert code == 128 + signal.SIGTERM
    done = (path / "metrics.jsonl").read_bytes().count(b"\n")
    assert (path / "checkpoints" / "latest").resolve().name == f"step-{done:06d}"
    last = start(path)
    last.join()
    assert last.exitcode == 0
    assert_same(uninterrupted, path)


def test_torn_checkpoint_is_passed_over_loudly(uninterrupted, tmp_path):
    path = tmp_path / "run"
    signal_when(start(path), path, 10, 0.0, signal.SIGTERM)
    newest = (path / "checkpoints" / "latest").resolve()
    weights = newest / "policy" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    watcher = Silent()
    resume(path, [], watcher)
    assert any(newest.name in warn and "torn" in warn for warn in watcher.notes)
    assert_same(uninterrupted, path)


def test_full_disk_while_checkpointing(uninterrupted, tmp_path):
    path = tmp_path / "run"
    signal_when(start(path), path, 7, 0.0, signal.SIGTERM)
    before = sorted(entry.name for entry in (path / "checkpoints").iterdir())
    command = [
        sys.executable,
        "-c",
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000)); "
        "from outgrow.cli import main; sys.argv = ['outgrow', 'resume', sys.argv[1]]; main()",
        str(path),
    ]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert result.returncode == 1
    lines = [line for line in result.stderr.splitlines() if line.startswith("outgrow: ")]
    assert len(lines) == 1, result.stderr
    assert "Traceback" not in result.stderr
    assert "could not be written" in lines[0]
    assert f"outgrow resume {path}" in lines[0]
    assert sorted(entry.name for entry in (path / "checkpoints").iterdir()) == before
    last = start(path)
    last.join()
    assert last.exitcode == 0
    assert_same(uninterrupted, path)


def test_the_same_recipe_twice_gives_the_same_bytes(uninterrupted, tmp_path):
    again = start(tmp_path / "again")
    again.join()
    assert_same(uninterrupted, tmp_path / "again")


def test_another_seed_gives_another_run(uninterrupted, tmp_path):
    other = start(tmp_path / "other", ["seed=1"])
    other.join()
    assert fingerprint(tmp_path / "other")["weights"] != fingerprint(uninterrupted)["weights"]


def test_train_into_a_run_names_resume(uninterrupted):
    with pytest.raises(UsageError, match=re.escape(f"outgrow resume {uninterrupted}")):
        train(load_recipe("micro", SMALL), uninterrupted, Silent())


def test_resume_without_a_run_names_train(tmp_path):
    with pytest.raises(UsageError, match="outgrow train"):
        resume(tmp_path, [], Silent())


def test_two_processes_cannot_hold_one_run(uninterrupted, tmp_path):
    path = tmp_path / "run"
    first = start(path)
    while not (path / "metrics.jsonl").exists():
        assert first.is_alive()
    with pytest.raises(OutgrowError, match="another process"):
        resume(path, [], Silent())
    first.join()
    assert_same(uninterrupted, path)


def test_resume_refuses_another_base_model(uninterrupted, tmp_path):
    path = tmp_path / "run"
    signal_when(start(path), path, 3, 0.0, signal.SIGTERM)
    recipe = path / "recipe.toml"
    recipe.write_text(re.sub(r'base_sha256 = "\w+"', 'base_sha256 = "0"', recipe.read_text()))
    with pytest.raises(UsageError, match="not the one it started from"):
        resume(path, [], Silent())


def test_resume_keeps_the_policy(uninterrupted, tmp_path):
    path = tmp_path / "run"
    signal_when(start(path), path, 3, 0.0, signal.SIGTERM)
    kept = (path / "recipe.toml").read_bytes()
    with pytest.raises(UsageError, match="keeps the policy it was started with"):
        resume(path, ["policy.lora={rank=4}"], Silent())
    assert (path / "recipe.toml").read_bytes() == kept
    resume(path, [], Silent())
    assert_same(uninterrupted, path)


def test_a_kill_before_the_link_is_set_is_mended(uninterrupted, tmp_path):
    path = tmp_path / "run"
    shutil.copytree(uninterrupted, path, symlinks=True)
    (path / "checkpoints" / "latest").unlink()
    resume(path, [], Silent())
    assert (path / "checkpoints" / "latest").resolve().name == f"step-{STEPS:06d}"
    assert_same(uninterrupted, path)


def test_a_link_that_was_not_renamed_yet_is_removed(uninterrupted, tmp_path):
    """By a kill, or by a disk that failed."""
    path = tmp_path / "run"
    shutil.copytree(uninterrupted, path, symlinks=True)
    left = path / "checkpoints" / ".latest.0123456789abcdef.tmp"
    left.symlink_to("step-000001")
    (path / "summary.json").unlink()  # so that it is not finished
    resume(path, [], Silent())
    assert not left.is_symlink()
    assert_same(uninterrupted, path)


def test_a_link_that_cannot_be_set_leaves_the_old_one(tmp_path, monkeypatch):
    link = tmp_path / "latest"
    link_atomic(link, "first")

    def fail(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", fail)
        with pytest.raises(OSError, match="No space"):
            link_atomic(link, "second")
    assert os.readlink(link) == "first"
    assert os.listdir(tmp_path) == ["latest"]
    link_atomic(link, "second")
    assert os.readlink(link) == "second"


def test_resume_can_go_further(uninterrupted, tmp_path):
    """More steps than first asked for: what a person does with a curve that still rises."""
    path = tmp_path / "run"
    signal_when(start(path, ["learn.steps=6"]), path, 6, 0.0, signal.SIGTERM)
    resume(path, ["learn.steps=8"], Silent())
    assert (path / "metrics.jsonl").read_bytes().count(b"\n") == 8
    before = (path / "recipe.toml").read_bytes()
    with pytest.raises(UsageError, match=r"8 steps.*learn.steps=7"):
        resume(path, ["learn.steps=7"], Silent())
    assert (path / "recipe.toml").read_bytes() == before


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_sampler_goes_on_to_the_last_bit(tmp_path, sampler):
    short = ["learn.steps=6", f"curriculum={{type='{sampler}'}}", "evaluate.every=0", "evaluate.suite=held-out"]
    few = 'problems=[{type="micro",fields=["sum","letters"],levels=[1,4],per_level=4}]'  # each is met several times
    start(tmp_path / "whole", [*short, few]).join()
    path = tmp_path / "broken"
    signal_when(start(path, [*short, few]), path, 4, 0.02, signal.SIGKILL)
    assert (path / "metrics.jsonl").read_bytes().count(b"\n") < 6
    start(path).join()
    assert fingerprint(path) == fingerprint(tmp_path / "whole")


def test_a_climb_goes_on_to_the_last_bit(tmp_path):
    """Broken off after the first chains have opened, which the ledger's own rates decide."""
    climbing = [
        "learn.steps=8",
        "curriculum={type='climb',solved=0.5}",
        "evaluate.every=0",
        "evaluate.suite=held-out",
        'problems=[{type="micro-chains",chains=["sum","product","sum>product"],levels=[1],per_chain=12}]',
    ]
    start(tmp_path / "whole", climbing).join()
    expected = fingerprint(tmp_path / "whole")
    deep = {problem_id for problem_id, field, _ in expected["ledger"]["problems"] if ">" in field}
    met = [step for step, problem_id, *_ in expected["ledger"]["visits"] if problem_id in deep]
    assert 1 < min(met) < 6, "chains were locked, then open"
    path = tmp_path / "broken"
    for step in (2, 6):
        signal_when(start(path, climbing), path, step, 0.02, signal.SIGKILL)
    assert (path / "metrics.jsonl").read_bytes().count(b"\n") < 8
    start(path).join()
    assert fingerprint(path) == expected


def test_everything_that_remembers_goes_on_to_the_last_bit(tmp_path):
    """A sampler with reviews, screening and refill, an advantage and a reward that look at the ledger, and Muon's momentum."""
    remembering = [
        "learn.steps=9",
        "learn.optimizer=muon",
        "curriculum={type='frontier',refill=2,screen=2,retire_after=1,spacing=2,review=0.3}",
        "advantage={type='rpe'}",
        "rewards=[{type='accuracy'},{type='length_hapo',weight=0.2}]",
        "ledger={half_life=4.0}",
        'problems=[{type="micro",fields=["sum","letters"],levels=[1,3],per_level=6}]',
        "evaluate.every=0",
    ]
    start(tmp_path / "whole", remembering).join()
    path = tmp_path / "broken"
    for step in (2, 6):
        signal_when(start(path, remembering), path, step, 0.05, signal.SIGKILL)
    start(path, remembering).join()
    expected = fingerprint(tmp_path / "whole")
    assert fingerprint(path) == expected
    assert {row[2] for row in expected["ledger"]["visits"]} >= {2, 4}, "some problems were screened out, others were not"


@pytest.mark.parametrize("keep_by", ["max_variance", "random"])
def test_learning_from_less_goes_on_to_the_last_bit(tmp_path, keep_by):
    """Cut groups, rows of no advantage, and the few rollouts on which the KL divergence is measured."""
    less = [
        "learn.steps=9",
        "learn.keep=3",
        f"learn.keep_by={keep_by}",
        "advantage={type='grpo'}",
        "learn.min_advantage=0.1",
        "learn.old_logprobs=learner",
        "loss.kl_weight=0.0",
        "rewards=[{type='accuracy'},{type='random',weight=0.5}]",
        "evaluate.every=0",
        "evaluate.suite=held-out",
    ]
    start(tmp_path / "whole", less).join()
    path = tmp_path / "broken"
    for step in (2, 5):
        signal_when(start(path, less), path, step, 0.02, signal.SIGKILL)
    assert (path / "metrics.jsonl").read_bytes().count(b"\n") < 9
    start(path).join()
    expected = fingerprint(tmp_path / "whole")
    assert fingerprint(path) == expected
    assert {row[2] for row in expected["ledger"]["visits"]} == {4}, "the ledger counts every rollout"


def test_distilling_goes_on_to_the_last_bit(tmp_path):
    """Broken off while a teacher speaks, and once it no longer does; screening beside it."""
    distilling = [
        "learn.steps=9",
        "policy={init={layers=1,hidden=32,feed_forward=48}}",
        "distill={model='micro-base',reward_weight=0.5,steps=5}",
        "learn.give_up_after=9",
        "curriculum={type='frontier',screen=2}",
        "evaluate.every=0",
        "evaluate.suite=held-out",
    ]
    start(tmp_path / "whole", distilling).join()
    path = tmp_path / "broken"
    for step in (2, 7):
        signal_when(start(path, distilling), path, step, 0.02, signal.SIGKILL)
    assert (path / "metrics.jsonl").read_bytes().count(b"\n") < 9
    start(path).join()
    assert fingerprint(path) == fingerprint(tmp_path / "whole")
    taught = ["distill/kl_to_teacher" in json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]
    assert taught == [True] * 5 + [False] * 4


def test_sizes_that_memory_lowered_outlive_a_kill(tmp_path):
    """Killed after the checkpoint that follows an out-of-memory error; the resumed process never meets the error itself."""
    short = ["learn.steps=7", "evaluate.every=0", "evaluate.suite=held-out"]
    start(tmp_path / "whole", short, go_short_of_memory).join()
    path = tmp_path / "broken"
    assert signal_when(start(path, short, go_short_of_memory), path, 4, 0.02, signal.SIGKILL) == -signal.SIGKILL
    start(path, short).join()
    expected = fingerprint(tmp_path / "whole")
    assert fingerprint(path) == expected
    learner = expected["state"]["job"]["tokens_per_microbatch"]
    assert learner["size"] < learner["start"], "memory did not run out while learning"
    rows = expected["state"]["engine"]["max_sequences"]
    assert rows["size"] < rows["start"], "memory did not run out while generating"
    start(tmp_path / "roomy", short).join()
    roomy = fingerprint(tmp_path / "roomy")
    assert roomy["weights"] != expected["weights"], "the smaller size changes no bit, so this shows nothing"
