"""Training on rollouts that were written in int8: what learns is unbiased up to what is stated, and what measures is exact."""

import json

import pytest
import torch

from helpers.runs import SMALL, Silent
from outgrow.algorithms.losses.importance import truncated_importance
from outgrow.config import load_recipe
from outgrow.core.errors import UsageError
from outgrow.core.json_lines import read_lines
from outgrow.engines import NativeEngine, sync
from outgrow.engines.native.decoder import LlamaDecoder
from outgrow.engines.native.layouts import INT8
from outgrow.engines.native.matrices import PlainMatrix
from outgrow.train.loop import resume, train

FITTING = {name: layout for name, layout in INT8.items() if layout.fits(torch.empty(1))}
pytestmark = pytest.mark.skipif(not FITTING, reason="this machine multiplies no bytes")

FAST = [
    "engine.weights=int8",
    "engine.head=int8",
    "learn.old_logprobs=learner",
    "learn.updates_per_step=1",
    "learn.schedule=constant",
    "learn.warmup=0",
]
SHORT = [*SMALL, *FAST, "learn.steps=4", "evaluate.every=2", "run.checkpoint_every=1"]


@pytest.mark.parametrize("head", ["exact", "int8"])
@pytest.mark.parametrize("layout", FITTING.values(), ids=FITTING)
def test_importance_weights_take_the_bias_out_of_the_gradient(shipped, layout, head):
    """The expected gradient over every completion of two tokens, each once with the probability that int8 gives it.

    Weighed by the ratio of whole completions, it is the true one. Token weights, which the learner uses since their variance stays
    small, know nothing of the tokens before: they leave a part.
    """
    model, prompt = shipped.model, shipped.prompt_ids("clock 12: 7+9=?")
    fast = LlamaDecoder(model.config, shipped.named_weights(), layout, layout if head == "int8" else PlainMatrix)
    rows = torch.tensor([[*prompt, token] for token in range(fast.vocabulary)])
    with torch.no_grad():
        drawn_first = fast.read(rows[:1, :-1], torch.tensor([len(prompt)]))[1].log_softmax(-1)[0]
        drawn_second = fast.read(rows, torch.full((len(rows),), rows.shape[1]))[1].log_softmax(-1)
    logits = model(input_ids=rows, use_cache=False).logits
    first, second = logits[0, -2].log_softmax(-1), logits[:, -1].log_softmax(-1)
    advantage = torch.randn(second.shape, generator=torch.Generator().manual_seed(0))

    def gradient(objective):
        return torch.cat([part.flatten() for part in torch.autograd.grad(objective, list(model.parameters()), retain_graph=True)])

    def as_trained(weight_first, weight_second):
        drawn = (drawn_first[:, None] + drawn_second).exp()
        return gradient((drawn * advantage * (weight_first * first[:, None] + weight_second * second)).sum())

    true = gradient((first.exp()[:, None] * second.exp() * advantage).sum())
    of_first, of_second = (
        truncated_importance(own.detach(), drawn, 2.0) for own, drawn in ((first, drawn_first), (second, drawn_second))
    )
    whole = (first.detach()[:, None] + second.detach() - drawn_first[:, None] - drawn_second).exp()

    def error(found):
        return ((found - true).norm() / true.norm()).item()

    without, with_tokens, with_whole = (
        error(as_trained(*weights)) for weights in ((1.0, 1.0), (of_first[:, None], of_second), (whole, whole))
    )
    assert without > 0.02, "int8 is not far enough from exact to show anything"
    assert with_tokens < 0.5 * without
    assert with_whole < 1e-4


def test_measurements_are_those_of_the_exact_weights(tmp_path):
    """A run's figures before training, and those of its first look at validation, do not depend on how rollouts are written."""
    fast, exact = tmp_path / "fast", tmp_path / "exact"
    train(load_recipe("micro", [*SHORT, "learn.steps=1"]), fast, Silent())
    train(load_recipe("micro", [*SHORT, "learn.steps=1", "engine.weights=exact", "engine.head=exact"]), exact, Silent())
    [ours], [theirs] = (read_lines(path / "metrics.jsonl") for path in (fast, exact))
    validation = [key for key in theirs if key.startswith("validation/")]
    assert validation
    assert {key: ours[key] for key in validation} == {key: theirs[key] for key in validation}
    gap = "train_infer_logprob_gap/mean"
    assert theirs[gap] < 1e-5 < 1e-4 < ours[gap] < 0.1
    assert ours["policy/kl_to_reference"] == pytest.approx(0, abs=1e-6), "the policy has not moved, however its engine rounds"
    before = [json.loads((path / "summary.json").read_text())["before"] for path in (fast, exact)]
    assert before[0] == before[1]


def test_a_run_in_int8_goes_on_to_the_same_bytes(tmp_path):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train(load_recipe("micro", SHORT), whole, Silent())
    train(load_recipe("micro", [*SHORT, "learn.steps=2"]), parts, Silent())
    resume(parts, ["learn.steps=4"], Silent())
    ours, theirs = (path / "checkpoints" / "step-000004" / "policy" / "model.safetensors" for path in (parts, whole))
    assert ours.read_bytes() == theirs.read_bytes()
    assert read_lines(parts / "metrics.jsonl") == read_lines(whole / "metrics.jsonl")


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (["engine.weights=int8"], "learn.old_logprobs=learner"),
        (["engine.head=int8"], "engine.weights=int8"),
        (["engine.weights=int4"], "engine.weights"),
    ],
)
def test_a_recipe_that_cannot_be_unbiased_is_refused(overrides, told):
    with pytest.raises(UsageError, match=told):
        load_recipe("micro", overrides)


def test_weights_that_cannot_be_multiplied_so_are_refused(untrained):
    untrained.model.to(torch.bfloat16)
    with pytest.raises(UsageError, match=r"engine\.weights=exact"):
        sync(NativeEngine(weights="int8"), untrained)


def test_a_run_that_cannot_write_so_is_refused_before_it_makes_or_changes_anything(tmp_path):
    """Not after its first measurement; and a run that goes on keeps the recipe that it can go on with."""
    run, other = tmp_path / "run", tmp_path / "other"
    settings = [*SMALL, "policy.dtype=bfloat16", "learn.old_logprobs=learner", "learn.steps=1", "evaluate.every=0"]

    class Measuring(Silent):
        def phase(self, text):
            pytest.fail(text)

    with pytest.raises(UsageError, match=r"engine\.weights=exact"):
        train(load_recipe("micro", [*settings, "engine.weights=int8"]), other, Measuring())
    assert not other.exists()
    train(load_recipe("micro", settings), run, Silent())
    before = (run / "recipe.toml").read_bytes()
    with pytest.raises(UsageError, match=r"engine\.weights=exact"):
        resume(run, ["learn.steps=2", "engine.weights=int8"], Silent())
    assert (run / "recipe.toml").read_bytes() == before
