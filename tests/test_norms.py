"""The norm of few passes: equal to transformers' own up to rounding, forward and backward."""

import pytest
import torch
from torch import Tensor
from transformers.models.llama.modeling_llama import LlamaRMSNorm

from outgrow.policy.norms import _Norm, lean_norms
from test_feed_forward import TINY, TOKENS, _gradients, _kept_bytes, _model

FAMILIES = ["llama", "qwen2", "qwen3"]


def _by_formula(x: Tensor, gain: Tensor, epsilon: float) -> Tensor:
    return x / (x.square().mean(-1, keepdim=True) + epsilon).sqrt() * gain


def _random(*shape: int, dtype: torch.dtype = torch.float64, learns: bool = True) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64).to(dtype).requires_grad_(learns)


@pytest.mark.parametrize(("x_learns", "gain_learns"), [(True, True), (True, False), (False, True)])
def test_gradients_are_those_of_finite_differences(x_learns: bool, gain_learns: bool) -> None:
    torch.manual_seed(1)
    x, gain = _random(2, 5, 7, learns=x_learns), _random(7, learns=gain_learns)
    assert torch.autograd.gradcheck(lambda x, gain: _Norm.apply(x, gain, 0.1), (x, gain))
    torch.testing.assert_close(_Norm.apply(x, gain, 0.1), _by_formula(x, gain, 0.1), rtol=1e-12, atol=1e-12)


def test_rows_of_zeros_have_finite_gradients() -> None:
    x, gain = torch.zeros(3, 8, dtype=torch.float64, requires_grad=True), torch.ones(8, dtype=torch.float64)
    _Norm.apply(x, gain, 1e-6).sum().backward()
    assert x.grad is not None
    torch.testing.assert_close(x.grad, torch.full_like(x, 1e3))  # 1 / sqrt(ε), as x does not change the mean square to first order


@pytest.mark.parametrize("heads_first", [False, True])
@pytest.mark.parametrize("gain_learns", [True, False])
@pytest.mark.parametrize(
    ("dtype", "of_gain", "tolerance"),
    [
        (torch.float32, torch.float32, 2e-6),
        (torch.float32, torch.bfloat16, 1e-2),  # the gain's gradient is rounded to its type
        (torch.bfloat16, torch.float32, 2e-2),
        (torch.bfloat16, torch.bfloat16, 2e-2),
    ],
)
def test_a_layer_is_transformers_own_up_to_rounding(
    dtype: torch.dtype, of_gain: torch.dtype, tolerance: float, gain_learns: bool, heads_first: bool
) -> None:
    torch.manual_seed(2)
    layer = LlamaRMSNorm(64, eps=1e-5)
    layer.weight = torch.nn.Parameter(_random(64, dtype=of_gain, learns=False), requires_grad=gain_learns)
    x = _random(2, 9, 4, 64, dtype=dtype)
    weighed = torch.randn(2, 9, 4, 64)
    leaves = [x, layer.weight] if gain_learns else [x]

    def computed(forward: object) -> list[Tensor]:
        assert callable(forward)
        y = forward(x)
        # Qwen3 norms heads and then transposes them, so that the gradient that comes back is no contiguous tensor.
        loss = (y.transpose(1, 2) * weighed.transpose(1, 2)).float() if heads_first else (y * weighed).float()
        return [y.detach(), *torch.autograd.grad(loss.sum(), leaves)]

    theirs = computed(layer)
    with lean_norms(layer):  # type: ignore[arg-type]
        ours = computed(layer)
    assert len(ours) == len(theirs) == 1 + len(leaves)
    for mine, their in zip(ours, theirs, strict=True):
        assert mine.dtype == their.dtype and mine.shape == their.shape
        assert float((mine.double() - their.double()).norm() / their.double().norm()) < tolerance


@pytest.mark.parametrize("family", FAMILIES)
def test_a_models_gradients_are_its_own_up_to_rounding(family: str) -> None:
    model = _model(family)
    logits, gradients = _gradients(model)
    with lean_norms(model):
        patched = [name for name, module in model.named_modules() if "forward" in vars(module)]
        ours, our_gradients = _gradients(model)
    assert len(patched) == TINY["num_hidden_layers"] * (4 if family == "qwen3" else 2) + 1
    torch.testing.assert_close(ours, logits, rtol=1e-4, atol=1e-5)
    for mine, their in zip(our_gradients, gradients, strict=True):
        assert float((mine - their).norm() / their.norm()) < 1e-5


def test_one_tensor_of_the_models_width_is_kept_less_a_norm_where_the_gain_learns() -> None:
    model = _model("llama")
    before = _kept_bytes(model)
    with lean_norms(model):
        after = _kept_bytes(model)
    norms, width = 2 * TINY["num_hidden_layers"] + 1, TINY["hidden_size"]
    assert before - after == norms * TOKENS.numel() * width * 4


def test_norms_of_other_families_stay_as_they_are() -> None:
    model = _model("gemma3_text", head_dim=8)  # its gain is 1 + g
    logits, gradients = _gradients(model)
    with lean_norms(model):
        ours, our_gradients = _gradients(model)
    assert torch.equal(ours, logits)
    assert all(torch.equal(mine, their) for mine, their in zip(our_gradients, gradients, strict=True))


def test_the_norms_are_the_models_own_again_after_an_error() -> None:
    model = _model("qwen3")
    with pytest.raises(RuntimeError), lean_norms(model):
        model(torch.zeros(1, 1))  # ids must be whole numbers
    assert not any("forward" in vars(module) for module in model.modules())
