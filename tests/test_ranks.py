"""A learner of several ranks, by real torchrun over Gloo: it must learn what one process learns, and save and stop as one does."""

import itertools
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file

from helpers.ranked import CASES, STEPS
from outgrow.cli.ranks import _code_of, launch
from outgrow.config import load_recipe
from outgrow.core.errors import UsageError
from outgrow.experiments.kinds import KINDS
from outgrow.flywheel import load_flywheel
from outgrow.policy import load_policy
from outgrow.runs.checkpoint import newest_whole_checkpoint
from outgrow.train import loop
from outgrow.train.microbatches import microbatches
from outgrow.train.ranks import group, rules
from outgrow.train.ranks.deal import cost, deal
from outgrow.train.start import explained
from outgrow.train.watcher import SilentWatcher

HERE = Path(__file__).parent
MINUTE = 60


@dataclass
class Row:
    """A prompt and a completion, whose tokens do not matter."""

    prompt_ids: list[int]
    completion_ids: list[int]


def groups_of(lengths):
    """Groups of rows with these completion lengths. Each group has a prompt of its own, of its number of tokens and one more."""
    return [[Row([place] * (place + 1), [0] * length) for length in row] for place, row in enumerate(lengths)]


def test_deal_by_hand():
    """Ten rows of ten tokens and a prompt each, for three ranks: three rounds of one, and the tenth alone."""
    groups = [[Row([place], [0] * 9)] for place in range(10)]
    assert [len(each) for each in deal(groups, 10, 3)] == [3, 3, 3, 1]
    assert [[len(rows) for rows in each] for each in deal(groups, 10_000, 3)] == [[4, 4, 2]]
    assert [[len(rows) for rows in each] for each in deal(groups[:1], 10_000, 3)] == [[1]], "two ranks have nothing to do"


@given(
    st.lists(st.lists(st.integers(1, 40), min_size=1, max_size=6), min_size=1, max_size=8),
    st.integers(1, 300),
    st.integers(1, 5),
)
def test_deal_gives_every_row_once_in_as_few_rounds_as_one_rank_would_need(lengths, tokens, ranks):
    groups = groups_of(lengths)
    rounds = deal(groups, tokens, ranks)
    dealt = [id(row) for each in rounds for rows in each for row in rows]
    assert sorted(dealt) == sorted(id(row) for group in groups for row in group)
    assert all(cost(rows) <= tokens or len(rows) == 1 for each in rounds for rows in each)
    assert len(rounds) == -(-len(list(microbatches(groups, tokens))) // ranks)
    assert all(len(each) == ranks for each in rounds[:-1])
    for before, after in itertools.pairwise(rounds):
        assert min(map(cost, before)) >= max(map(cost, after)), "those of similar size are in one round"


def of_ranks(*command, cwd):
    """Start Python with a command that may start ranks."""
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")]),
        "OMP_NUM_THREADS": "1",
    }
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, *map(str, command)], cwd=cwd, env=environment, **pipes)


def ended(process):
    """Return what a command printed, and to stderr; it must end well."""
    out, err = process.communicate(timeout=5 * MINUTE)
    assert process.returncode == 0, err
    return out, err


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    """What helpers/ranked.py led to, with two ranks and alone."""
    folder = tmp_path_factory.mktemp("ranked")
    ended(
        of_ranks(
            "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", 2, "-m", "helpers.ranked", folder / "all", cwd=folder
        )
    )
    return folder, torch.load(folder / "all")


@pytest.mark.parametrize("name", CASES)
def test_two_ranks_learn_what_one_process_learns(learned, name):
    """After five steps of rows of very unequal lengths, with a clipped gradient. The embedding is tied to the output layer, and
    passes without gradients come between the steps: FSDP left the embedding out of the norm then, if it were not told otherwise.
    """
    alone, shared = learned[1][name]["alone"], learned[1][name]["shared"]
    exact = "half" not in name
    assert alone["weights"].keys() == shared["weights"].keys()
    assert "lm_head.weight" in alone["weights"] and "model.embed_tokens.weight" in alone["weights"]
    start = alone["base"]
    moved = max(float((alone["weights"][key] - start[key]).abs().max()) for key in start)
    assert moved > 1e-4, "nothing was learned"
    for key, weight in alone["weights"].items():
        torch.testing.assert_close(shared["weights"][key], weight, rtol=0, atol=1e-5 if exact else 2e-3)
    for key, weight in start.items():
        assert torch.equal(shared["base"][key], weight), "the reference moved"
    assert alone["moments"].keys() == shared["moments"].keys()
    assert len(alone["figures"]) == STEPS
    for one, two in zip(alone["figures"], shared["figures"], strict=True):
        assert one.keys() == two.keys()
        for key, value in one.items():
            # A mean of the two ranks' means, or the norm of one part, would be off by tens of percent.
            assert two[key] == pytest.approx(value, rel=1e-3 if exact else 0.1, abs=1e-5 if exact else 1e-2), key
        assert one["train/grad_norm"] > 0.05, "it is clipped"
    assert shared["kl"] == pytest.approx(alone["kl"], rel=1e-3)


