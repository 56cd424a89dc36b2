"""An estimate prints its three numbers in one shape."""

import doctest

import pytest

from outgrow.core import estimate
from outgrow.core.estimate import Estimate


def test_doctests():
    found = doctest.testmod(estimate)
    assert found.attempted >= 2 and not found.failed


@pytest.mark.parametrize(("low", "high", "excludes"), [(0.1, 0.2, True), (-0.2, -0.1, True), (-0.1, 0.2, False), (0.0, 0.2, False)])
def test_an_interval_that_touches_the_null_does_not_exclude_it(low, high, excludes):
    assert Estimate(0.1, low, high, 40).excludes() is excludes
    assert Estimate(1.1, 1 + low, 1 + high, 40).excludes(1.0) is excludes


def test_every_number_is_scaled_and_formatted_alike():
    figure = Estimate(-0.0123, -0.02, 0.5, 9)
    assert figure.text("+.1f", 100) == "-1.2 (-2.0 to +50.0)"
    assert str(figure) == figure.text() == "-0.012 (-0.020 to 0.500)"
