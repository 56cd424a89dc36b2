"""On-policy distillation: its gradient against the reverse KL divergence's own, its figures by hand, and small real runs."""

import copy
import math
import tomllib

import pytest
import torch
from pydantic import PrivateAttr

from helpers.runs import Silent
from outgrow.algorithms.losses import LossBatch
from outgrow.algorithms.losses.clipped_surrogate import ClippedSurrogate
from outgrow.algorithms.losses.distillation import distillation_advantage, reverse_kl
from outgrow.config import dump_recipe, load_recipe, parse_recipe
from outgrow.config.sections import DistillSection, LearnSection
from outgrow.core.errors import OutgrowError, UsageError
from outgrow.core.oom_backoff import AutoBatchSize
from outgrow.engines import GenerationRequest, NativeEngine, sync
from outgrow.policy import Policy, Sampling, load_policy
from outgrow.policy.logprobs import completion_logprobs
from outgrow.policy.lora import add_adapter
from outgrow.policy.lora_settings import LoRA
from outgrow.policy.micro import MicroInit, make_model, make_tokenizer
from outgrow.runs.models import distilled_policy, frozen_copy
from outgrow.train.distill import DistillTarget, distill_target
from outgrow.train.loop import resume, train
from outgrow.train.microbatches import TrainRow
from outgrow.train.optimizer import Optimizer
from outgrow.train.rl import RLJob
from outgrow.train.update import AdvantagedRollout, Learner
from outgrow.types import Rollout

LOSS = ClippedSurrogate(clip_low=0.2, clip_high=0.28)
FREE = DistillSection(model="it", advantage_clip=math.inf)


def perturbed(policy, scale, seed=0):
    """A copy, each weight off by normal noise of `scale` times its matrix's own deviation."""
    model = copy.deepcopy(policy.model)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in model.parameters():
            weight += scale * weight.std() * torch.randn(weight.shape, generator=generator)
    return Policy(model, policy.tokenizer, policy.prompt)


def passes_of(tokens=4096):
    return AutoBatchSize("learn.tokens_per_microbatch", tokens, pytest.fail)


# The gradient


def trl_reverse_kl(student, teacher, temperature, monkeypatch):
    """TRL's own loss of the same two distributions at beta 1, which is the reverse KL divergence; a sum over the rows."""
    monkeypatch.setenv("TRL_EXPERIMENTAL_SILENCE", "1")
    from trl.experimental import gkd  # here, since it warns unless the variable is set

    return gkd.GKDTrainer.generalized_jsd_loss(student, teacher, beta=1, temperature=temperature, reduction="sum")


def test_the_expected_gradient_is_that_of_the_reverse_kl_divergence(monkeypatch):
    """Every token of the vocabulary once, with the student's own probability, in five places: no sampling noise to hide in."""
    g = torch.Generator().manual_seed(0)
    student, teacher = (1.5 * torch.randn(5, 17, generator=g, dtype=torch.float64) for _ in range(2))

    def gradient(loss_of):
        logits = student.clone().requires_grad_()
        loss_of(logits).backward()
        return logits.grad

    def distilled(logits):
        logprobs_BT, teacher_BT = logits.log_softmax(-1), teacher.log_softmax(-1)
        old_BT = logprobs_BT.detach()
        advantages_BT = distillation_advantage(teacher_BT, old_BT, math.inf)
        return LOSS.compute(LossBatch(logprobs_BT, old_BT, advantages_BT, old_BT.exp())).loss

    def divergence(logits):
        logprobs = logits.log_softmax(-1)
        return (logprobs.exp() * (logprobs - teacher.log_softmax(-1))).sum()

    ours, true = gradient(distilled), gradient(divergence)
    assert true.abs().max() > 0.05
    torch.testing.assert_close(ours, true, rtol=0, atol=1e-12)
    theirs = gradient(lambda logits: trl_reverse_kl(logits, teacher, 1.0, monkeypatch))
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12)
    # And the figure is the divergence itself, where the weights are the probabilities.
    of_student = student.log_softmax(-1)
    assert reverse_kl(teacher.log_softmax(-1), of_student, of_student.exp()).item() == pytest.approx(divergence(student).item())