@pytest.mark.parametrize("name", CASES)
def test_a_rank_holds_half(learned, name):
    """Bytes of weights and of moments that each of two ranks holds, padding included: half of one process's, within 1%."""
    case = learned[1][name]
    moments = sum(tensor.nbytes for tensor in case["alone"]["moments"].values() if tensor.dim())
    for weights_held, moments_held in case["held"]:
        assert weights_held == pytest.approx(case["whole"] / 2, rel=0.01)
        assert moments_held == pytest.approx(moments / 2, rel=0.01)


@pytest.mark.parametrize("name", CASES)
def test_only_supervised_ranks_drop_the_reference_and_then_hold_nothing_of_it(learned, name):
    before, after = learned[1][name]["of_reference"]
    assert all(bytes_ > 0 for bytes_ in before)
    assert after == ([0, 0] if name == "solutions" else before)


@pytest.mark.parametrize("name", CASES)
def test_what_ranks_save_is_what_one_process_saves(learned, name):
    """The same files, and in them the same tensors, whole; what was taken from the moments can be put back."""
    folder, cases = learned
    alone, shared = ({path.name: path for path in (folder / name / side).iterdir()} for side in ("alone", "shared"))
    assert alone.keys() == shared.keys()
    for file, path in alone.items():
        if path.suffix != ".safetensors":
            assert shared[file].read_bytes() == path.read_bytes(), file
            continue
        ours, theirs = load_file(shared[file]), load_file(path)
        assert {key: (tensor.shape, tensor.dtype) for key, tensor in ours.items()} == {
            key: (tensor.shape, tensor.dtype) for key, tensor in theirs.items()
        }
    before, after = cases[name]["moments"]
    for rank in range(2):
        assert after[rank] == pytest.approx([2 * number for number in before[rank]], rel=1e-6)


PRACTICE = [
    "problems=[{type='micro',levels=[1],per_level=5}]", "evaluate.suite=held-out", "evaluate.samples=1", "sampling.max_tokens=24",
]  # fmt: skip
SOLUTIONS = [
    *PRACTICE, "policy.init.layers=1", "policy.init.hidden=32", "policy.init.feed_forward=48", "learn.batch_size=8",
    "learn.steps=6", "learn.warmup=0", "learn.schedule=constant", "learn.lr=1e-3", "learn.tokens_per_microbatch=120",
]  # fmt: skip


def sets(overrides):
    return [word for override in overrides for word in ("--set", override)]


def test_a_run_goes_on_with_another_number_of_ranks(tmp_path):
    """Three steps with two ranks and three with one, and the reverse, lead to what six with one lead to."""
    weights = {}
    for first, then in ((1, 1), (2, 1), (1, 2)):
        run = tmp_path / f"{first}-{then}"
        start, go_on = [*SOLUTIONS, f"learn.ranks={first}", "learn.steps=3"], ["learn.steps=6", f"learn.ranks={then}"]
        if first == 1:
            loop.train(load_recipe("micro-base", start), run, SilentWatcher())
        else:
            ended(of_ranks("-m", "outgrow", "sft", "micro-base", "--out", run, *sets(start), cwd=tmp_path))
        if then == 1:
            loop.resume(run, go_on, SilentWatcher())
        else:
            ended(of_ranks("-m", "outgrow", "resume", run, *sets(go_on), cwd=tmp_path))
        assert (run / "summary.json").exists() and (run / "report.html").exists() == (2 in (first, then))
        weights[first, then] = load_file(run / "checkpoints" / "latest" / "policy" / "model.safetensors")
    for other in ((2, 1), (1, 2)):
        for name, weight in weights[1, 1].items():
            torch.testing.assert_close(weights[other][name], weight, rtol=0, atol=1e-5)


