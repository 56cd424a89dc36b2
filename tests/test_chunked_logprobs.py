"""Log-probabilities a few tokens at a time: the plain computation's values and gradients, and none of its memory."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from outgrow.policy import Sampling
from outgrow.policy import chunked_logprobs as head
from outgrow.policy.chunked_logprobs import token_logprobs

TOKENS, VOCABULARY, WIDTH = 23, 211, 16
SAMPLINGS = [Sampling(), Sampling(temperature=0.6), Sampling(top_k=7), Sampling(temperature=0.8, top_p=0.7)]


def batch(seed, dtype=torch.float32):
    g = torch.Generator().manual_seed(seed)
    hidden = torch.randn(TOKENS, WIDTH, generator=g).to(dtype).requires_grad_()
    weight = (0.5 * torch.randn(VOCABULARY, WIDTH, generator=g)).to(dtype).requires_grad_()
    return hidden, weight, torch.randint(VOCABULARY, (TOKENS,), generator=g), torch.randn(TOKENS, generator=g)


def plain(hidden, weight, targets, sampling):
    """Written out: every token's whole distribution at once, its support found by sorting."""
    logits = hidden.float() @ weight.float().T / sampling.temperature
    order = logits.argsort(-1, descending=True)
    for row, target in enumerate(targets.tolist()):
        kept = order[row, : sampling.top_k or None]
        probs = logits[row, kept].softmax(-1)
        before = probs.cumsum(-1) - probs
        kept = set(kept[before < sampling.top_p].tolist()) | {target}
        dropped = [v for v in range(VOCABULARY) if v not in kept]
        logits = logits.index_put((torch.tensor([row]), torch.tensor(dropped, dtype=torch.long)), torch.tensor(-torch.inf))
    logprobs = logits.log_softmax(-1)
    entropy = torch.distributions.Categorical(logits=logits.detach()).entropy()
    return logprobs[torch.arange(TOKENS), targets], entropy


@pytest.mark.parametrize("sampling", SAMPLINGS, ids=str)
@pytest.mark.parametrize("at_once", [1, 5, 1000])
def test_values_and_gradients_are_the_plain_ones(monkeypatch, sampling, at_once):
    monkeypatch.setattr(head, "_CHUNK_BYTES", 4 * VOCABULARY * at_once)
    hidden, weight, targets, slope = batch(at_once)
    logprobs, entropy = token_logprobs(hidden, weight, targets, sampling)
    (slope * logprobs).sum().backward()
    found = hidden.grad.clone(), weight.grad.clone()
    hidden.grad = weight.grad = None
    expected, spread = plain(hidden, weight, targets, sampling)
    (slope * expected).sum().backward()
    for ours, theirs in ((logprobs, expected), (entropy, spread), (found[0], hidden.grad), (found[1], weight.grad)):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)


def test_bfloat16_is_as_near_as_its_rounding():
    hidden, weight, targets, slope = batch(3, torch.bfloat16)
    logprobs, _ = token_logprobs(hidden, weight, targets, Sampling())
    (slope * logprobs).sum().backward()
    found, hidden.grad = hidden.grad.float(), None
    expected, _ = plain(hidden, weight, targets, Sampling())
    (slope * expected).sum().backward()
    assert logprobs.dtype == torch.float32
    torch.testing.assert_close(logprobs, expected, rtol=0, atol=0.05)
    assert (found - hidden.grad.float()).norm() < 0.02 * hidden.grad.float().norm()


@given(st.integers(0, 1000))
def test_a_states_slope_is_that_of_finite_differences(seed):
    hidden, weight, targets, slope = batch(seed)
    hidden, weight, sampling = hidden.detach().double().requires_grad_(), weight.detach().double(), Sampling(temperature=0.7)

    def value(states):
        return (slope * (states @ weight.T / 0.7).log_softmax(-1)[torch.arange(TOKENS), targets]).sum()

    logprobs, _ = token_logprobs(hidden, weight, targets, sampling)
    (slope * logprobs).sum().backward()
    direction = torch.randn(hidden.shape, generator=torch.Generator().manual_seed(seed)).double()
    with torch.no_grad():
        difference = (value(hidden + 1e-6 * direction) - value(hidden - 1e-6 * direction)) / 2e-6
    assert (hidden.grad * direction).sum().item() == pytest.approx(difference.item(), rel=1e-3, abs=1e-3)


def test_nothing_is_computed_backwards_where_nothing_learns():
    hidden, weight, targets, _ = batch(0)
    with torch.no_grad():
        logprobs, _ = token_logprobs(hidden, weight, targets, Sampling())
    assert not logprobs.requires_grad
