"""The losses against TRL's own, against finite differences, and against numbers worked by hand; their table; the schedules."""

import copy
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from helpers.counts import meets, met
from outgrow.algorithms.losses import LOSSES, Loss, LossBatch, PolicyLoss
from outgrow.algorithms.losses.aggregation import token_weights
from outgrow.algorithms.losses.clipped_surrogate import ClippedSurrogate
from outgrow.algorithms.losses.gspo import GSPO
from outgrow.algorithms.losses.importance import truncated_importance
from outgrow.config import load_recipe, merge_recipes, parse_recipe
from outgrow.core.errors import UsageError
from outgrow.policy import Sampling
from outgrow.policy.logprobs import completion_logprobs
from outgrow.train.lr_schedule import learning_rate_factor

pytestmark = pytest.mark.usefixtures("own_code")

PLAIN = ClippedSurrogate(clip_low=0.2, clip_high=0.28)
MAX_TOKENS = 11
SAMPLING = Sampling(temperature=0.7, max_tokens=MAX_TOKENS)


def loss_of(loss, logprobs, old, advantages, weights, reference=None, importance=None):
    """The loss of these tensors; advantages (B,), one for all tokens of a row, or (B, T)."""
    if advantages.dim() == 1:
        advantages = advantages[:, None].expand_as(logprobs)
    return loss.compute(LossBatch(logprobs, old, advantages, weights, reference, importance))


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


def our_loss(policy, batch, loss):
    logprobs, entropy, mask = completion_logprobs(policy, batch.prompts, batch.completions, SAMPLING)
    weights = token_weights(batch.lengths, loss.aggregation, MAX_TOKENS).unsqueeze(-1) * mask
    reference = batch.reference if loss.kl_weight else None
    return loss_of(loss, logprobs, batch.old, batch.advantages, weights, reference), (weights * entropy).sum()


@pytest.fixture(scope="module")
def make_trainer(tmp_path_factory):
    """TRL's own trainer around a copy of a policy."""
    import datasets
    import trl

    folder = tmp_path_factory.mktemp("trl")

    def make(policy, loss_type, loss, **settings):
        arguments = trl.GRPOConfig(
            output_dir=str(folder),
            per_device_train_batch_size=6,
            num_generations=6,
            max_completion_length=MAX_TOKENS,
            temperature=SAMPLING.temperature,
            loss_type=loss_type,
            epsilon=loss.clip_low,
            epsilon_high=loss.clip_high,
            use_cpu=True,
            bf16=False,
            report_to="none",
            **settings,
        )
        trainer = trl.GRPOTrainer(
            model=copy.deepcopy(policy.model),
            args=arguments,
            reward_funcs=lambda completions, **_: [0.0] * len(completions),
            train_dataset=datasets.Dataset.from_list([{"prompt": "1+1=?"}, {"prompt": "1+2=?"}]),
            processing_class=policy.tokenizer,
        )
        trainer.beta = loss.kl_weight  # set after the constructor, which would load a reference model from a hub id
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


def assert_same_as_trl(policy, trainer, batch, loss):
    """Value and gradient of ours and TRL's. Returns our loss and the entropy."""
    theirs = trainer.compute_loss(trainer.model, trl_inputs(batch))
    theirs.backward()
    ours, entropy = our_loss(policy, batch, loss)
    ours.loss.backward()
    assert ours.loss.item() == pytest.approx(theirs.item(), abs=1e-6)
    gradients = dict(trainer.model.named_parameters())
    for name, weight in policy.model.named_parameters():
        torch.testing.assert_close(
            weight.grad, gradients[name].grad, rtol=1e-4, atol=1e-6, msg=lambda text, name=name: f"{name}: {text}"
        )
    assert max(weight.grad.abs().max() for weight in policy.model.parameters()) > 1e-3
    return ours, entropy


@pytest.mark.filterwarnings("ignore:`gradient_checkpointing` is deprecated:FutureWarning")
@pytest.mark.parametrize("kl_weight", [0.0, 0.13])
@pytest.mark.parametrize(
    ("loss_type", "aggregation"), [("grpo", "sequence"), ("bnpo", "token"), ("dapo", "token"), ("dr_grpo", "constant")]
)
def test_loss_and_gradient_are_trls(untrained, make_trainer, loss_type, aggregation, kl_weight):
    batch = Batch(untrained, seed=len(loss_type))
    loss = PLAIN.model_copy(update={"aggregation": aggregation, "kl_weight": kl_weight})
    trainer = make_trainer(untrained, loss_type, loss)
    ours, entropy = assert_same_as_trl(untrained, trainer, batch, loss)

    if aggregation == "token":  # TRL's figures are means over tokens whatever its loss averages over
        figures = trainer._metrics["eval"]
        assert ours.clipped_low.item() == pytest.approx(figures["clip_ratio/low_mean"][0], abs=1e-6)
        assert ours.clipped_high.item() == pytest.approx(figures["clip_ratio/high_mean"][0], abs=1e-6)
        assert min(ours.clipped_low, ours.clipped_high) > 0, "nothing was clipped, so this compares too little"
        assert entropy.item() == pytest.approx(figures["entropy"][0], abs=1e-5)
        if kl_weight:
            assert ours.kl.item() == pytest.approx(figures["kl"][0], abs=1e-6)