@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_a_pass_moves_every_weight_as_the_divergence_would(untrained, monkeypatch, temperature):
    """The same through the models: all one-token completions of two prompts, against logits that transformers computes."""
    teacher, sampling = perturbed(untrained, 0.3), Sampling(temperature=temperature, max_tokens=1)
    prompts = [untrained.prompt_ids(question) for question in ("1+2=?", "roman XIV=?")]
    vocabulary = untrained.model.config.vocab_size

    def logits(policy):
        return torch.stack([policy.model(torch.tensor([prompt])).logits[0, -1] for prompt in prompts])

    student_PV = logits(untrained)
    with torch.no_grad():
        teacher_PV = logits(teacher)
    trl_reverse_kl(student_PV, teacher_PV, temperature, monkeypatch).backward()
    expected = {name: weight.grad.clone() for name, weight in untrained.model.named_parameters()}
    untrained.model.zero_grad()

    old_PV = (student_PV.detach() / temperature).log_softmax(-1)
    rows = [
        TrainRow(Rollout(prompt, [token], [old], True, ""), 0.0, math.exp(old), [old])
        for prompt, row in zip(prompts, old_PV.tolist(), strict=True)
        for token, old in zip(range(vocabulary), row, strict=True)
    ]
    section = LearnSection()
    learner = Learner(untrained, teacher, Optimizer(untrained.model, section, 1), section, LOSS, sampling, 0, passes_of())
    figures, _ = learner._backward(rows, DistillTarget(teacher, FREE))
    for name, weight in untrained.model.named_parameters():
        # A gradient is a sum of 210 rows that cancel; in another order it is rounded by up to 4e-6. The largest is above 1e-2.
        torch.testing.assert_close(weight.grad, expected[name], rtol=1e-4, atol=1e-5, msg=name)
    assert max(grad.abs().max() for grad in expected.values()) > 1e-2
    true = (old_PV.exp() * (old_PV - (teacher_PV / temperature).log_softmax(-1))).sum().item()
    assert true > 0.01
    assert figures["distill/kl_to_teacher"] == pytest.approx(true, abs=1e-5)
    assert all(weight.grad is None for weight in teacher.model.parameters())


# The advantage


def test_the_advantage_by_hand():
    teacher = torch.tensor([[0.5, 0.1, 0.2, 0.001], [0.9, 0.0, 0.3, 0.3]]).log()
    old = torch.tensor([[0.25, 0.4, 0.2, 0.1], [0.01, 0.5, 0.3, 0.6]]).log().requires_grad_()
    found = distillation_advantage(teacher, old, 3.0)
    expected = [math.log(2), -math.log(4), 0.0, -3.0], [3.0, -3.0, 0.0, -math.log(2)]  # the first −3 is −log 100
    torch.testing.assert_close(found, torch.tensor(expected))
    assert not found.requires_grad


def test_the_figure_by_hand_is_not_held_back():
    teacher, old = torch.tensor([[0.5, 0.1, 1.0]]).log(), torch.tensor([[0.25, 0.4, 1.0]]).log()
    teacher[0, 1] -= 20
    weights = torch.tensor([[0.5, 0.25, 0.0]])
    assert reverse_kl(teacher, old, weights).item() == pytest.approx(-0.5 * math.log(2) + 0.25 * (math.log(4) + 20))


