"""The distribution that is sampled from, against transformers' own logits processors; and draws from it, by counting."""

import pytest
import torch
from scipy import stats
from transformers import TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

from outgrow.policy import Sampling
from outgrow.policy.distribution import distribution, draw, log_distribution

SETTINGS = [
    {},
    {"temperature": 0.6},
    {"temperature": 1.7},
    {"top_k": 1},
    {"top_k": 5},
    {"top_k": 1000},
    {"top_p": 0.9},
    {"top_p": 0.3},
    {"top_p": 1e-6},
    {"temperature": 0.6, "top_p": 0.95},
    {"temperature": 1.3, "top_k": 20, "top_p": 0.8},
    {"temperature": 0.8, "top_k": 3, "top_p": 0.5},
]
LARGEST_UNIFORM = 1 - 2**-24  # what torch.rand can return at most in float32


def logits_of(*shape, seed=0, spread=3.0):
    return spread * torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def by_transformers(logits, sampling):
    scores = TemperatureLogitsWarper(sampling.temperature)(None, logits)
    if sampling.top_k:
        scores = TopKLogitsWarper(sampling.top_k)(None, scores)
    if sampling.top_p < 1:
        scores = TopPLogitsWarper(sampling.top_p)(None, scores)
    return scores.log_softmax(-1)


@pytest.mark.parametrize("vocabulary", [2, 50, 3000])
@pytest.mark.parametrize("setting", SETTINGS, ids=str)
def test_it_is_transformers_distribution(setting, vocabulary):
    sampling = Sampling(**setting)
    logits = logits_of(64, vocabulary)
    expected = by_transformers(logits, sampling)
    torch.testing.assert_close(log_distribution(logits, sampling), expected)
    torch.testing.assert_close(distribution(logits, sampling), expected.exp(), rtol=1e-4, atol=0)


def test_leading_dimensions_do_not_matter():
    sampling = Sampling(temperature=0.7, top_k=9, top_p=0.8)
    logits = logits_of(3, 4, 50)
    torch.testing.assert_close(log_distribution(logits, sampling).flatten(0, 1), log_distribution(logits.flatten(0, 1), sampling))


def test_truncation_by_hand():
    logits = torch.tensor([0.1, 0.4, 0.2, 0.3]).log()
    kept = {
        (0, 0.39): [0, 1, 0, 0],
        (0, 0.41): [0, 4 / 7, 0, 3 / 7],
        (0, 0.69): [0, 4 / 7, 0, 3 / 7],
        (0, 0.71): [0, 4 / 9, 2 / 9, 3 / 9],
        (3, 1.0): [0, 4 / 9, 2 / 9, 3 / 9],
        # top-p looks at what top-k left, renormalised: 4/7 of the mass is the first token's
        (2, 0.56): [0, 1, 0, 0],
        (2, 0.58): [0, 4 / 7, 0, 3 / 7],
    }
    for (top_k, top_p), expected in kept.items():
        found = log_distribution(logits, Sampling(top_k=top_k, top_p=top_p)).exp()
        assert found.tolist() == pytest.approx(expected)


def test_greedy_reads_the_untempered_distribution():
    logits = logits_of(8, 50)
    found = log_distribution(logits, Sampling(temperature=0.0, top_p=0.5))
    torch.testing.assert_close(found, logits.log_softmax(-1))


@pytest.mark.parametrize("setting", [{"top_k": 3}, {"top_p": 0.4}, {"top_k": 5, "top_p": 0.6, "temperature": 0.7}], ids=str)
def test_kept_tokens_stay_in_the_support_and_are_renormalised_with_it(setting):
    sampling = Sampling(**setting)
    logits = logits_of(50, 40)
    keep = torch.arange(50) % 40
    found = log_distribution(logits, sampling, keep=keep)
    support = by_transformers(logits, sampling).isfinite()
    assert not support.gather(-1, keep[:, None]).all(), "every token was in the support anyway"
    support.scatter_(-1, keep[:, None], True)
    expected = (logits / sampling.temperature).masked_fill(~support, -torch.inf).log_softmax(-1)
    torch.testing.assert_close(found, expected)


def test_keep_changes_nothing_inside_the_support():
    sampling = Sampling(top_p=0.7)
    logits = logits_of(64, 30)
    torch.testing.assert_close(log_distribution(logits, sampling, keep=logits.argmax(-1)), log_distribution(logits, sampling))


def test_gradient_of_a_kept_token():
    """By the softmax: 1 − p for the token, −p for every other of the support, 0 outside it, all over the temperature."""
    sampling = Sampling(temperature=0.5, top_k=2)
    logits = torch.tensor([[2.0, 1.0, 0.5, 0.0]], dtype=torch.float64, requires_grad=True)
    log_distribution(logits, sampling, keep=torch.tensor([3]))[0, 3].backward()
    p = torch.tensor([4.0, 2.0, 0.0]).double().softmax(-1).tolist()
    assert logits.grad[0].tolist() == pytest.approx([-2 * p[0], -2 * p[1], 0, 2 * (1 - p[2])])


@pytest.mark.parametrize("setting", [{}, {"temperature": 0.5}, {"top_p": 0.8}, {"top_k": 7}], ids=str)
def test_draws_have_their_probabilities(setting):
    draws, vocabulary = 50_000, 50
    probabilities = distribution(logits_of(vocabulary, seed=3, spread=1.5), Sampling(**setting))
    uniform = torch.rand(draws, generator=torch.Generator().manual_seed(7))
    counts = draw(probabilities.expand(draws, -1), uniform).bincount(minlength=vocabulary)
    assert counts[probabilities == 0].sum() == 0
    expected = draws * probabilities / probabilities.sum()
    often = expected >= 5
    observed = [*counts[often].tolist(), counts[~often].sum().item()]
    wanted = [*expected[often].tolist(), expected[~often].sum().item()]
    if wanted[-1] == 0:
        observed, wanted = observed[:-1], wanted[:-1]
    assert len(observed) > 5
    assert stats.chisquare(observed, wanted, sum_check=False).pvalue > 1e-3


def test_draws_at_the_edges():
    probabilities = torch.tensor([0.0, 0.25, 0.0, 0.5, 0.25, 0.0])
    uniform = torch.tensor([0.0, 0.2499, 0.25, 0.7499, 0.75, LARGEST_UNIFORM])
    assert draw(probabilities.expand(6, -1), uniform).tolist() == [1, 1, 3, 3, 4, 4]


@pytest.mark.parametrize("setting", [{}, {"top_p": 0.9}, {"top_k": 2}, {"top_k": 1}], ids=str)
def test_a_draw_never_leaves_the_support(setting):
    """Also where 30,000 rounded probabilities add up to a little more or less than 1."""
    logits = logits_of(60, 30_000, spread=4.0)
    logits[:, -3:] = -torch.inf
    probabilities = distribution(logits, Sampling(**setting))
    for u in (0.0, 1e-30, 0.5, LARGEST_UNIFORM):
        drawn = draw(probabilities, torch.full((60,), u))
        assert (probabilities.gather(-1, drawn[:, None]) > 0).all()