@pytest.mark.filterwarnings("ignore:`gradient_checkpointing` is deprecated:FutureWarning")
def test_gspo_is_trls(untrained, make_trainer):
    """Clips at the middle of the ratios of whole completions, so that some are clipped on either side."""
    batch, loss = Batch(untrained, seed=8), GSPO(clip_low=0.02, clip_high=0.03)
    trainer = make_trainer(untrained, "grpo", loss, importance_sampling_level="sequence")
    ours, _ = assert_same_as_trl(untrained, trainer, batch, loss)
    figures = trainer._metrics["eval"]
    assert ours.clipped_low.item() == pytest.approx(figures["clip_ratio/low_mean"][0], abs=1e-6)
    assert ours.clipped_high.item() == pytest.approx(figures["clip_ratio/high_mean"][0], abs=1e-6)
    assert min(ours.clipped_low, ours.clipped_high) > 0, "nothing was clipped, so this compares too little"


def test_gspo_by_hand():
    """Ratios 4 and 1/2 of two tokens: s = √2 for both, inside a clip at 1.5 and above one at 1.2; a third place is padding."""
    old = torch.zeros(1, 3, dtype=torch.float64)
    weights = torch.tensor([[0.5, 0.5, 0.0]], dtype=torch.float64)
    advantages = torch.tensor([[3.0, -1.0, 7.0]], dtype=torch.float64)  # one for each token
    root = math.sqrt(2)
    for clip_high, loss, gradient, high in (
        (0.5, -0.5 * root * (3 - 1), [-1.5 * root, 0.5 * root, 0.0], 0.0),
        # Clipped, the good token earns 1.2 and stops moving; the bad one is still pushed down.
        (0.2, -0.5 * (1.2 * 3 - root), [0.0, 0.5 * root, 0.0], 0.5),
    ):
        logprobs = torch.tensor([[4.0, 0.5, 9.0]], dtype=torch.float64).log().requires_grad_()
        result = loss_of(GSPO(clip_low=0.2, clip_high=clip_high), logprobs, old, advantages, weights)
        result.loss.backward()
        assert result.loss.item() == pytest.approx(loss)
        assert logprobs.grad[0].tolist() == pytest.approx(gradient)
        assert (result.clipped_low.item(), result.clipped_high.item()) == (0, high)


@pytest.mark.parametrize("kind", LOSSES.values())
@pytest.mark.parametrize("aggregation", ["token", "sequence", "constant"])
def test_microbatches_add_up_to_the_whole(untrained, kind, aggregation):
    batch, loss = Batch(untrained, seed=3), kind(aggregation=aggregation, kl_weight=0.1)
    weights = token_weights(batch.lengths, aggregation, MAX_TOKENS).unsqueeze(-1) * batch.mask
    whole, _ = our_loss(untrained, batch, loss)
    total = 0.0
    for rows in (slice(0, 1), slice(1, 4), slice(4, 6)):
        logprobs, _, mask = completion_logprobs(untrained, batch.prompts[rows], batch.completions[rows], SAMPLING)
        width = mask.shape[1]
        part = loss_of(
            loss, logprobs, batch.old[rows, :width], batch.advantages[rows], weights[rows, :width], batch.reference[rows, :width]
        )
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

    loss = PLAIN.model_copy(update={"kl_weight": kl_weight})
    assert torch.autograd.gradcheck(lambda x: loss_of(loss, x, old, advantages, weights, reference).loss, (logprobs,))


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
    result = loss_of(PLAIN, logprobs, old, torch.tensor([advantage], dtype=torch.float64), one)
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
    loss = PLAIN.model_copy(update={"kl_weight": 3.0})
    result = loss_of(loss, logprobs, logprobs.detach(), torch.zeros(1).double(), weights, reference)
    result.loss.backward()
    assert result.kl.item() == pytest.approx(0.5 * (math.log(2) - 0.5))
    assert result.loss.item() == pytest.approx(3 * 0.5 * (math.log(2) - 0.5))
    assert logprobs.grad[0].tolist() == pytest.approx([3 * 0.5 * math.log(2), 0.0])
    assert not result.kl.requires_grad