def test_an_advantage_a_token_in_the_loss_by_hand():
    """Ratios 1.5, 0.5, 1 beside advantages of both signs: a token is clipped by its own advantage, whatever its neighbours'."""
    logprobs = torch.tensor([1.5, 0.5, 1.0, 1.5]).log().unsqueeze(0).requires_grad_()
    advantages = torch.tensor([[2.0, -1.0, 3.0, -1.0]])
    weights = torch.full((1, 4), 0.25)
    found = LOSS.compute(LossBatch(logprobs, torch.zeros(1, 4), advantages, weights))
    found.loss.backward()
    assert found.loss.item() == pytest.approx(-0.25 * (1.28 * 2 - 0.8 + 3 - 1.5))
    assert logprobs.grad[0].tolist() == pytest.approx([0.0, 0.0, -0.75, 0.375])
    assert (found.clipped_low.item(), found.clipped_high.item()) == (0.25, 0.25)


class Watched(ClippedSurrogate):
    """Keeps what it is given."""

    _seen: list = PrivateAttr(default_factory=list)

    def compute(self, batch):
        self._seen.append(batch)
        return super().compute(batch)


@pytest.mark.parametrize("old", ["engine", "learner"])
def test_both_advantages_add_up_with_their_weights(untrained, shipped, old):
    """What the loss is given, in every share of a step, against the teacher read rollout by rollout; at nucleus sampling, too."""
    sampling = Sampling(temperature=0.8, top_p=0.9, max_tokens=10)
    engine = NativeEngine()
    sync(engine, untrained)
    prompts = [untrained.prompt_ids(question) for question in ("1+2=?", "3*4=?", "roman XIV=?")]
    groups = [
        [AdvantagedRollout(rollout, index - 1.3) for index, rollout in enumerate(group)]
        for group in engine.generate(GenerationRequest(prompts, 4, sampling, [0, 1, 2]))
    ]
    expected = []
    for row in (row for group in groups for row in group):
        own = torch.tensor(row.rollout.logprobs)
        with torch.no_grad():
            theirs, _, _ = completion_logprobs(shipped, [row.rollout.prompt_ids], [row.rollout.completion_ids], sampling)
        assert theirs.isfinite().all(), "what its own truncation would drop is unlikely, not impossible"
        expected += (row.advantage_T + 0.5 * (theirs[0] - own).clamp(-4, 4)).tolist()
    assert min(expected) < -2.7, "nothing is held at the bound, so this compares too little"
    loss, given = Watched(kl_weight=0.1), []
    section = LearnSection(updates_per_step=3, old_logprobs=old, lr=3e-2)
    target = DistillTarget(shipped, DistillSection(model="it", weight=0.5, advantage_clip=4.0))
    optimizer = Optimizer(untrained.model, section, 10)
    learner = Learner(untrained, frozen_copy(untrained), optimizer, section, loss, sampling, 0, passes_of(60))
    figures = learner.update(groups, 1, target=target)
    for batch in loss._seen:
        given += batch.advantages_BT[batch.weights_BT > 0].tolist()
    assert sorted(given) == pytest.approx(sorted(expected), abs=2e-3)
    assert math.isfinite(figures["distill/kl_to_teacher"])


# A job


RECIPE = [
    "learn.steps=30", "learn.problems_per_step=8", "learn.group_size=4", "learn.lr=1e-3", "loss.aggregation=token",
    "loss.kl_weight=0.0", "curriculum={type='uniform'}", "advantage={type='grpo'}", "evaluate.every=0", "sampling.max_tokens=48",
    'problems=[{type="micro",fields=["sum","letters"],levels=[2,4],per_level=40}]', "run.threads=1",
    "evaluate.suite=micro",
]  # fmt: skip


def job_of(policy, teacher, folder, *overrides):
    recipe = load_recipe("micro", [*RECIPE, *overrides])
    folder.mkdir()
    policy.model.eval()
    return RLJob(recipe, policy, frozen_copy(policy), NativeEngine(), folder, pytest.fail, teacher)


def advanced(job, step):
    result = job.advance(step, lambda: None)
    result.commit()
    return result


