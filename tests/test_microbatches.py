"""How rollouts are cut into passes: each once, within the tokens allowed, little padded; and what comes of it is the plain sum."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import PrivateAttr

from helpers.counts import meets, met
from outgrow.algorithms.losses.clipped_surrogate import ClippedSurrogate
from outgrow.config.sections import LearnSection
from outgrow.core.oom_backoff import AutoBatchSize
from outgrow.engines import GenerationRequest, NativeEngine, sync
from outgrow.policy import Sampling
from outgrow.policy.logprobs import completion_logprobs
from outgrow.runs.models import frozen_copy
from outgrow.train.microbatches import TrainRow, microbatches
from outgrow.train.optimizer import Optimizer
from outgrow.train.update import AdvantagedRollout, Learner
from outgrow.types import Rollout


def passes_of(tokens):
    return AutoBatchSize("learn.tokens_per_microbatch", tokens, pytest.fail)


def groups_of(lengths):
    """lengths: for each group its prompt's length, and its completions'."""
    return [
        [
            TrainRow(Rollout([group] * prompt, [1] * length, [0.0] * length, True, ""), float(index), 1.0, None)
            for index, length in enumerate(rows)
        ]
        for group, (prompt, rows) in enumerate(lengths)
    ]


shapes = st.lists(st.tuples(st.integers(1, 90), st.lists(st.integers(1, 200), min_size=1, max_size=9)), min_size=1, max_size=12)


@meets(several=200, alone=200)
@given(lengths=shapes, tokens=st.integers(1, 3000))
def test_every_rollout_is_in_one_pass_and_a_pass_in_its_bounds(lengths, tokens):
    groups = groups_of(lengths)
    found = list(microbatches(groups, tokens))
    assert sorted(id(row) for rows in found for row in rows) == sorted(id(row) for group in groups for row in group)
    for rows in found:
        prompts = {tuple(row.rollout.prompt_ids) for row in rows}
        computed = sum(map(len, prompts)) + sum(len(row.rollout.completion_ids) for row in rows)
        assert computed <= tokens or len(rows) == 1
        met("several" if len(rows) > 1 else "alone")


def test_a_group_that_fits_is_not_taken_apart():
    found = list(microbatches(groups_of([(10, [20, 5, 8]), (10, [19, 3, 2]), (10, [9, 9, 9, 9])]), 45))
    assert [[row.rollout.prompt_ids[0] for row in rows] for rows in found] == [[0, 0, 0], [1, 1, 1], [2, 2, 2], [2]]


@pytest.mark.parametrize("old", ["engine", "learner"])
def test_an_update_is_that_of_each_rollout_alone(untrained, old):
    """Prompts run once and cut off, rows of other groups beside them, a KL divergence: against one plain graph for each rollout."""
    sampling, section = Sampling(temperature=0.8, max_tokens=14), LearnSection(old_logprobs=old)
    loss = ClippedSurrogate(kl_weight=0.1)
    reference = frozen_copy(untrained)
    with torch.no_grad():
        for weight in untrained.model.parameters():
            weight.add_(0.02 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(1)))
    engine = NativeEngine()
    sync(engine, untrained)
    prompts = [untrained.prompt_ids(question) for question in ("1+2=?", "clock 12: 3+11=?", "roman XIV=?")]
    groups = [
        [AdvantagedRollout(rollout, float(index) - 1.3) for index, rollout in enumerate(group)]
        for group in engine.generate(GenerationRequest(prompts, 4, sampling, [0, 1, 2]))
    ]
    total = sum(len(row.rollout.completion_ids) for group in groups for row in group)
    for row in (row for group in groups for row in group):
        with torch.no_grad():
            theirs, _, _ = completion_logprobs(reference, [row.rollout.prompt_ids], [row.rollout.completion_ids], sampling)
        ours, _, _ = completion_logprobs(untrained, [row.rollout.prompt_ids], [row.rollout.completion_ids], sampling)
        old, delta = torch.tensor([row.rollout.logprobs]), theirs - ours
        ratio = (ours - old).exp()
        # Nothing is clipped, as nothing has moved.
        ((-ratio * row.advantage_T + 0.1 * ratio * (delta.exp() - delta - 1)).sum() / total).backward()
    expected = {name: weight.grad.clone() for name, weight in untrained.model.named_parameters()}
    for tokens in (60, 150, 4096):
        untrained.model.zero_grad()
        optimizer = Optimizer(untrained.model, section, 10)
        optimizer.step = lambda step: (0.0, 0.0)  # leave the gradient where it is
        figures = Learner(untrained, reference, optimizer, section, loss, sampling, 0, passes_of(tokens)).update(groups, 1)
        for name, weight in untrained.model.named_parameters():
            torch.testing.assert_close(weight.grad, expected[name], rtol=1e-4, atol=1e-5, msg=f"{tokens} {name}")
        assert (
            0
            <= figures["train_infer_logprob_gap/mean"]
            <= figures["train_infer_logprob_gap/p99"]
            <= figures["train_infer_logprob_gap/max"]
            < 1e-4
        )


class Watched(ClippedSurrogate):
    """Keeps what it is given."""

    _seen: list = PrivateAttr(default_factory=list)

    def compute(self, batch):
        self._seen.append(batch)
        return super().compute(batch)


def test_later_updates_start_from_the_policy_that_drew(untrained):
    """With the learner's own log-probabilities, those of every share are taken before the first step moves anything."""
    sampling, section = Sampling(max_tokens=8), LearnSection(updates_per_step=3, old_logprobs="learner", lr=3e-2)
    engine = NativeEngine()
    sync(engine, untrained)
    prompts = [untrained.prompt_ids(question) for question in ("1+2=?", "3*4=?", "roman XIV=?")]
    groups = [
        [AdvantagedRollout(rollout, float(index) - 1.5) for index, rollout in enumerate(group)]
        for group in engine.generate(GenerationRequest(prompts, 4, sampling, [0, 1, 2]))
    ]
    loss, optimizer = Watched(), Optimizer(untrained.model, section, 10)
    figures = Learner(untrained, frozen_copy(untrained), optimizer, section, loss, sampling, 0, passes_of(4096)).update(groups, 1)
    started = [(batch.old_logprobs_BT, batch.logprobs_BT.detach()) for batch in loss._seen]
    assert len(started) == 3
    drawn = sorted(round(value, 3) for group in groups for row in group for value in row.rollout.logprobs)
    assert sorted(round(float(v), 3) for old, _ in started for v in old.flatten() if v != 0) == pytest.approx(drawn, abs=2e-3)
    assert (started[2][0] - started[2][1]).abs().max() > 1e-3, "nothing moved in between"
    assert figures["train_infer_logprob_gap/max"] < 1e-4, "the gap is that of the first update, before anything moved"
