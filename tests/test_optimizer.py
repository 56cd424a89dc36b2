"""Muon against a singular value decomposition, AdamW's first step by hand, and what a checkpoint keeps of both."""

import copy

import pytest
import torch

from outgrow.config.sections import LearnSection
from outgrow.policy.lora import add_adapter
from outgrow.policy.lora_settings import LoRA
from outgrow.train.optimizer import Optimizer

LR = 1e-3


def section_of(optimizer="muon", **changes):
    return LearnSection(optimizer=optimizer, lr=LR, warmup=0.0, schedule="constant", max_grad_norm=1e9, **changes)


def inside_a_layer(name, weight):
    return "layers" in name and weight.ndim == 2


def moved(model, optimizer, seeds):
    """Make a step for each seed, whose gradients it draws; return what the last one added to each weight that learns."""
    before = {}
    for step, seed in enumerate(seeds, 1):
        before = {name: weight.detach().clone() for name, weight in model.named_parameters() if weight.requires_grad}
        generator = torch.Generator().manual_seed(seed)
        for weight in optimizer.weights:
            weight.grad = torch.randn(weight.shape, generator=generator)
        optimizer.step(step)
    return {name: weight.detach() - before[name] for name, weight in model.named_parameters() if name in before}


def test_a_matrix_moves_by_its_orthogonal_gradient_and_all_else_by_adamw(untrained):
    model = copy.deepcopy(untrained.model)
    optimizer = Optimizer(model, section_of(), 10)
    generator = torch.Generator().manual_seed(3)
    gradients = dict(zip(optimizer.names, (torch.randn(w.shape, generator=generator) for w in optimizer.weights), strict=True))
    found, matrices = moved(model, optimizer, [3]), 0
    for name, added in found.items():
        if not inside_a_layer(name, added):
            torch.testing.assert_close(added, -LR * gradients[name].sign(), atol=2e-2 * LR, rtol=0)  # weights are rounded
            continue
        matrices += 1
        u, values, v = torch.linalg.svd(gradients[name], full_matrices=False)
        along = u.T @ added @ v.T / (-LR * 0.2 * max(added.shape) ** 0.5)
        stretched = along.diagonal()[values > 0.1 * values[0]]
        assert float(stretched.min()) > 0.6 and float(stretched.max()) < 1.3, name
        assert float((along - along.diagonal().diag()).abs().max()) < 0.1, name
        assert 0.1 * LR < float(added.square().mean().sqrt()) < 0.3 * LR, "about as far as AdamW's usual step"
    assert matrices == 7 * model.config.num_hidden_layers


@pytest.mark.parametrize("adapted", [False, True])
def test_a_checkpoint_goes_on_to_the_last_bit(untrained, adapted):
    def start():
        model = copy.deepcopy(untrained.model)
        if adapted:
            add_adapter(model, LoRA(rank=4), 0, "micro-base")
        return model, Optimizer(model, section_of(weight_decay=0.1), 10)

    model, optimizer = start()
    moved(model, optimizer, [1, 2])
    kept, weights = {name: tensor.clone() for name, tensor in optimizer.tensors().items()}, copy.deepcopy(model.state_dict())
    moments = {name.rpartition("/")[2] for name in kept}
    assert moments == ({"momentum_buffer"} if adapted else {"momentum_buffer", "step", "exp_avg", "exp_avg_sq"})
    further, again = moved(model, optimizer, [3, 4]), start()
    again[0].load_state_dict(weights)
    again[1].load_tensors(kept)
    for name, added in moved(*again, [3, 4]).items():
        assert torch.equal(added, further[name]), name


def test_another_optimizer_begins_anew_where_it_kept_nothing(untrained):
    model = copy.deepcopy(untrained.model)
    muon, adamw = (Optimizer(model, section_of(name), 10) for name in ("muon", "adamw"))
    moved(model, muon, [1])
    adamw.load_tensors(muon.tensors())
    known = {name.rpartition("/")[0] for name in adamw.tensors()}
    weights = dict(model.named_parameters())
    assert known == {name for name in adamw.names if not inside_a_layer(name, weights[name])}
    moved(model, adamw, [2])
    assert {name.rpartition("/")[0] for name in adamw.tensors()} == set(adamw.names)
    with pytest.raises(ValueError, match="of no weight that learns"):
        adamw.load_tensors({"model.other.weight/exp_avg": torch.zeros(1)})