def test_distilling_comes_close_to_the_teacher(shipped, tmp_path):
    """A student that is off everywhere; no reward says anything, and screening ends most of its groups."""
    screening = "curriculum={type='uniform',screen=2}"
    job = job_of(perturbed(shipped, 0.3), shipped, tmp_path / "run", "distill={model='micro-base'}", screening)
    before = shipped.digest()
    found = [advanced(job, step).metrics for step in range(1, 26)]
    divergences = [metrics["distill/kl_to_teacher"] for metrics in found]
    assert divergences[0] > 2
    assert sum(divergences[-3:]) < 0.5 * sum(divergences[:3]), divergences
    assert all(metrics["groups/trained_frac"] == 1 for metrics in found)
    assert any(metrics["groups/mixed_frac"] < 1 for metrics in found)
    assert shipped.digest() == before
    job.close()


@pytest.fixture
def alone(untrained):
    """A student that is never right, and a teacher."""
    return untrained, perturbed(untrained, 0.3)


def test_what_rewards_cannot_teach_a_teacher_can_until_its_steps_are_over(alone, tmp_path):
    student, teacher = alone
    job = job_of(student, teacher, tmp_path / "run", "distill={model='it',steps=2}", "learn.give_up_after=1")
    for step in (1, 2):
        before = student.digest()
        result = advanced(job, step)
        assert (result.metrics["rollouts/pass_rate"], result.metrics["groups/trained_frac"]) == (0, 1)
        assert "nothing is learned" not in (result.warning or "")
        assert student.digest() != before
        assert job.idle == 0
    with pytest.raises(OutgrowError, match="nothing to learn from in 1 steps"):
        job.advance(3, lambda: None)
    job.close()


def test_what_screening_ended_is_learned_from_by_its_teacher_alone(alone, tmp_path):
    student, teacher = alone
    screening = "curriculum={type='uniform',screen=2}"
    job = job_of(student, teacher, tmp_path / "run", "distill={model='it',reward_weight=1.0,steps=1}", screening)
    result = advanced(job, 1)
    assert (result.metrics["rollouts/count"], result.metrics["groups/trained_frac"]) == (16, 1), (
        "screening ended every group after two rollouts"
    )
    after = advanced(job, 2)
    assert after.metrics["groups/trained_frac"] == 0
    assert "distill/kl_to_teacher" not in after.metrics
    assert job.idle == 1
    job.close()


def test_once_its_steps_are_over_a_step_is_that_of_rewards_alone_to_the_last_bit(shipped, tmp_path):
    policies = [copy.deepcopy(shipped) for _ in range(2)]
    slow = ["learn.lr=1e-4", "learn.problems_per_step=16"]
    distilled = job_of(
        policies[0], perturbed(shipped, 0.2), tmp_path / "one", "distill={model='it',reward_weight=0.5,steps=1}", *slow
    )
    plain = job_of(policies[1], None, tmp_path / "other", *slow)
    first = advanced(distilled, 1)
    assert "distill/kl_to_teacher" in first.metrics
    policies[1].model.load_state_dict(policies[0].model.state_dict())
    plain.optimizer.load_tensors(copy.deepcopy(distilled.optimizer.tensors()))
    plain.ledger.record(distilled.ledger.visits())
    found = [advanced(job, 2).metrics for job in (distilled, plain)]
    assert found[0] == found[1]
    assert found[0]["train/grad_norm"] > 0
    assert policies[0].digest() == policies[1].digest()
    distilled.close()
    plain.close()


