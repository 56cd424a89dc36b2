"""The policy loss against TRL's own, against finite differences, and against numbers worked by hand; and the schedules."""

import copy
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from helpers.counts import meets, met
from outgrow.algorithms.losses.clipped_surrogate import policy_loss, token_weights, truncated_importance
from outgrow.policy import Sampling, completion_logprobs
from outgrow.train.lr_schedule import learning_rate_factor

CLIP = {"clip_low": 0.2, "clip_high": 0.28}
MAX_TOKENS = 11
SAMPLING = Sampling(temperature=0.7, max_tokens=MAX_TOKENS)


class Batch:
    """Random rollouts of mixed lengths, and log-probabilities of an older and a reference policy, both some way off."""

    def __init__(self, policy, seed):
        g = torch.Generator().manual_seed(seed)

        def ids(length):
            return torch.randint(9, len(policy.tokenizer), (length,), generator=g).tolist()

        self.prompts = [ids(length) for length in (4, 2, 7, 4, 5, 3)]
        self.completions = [[*ids(length), policy.end_id] for length in (1, 5, 9, 3, 0, 7)]
        self.advantages = torch.randn(6, generator=g)
        with torch.no_grad():
            logprobs, _, self.mask = completion_logprobs(policy, self.prompts, self.completions, SAMPLING)
        self.old = (logprobs + 0.3 * torch.randn(logprobs.shape, generator=g)) * self.mask
        self.reference = (logprobs + 0.5 * torch.randn(logprobs.shape, generator=g)) * self.mask
        self.lengths = self.mask.sum(1)


def our_loss(policy, batch, averaging, kl_weight):
    logprobs, entropy, mask = completion_logprobs(policy, batch.prompts, batch.completions, SAMPLING)
    weights = token_weights(batch.lengths, averaging, MAX_TOKENS).unsqueeze(-1) * mask
    reference = batch.reference if kl_weight else None
    return policy_loss(
        logprobs, batch.old, batch.advantages, weights, **CLIP, reference_logprobs_BT=reference, kl_weight=kl_weight
    ), (weights * entropy).sum()


@pytest.fixture(scope="module")
def make_trainer(tmp_path_factory):
    """TRL's own trainer around a copy of a policy."""
    import datasets
    import trl

    folder = tmp_path_factory.mktemp("trl")

    def make(policy, loss_type, kl_weight):
        arguments = trl.GRPOConfig(
            output_dir=str(folder),
            per_device_train_batch_size=6,
            num_generations=6,
            max_completion_length=MAX_TOKENS,
            temperature=SAMPLING.temperature,
            loss_type=loss_type,
            epsilon=CLIP["clip_low"],
            epsilon_high=CLIP["clip_high"],
            use_cpu=True,
            bf16=False,
            report_to="none",
        )
        trainer = trl.GRPOTrainer(
            model=copy.deepcopy(policy.model),
            args=arguments,
            reward_funcs=lambda completions, **_: [0.0] * len(completions),
            train_dataset=datasets.Dataset.from_list([{"prompt": "1+1=?"}, {"prompt": "1+2=?"}]),
            processing_class=policy.tokenizer,
        )
        trainer.beta = kl_weight  # set after the constructor, which would load a reference model from a hub id
        trainer.model.eval()  # no gradient accumulation to divide by
        return trainer

    return make


def padded(rows, side, fill=0):
    width = max(map(len, rows))
    pads = [[fill] * (width - len(row)) for row in rows]
    return torch.tensor([pad + row if side == "left" else row + pad for row, pad in zip(rows, pads, strict=True)])


def trl_inputs(batch):
    return {
        "prompt_ids": padded(batch.prompts, "left"),
        "prompt_mask": padded([[1] * len(row) for row in batch.prompts], "left"),
        "completion_ids": padded(batch.completions, "right"),
        "completion_mask": padded([[1] * len(row) for row in batch.completions], "right"),
        "advantages": batch.advantages,
        "old_per_token_logps": batch.old,
        "ref_per_token_logps": batch.reference,
        "num_items_in_batch": batch.mask.sum(),
    }


