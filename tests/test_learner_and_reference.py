"""The reference of a run stays what the run began with, whatever the policy learns."""

import pytest
import torch

from outgrow.config import load_recipe
from outgrow.runs.checkpoint import Checkpoint
from outgrow.runs.models import base_policy, frozen_copy, learner_and_reference, learning_policy

LORA = ["policy.lora={rank=4}"]


def logprobs(policy):
    ids = torch.tensor([policy.prompt_ids("27+58=?")])
    with torch.no_grad():
        return policy.model(ids).logits.log_softmax(-1)


@pytest.mark.parametrize("overrides", [LORA, []], ids=["lora", "full weights"])
def test_a_step_moves_the_policy_and_not_the_reference(overrides):
    recipe = load_recipe("micro", overrides)
    policy, reference = learner_and_reference(recipe, base_policy(recipe), None)
    before = logprobs(reference)
    assert torch.allclose(logprobs(policy), before, atol=1e-5), "a new adapter's product is 0"
    learned = [weight for weight in policy.model.parameters() if weight.requires_grad]
    optimizer = torch.optim.SGD(learned, lr=0.1)
    policy.model(torch.tensor([policy.prompt_ids("3+4=?")])).logits.log_softmax(-1)[..., 7].sum().backward()
    optimizer.step()
    assert torch.equal(logprobs(reference), before)
    assert not torch.allclose(logprobs(policy), before, atol=1e-3)


def test_whole_weights_of_a_checkpoint_need_no_second_copy_of_the_base(tmp_path):
    """The reference is the base as it was read, frozen; the policy is what was saved."""
    recipe = load_recipe("micro")
    saved, base = base_policy(recipe), base_policy(recipe)
    with torch.no_grad():
        for weight in saved.model.parameters():
            weight.mul_(1.1)
    saved.save(tmp_path / "policy")
    before = logprobs(base)
    policy, reference = learner_and_reference(recipe, base, Checkpoint(tmp_path, 1, {}))
    assert torch.equal(logprobs(reference), before) and torch.equal(logprobs(policy), logprobs(saved))
    assert [id(weight) for weight in reference.model.parameters()] == [id(weight) for weight in base.model.parameters()]
    assert not any(weight.requires_grad for weight in reference.model.parameters())
    assert all(weight.requires_grad for weight in policy.model.parameters())


def test_a_reference_after_the_adapter_is_refused():
    recipe = load_recipe("micro", LORA)
    base = base_policy(recipe)
    learning_policy(recipe, base, None)
    with pytest.raises(ValueError, match="adapter"):
        frozen_copy(base, share=True)


def test_an_adapter_is_put_in_without_copying_the_base():
    """Else a run with LoRA would hold its base twice."""
    recipe = load_recipe("micro", LORA)
    policy, reference = learner_and_reference(recipe, base_policy(recipe), None)
    theirs = {weight.data_ptr() for weight in reference.model.parameters()}
    assert theirs <= {weight.data_ptr() for weight in policy.model.parameters()}
