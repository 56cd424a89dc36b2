"""Other suites over a run's checkpoints: the divergence token by token, and figures beside those of the run itself."""

import random

import pytest
import torch

from outgrow.evaluate import Evaluation
from outgrow.learn.drifting import drift_of
from outgrow.policy.likelihood import forward_kl
from runs_helper import go


@pytest.mark.parametrize("lengths", [(5, 9), (1, 30)])
def test_forward_kl_is_the_whole_divergence_of_each_token(shipped, untrained, lengths):
    prompts = [shipped.tokenizer.encode(text, add_special_tokens=False) for text in ("27+58=?", "roman XIX=?")]
    rng = random.Random(0)
    completions = [[rng.randrange(4, 60) for _ in range(length)] for length in lengths]
    found = forward_kl(shipped, untrained, prompts, completions)
    for kl, prompt, completion in zip(found, prompts, completions, strict=True):
        row = torch.tensor([prompt + completion])
        with torch.no_grad():
            first, second = (
                one.model(row).logits[0, len(prompt) - 1 : -1].double().log_softmax(-1) for one in (shipped, untrained)
            )
        truth = torch.nn.functional.kl_div(second, first, reduction="none", log_target=True).sum(-1).mean()
        assert kl == pytest.approx(float(truth), rel=1e-4)
    assert forward_kl(shipped, shipped, prompts, completions) == pytest.approx([0, 0], abs=1e-7)


@pytest.mark.parametrize("lora", [[], ["policy.lora={rank=4}"]])
def test_drift_over_the_checkpoints_of_a_run(tmp_path, lora):
    path = tmp_path / "run"
    go(path, ["learn.steps=6", "run.checkpoint_every=2", "evaluate.every=0", "learn.lr=5e-4", *lora])
    rows = list(drift_of(path, ["micro-validation", "micro-lab"], 1, 0, lambda note: None))
    assert [(row.step, row.suite) for row in rows] == [(s, n) for s in (0, 2, 4, 6) for n in ("micro-validation", "micro-lab")]
    last = next(row for row in rows if (row.step, row.suite) == (6, "micro-validation"))
    before, after = (Evaluation.load(path / "evals" / f"{name}.parquet") for name in ("before", "after"))
    greedy = [{s.problem_id: s.right for s in one.samples if s.index < 0} for one in (before, after)]
    # the run's own suite is micro-validation, with one sample: the same answers, drawn again
    assert last.pass_at_1 == pytest.approx(after.summary()["pass@1"])
    assert last.change == pytest.approx(after.summary()["pass@1"] - before.summary()["pass@1"])
    assert last.turnover == pytest.approx(sum(greedy[0][id] != greedy[1][id] for id in greedy[0]) / len(greedy[0]))
    kls = [row.kl for row in rows if row.suite == "micro-validation"]
    assert kls[0] == 0 < kls[1] < kls[3]
