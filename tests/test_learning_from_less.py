"""Rollouts that are not learned from: cut groups, negligible advantages; and the few on which the KL divergence is estimated."""

import copy
import statistics
from collections import Counter
from dataclasses import replace
from itertools import combinations

import pyarrow.parquet as pq
import pytest
import torch
from pydantic import PrivateAttr

from helpers.groups import group
from helpers.steps import watched_step
from outgrow.algorithms.losses.clipped_surrogate import ClippedSurrogate
from outgrow.algorithms.losses.gspo import GSPO
from outgrow.config import load_recipe, parse_recipe
from outgrow.config.sections import KL_SHARE, DistillSection, LearnSection
from outgrow.core.errors import UsageError
from outgrow.core.oom_backoff import AutoBatchSize
from outgrow.engines import GenerationRequest, NativeEngine, sync
from outgrow.policy import Sampling
from outgrow.policy.logprobs import completion_logprobs
from outgrow.runs.models import frozen_copy
from outgrow.train.distill import DistillTarget
from outgrow.train.kept import keep_rollouts
from outgrow.train.kl_sample import kl_sample
from outgrow.train.optimizer import Optimizer
from outgrow.train.rl import RLJob
from outgrow.train.update import AdvantagedRollout, Learner
from outgrow.types import Rollout

SAMPLING = Sampling(max_tokens=14)
RECIPE = [
    "learn.steps=1", "learn.problems_per_step=6", "learn.group_size=6", "loss.kl_weight=0.0", "curriculum={type='uniform'}",
    "evaluate.every=0", "sampling.max_tokens=40", "run.threads=1", "evaluate.suite=micro", "advantage={type='dr_grpo'}",
    "rewards=[{type='random'}]", 'problems=[{type="micro",fields=["sum","letters"],levels=[3,4],per_level=40}]',
]  # fmt: skip


def job_of(policy, folder, *overrides, distilled=None):
    policy.model.eval()
    folder.mkdir(exist_ok=True)
    recipe = load_recipe("micro", [*RECIPE, *overrides])
    return RLJob(recipe, policy, frozen_copy(policy), NativeEngine(), folder, pytest.fail, distilled)


# --- learn.keep -----------------------------------------------------------------------------------------------------------------


def test_a_cut_group_is_learned_from_as_worked_by_hand(untrained, tmp_path):
    """−Σ (r − mean of the kept) · ∇log π over the number of kept tokens; all rollouts are in ledger, metrics and table."""
    before = copy.deepcopy(untrained)
    job = job_of(untrained, tmp_path, "learn.keep=3")
    result, groups, trained = watched_step(job, untrained)
    assert job.ledger.rollouts() == 36
    job.close()
    rows = pq.read_table(tmp_path / "rollouts").to_pylist()
    assert len(rows) == 36 == result.metrics["rollouts/count"]
    rewards = {(row["problem_id"], row["sample"]): row["reward"] for row in rows}
    assert result.metrics["reward/total"] == pytest.approx(statistics.fmean(rewards.values()))

    expected = {}
    for one in groups:
        paid = [rewards[one.problem.id, index] for index in range(6)]
        if len(set(paid)) > 1:  # random rewards are 0 or 1
            most = max(statistics.pvariance(subset) for subset in combinations(paid, 3))
            kept = [row["sample"] for row in rows if row["problem_id"] == one.problem.id and row["advantage"] != 0]
            assert len(kept) == 3 and statistics.pvariance([paid[index] for index in kept]) == pytest.approx(most)
            mean = statistics.fmean(paid[index] for index in kept)
            expected[one.problem.id] = {index: paid[index] - mean for index in kept}
    assert expected
    kept_tokens = sum(one.lengths[index] for one in groups for index in expected.get(one.problem.id, {}))
    for one in groups:
        for index, advantage in expected.get(one.problem.id, {}).items():
            rollout = one.rollouts[index]
            logprobs_BT, _, _ = completion_logprobs(before, [rollout.prompt_ids], [rollout.completion_ids], job.recipe.sampling)
            (-advantage * logprobs_BT.sum() / kept_tokens).backward()
    for name, weight in before.model.named_parameters():
        torch.testing.assert_close(trained[name], weight.grad, rtol=1e-4, atol=1e-7, msg=name)
    for row in rows:
        assert row["advantage"] == pytest.approx(expected.get(row["problem_id"], {}).get(row["sample"], 0.0), abs=1e-6)


