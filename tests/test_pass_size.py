"""A step that runs out of memory is done again in smaller passes, and comes to the same weights."""

import re

import pytest
import torch

from outgrow.errors import OutgrowError, SpoiledError
from outgrow.learn import update as updating
from outgrow.learn.optimizer import Optimizer
from outgrow.learn.pass_size import PassSize
from outgrow.learn.policies import frozen_copy
from outgrow.learn.update import Weighed, update
from outgrow.policy import Sampling, load_policy
from outgrow.recipes.schema import LearnSection
from outgrow.rollout import NativeEngine

SAMPLING = Sampling(max_tokens=12)
SECTION = LearnSection(updates_per_step=2, tokens_per_pass=400, kl_weight=0.1)


def test_it_halves_until_it_fits_undoes_each_attempt_and_says_so():
    tried, undone, notes = [], [], []

    def work(tokens):
        tried.append(tokens)
        if tokens > 300:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
        return tokens

    size = PassSize(1000, notes.append)
    assert size.fitting(work, 90, lambda: undone.append(len(tried))) == 250
    assert (tried, undone) == ([1000, 500, 250], [1, 2])
    assert [re.search(r"tokens_per_pass=(\d+)", note)[1] for note in notes] == ["500", "250"]
    assert size.fitting(work, 90) == 250, "the next step must not try in vain again"


def test_a_single_rollout_that_does_not_fit_is_an_error_of_one_line():
    def work(_):
        raise MemoryError

    with pytest.raises(OutgrowError, match=r"single rollout; lower sampling.max_tokens") as told:
        PassSize(200, lambda _: None).fitting(work, 110)
    assert "\n" not in str(told.value)


def test_what_a_cpu_says_when_memory_is_out_is_understood():
    def work(tokens):
        return torch.empty(2**50) if tokens > 100 else "done"

    assert PassSize(200, lambda _: None).fitting(work, 90) == "done"


def test_any_other_error_is_left_alone():
    def work(_):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="mat1"):
        PassSize(200, lambda _: None).fitting(work, 90)


def learned(policy, monkeypatch, fits):
    """Weights after one update where only `fits(passes so far)` completions go through the model at once."""
    engine = NativeEngine()
    engine.update(policy)
    prompts = [policy.prompt_ids(question) for question in ("1+2=?", "clock 12: 3+11=?", "roman XIV=?", "9-4=?")]
    groups = engine.generate(prompts, 4, SAMPLING, [0, 1, 2, 3])
    weighed = [[Weighed(rollout, float(index % 2) - 0.4) for index, rollout in enumerate(group)] for group in groups]
    backward, passes = updating._backward, []

    def short_of_memory(policy, reference, rows, *rest):
        found = backward(policy, reference, rows, *rest)  # the gradient is there when the error comes
        passes.append(len(rows))
        if len(rows) > fits(len(passes)):
            raise torch.OutOfMemoryError("CUDA out of memory")
        return found

    monkeypatch.setattr(updating, "_backward", short_of_memory)
    optimizer, notes = Optimizer(policy.model, SECTION, 10), []
    size = PassSize(SECTION.tokens_per_pass, notes.append)
    figures = update(policy, frozen_copy(policy), optimizer, weighed, SECTION, SAMPLING, 1, 0, size, lambda: None)
    monkeypatch.undo()
    return {name: weight.detach().clone() for name, weight in policy.model.named_parameters()}, figures, notes


def test_an_update_short_of_memory_moves_the_weights_as_one_that_is_not(shipped, monkeypatch):
    whole, figures, quiet = learned(load_policy("micro-base"), monkeypatch, fits=lambda _: 8)
    parts, same, notes = learned(load_policy("micro-base"), monkeypatch, fits=lambda _: 1)
    assert (len(quiet), len(notes)) == (0, 4)
    assert same == pytest.approx(figures, rel=1e-4, abs=1e-6)
    apart = moved = 0.0
    for name, weight in whole.items():
        apart += float((parts[name] - weight).square().sum())
        moved += float((weight - shipped.model.state_dict()[name]).square().sum())
    # Not element by element: AdamW takes a gradient of pure rounding as far as any other.
    assert moved > 1e-4
    assert apart < 1e-4 * moved


def test_memory_that_ends_between_two_updates_of_a_step_spoils_it(monkeypatch):
    """The first share (one pass of 8) has moved the weights by then, so nobody may save them as the step before."""
    policy = load_policy("micro-base")
    before = policy.digest()
    with pytest.raises(SpoiledError, match="single rollout"):
        learned(policy, monkeypatch, fits=lambda passes: 8 if passes == 1 else 0)
    assert policy.digest() != before