@pytest.mark.filterwarnings("ignore:`gradient_checkpointing` is deprecated:FutureWarning")
@pytest.mark.parametrize("kl_weight", [0.0, 0.13])
@pytest.mark.parametrize(
    ("loss_type", "averaging"), [("grpo", "sequence"), ("bnpo", "token"), ("dapo", "token"), ("dr_grpo", "constant")]
)
def test_loss_and_gradient_are_trls(untrained, make_trainer, loss_type, averaging, kl_weight):
    batch = Batch(untrained, seed=len(loss_type))
    trainer = make_trainer(untrained, loss_type, kl_weight)
    theirs = trainer.compute_loss(trainer.model, trl_inputs(batch))
    theirs.backward()
    ours, entropy = our_loss(untrained, batch, averaging, kl_weight)
    ours.loss.backward()

    assert ours.loss.item() == pytest.approx(theirs.item(), abs=1e-6)
    gradients = dict(trainer.model.named_parameters())
    for name, weight in untrained.model.named_parameters():
        torch.testing.assert_close(
            weight.grad, gradients[name].grad, rtol=1e-4, atol=1e-6, msg=lambda text, name=name: f"{name}: {text}"
        )
    assert max(weight.grad.abs().max() for weight in untrained.model.parameters()) > 1e-3

    if averaging == "token":  # TRL's figures are means over tokens whatever its loss averages over
        figures = trainer._metrics["eval"]
        assert ours.clipped_low.item() == pytest.approx(figures["clip_ratio/low_mean"][0], abs=1e-6)
        assert ours.clipped_high.item() == pytest.approx(figures["clip_ratio/high_mean"][0], abs=1e-6)
        assert min(ours.clipped_low, ours.clipped_high) > 0, "nothing was clipped, so this compares too little"
        assert entropy.item() == pytest.approx(figures["entropy"][0], abs=1e-5)
        if kl_weight:
            assert ours.kl.item() == pytest.approx(figures["kl"][0], abs=1e-6)


@pytest.mark.parametrize("averaging", ["token", "sequence", "constant"])
def test_passes_over_parts_add_up_to_the_whole(untrained, averaging):
    batch = Batch(untrained, seed=3)
    weights = token_weights(batch.lengths, averaging, MAX_TOKENS).unsqueeze(-1) * batch.mask
    whole, _ = our_loss(untrained, batch, averaging, kl_weight=0.1)
    total = 0.0
    for rows in (slice(0, 1), slice(1, 4), slice(4, 6)):
        logprobs, _, mask = completion_logprobs(untrained, batch.prompts[rows], batch.completions[rows], SAMPLING)
        width = mask.shape[1]
        part = policy_loss(
            logprobs, batch.old[rows, :width], batch.advantages[rows], weights[rows, :width], **CLIP,
            reference_logprobs_BT=batch.reference[rows, :width], kl_weight=0.1,
        )  # fmt: skip
        total += part.loss.item()
    assert total == pytest.approx(whole.loss.item(), abs=1e-6)


@pytest.mark.parametrize("kl_weight", [0.0, 0.3])
def test_gradient_by_finite_differences(kl_weight):
    g = torch.Generator().manual_seed(0)
    logprobs = (-3 * torch.rand(4, 6, generator=g, dtype=torch.float64)).requires_grad_()
    # Ratios on both sides of both clips, and none so near a clip that a finite difference steps over it.
    shift = torch.tensor([-0.6, -0.1, 0.05, 0.15, 0.4, 0.9], dtype=torch.float64)
    old, reference = logprobs.detach() - shift, logprobs.detach() + 0.5 * torch.randn(4, 6, generator=g, dtype=torch.float64)
    advantages = torch.tensor([1.5, -0.7, 0.0, 2.0], dtype=torch.float64)
    weights = torch.rand(4, 6, generator=g, dtype=torch.float64)
    weights[1, 3:] = 0

    def loss(x):
        return policy_loss(x, old, advantages, weights, **CLIP, reference_logprobs_BT=reference, kl_weight=kl_weight).loss

    assert torch.autograd.gradcheck(loss, (logprobs,))