def test_clip_shares_are_weighted_as_the_loss_is():
    ratios = torch.tensor([[2.0, 1.0, 2.0, 9.0], [0.1, 0.1, 1.0, 1.0]], dtype=torch.float64)
    advantages = torch.tensor([1.0, -1.0], dtype=torch.float64)
    weights = torch.tensor([[0.1, 0.2, 0.3, 0.0], [0.05, 0.15, 0.1, 0.1]], dtype=torch.float64)
    result = loss_of(PLAIN, ratios.log(), torch.zeros(2, 4).double(), advantages, weights)
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

    def gradient(value_of):
        learner = logits.clone().requires_grad_()
        value_of(learner.log_softmax(0)).backward()
        return learner.grad

    def as_trained(importance):
        def loss(logprobs):
            old = logprobs.detach()[:, None]
            weights = engine.exp()[:, None]
            weighed = truncated_importance(old, engine[:, None], cap) if importance else None
            return loss_of(PLAIN, logprobs[:, None], old, rewards, weights, importance=weighed).loss

        return gradient(loss)

    true = gradient(lambda logprobs: -(logprobs.exp() * rewards).sum())
    assert (as_trained(importance=False) - true).norm() > 0.3 * true.norm(), "the engine is not skewed enough to show anything"
    error = (as_trained(importance=True) - true).norm() / true.norm()
    assert error < 1e-5 if unbiased else error > 0.05


def test_importance_by_hand():
    weights = truncated_importance(torch.tensor([0.5, 0.2, 0.9]).log(), torch.tensor([0.25, 0.4, 0.1]).log(), 2.5)
    assert weights.tolist() == pytest.approx([2.0, 0.5, 2.5])


# The recipe's table


class Reinforce(Loss):
    """Plain policy gradient, from outside the package."""

    type: str = "test_losses:Reinforce"
    scale: float = 1.0

    def compute(self, batch):
        return PolicyLoss(-self.scale * (batch.weights_BT * batch.advantages_BT * batch.logprobs_BT).sum())


def test_a_loss_table_needs_no_type():
    assert load_recipe("micro").loss == ClippedSurrogate(kl_weight=0.07)
    assert load_recipe("micro", ["loss.clip_high=0.3"]).loss == ClippedSurrogate(kl_weight=0.07, clip_high=0.3)
    assert load_recipe("micro", ["loss={kl_weight=0.5}"]).loss == ClippedSurrogate(kl_weight=0.5)
    assert parse_recipe({"name": "x", "policy": {"init": {}}}).loss == ClippedSurrogate()
    assert load_recipe("micro", ["loss={type='gspo'}"]).loss == GSPO()


def test_a_loss_table_without_a_type_changes_its_bases_keys():
    base = {"loss": {"type": "gspo", "kl_weight": 0.1}}
    assert merge_recipes(base, {"loss": {"clip_low": 0.01}})["loss"] == {"type": "gspo", "kl_weight": 0.1, "clip_low": 0.01}
    assert merge_recipes(base, {"loss": {"type": "clipped_surrogate"}})["loss"] == {"type": "clipped_surrogate"}
    improved = load_recipe("r1-1.5b-gsm8k-improved").loss  # its base's lower clip, and three keys of its own
    assert improved == ClippedSurrogate(clip_low=0.2, clip_high=0.28, aggregation="token", kl_weight=0.0)


def test_a_loss_from_outside_the_package():
    recipe = load_recipe("micro", ["loss={type='test_losses:Reinforce',scale=2.0}"])
    assert (recipe.loss.scale, recipe.loss.aggregation, recipe.loss.kl_weight) == (2.0, "token", 0.0)
    assert parse_recipe(recipe.model_dump(mode="json")) == recipe


@pytest.mark.parametrize(
    ("table", "key"),
    [
        ("{clip_lo=0.1}", "clip_low"),  # the nearest key
        ("{type='gspo',kl_weight=-1}", "kl_weight"),
        ("{aggregation='tokens'}", "aggregation"),
        ("{type='gsop'}", "gspo"),
        ("{type=3}", "clipped_surrogate"),
    ],
)
def test_a_mistake_in_the_table_names_the_key(table, key):
    with pytest.raises(UsageError, match=key):
        load_recipe("micro", [f"loss={table}"])


def test_a_component_of_another_kind_is_refused():
    with pytest.raises(UsageError, match="loss"):
        load_recipe("micro", ["loss={type='outgrow.algorithms.advantages.dr_grpo:DrGRPO'}"])
