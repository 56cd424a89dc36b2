"""Other suites over a run's checkpoints: the divergence token by token, and figures beside those of the run itself."""

import random
from dataclasses import asdict, replace

import pytest
import torch

from helpers.runs import SMALL, Silent, go
from outgrow.config import load_recipe
from outgrow.core.errors import UsageError
from outgrow.core.json_lines import write_lines
from outgrow.evaluate import Evaluation
from outgrow.evaluate.checkpoints import drift_of
from outgrow.evaluate.drift import write_drift
from outgrow.policy.likelihood import forward_kl
from outgrow.report.data import read_run
from outgrow.train.loop import resume, train


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


@pytest.fixture
def suites(tmp_path):
    """Two suites of twenty problems each."""
    files = [tmp_path / "sums.jsonl", tmp_path / "products.jsonl"]
    for sign, file in zip("+*", files, strict=True):
        pairs = [(n, n + 5) for n in range(10, 30)]
        write_lines(file, [{"question": f"{a}{sign}{b}=?", "answer": str(a + b if sign == "+" else a * b)} for a, b in pairs])
    return [str(file) for file in files]


@pytest.mark.parametrize("lora", [[], ["policy.lora={rank=4}"]])
def test_drift_over_the_checkpoints_of_a_run(tmp_path, suites, lora):
    path = tmp_path / "run"
    go(
        path,
        ["learn.steps=6", "run.checkpoint_every=2", "evaluate.every=0", "learn.lr=5e-4", f"evaluate.suite={suites[0]}", *lora],
    )
    rows = list(drift_of(path, suites, 1, 0, lambda warn: None))
    assert [(row.step, row.suite) for row in rows] == [(s, n) for s in (0, 2, 4, 6) for n in suites]
    last = next(row for row in rows if (row.step, row.suite) == (6, suites[0]))
    before, after = (Evaluation.load(path / "evals" / f"{name}.parquet") for name in ("before", "after"))
    greedy = [{s.problem_id: s.right for s in one.samples if s.index < 0} for one in (before, after)]
    # the run's own suite is the first one, with one sample: the same answers, drawn again
    assert last.pass_at_1 == pytest.approx(after.summary()["pass@1"])
    assert last.change == pytest.approx(after.summary()["pass@1"] - before.summary()["pass@1"])
    assert last.turnover == pytest.approx(sum(greedy[0][id] != greedy[1][id] for id in greedy[0]) / len(greedy[0]))
    kls = [row.kl for row in rows if row.suite == suites[0]]
    assert kls[0] == 0 < min(kls[1:]) and len(set(kls)) == 4, "each checkpoint is another policy"


def test_a_run_measures_the_other_suites_of_its_recipe(tmp_path, suites):
    """The same figures as `outgrow drift` draws from its checkpoints, through a stop in the middle of the last measurement."""
    path = tmp_path / "run"
    recipe = load_recipe(
        "micro",
        [*SMALL, "learn.steps=3", "evaluate.every=0", "learn.lr=5e-4", "policy.lora={rank=4}", f"evaluate.extra_suites={suites}"],
    )
    with pytest.raises(_Stopped):
        train(recipe, path, _StopsAt(f"measuring after training on {suites[1]}"))
    assert not (path / "evals" / "drift.json").exists()
    asked, phases = Silent(), []
    asked.phase = phases.append
    resume(path, [], asked)
    assert phases == [f"measuring after training on {suites[1]}"]
    [*rows] = [row for row in drift_of(path, suites, 1, 0, lambda warn: None) if row.step in (0, 3)]
    kept = read_run(path).drift
    assert [(row.suite, row.step) for row in kept] == [(suite, step) for suite in suites for step in (0, 3)]
    for row in kept:
        other = next(one for one in rows if (one.suite, one.step) == (row.suite, row.step))
        assert asdict(row) == pytest.approx(asdict(other), abs=1e-6)
    write_drift(path, [replace(kept[1], pass_at_1=1.0)])
    assert {row.pass_at_1 for row in read_run(path).drift if row.suite == suites[0]} == {1.0}
    assert [row for row in read_run(path).drift if row.suite == suites[1]] == kept[2:]
    (path / "evals" / "drift.json").write_text("{")
    resume(path, ["learn.steps=4"], Silent())
    assert [(row.suite, row.step) for row in read_run(path).drift] == [(suite, step) for suite in suites for step in (0, 4)]


def test_other_suites_are_named_right_before_anything_is_made(tmp_path):
    recipe = load_recipe("micro", [*SMALL, 'evaluate.extra_suites=["puzles"]'])
    with pytest.raises(UsageError, match=r"no suite called 'puzles'.*puzzles"):
        train(recipe, tmp_path / "run", Silent())
    assert not (tmp_path / "run").exists()


class _Stopped(Exception):
    pass


class _StopsAt(Silent):
    def __init__(self, phase):
        super().__init__()
        self._stops_at = phase

    def phase(self, text):
        if text == self._stops_at:
            raise _Stopped