@pytest.mark.parametrize("weight", [0.0, 0.5])
def test_the_rewards_advantage_counts_with_its_weight(shipped, tmp_path, weight):
    jobs = [
        job_of(copy.deepcopy(shipped), shipped, tmp_path / name, f"distill={{model='it',reward_weight={reward}}}")
        for name, reward in (("whole", 1.0), ("part", weight))
    ]
    whole, part = (advanced(job, 1).metrics for job in jobs)
    earned = [name for name in whole if name.startswith("advantage_correct/level_")]
    assert sum(whole[name] for name in earned) > 0.1
    assert [part[name] for name in earned] == pytest.approx([weight * whole[name] for name in earned])
    # The teacher is the student itself here, and has nothing to say beside the reward.
    assert whole["distill/kl_to_teacher"] == pytest.approx(0, abs=1e-4)
    assert part["train/grad_norm"] == pytest.approx(weight * whole["train/grad_norm"], rel=0.02, abs=1e-3)
    for job in jobs:
        job.close()


# What it refuses


def saved(folder, vocabulary_size=0, context=96, tokens=()):
    tokenizer = make_tokenizer()
    tokenizer.add_tokens(list(tokens))
    init = MicroInit(layers=1, hidden=16, heads=2, kv_heads=1, feed_forward=16, context=context)
    model = make_model(init, tokenizer, seed=1)
    if vocabulary_size:
        model.resize_token_embeddings(vocabulary_size)
    Policy(model, tokenizer).save(folder)
    return str(folder)


def recipe_of(teacher, max_tokens=40, **settings):
    return parse_recipe(
        {
            "name": "x",
            "policy": {"init": {}},
            "sampling": {"max_tokens": max_tokens},
            "distill": {"model": teacher, **settings},
        }
    )


def test_a_teacher_that_cannot_read_the_student_is_refused(untrained, tmp_path):
    size = len(untrained.tokenizer)
    other = saved(tmp_path / "other", tokens=["<extra>"])
    with pytest.raises(UsageError, match=rf"distill\.model={other}: .*tokens"):
        distilled_policy(recipe_of(other), untrained)
    narrow = saved(tmp_path / "narrow")
    untrained.model.resize_token_embeddings(size + 8)
    with pytest.raises(UsageError, match=f"{size} outputs.*{size + 8}"):
        distilled_policy(recipe_of(narrow), untrained)
    with pytest.raises(UsageError, match=r"sampling\.max_tokens=96 .*\(96 tokens\)"):
        distilled_policy(recipe_of(saved(tmp_path / "wide", size + 8), max_tokens=96), untrained)
    with pytest.raises(UsageError, match="no such model"):
        distilled_policy(recipe_of("./nowhere"), untrained)


def test_a_teacher_with_more_outputs_than_tokens_is_taken(untrained, tmp_path):
    """As the larger models of a family have them."""
    wide = distilled_policy(recipe_of(saved(tmp_path / "wide", len(untrained.tokenizer) + 8)), untrained)
    logprobs_BT, _, _ = completion_logprobs(wide, [[3, 4]], [[9, 10, 2]], Sampling())
    assert logprobs_BT.isfinite().all()
    assert not wide.model.training
    assert not any(weight.requires_grad for weight in wide.model.parameters())


def test_a_prompt_too_long_for_the_teacher_is_told_before_anything_moves(untrained):
    recipe = recipe_of("it", steps=3)
    assert distill_target(1, recipe, untrained, [[1] * 56]).teacher is untrained
    with pytest.raises(UsageError, match=r"sampling\.max_tokens=40 .* 57 tokens in the context of it \(96 tokens\)"):
        distill_target(1, recipe, untrained, [[1] * 56, [1] * 57])
    assert distill_target(3, recipe, untrained, [[1]]) is not None
    assert distill_target(4, recipe, untrained, [[1]]) is None


def test_a_teacher_with_another_template_is_told(untrained, tmp_path):
    same = saved(tmp_path / "same")
    distilled_policy(recipe_of(same), untrained, pytest.fail)
    untrained.tokenizer.chat_template = "{{ messages[0]['content'] }}"
    notes = []
    distilled_policy(recipe_of(same), untrained, notes.append)
    assert [warn.startswith(f"distill.model={same} ") for warn in notes] == [True]