def test_a_signal_saves_and_a_rank_that_dies_ends_the_run_in_one_line(tmp_path):
    """SIGTERM ends it as it ends one process. Then rank 1 is killed, and then rank 0: exit code 1, one line, no torn checkpoint.
    Where torchrun itself is killed, rank 0 saves.
    """
    run = tmp_path / "run"
    small = [*PRACTICE, "learn.problems_per_step=4", "learn.group_size=4", "evaluate.every=0", "learn.steps=5000", "learn.ranks=2"]

    def steps():
        metrics = run / "metrics.jsonl"
        return metrics.read_text().count("\n") if metrics.exists() else 0

    def after_a_step(words, do):
        before, process = steps(), of_ranks("-m", "outgrow", *words, cwd=tmp_path)
        until = time.monotonic() + 5 * MINUTE
        while process.poll() is None and steps() < before + 1 and time.monotonic() < until:
            time.sleep(0.05)
        command = psutil.Process(process.pid)
        children = command.children(recursive=True)
        do(process, {child.environ().get("RANK"): child for child in command.children()})
        _, err = process.communicate(timeout=2 * MINUTE)
        _, alive = psutil.wait_procs(children, timeout=MINUTE)
        assert not alive, "ranks outlive the command"
        return process.returncode, err.splitlines()

    code, lines = after_a_step(
        ["train", "micro", "--out", run, *sets(small)], lambda process, ranks: process.send_signal(signal.SIGTERM)
    )
    assert (code, lines) == (128 + signal.SIGTERM, [f"Stopped by SIGTERM. Progress is saved; continue with: outgrow resume {run}."])
    done = steps()
    checkpoint, torn = newest_whole_checkpoint(run)
    assert checkpoint is not None and checkpoint.step == done >= 1 and not torn
    for number, what in (("1", "a rank has ended, and left no word"), ("0", "rank 0 was ended by SIGKILL")):
        copy = tmp_path / f"copy-{number}"
        shutil.copytree(run, copy, symlinks=True)
        code, lines = after_a_step(["resume", run], lambda process, ranks, number=number: ranks[number].kill())
        assert code == 1 and len(lines) == 1 and what in lines[0] and lines[0].endswith(f"outgrow resume {run}"), lines
        checkpoint, torn = newest_whole_checkpoint(run)
        assert checkpoint is not None and checkpoint.step == done and not torn
        assert not [path for path in (run / "checkpoints").iterdir() if path.name not in ("latest", checkpoint.folder.name)]
        shutil.rmtree(run)
        copy.rename(run)

    code, lines = after_a_step(["resume", run], lambda process, ranks: process.kill())
    assert code == -signal.SIGKILL and lines[-1].startswith("Stopped by SIGTERM. Progress is saved"), (
        "rank 0 does not outlive torchrun"
    )
    done = steps()
    checkpoint, torn = newest_whole_checkpoint(run)
    assert checkpoint is not None and checkpoint.step == done and not torn


@pytest.mark.parametrize(
    ("recipe", "override", "says"),
    [
        ("micro", "distill={model='micro-base'}", r"\[distill\]"),
        ("micro-memory", "learn.steps=3", "memory"),
        ("smollm2-135m-gsm8k-sft", "policy={model='micro-base',lora={dropout=0.1}}", "dropout"),
    ],
)
def test_what_ranks_cannot_do_is_one_line(monkeypatch, recipe, override, says, shipped):
    monkeypatch.setattr(rules, "current", lambda ranks: None)
    asked = load_recipe(recipe, ["learn.ranks=2", override])
    policy = shipped
    if recipe == "micro-memory":
        from outgrow.runs.models import base_policy

        policy = base_policy(asked)
    with pytest.raises(UsageError, match=says) as error:
        rules.require_shareable(asked, policy)
    assert "\n" not in str(error.value) and "learn.ranks" in str(error.value)


