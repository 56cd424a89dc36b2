"""The flywheel r1-flywheel, both generations, on models of the same family with random weights."""

import json

import pyarrow.parquet as pq

from helpers.flywheel import RecordedStages
from helpers.r1 import WITH_FORMAT, make_r1
from outgrow.core.json_lines import read_lines, write_lines
from outgrow.flywheel import load_flywheel
from outgrow.flywheel.run import run_flywheel
from outgrow.policy import load_policy
from outgrow.problems.suites import suite
from outgrow.runs.cost import Budget

# As for its stages in tests of their own; an answer is the last number, which random letters have now and then.
STAGES = {
    "teacher": ["learn.steps=2", "sampling.max_tokens=80", "policy.dtype=float32", 'verify.extract=["last_number"]'],
    "base": ["learn.steps=3", "learn.batch_size=4", "sampling.max_tokens=24", "policy.dtype=float32"],
    "student": ["learn.steps=2", "sampling.max_tokens=80", "policy.dtype=float32", 'verify.extract=["last_number"]'],
}


def test_both_generations_run(data, small_r1, tmp_path):
    seven = make_r1(tmp_path / "seven", hidden=240, layers=4, seed=1)
    lines = [f"{stage}.{line}" for stage, lines in STAGES.items() for line in lines]
    lines += [f"{stage}.{WITH_FORMAT}" for stage in ("teacher", "student")]
    lines += [f"teacher.policy.model={seven}", f"base.policy.model={small_r1}", f"first_base={small_r1}"]
    # A CPU is slow: few problems to measure on. Random letters seldom end in an answer, so many are drawn.
    rows = [{"question": problem.question, "answer": problem.answer} for problem in suite("micro-validation").load()[::24]]
    write_lines(few := tmp_path / "few.jsonl", rows)
    lines += [f"suite={few}", "extra_suites=[]", "samples=1", "patience=2", "data.keep=all", "data.k=8"]
    folder = tmp_path / "flywheel"
    result = run_flywheel(load_flywheel("r1-flywheel", lines), folder, RecordedStages(), Budget())
    first, second = result.generations
    for student in (first.student, second.student):
        assert all(
            {"train/loss", "policy/kl_to_reference", "rollouts/mean_tokens"} <= row.keys()
            for row in read_lines(student.path / "metrics.jsonl")
        )
    assert first.base.model == str(small_r1)
    adapter = json.loads((second.base.path / "checkpoints" / "latest" / "policy" / "adapter_config.json").read_text())
    assert adapter["r"] == 64
    # The second base has read the data, and its student starts from the two in one.
    made = pq.read_table(first.data.path / "made" / "data").num_rows
    assert made > 0
    merged = load_policy(str(second.base.path / "merged")).model.state_dict()
    assert not [name for name in merged if "lora" in name]
    assert (folder / "flywheel.html").exists()
