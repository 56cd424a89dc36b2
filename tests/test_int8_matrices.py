"""Matrices in int8 against whole numbers computed by hand, and the independence of their rows."""

import os
import subprocess
import sys

import pytest
import torch

from outgrow.engines.native.int8_matrices import quantised
from outgrow.engines.native.layouts import INT8

LAYOUTS = [name for name, layout in INT8.items() if layout.fits(torch.empty(1))]
pytestmark = pytest.mark.skipif(not LAYOUTS, reason="this machine multiplies no bytes")

ROWS, INPUTS, OUTPUTS = 40, 576, 960


@pytest.fixture(params=LAYOUTS)
def layout(request):
    return INT8[request.param]


def drawn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_weights_are_rounded_to_whole_numbers_of_their_outputs_scale():
    weight = torch.tensor([[1.0, -0.5, 0.25], [0.0, 0.0, 0.0], [127.0, -127.0, 63.4]])
    scale, numbers = quantised(weight)
    assert torch.equal(scale, torch.tensor([1 / 127, 1.0, 1.0]))
    assert numbers.tolist() == [[127, -64, 32], [0, 0, 0], [127, -127, 63]]
    random = drawn(64, 300)
    scale, numbers = quantised(random)
    assert ((numbers * scale[:, None] - random).abs() <= scale[:, None] / 2 * 1.0001).all()


def test_products_are_near_the_exact_ones_for_any_shape_and_scale(layout):
    weight, bias = drawn(OUTPUTS, INPUTS, seed=1), drawn(OUTPUTS, seed=2)
    x = drawn(4, 10, INPUTS, seed=3) * torch.logspace(-6, 6, 10)[:, None]
    product, exact = layout(weight)(x), x.double() @ weight.double().T
    error = (product - exact).norm(dim=-1) / exact.norm(dim=-1)
    assert product.shape == (4, 10, OUTPUTS)
    assert 0.001 < error.min() <= error.max() < 0.025
    assert torch.equal(layout(weight, bias)(x), product + bias)


def test_numbers_that_bytes_hold_are_multiplied_exactly(layout):
    """With the largest sums that there can be: where a processor cut one of them, this would show it."""
    sign = torch.ones(8, INPUTS)
    sign[1::2] = -1
    for rows in (1, 3, 64):
        x = torch.ones(rows, INPUTS)
        assert torch.allclose(layout(127 * sign)(x), (127 * sign.sum(1)).expand(rows, -1), rtol=1e-6, atol=0)


def test_a_row_does_not_depend_on_the_rows_next_to_it(layout):
    matrix, x = layout(drawn(OUTPUTS, INPUTS, seed=1)), drawn(ROWS, INPUTS, seed=2)
    whole = matrix(x)
    for rows in range(1, ROWS + 1):
        assert torch.equal(matrix(x[:rows]), whole[:rows])
    order = torch.randperm(ROWS, generator=torch.Generator().manual_seed(3))
    assert torch.equal(matrix(x[order]), whole[order])
    large = x.clone()
    large[7] *= 1e6
    others = torch.arange(ROWS) != 7
    assert torch.equal(matrix(large)[others], whole[others])


@pytest.mark.parametrize("spoiled", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("place", [0, 5, INPUTS - 1])
def test_a_row_that_is_not_finite_stays_so_and_spoils_no_other(layout, spoiled, place):
    matrix, x = layout(drawn(OUTPUTS, INPUTS, seed=1)), drawn(ROWS, INPUTS, seed=2)
    whole = matrix(x)
    x[3, place] = spoiled
    product, others = matrix(x), torch.arange(ROWS) != 3
    assert not product[3].isfinite().any()
    assert torch.equal(product[others], whole[others])


@pytest.mark.parametrize("spoiled", [float("nan"), float("inf"), -float("inf")])
def test_an_output_whose_weights_are_not_finite_is_not_finite(layout, spoiled):
    """Bytes hold no NaN: a broken policy would write on as if nothing had happened."""
    weight, x = drawn(OUTPUTS, INPUTS, seed=1), drawn(ROWS, INPUTS, seed=2)
    whole = layout(weight)(x)
    weight[3, 5] = spoiled
    product, others = layout(weight)(x), torch.arange(OUTPUTS) != 3
    assert not product[:, 3].isfinite().any()
    assert torch.equal(product[:, others], whole[:, others])


def test_a_row_of_zeros_is_multiplied_to_zeros(layout):
    bias = drawn(OUTPUTS, seed=4)
    x = torch.stack([torch.zeros(INPUTS), drawn(INPUTS, seed=2)])
    assert torch.equal(layout(drawn(OUTPUTS, INPUTS, seed=1), bias)(x)[0], bias)


@pytest.mark.parametrize("instructions", ["AVX2", "AVX512_CORE"])
def test_sums_are_exact_without_special_units_for_bytes(instructions):
    """oneDNN is told to compute as on an older processor, which adds in 16 bits. Elsewhere than on x86 the name means nothing."""
    test = f"{__file__}::{test_numbers_that_bytes_hold_are_multiplied_exactly.__name__}"
    command = [sys.executable, "-m", "pytest", "-q", "-o", "addopts=", "-p", "no:cacheprovider", test]
    told = subprocess.run(command, env={**os.environ, "ONEDNN_MAX_CPU_ISA": instructions}, capture_output=True, text=True)
    assert told.returncode == 0, told.stdout