def test_what_a_group_is_cut_to_keeps_its_scores_and_verdicts():
    whole = group(["1", "22", "333", "4444"], ["wrong", "right", "wrong", "right"])
    whole = replace(whole, scores=(0.1, 0.9, 0.2, 0.8))
    kept = keep_rollouts(LearnSection(group_size=4, keep=2), 0, [whole], [[0.0, 0.3, -0.5, 1.0]], False)
    [cut] = kept.groups
    assert kept.indices == [[2, 3]] and kept.rewards == [[-0.5, 1.0]]
    assert [rollout.text for rollout in cut.rollouts] == ["333", "4444"]
    assert cut.scores == (0.2, 0.8) and [grade.right for grade in cut.graded] == [False, True]
    assert kept.of_all([[-1.5, 1.5]]) == [[0.0, 0.0, -1.5, 1.5]]


def test_random_ones_are_the_same_again_and_each_as_often_as_the_others():
    section, counts = LearnSection(group_size=8, keep=3, keep_by="random"), Counter()
    for step in range(1, 2001):
        groups = [group([str(index) for index in range(8)], ["right"] * 8, step=step)]
        [kept] = keep_rollouts(section, 5, groups, [[0.0] * 8], False).indices
        assert [kept] == keep_rollouts(section, 5, groups, [[0.0] * 8], False).indices
        assert len(set(kept)) == 3 and kept == sorted(kept)
        counts.update(kept)
    deviation = (2000 * 3 / 8 * 5 / 8) ** 0.5
    assert all(abs(counts[index] - 750) < 5 * deviation for index in range(8)), counts


def test_a_step_that_distils_keeps_all(untrained, shipped, tmp_path):
    found = []
    for number, keep in enumerate(([], ["learn.keep=2"])):
        policy = copy.deepcopy(untrained)
        job = job_of(policy, tmp_path / str(number), "distill={model='micro-base'}", *keep, distilled=shipped)
        found.append(job.advance(1, lambda: None).metrics)
        job.close()
        found.append(policy.digest())
    assert found[0] == found[2] and found[1] == found[3] != untrained.digest()


@pytest.mark.parametrize(
    ("learn", "words"),
    [
        ({"keep": 9}, ["keep", "9", "8"]),
        ({"keep": 1}, ["learn.keep", "2"]),
        ({"keep": 4, "group_size": 3}, ["keep", "4", "3"]),
    ],
)
def test_what_cannot_be_kept_is_one_clear_line(learn, words):
    with pytest.raises(UsageError) as caught:
        parse_recipe({"name": "x", "policy": {"model": "micro-base"}, "learn": learn})
    assert "\n" not in str(caught.value)
    for word in words:
        assert word in str(caught.value)


# --- learn.min_advantage --------------------------------------------------------------------------------------------------------


@pytest.fixture
def written(untrained):
    """A policy that has moved a little from its reference, and three groups of four rollouts that it wrote."""
    reference = frozen_copy(untrained)
    with torch.no_grad():
        for weight in untrained.model.parameters():
            weight.add_(0.02 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(1)))
    engine = NativeEngine()
    sync(engine, untrained)
    prompts = [untrained.prompt_ids(question) for question in ("1+2=?", "clock 12: 3+11=?", "roman XIV=?")]
    return untrained, reference, engine.generate(GenerationRequest(prompts, 4, SAMPLING, [0, 1, 2]))


class Seen(ClippedSurrogate):
    """Keeps what it is given."""

    _batches: list = PrivateAttr(default_factory=list)

    def compute(self, batch):
        self._batches.append(batch)
        return super().compute(batch)


class Bonus(Seen):
    """A loss with another term."""

    skips_zero_advantage = False


def gradient_of(written, advantages, loss, target=None, **learn):
    """Return the gradients of the optimizer steps, and the metrics."""
    policy, reference, rollouts = written
    policy.model.zero_grad()
    section = LearnSection(**learn)
    optimizer = Optimizer(policy.model, section, 10)
    gradients = []

    def step(_):
        gradients.append({name: weight.grad.clone() for name, weight in policy.model.named_parameters()})
        policy.model.zero_grad()
        return 0.0, 0.0

    optimizer.step = step
    size = AutoBatchSize("learn.tokens_per_microbatch", 60, pytest.fail)
    learner = Learner(policy, reference, optimizer, section, loss, SAMPLING, 0, size)
    groups = [[AdvantagedRollout(r, a) for r, a in zip(*pair, strict=True)] for pair in zip(rollouts, advantages, strict=True)]
    return gradients, learner.update(groups, 1, target=target)


ZEROS = [[1.0, 0.0, -1.0, 0.0], [0.0, 0.0, 0.0, 0.0], [0.5, 0.0, torch.zeros(1), -0.25]]


