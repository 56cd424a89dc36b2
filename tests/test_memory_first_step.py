"""How strongly a new memory writes: what the gradients of a chunk, taken together, do to what it answers, on real texts."""

import pytest
import torch
import torch.nn.functional as F

from helpers.memory import INIT
from outgrow.policy.memory.branch import Branch, first_step
from outgrow.policy.memory.convert import add_memory
from outgrow.policy.memory.rule import Reading
from outgrow.policy.memory.settings import Memory
from outgrow.policy.micro import make_model, make_tokenizer
from outgrow.problems.recall import Recall


def _readings(settings: Memory) -> list[tuple[Branch, Reading]]:
    """What the layers of a new model read of eight texts."""
    tokenizer = make_tokenizer()
    model = add_memory(make_model(INIT, tokenizer, 0), settings, seed=0).eval()
    texts = Recall(kind="facts", length=140, distance=(20, 90), count=8).load(pytest.fail)
    found: list[tuple[Branch, Reading]] = []
    for layer in model.model.layers:
        branch = layer.self_attn.memory
        branch.rule.register_forward_pre_hook(lambda _, inputs, branch=branch: found.append((branch, inputs[0])))
    with torch.no_grad():
        model(torch.tensor([tokenizer(problem.question)["input_ids"] for problem in texts]), use_cache=False)
    return found


def _overshoot(settings: Memory, step: float | None = None) -> float:
    """Return by how much of an error a chunk changes it, at most over directions: the mean over texts, heads and layers.

    The last matrix answers W x, where x is the key or what the matrices before made of it. With the chunk's gradients taken at its
    start, its error E becomes E (1 - G), G = 2 / (1 - η) · Σ θ x xᵀ, once the momentum η has passed on all surprise.
    """
    largest = []
    for branch, reading in _readings(settings):
        x = reading.key_BHTd
        for matrix in branch.rule.first[:-1]:
            x = F.silu(x @ matrix.mT) / (0.356 * matrix.shape[1]) ** 0.5
        whole = x.shape[2] // settings.chunk * settings.chunk
        strength = (reading.step_BHT if step is None else torch.full_like(reading.step_BHT, step)).unsqueeze(-1)
        if settings.momentum:
            strength = strength / (1 - reading.momentum_BHT.unsqueeze(-1))
        x, strength = (part[:, :, :whole].unflatten(2, (-1, settings.chunk)) for part in (x, strength))
        largest.append(torch.linalg.eigvalsh(2 * (strength * x).mT @ x)[..., -1].mean())
    return torch.stack(largest).mean().item()


@pytest.mark.parametrize("momentum", [True, False])
@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize("chunk", [1, 8, 16, 64])
def test_a_new_memory_writes_a_share_of_what_is_wrong_for_any_chunk(chunk: int, depth: int, momentum: bool) -> None:
    settings = Memory(window=64, chunk=chunk, depth=depth, momentum=momentum)
    assert 0.2 < _overshoot(settings) < 0.8
    if chunk >= 16:
        assert _overshoot(settings, 0.27) > 2, "the step of a rule that writes token by token"


def test_rules_without_chunks_begin_with_one_step() -> None:
    assert {first_step(Memory(rule=rule, chunk=chunk)) for rule in ("delta", "gated_delta") for chunk in (1, 64)} == {0.27}
