"""No tensor that a step computes with is left to the default device, which here is one on which nothing can be computed.

The model is on the CPU, and nothing runs on a GPU: a tensor sent to the CPU by name, and code that only a GPU takes, are not seen.
"""

import copy

import pytest
import torch

from outgrow.algorithms.losses.clipped_surrogate import ClippedSurrogate
from outgrow.config import parse_recipe
from outgrow.config.sections import DistillSection, LearnSection
from outgrow.core.oom_backoff import AutoBatchSize
from outgrow.engines import GenerationRequest, NativeEngine, sync
from outgrow.policy import Policy, Sampling
from outgrow.train.distill import DistillTarget
from outgrow.train.optimizer import Optimizer
from outgrow.train.sft import SFTJob
from outgrow.train.update import AdvantagedRollout, Learner

SAMPLING = Sampling(temperature=0.9, top_p=0.95, top_k=20, max_tokens=12)
QUESTIONS = ["27+58=?", "3*4=?", "seven letters?"]


def one_step(policy):
    """Rollouts, an update on them with a teacher that is distilled, and the KL divergence from the reference."""
    reference = Policy(copy.deepcopy(policy.model), policy.tokenizer)
    engine = NativeEngine(max_sequences=8)
    sync(engine, policy)
    groups = engine.generate(GenerationRequest([policy.prompt_ids(question) for question in QUESTIONS], 4, SAMPLING, [1, 2, 3]))
    weighed = [[AdvantagedRollout(rollout, 1.0 - index) for index, rollout in enumerate(group)] for group in groups]
    section = LearnSection(tokens_per_microbatch=70, updates_per_step=2)
    optimizer = Optimizer(policy.model, section, 10)
    size = AutoBatchSize("learn.tokens_per_microbatch", 70, pytest.fail)
    target = DistillTarget(reference, DistillSection(model="it"))
    learner = Learner(policy, reference, optimizer, section, ClippedSurrogate(kl_weight=0.1), SAMPLING, 0, size)
    figures = learner.update(weighed, 1, target=target)
    flat = [rollout for group in groups for rollout in group]
    return flat, figures, learner.kl_to_reference(flat, sum(len(row.completion_ids) for row in flat) / len(flat))


def test_a_step_of_rl_leaves_no_tensor_to_the_default_device(untrained):
    """Its rollouts and figures are those of the same step with the CPU as the default."""
    again = Policy(copy.deepcopy(untrained.model), untrained.tokenizer)
    with torch.device("meta"):
        found = one_step(untrained)
    assert found == one_step(again)


def test_a_step_of_sft_leaves_no_tensor_to_the_default_device(untrained, tmp_path):
    """Its figures are those of the same step with the CPU as the default."""
    again = Policy(copy.deepcopy(untrained.model), untrained.tokenizer)
    recipe = parse_recipe(
        {
            "name": "x",
            "kind": "sft",
            "policy": {"init": {}},
            "problems": [{"type": "micro", "fields": ["sum"], "levels": [1], "per_level": 8}],
            "evaluate": {"suite": "micro"},
            "learn": {"batch_size": 4},
        }
    )
    jobs = [SFTJob(recipe, policy, tmp_path, pytest.fail) for policy in (untrained, again)]
    with torch.device("meta"):
        found = jobs[0].advance(1, lambda: None)
    assert found.metrics == jobs[1].advance(1, lambda: None).metrics


@pytest.mark.parametrize("made_by", ["full", "empty", "arange"])
def test_a_tensor_left_to_the_default_device_is_seen(untrained, monkeypatch, made_by):
    """The same step, where one of torch's functions forgets which device it was asked for."""
    real = getattr(torch, made_by)
    monkeypatch.setattr(torch, made_by, lambda *args, device=None, **kwargs: real(*args, **kwargs))
    with torch.device("meta"), pytest.raises((RuntimeError, NotImplementedError), match="meta"):
        one_step(untrained)