def with_zeros(written):
    """ZEROS, where a tensor has one entry for each token."""
    return [
        [torch.zeros(len(r.completion_ids)) if isinstance(a, torch.Tensor) else a for r, a in zip(*pair, strict=True)]
        for pair in zip(written[2], ZEROS, strict=True)
    ]


def rows_in(loss):
    return sum(len(batch.advantages_BT) for batch in loss._batches)


@pytest.mark.parametrize("aggregation", ["token", "sequence", "constant"])
@pytest.mark.parametrize("old", ["engine", "learner"])
@pytest.mark.parametrize("updates", [1, 2])
def test_rows_without_an_advantage_change_no_gradient(written, aggregation, old, updates):
    learn = {"old_logprobs": old, "updates_per_step": updates}
    all_of_them, few = Bonus(aggregation=aggregation), Seen(aggregation=aggregation)
    expected, before = gradient_of(written, with_zeros(written), all_of_them, **learn)
    found, after = gradient_of(written, with_zeros(written), few, **learn)
    assert (rows_in(all_of_them), len(expected)) == (12, updates)
    # Two updates: one of the shares may be the group without any advantage, which stays as it is.
    assert rows_in(few) == 4 or (updates == 2 and 4 <= rows_in(few) <= 8)
    for whole, part in zip(expected, found, strict=True):
        for name, gradient in whole.items():
            torch.testing.assert_close(part[name], gradient, rtol=1e-4, atol=1e-7, msg=name)
    assert max(gradient.abs().max() for gradient in found[0].values()) > 1e-3
    assert after.keys() == before.keys()
    for name in ("train/loss", "train/clipped_low_frac", "train/clipped_high_frac"):
        assert after[name] == pytest.approx(before[name], abs=1e-6)


def test_gspo_skips_them_too(written):
    expected, _ = gradient_of(written, with_zeros(written), GSPO(kl_weight=1e-12))
    found, _ = gradient_of(written, with_zeros(written), GSPO())
    for name, gradient in expected[0].items():
        torch.testing.assert_close(found[0][name], gradient, rtol=1e-4, atol=1e-7, msg=name)


def test_averages_over_tokens_are_those_of_the_rows_learned_from(written):
    """The entropy is the mean over the tokens of the four rows that have an advantage, not a share of it."""
    policy, _, rollouts = written
    _, metrics = gradient_of(written, with_zeros(written), ClippedSurrogate())
    rows = [rollouts[0][0], rollouts[0][2], rollouts[2][0], rollouts[2][3]]
    _, entropy_BT, mask_BT = completion_logprobs(policy, [r.prompt_ids for r in rows], [r.completion_ids for r in rows], SAMPLING)
    assert metrics["train/entropy"] == pytest.approx((entropy_BT.sum() / mask_BT.sum()).item(), rel=1e-5)
    assert 0 <= metrics["train_infer_logprob_gap/mean"] <= metrics["train_infer_logprob_gap/max"] < 1e-4


@pytest.mark.parametrize("needs", ["kl_weight", "teacher", "another term"])
def test_where_the_loss_needs_every_row_none_is_missing(written, needs):
    loss = Bonus() if needs == "another term" else Seen(kl_weight=0.1 if needs == "kl_weight" else 0.0)
    target = DistillTarget(written[1], DistillSection(model="it")) if needs == "teacher" else None
    gradient_of(written, with_zeros(written), loss, target)
    assert rows_in(loss) == 12


def test_where_no_row_has_an_advantage_the_step_is_made_with_all(written):
    loss = Seen()
    [gradient], _ = gradient_of(written, [[0.0] * 4] * 3, loss)
    assert rows_in(loss) == 12
    assert all(not weight.any() for weight in gradient.values())


@pytest.mark.parametrize(("least", "rows"), [(0.0, 12), (1e-6, 10), (0.05, 8), (0.5, 4)])
def test_the_limit_is_a_share_of_the_largest_advantage(written, least, rows):
    """Nothing about it depends on the scale of the rewards."""
    advantages = [[2.0, 1e-9, -2.0, 0.2], [0.09, -0.09, -1.5, 1.5], [0.5, -0.5, 1e-7, 0.11]]
    for scale in (1e-3, 1.0, 1e3):
        loss = Seen()
        gradient_of(written, [[scale * a for a in row] for row in advantages], loss, min_advantage=least)
        assert rows_in(loss) == rows
        assert sum(float(batch.weights_BT.sum()) for batch in loss._batches) <= 1 + 1e-6
        tokens = sum(len(rollout.completion_ids) for row in written[2] for rollout in row)
        for batch in loss._batches:
            torch.testing.assert_close(batch.weights_BT.amax(1), torch.full((len(batch.weights_BT),), 1 / tokens))