@pytest.mark.parametrize(
    ("ratio", "advantage", "loss", "slope", "low", "high"),
    [
        # inside the clip: −ρA, and the gradient by log π is −ρA too
        (1.0, 2.0, -2.0, -2.0, 0, 0),
        (1.1, 1.0, -1.1, -1.1, 0, 0),
        (0.9, -1.0, 0.9, 0.9, 0, 0),
        (1.25, 1.0, -1.25, -1.25, 0, 0),
        # above the clip: a good token earns no more and stops moving, a bad one is still pushed down
        (1.5, 1.0, -1.28, 0.0, 0, 1),
        (1.5, -1.0, 1.5, 1.5, 0, 0),
        # below it: a bad token stops moving, a good one is still pulled up
        (0.5, -1.0, 0.8, 0.0, 1, 0),
        (0.5, 1.0, -0.5, -0.5, 0, 0),
        (1.5, 0.0, 0.0, 0.0, 0, 0),
    ],
)
def test_clipping_by_hand(ratio, advantage, loss, slope, low, high):
    logprobs = torch.tensor([[-1.0]], dtype=torch.float64, requires_grad=True)
    old = logprobs.detach() - math.log(ratio)
    one = torch.ones(1, 1, dtype=torch.float64)
    result = policy_loss(logprobs, old, torch.tensor([advantage], dtype=torch.float64), one, **CLIP)
    result.loss.backward()
    assert result.loss.item() == pytest.approx(loss)
    assert logprobs.grad.item() == pytest.approx(slope)
    assert (result.clipped_low.item(), result.clipped_high.item()) == (low, high)
    assert result.kl.item() == 0


def test_kl_by_hand():
    """Where π is twice the reference, δ = −ln 2: the estimate is 1/2 + ln 2 − 1, its slope that of the divergence itself, ln 2."""
    logprobs = torch.tensor([[-1.0, -1.0]], dtype=torch.float64, requires_grad=True)
    reference = torch.tensor([[-1.0 - math.log(2), -1.0]], dtype=torch.float64)
    weights = torch.tensor([[0.5, 0.5]], dtype=torch.float64)
    result = policy_loss(
        logprobs, logprobs.detach(), torch.zeros(1).double(), weights, **CLIP, reference_logprobs_BT=reference, kl_weight=3.0
    )
    result.loss.backward()
    assert result.kl.item() == pytest.approx(0.5 * (math.log(2) - 0.5))
    assert result.loss.item() == pytest.approx(3 * 0.5 * (math.log(2) - 0.5))
    assert logprobs.grad[0].tolist() == pytest.approx([3 * 0.5 * math.log(2), 0.0])
    assert not result.kl.requires_grad


def test_clip_shares_are_weighted_as_the_loss_is():
    ratios = torch.tensor([[2.0, 1.0, 2.0, 9.0], [0.1, 0.1, 1.0, 1.0]], dtype=torch.float64)
    advantages = torch.tensor([1.0, -1.0], dtype=torch.float64)
    weights = torch.tensor([[0.1, 0.2, 0.3, 0.0], [0.05, 0.15, 0.1, 0.1]], dtype=torch.float64)
    result = policy_loss(ratios.log(), torch.zeros(2, 4).double(), advantages, weights, **CLIP)
    assert result.clipped_high.item() == pytest.approx(0.1 + 0.3)
    assert result.clipped_low.item() == pytest.approx(0.05 + 0.15)


def test_token_weights_by_hand():
    lengths = torch.tensor([1, 3, 4])
    assert token_weights(lengths, "token", 10).tolist() == pytest.approx([1 / 8] * 3)
    assert token_weights(lengths, "sequence", 10).tolist() == pytest.approx([1 / 3, 1 / 9, 1 / 12])
    assert token_weights(lengths, "constant", 10).tolist() == pytest.approx([1 / 30] * 3)


