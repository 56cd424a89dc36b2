"""A step of supervised fine-tuning: its loss and its gradient beside the plain ones, however it is cut into passes."""

import copy

import pytest
import torch
import torch.nn.functional as F

from outgrow.config import parse_recipe
from outgrow.core.rng import python_rng
from outgrow.policy import Policy
from outgrow.train import sft
from outgrow.train.sft import SFTJob

IGNORED = -100


def job(policy, tmp_path, warn=pytest.fail, **learn):
    values = {
        "name": "warm",
        "kind": "sft",
        "policy": {"model": "micro-base"},
        "problems": [{"type": "micro", "fields": ["sum", "clock"], "levels": [1, 4], "per_level": 6}],
        "evaluate": {"suite": "micro"},
        "learn": {"batch_size": 12, "max_grad_norm": 1e9, **learn},
    }
    return SFTJob(parse_recipe(values), Policy(copy.deepcopy(policy.model), policy.tokenizer), tmp_path, warn)


def moved(job, step=1):
    """A step's loss, and the gradient that it leaves to the optimizer."""
    kept = {}
    taken = job.optimizer.step

    def look(step):
        kept.update({name: weight.grad.clone() for name, weight in job.policy.model.named_parameters()})
        return taken(step)

    job.optimizer.step = look
    return job.advance(step, lambda: None).metrics["train/loss"], kept


def by_hand(job, step=1):
    """Rows padded on the right, whole logits, the mean of a cross-entropy that leaves prompts and padding out."""
    rng = python_rng(job.recipe.seed, "sft", step)
    examples = [job._encode(job._draw(rng)) for _ in range(job.recipe.learn.batch_size)]
    width = max(len(one.prompt_ids) + len(one.completion_ids) for one in examples)
    tokens, mask, labels = (torch.zeros(len(examples), width, dtype=torch.long) for _ in range(3))
    labels += IGNORED
    for row, one in enumerate(examples):
        whole, prompt = [*one.prompt_ids, *one.completion_ids], len(one.prompt_ids)
        tokens[row, : len(whole)] = torch.tensor(whole)
        mask[row, : len(whole)] = 1
        labels[row, prompt : len(whole)] = torch.tensor(one.completion_ids)
    logits = job.policy.model(input_ids=tokens, attention_mask=mask).logits
    loss = F.cross_entropy(logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten(), ignore_index=IGNORED)
    loss.backward()
    grads = {name: weight.grad.clone() for name, weight in job.policy.model.named_parameters()}
    job.optimizer.clear()
    return loss.item(), grads


@pytest.mark.parametrize("tokens", [100_000, 400, 1])
def test_a_step_is_the_mean_cross_entropy_of_the_solutions(untrained, tmp_path, tokens):
    one = job(untrained, tmp_path, tokens_per_microbatch=tokens)
    wanted, grads = by_hand(one)
    loss, found = moved(one)
    assert loss == pytest.approx(wanted, rel=1e-5)
    for name, grad in grads.items():
        torch.testing.assert_close(found[name], grad, rtol=1e-3, atol=1e-6, msg=name)


def test_a_batch_that_memory_cannot_hold_is_cut_and_said(untrained, tmp_path, monkeypatch):
    """As if a pass over more than one example were too much: the step comes out the same."""
    whole = moved(job(untrained, tmp_path))
    real = sft.completion_logprobs

    def small(policy, prompts, completions, sampling):
        if len(prompts) > 1:
            raise torch.OutOfMemoryError
        return real(policy, prompts, completions, sampling)

    monkeypatch.setattr(sft, "completion_logprobs", small)
    notes = []
    loss, found = moved(job(untrained, tmp_path, warn=notes.append))
    assert loss == pytest.approx(whole[0], rel=1e-5)
    for name, grad in whole[1].items():
        torch.testing.assert_close(found[name], grad, rtol=1e-3, atol=1e-6, msg=name)
    assert notes
    assert all("out of memory" in warn and "learn.tokens_per_microbatch=" in warn for warn in notes)