def test_a_teacher_may_be_an_adapter(shipped, tmp_path):
    base = load_policy("micro-base")
    adapter = add_adapter(base.model, LoRA(rank=4), 0, "micro-base")
    for name, weight in base.model.named_parameters():
        if "lora_B" in name:
            weight.data.normal_(std=0.2, generator=torch.Generator().manual_seed(1))
    policy = Policy(base.model, base.tokenizer, base.prompt, adapter)
    policy.save(tmp_path / "adapter")
    teacher = distilled_policy(recipe_of(str(tmp_path / "adapter")), shipped)
    prompt, answer = shipped.prompt_ids("1+2=?"), [9, 10, 11, 2]
    with torch.no_grad():
        found, plain = (completion_logprobs(one, [prompt], [answer], Sampling())[0] for one in (teacher, shipped))
        merged = completion_logprobs(Policy(adapter.merge_and_unload(), base.tokenizer), [prompt], [answer], Sampling())[0]
    torch.testing.assert_close(found, merged, rtol=1e-4, atol=1e-4)
    assert (found - plain).abs().max() > 0.1
    assert not any(weight.requires_grad for weight in teacher.model.parameters())


def test_a_run_keeps_the_teacher_it_began_with(tmp_path):
    small = [
        'problems=[{type="micro",fields=["sum"],levels=[1],per_level=4}]', "learn.problems_per_step=2", "learn.group_size=2",
        "learn.steps=1", "sampling.max_tokens=16", "evaluate.suite=micro-lab", "evaluate.samples=1", "evaluate.every=0",
        "policy={init={layers=1,hidden=16,heads=2,kv_heads=1,feed_forward=16}}", "run.threads=1",
    ]  # fmt: skip
    teacher, run = saved(tmp_path / "teacher"), tmp_path / "run"
    train(load_recipe("micro", [*small, f"distill={{model='{teacher}'}}"]), run, Silent())
    made_with = tomllib.loads((run / "recipe.toml").read_text())["made_with"]
    assert made_with["distilled_sha256"] == load_policy(teacher).digest()
    kept = (run / "recipe.toml").read_bytes()
    perturbed(load_policy(teacher), 0.1).save(tmp_path / "teacher")
    with pytest.raises(UsageError, match=r"what it distils, .*, is not what it started with"):
        resume(run, ["learn.steps=2"], Silent())
    assert (run / "recipe.toml").read_bytes() == kept
    other = saved(tmp_path / "other")
    resume(run, ["learn.steps=2", f"distill.model={other}"], Silent())
    made_with = tomllib.loads((run / "recipe.toml").read_text())["made_with"]
    assert made_with["distilled_sha256"] == load_policy(other).digest()


def test_a_recipe_without_a_teacher_says_nothing_of_one():
    assert "distill" not in tomllib.loads(dump_recipe(load_recipe("micro"), {}))
    recipe = load_recipe("micro", ["distill={model='micro-base',steps=3}"])
    dumped = tomllib.loads(dump_recipe(recipe, {}))
    assert dumped["distill"] == {
        "model": "micro-base", "dtype": "float32", "weight": 1.0, "reward_weight": 0.0, "steps": 3, "advantage_clip": 5.0,
    }  # fmt: skip
    assert parse_recipe(dumped) == recipe


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("weight=0", "distill.weight takes a number > 0, not 0"),
        ("reward_weight=-1", "distill.reward_weight takes a number ≥ 0, not -1"),
        ("advantage_clip=0", "distill.advantage_clip takes a number > 0, not 0"),
        ("steps=0", "distill.steps takes a whole number ≥ 1, not 0"),
        ("step=4", "unknown key 'distill.step' (did you mean 'steps'?)"),
    ],
)
def test_a_mistake_in_the_section_is_one_clear_line(setting, said):
    with pytest.raises(UsageError) as found:
        load_recipe("micro", [f"distill={{model='micro-base',{setting}}}"])
    assert said in str(found.value)