def test_ranks_need_a_command_and_gpus_enough(tmp_path, monkeypatch):
    with pytest.raises(UsageError, match="outgrow train"):
        loop.train(load_recipe("micro", [*PRACTICE, "learn.ranks=2"]), tmp_path / "run", SilentWatcher())
    assert not (tmp_path / "run").exists()
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(UsageError, match="this machine has 1 GPU"):
        launch(2, tmp_path / "run")
    launch(1, tmp_path / "run")  # does nothing


def test_a_policy_without_ranks_has_none(shipped):
    """`learn.ranks` is 1 by default: nothing of torch.distributed is set up."""
    assert load_recipe("micro").learn.ranks == load_recipe("micro-base").learn.ranks == 1
    assert not torch.distributed.is_initialized()
    assert load_policy("micro-base").during(lambda: 5) == 5


def test_torchrun_and_the_recipe_have_one_number(monkeypatch, shipped):
    """Also where the recipe asks for one rank: a second process would wait for nothing."""
    rules.require_shareable(load_recipe("micro"), shipped)
    monkeypatch.setattr(group, "_joined", [SimpleNamespace(size=2)])
    with pytest.raises(UsageError, match=r"started 2 processes, and the recipe asks for learn\.ranks=1"):
        rules.require_shareable(load_recipe("micro"), shipped)
    rules.require_shareable(load_recipe("micro", ["learn.ranks=2"]), shipped)


def test_a_flywheel_and_a_lab_say_at_once_that_they_have_no_ranks():
    with pytest.raises(UsageError, match=r"\[student\] learn\.ranks = 2: stages train in one process; set learn\.ranks = 1"):
        load_flywheel("micro-flywheel", ["student.learn.ranks=2"])
    with pytest.raises(UsageError, match=r"micro-base: learn\.ranks=3: a trial trains in one process"):
        KINDS["sft"].load("micro-base", ["learn.ranks=3"])


def test_more_ranks_than_the_machine_has_memory_for_are_refused_before_they_start(tmp_path):
    with pytest.raises(UsageError, match=r"learn\.ranks=100000: a process takes about 0\.4 GB"):
        launch(100_000, tmp_path / "run")


@pytest.mark.parametrize(
    "error", [MemoryError(), torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("can't allocate memory: you tried 1 bytes")]
)
def test_a_rank_0_that_runs_out_of_memory_names_what_ranks_can_lower(error, tmp_path):
    """Not problems_per_step, which no pass depends on. The other ranks wait in the middle of one: nobody is called again."""
    sent = []
    ranks = SimpleNamespace(rank=0, size=2, listening=True, send=sent.append, why=lambda: "a rank has ended")
    team = group.Team(ranks, lambda: "outgrow resume runs/it")

    def learn(rank, argument):
        raise error

    with pytest.raises(group.RankLost) as lost, explained(load_recipe("micro", ["learn.ranks=2"]), tmp_path):
        team.call_alike(learn)
    assert str(lost.value) == (
        "rank 0: out of memory; lower learn.tokens_per_microbatch or sampling.max_tokens, or raise learn.ranks; what is saved is "
        "whole, so go on with: outgrow resume runs/it"
    )
    team.release()
    with pytest.raises(group.RankLost):
        team.call_alike(learn)
    assert len(sent) == 1


@pytest.mark.parametrize(
    ("codes", "told", "code", "says"),
    [
        ({0: 2}, True, 2, ""),
        ({0: 1, 1: -9}, False, 1, ""),
        ({1: -9}, True, 1, ""),
        ({1: -9}, False, 1, "rank 1 was ended by SIGKILL"),
        ({1: -9, 0: -15}, True, 1, ""),
        ({1: -9, 0: -15}, False, 1, "rank 1 was ended by SIGKILL"),
        ({1: 3, 0: -15}, False, 1, "rank 1 ended with exit code 3"),
        ({0: -9}, False, 1, "rank 0 was ended by SIGKILL"),
        ({0: -9, 1: 1}, False, 1, "rank 0 was ended by SIGKILL"),
    ],
)
def test_a_command_tells_why_its_ranks_ended_where_rank_0_could_not(capsys, codes, told, code, says):
    failures = {rank: SimpleNamespace(exitcode=each) for rank, each in codes.items()}
    assert _code_of(failures, Path("runs/it"), told) == code
    line = f"outgrow: {says}; what is saved is whole, so go on with: outgrow resume runs/it\n" if says else ""
    assert capsys.readouterr().err == line
