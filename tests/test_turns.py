"""The turns before a question reach the model wherever it is asked: rollouts, measurements, SFT, divergence, data, judges."""

import json
from typing import ClassVar

import pytest

from outgrow.config import parse_recipe
from outgrow.core.callbacks import Warn, quiet
from outgrow.core.json_lines import read_lines
from outgrow.engines import Engine, NativeEngine, NativeEngineConfig
from outgrow.evaluate.checkpoints import drift_of
from outgrow.policy import likelihood as likelihood_module
from outgrow.train.loop import train
from outgrow.train.sft import SFTJob
from outgrow.train.watcher import SilentWatcher
from outgrow.types import Problem

pytestmark = pytest.mark.usefixtures("own_code")

SYSTEM = {"role": "system", "content": "sum:"}
EXAMPLE = [{"role": "user", "content": "1+1=?"}, {"role": "assistant", "content": "2"}]
PUT = "<|begin|><|user|>sum:<|user|>1+1=?<|assistant|>2<|end|><|user|>{}<|assistant|><think>"


class Recording(NativeEngine):
    """The native engine; what it was asked is in `asked`."""

    asked: ClassVar[list[list[int]]] = []

    def generate(self, request, *args):
        self.asked.extend(request.prompts)
        return super().generate(request, *args)


class RecordingConfig(NativeEngineConfig):
    type: str = "recording"

    def build(self, warn: Warn = quiet) -> Engine:
        return Recording(self.max_sequences, warn)


def sums(path, start):
    rows = [[SYSTEM, *EXAMPLE, {"role": "user", "content": f"{a}+7=?"}] for a in range(start, start + 5)]
    path.write_text("\n".join(json.dumps({"prompt": row, "answer": str(start + n + 7)}) for n, row in enumerate(rows)))
    return str(path)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("turns")
    held_out = sums(folder / "held-out.jsonl", 20)
    recipe = {
        "name": "turns", "policy": {"model": "micro-base"}, "engine": {"type": "test_turns:RecordingConfig"},
        "problems": [{"type": "table", "path": sums(folder / "own.jsonl", 2)}], "sampling": {"max_tokens": 16},
        "learn": {"steps": 1, "problems_per_step": 4, "group_size": 2}, "run": {"threads": 1},
        "evaluate": {"suite": held_out, "validation": held_out, "samples": 1, "validation_share": 9.0},
    }  # fmt: skip
    Recording.asked.clear()
    train(parse_recipe(recipe), folder / "run", SilentWatcher())
    return folder


def test_rollouts_and_measurements_put_every_turn(run, shipped):
    decoded = [shipped.tokenizer.decode(ids) for ids in Recording.asked]
    measured = [PUT.format(f"{a}+7=?") for a in range(20, 25)]
    practised = {PUT.format(f"{a}+7=?") for a in range(2, 7)}
    # Before: sampled and greedy. In step 1: validation, then rollouts. After: sampled and greedy.
    assert decoded[:10] == measured * 2 and decoded[10:15] == measured and decoded[-10:] == measured * 2
    assert set(decoded[15:-10]) <= practised and len(decoded[15:-10]) == 4
    assert [row["step"] for row in read_lines(run / "run" / "metrics.jsonl")] == [1]


def test_the_divergence_of_a_suite_is_taken_behind_the_same_turns(run, shipped, monkeypatch):
    prompts = []
    real = likelihood_module.forward_kl
    monkeypatch.setattr(likelihood_module, "forward_kl", lambda a, b, p, c: prompts.extend(p) or real(a, b, p, c))
    list(drift_of(run / "run", [str(run / "held-out.jsonl")], 1, 0, lambda line: None))
    assert {shipped.tokenizer.decode(ids) for ids in prompts} <= {PUT.format(f"{a}+7=?") for a in range(20, 25)} and prompts


def test_sft_learns_the_reply_behind_its_turns(untrained, tmp_path):
    path = tmp_path / "own.jsonl"
    path.write_text(
        json.dumps(
            {
                "messages": [
                    SYSTEM,
                    *EXAMPLE,
                    {"role": "user", "content": "2+7=?"},
                    {"role": "assistant", "content": "2 and 7.\n#### 9"},
                ]
            }
        )
    )
    own = [{"type": "table", "path": str(path)}]
    recipe = parse_recipe({"kind": "sft", "name": "x", "policy": {"init": {}}, "problems": own, "evaluate": {"suite": "micro"}})
    job = SFTJob(recipe, untrained, tmp_path, lambda line: None)
    [[problem]] = job.problems
    example = job._encode(problem)
    assert untrained.tokenizer.decode(example.prompt_ids) == PUT.format("2+7=?")
    assert untrained.tokenizer.decode(example.completion_ids) == "2 and 7.</think>\\boxed{9}<|end|>"


def test_a_reader_without_turns_gets_them_as_text():
    problem = Problem("a", "sum", 1, "3+4=?", "7", turns=(("system", "Be brief."),))
    assert problem.with_turns() == "system: Be brief.\n\nuser: 3+4=?"
    assert Problem("a", "sum", 1, "3+4=?", "7").with_turns() == "3+4=?"