# --- the KL divergence to the reference -----------------------------------------------------------------------------------------


def rollouts_of(lengths):
    """lengths: for each group the tokens of its prompt and of its completions. A rollout's text is its number."""
    numbers = iter(range(10_000))
    return [
        [Rollout([place] * prompt, [1] * length, [0.0] * length, True, str(next(numbers))) for length in completions]
        for place, (prompt, completions) in enumerate(lengths)
    ]


GROUPS = rollouts_of([(20, [30, 10, 50, 40] * 2)] * 9 + [(20, [60, 15, 5, 25])] * 5)


def test_every_rollout_is_as_likely_to_be_measured():
    rollouts = [rollout for row in GROUPS for rollout in row]
    steps, counts, sizes = 4000, Counter(), set()
    for step in range(steps):
        sample = [int(rollout.text) for rollout in kl_sample(GROUPS, GROUPS[:9], 1, 3, step)]
        assert sample == sorted(set(sample))
        counts.update(sample)
        sizes.add(len(sample))
    [size] = sizes
    expected = steps * size / len(rollouts)
    assert 3 <= size < len(rollouts) / 10
    assert all(abs(counts[index] - expected) < 5 * expected**0.5 for index in range(len(rollouts))), counts


@pytest.mark.parametrize("learned", [GROUPS, GROUPS[:4], [row[:4] for row in GROUPS], []])
@pytest.mark.parametrize("passes", [1, 2])
def test_measuring_takes_its_share_of_a_step(learned, passes):
    def tokens(groups):
        return sum(len(row[0].prompt_ids) + sum(len(rollout.completion_ids) for rollout in row) for row in groups)

    work = tokens(GROUPS) + 2 * tokens(learned)
    samples = [kl_sample(GROUPS, learned, passes, 3, step) for step in range(300)]
    mean = passes * statistics.fmean(sum(len(r.prompt_ids) + len(r.completion_ids) for r in sample) for sample in samples)
    assert mean <= KL_SHARE * work * 1.02 or len(samples[0]) == 1
    assert mean > KL_SHARE * work / 2


def test_one_rollout_is_measured_however_small_a_step_is():
    few = rollouts_of([(3, [2, 4])])
    assert {len(kl_sample(few, [], 1, 0, step)) for step in range(20)} == {1}
    assert {rollout.text for step in range(50) for rollout in kl_sample(few, [], 1, 0, step)} == {"0", "1"}


def test_the_estimate_has_no_bias(written):
    """Its mean over all pairs of rollouts is the mean per token of all of them, which that of the pairs' own means is not."""
    policy, reference, rollouts = written
    flat = [rollout for row in rollouts for rollout in row]
    mean = statistics.fmean(len(rollout.completion_ids) for rollout in flat)
    size = AutoBatchSize("learn.tokens_per_microbatch", 4096, pytest.fail)
    learner = Learner(policy, reference, None, LearnSection(), ClippedSurrogate(), SAMPLING, 0, size)
    theirs_BT, _, mask_BT = completion_logprobs(reference, [r.prompt_ids for r in flat], [r.completion_ids for r in flat], SAMPLING)
    delta = [
        row[: len(rollout.completion_ids)] - torch.tensor(rollout.logprobs) for row, rollout in zip(theirs_BT, flat, strict=True)
    ]
    true = float(sum((d.exp() - d - 1).sum() for d in delta) / mask_BT.sum())
    assert learner.kl_to_reference(flat, mean) == pytest.approx(true, rel=1e-4) and true > 1e-5
    pairs = [learner.kl_to_reference(list(pair), mean) for pair in combinations(flat, 2)]
    assert statistics.fmean(pairs) == pytest.approx(true, rel=1e-4)


def test_a_baseline_of_all_rollouts_is_refused_for_some_that_were_chosen():
    """Of a group of 8 with one right answer, 2 kept by variance are right by half: RPE's baseline of 1/8 would be too low."""
    with pytest.raises(UsageError, match=r"learn\.keep_by=random"):
        load_recipe("micro", ["learn.keep=2"])
    for fine in (["learn.keep_by=random"], ["advantage={type='grpo'}"], ["learn.keep=8", "learn.group_size=8"]):
        assert load_recipe("micro", ["learn.keep=2", *fine]).learn.keep in (2, 8)