@given(lengths=st.lists(st.integers(1, 500), min_size=1, max_size=40))
def test_token_weights_sum_to_one(lengths):
    found = torch.tensor(lengths)
    assert (token_weights(found, "token", 500) * found).sum().item() == pytest.approx(1, abs=1e-4)
    assert (token_weights(found, "sequence", 500) * found).sum().item() == pytest.approx(1, abs=1e-4)
    # constant: 1 only where every completion is as long as it may be
    assert (token_weights(found, "constant", 500) * found).sum().item() == pytest.approx(
        sum(lengths) / len(lengths) / 500, abs=1e-4
    )


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        # 20 steps, 4 of them rising; floor 0.1. Half way down (step 12) linear and cosine meet at 0.55.
        ("constant", {1: 0.25, 2: 0.5, 4: 1.0, 5: 1.0, 20: 1.0}),
        ("linear", {1: 0.25, 3: 0.75, 4: 1.0, 8: 0.1 + 0.9 * 0.75, 12: 0.55, 20: 0.1}),
        (
            "cosine",
            {
                1: 0.25,
                3: 0.75,
                4: 1.0,
                8: 0.1 + 0.9 * (1 + math.sqrt(0.5)) / 2,
                12: 0.55,
                16: 0.1 + 0.9 * (1 - math.sqrt(0.5)) / 2,
                20: 0.1,
            },
        ),
    ],
)
def test_schedules_by_hand(schedule, expected):
    assert {step: learning_rate_factor(step, 20, schedule, 0.2, 0.1) for step in expected} == pytest.approx(expected)


@pytest.mark.parametrize("schedule", ["constant", "linear", "cosine"])
def test_schedules_without_warm_up_start_at_the_peak(schedule):
    assert learning_rate_factor(1, 10, schedule, 0.0, 0.1) == 1.0
    assert learning_rate_factor(1, 1, schedule, 0.0, 0.1) == 1.0
    assert learning_rate_factor(1, 1, schedule, 0.5, 0.1) == 1.0


@meets(falls=30)
@given(
    steps=st.integers(1, 300),
    warmup=st.floats(0, 0.9),
    floor=st.floats(0.01, 1),
    schedule=st.sampled_from(["constant", "linear", "cosine"]),
)
def test_schedules_rise_to_the_peak_once_and_never_come_back(steps, warmup, floor, schedule):
    factors = [learning_rate_factor(step, steps, schedule, warmup, floor) for step in range(1, steps + 1)]
    assert max(factors) == 1.0
    assert min(factors) > 0
    peak = factors.index(1.0)
    assert factors[: peak + 1] == sorted(factors[: peak + 1])
    assert factors[peak:] == sorted(factors[peak:], reverse=True)
    if schedule != "constant" and peak < steps - 1:
        assert factors[-1] == pytest.approx(floor)
        met("falls")


@pytest.mark.parametrize(("cap", "unbiased"), [(1e9, True), (1.0, False)])
def test_a_skewed_engine_biases_the_gradient_until_its_tokens_are_weighed(cap, unbiased):
    """The whole expectation, every token of a vocabulary once with the engine's own probability: no sampling noise to hide in."""
    g = torch.Generator().manual_seed(0)
    logits, rewards = torch.randn(30, generator=g), torch.randn(30, generator=g)
    engine = (logits + 0.8 * torch.randn(30, generator=g)).log_softmax(0)

    def gradient(loss_of):
        learner = logits.clone().requires_grad_()
        loss_of(learner.log_softmax(0)).backward()
        return learner.grad

    def as_trained(importance):
        def loss(logprobs):
            old = logprobs.detach()[:, None]
            weights = engine.exp()[:, None]
            weighed = truncated_importance(old, engine[:, None], cap) if importance else None
            return policy_loss(logprobs[:, None], old, rewards, weights, **CLIP, importance_BT=weighed).loss

        return gradient(loss)

    true = gradient(lambda logprobs: -(logprobs.exp() * rewards).sum())
    assert (as_trained(importance=False) - true).norm() > 0.3 * true.norm(), "the engine is not skewed enough to show anything"
    error = (as_trained(importance=True) - true).norm() / true.norm()
    assert error < 1e-5 if unbiased else error > 0.05


def test_importance_by_hand():
    weights = truncated_importance(torch.tensor([0.5, 0.2, 0.9]).log(), torch.tensor([0.25, 0.4, 0.1]).log(), 2.5)
    assert weights.tolist() == pytest.approx([2.0, 0.5, 2.5])
