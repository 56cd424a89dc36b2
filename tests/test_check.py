"""`outgrow check`: what this machine has, told by other means too, and what has to change."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from outgrow.plan import inventory


def told(said):
    """The lines by their first words; advice under the line that it belongs to."""
    lines, name = {}, ""
    for line in said.splitlines():
        if line.startswith(" "):
            lines[name] += " " + line.strip()
        else:
            name = line[:15].strip()
            lines[name] = line[15:].strip()
    return lines


def test_it_says_what_pip_and_psutil_say(outgrow):
    code, said, _ = outgrow("check")
    lines = told(said)
    assert (code, "→" in said) == (0, False)
    listed = subprocess.run([sys.executable, "-m", "pip", "list", "--format=json"], capture_output=True, text=True, check=True)
    versions = {row["name"]: row["version"] for row in json.loads(listed.stdout)}
    for package in ("torch", "transformers", "peft", "numpy"):
        assert f"{package} {versions[package]}" in lines["packages"]
    assert f"lm-eval {versions['lm_eval']}" in lines["optional"]
    assert lines["memory"].startswith(f"{psutil.virtual_memory().total / 1e9:.1f} GB, ")
    assert f"{len(psutil.Process().cpu_affinity())} of {psutil.cpu_count()} core" in lines["processor"]


def test_it_can_be_pasted_into_an_issue(outgrow, tmp_path, monkeypatch):
    (tmp_path / "secret-place").mkdir()
    monkeypatch.chdir(tmp_path / "secret-place")
    for arguments in ((), ("micro",), ("micro", "--set", f"policy.model={tmp_path}/secret-model")):
        said = "".join(outgrow("check", *arguments)[1:])
        for private in (str(tmp_path), "secret-place", str(Path.home()), socket.gethostname()):
            assert private not in said


def test_packages_that_are_missing_or_too_old(outgrow, monkeypatch):
    monkeypatch.setattr(
        inventory.metadata, "requires", lambda _: ["torch>=99", "numpy>=1", "no-such-package<3", 'pytest>=99; extra == "test"']
    )
    code, said, _ = outgrow("check")
    assert code == 1
    assert told(said)["packages"].endswith('→ pip install "torch>=99"; pip install "no-such-package<3"')


def test_a_containers_share_of_the_cores(outgrow, tmp_path, monkeypatch):
    (quota := tmp_path / "cpu.max").write_text("50000 100000\n")
    monkeypatch.setattr(inventory, "_QUOTA", quota)
    assert ", 0.5 of " in told(outgrow("check")[1])["processor"]
    assert told(outgrow("check", "micro")[1])["threads"].startswith("2, on 0.5 to use")
    quota.write_text("max 100000\n")
    assert f"{len(os.sched_getaffinity(0))} of " in told(outgrow("check")[1])["processor"]


@pytest.mark.skipif(inventory.torch.cuda.is_available(), reason="torch sees a GPU here")
def test_a_gpu_that_torch_does_not_see(outgrow, tmp_path, monkeypatch):
    (driver := tmp_path / "version").write_text("NVRM version: 1")
    monkeypatch.setattr(inventory, "_DRIVER", driver)
    code, said, _ = outgrow("check")
    assert (code, "→ install a torch with CUDA" in told(said)["GPU"]) == (1, True)


def test_a_disk_that_is_full(outgrow, monkeypatch):
    usage = inventory.shutil.disk_usage("/")
    monkeypatch.setattr(inventory.shutil, "disk_usage", lambda _: usage._replace(free=10**9))
    code, said, _ = outgrow("check")
    assert (code, told(said)["disk for runs"]) == (1, "1.0 GB free → free some space, or work on another disk")


def test_what_a_recipe_would_use(outgrow):
    code, said, _ = outgrow("check", "r1-1.5b-gsm8k", "--set", "run.threads=1")
    lines = told(said)
    assert code == 0
    assert lines["recipe"] == "r1-1.5b-gsm8k, kind rl, learns LoRA of rank 64 in bfloat16"
    assert lines["model"].startswith("deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B, a hub id")
    code, said, _ = outgrow("check", "micro", "--set", "engine.type=vllm", "--set", 'run.trackers=["wandb"]')
    lines = told(said)
    assert (code, "pip install vllm" in lines["engine"], "outgrow[wandb]" in lines["trackers"]) == (1, True, True)
    code, said, _ = outgrow("check", "micro", "--set", "policy.model=runs/none")
    assert (code, "→ runs/none: no such model" in told(said)["model"]) == (1, True)


def test_what_ranks_and_actors_would_use(outgrow, monkeypatch):
    code, said, _ = outgrow("check", "micro", "--set", "learn.ranks=2", "--set", "run.threads=1")
    assert (code, told(said)["ranks"].startswith("2 ")) == (0, True)
    code, said, _ = outgrow("check", "micro", "--set", "learn.ranks=2", "--set", 'distill={model="micro-base"}')
    assert (code, "→ the teacher of [distill] cannot be shared out yet" in told(said)["ranks"]) == (1, True)
    code, said, _ = outgrow("check", "micro-memory", "--set", "learn.ranks=2")
    assert (code, "→ a model with a memory cannot be shared out yet" in told(said)["ranks"]) == (1, True)
    code, said, _ = outgrow("check", "micro", "--set", "learn.ranks=2", "--set", "learn.optimizer=muon")
    assert (code, "→ muon needs whole matrices" in told(said)["ranks"]) == (1, True)
    code, said, _ = outgrow("check", "micro-base", "--set", "learn.ranks=100000")
    assert (code, "→ learn.ranks=100000: a process takes about 0.4 GB" in told(said)["ranks"]) == (1, True)
    monkeypatch.setattr(inventory.torch.cuda, "device_count", lambda: 1)
    code, said, _ = outgrow("check", "micro", "--set", "learn.ranks=2")
    assert (code, told(said)["ranks"][:11]) == (1, "2, on 1 GPU"), "and what to do about it"


def test_bad_input_is_one_line(outgrow):
    for arguments in (("no-such-recipe",), ("--set", "run.threads=1"), ("micro-flywheel",)):
        code, said, errors = outgrow("check", *arguments)
        assert (code, said, errors.count("\n")) == (2, "", 1)
