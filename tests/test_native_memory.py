"""The native engine with a memory, against transformers: its plain forward pass, and the engine that decodes with its classes."""

import copy
import random

import pytest
import torch
import torch.nn.functional as F

from helpers.memory import INIT, RULES, memory_policy
from outgrow.core.errors import UsageError
from outgrow.engines import Engine, GenerationRequest, NativeEngine, TransformersEngine, sync
from outgrow.engines.native import NativeEngineConfig
from outgrow.engines.native.batch import Batch
from outgrow.engines.native.decoder import refuse_others
from outgrow.engines.native.layouts import has_int8
from outgrow.engines.native.memory_decoder import MemoryDecoder
from outgrow.engines.native.window import attended
from outgrow.engines.second_engine import engine_for
from outgrow.plan.models import shape_from_config
from outgrow.plan.shape import cache_bytes
from outgrow.policy import Policy, Sampling
from outgrow.policy.memory.settings import Kind
from outgrow.policy.micro import make_model, make_tokenizer
from outgrow.types import Rollout

LENGTHS = (3, 40, 9, 27, 16, 1, 33, 17)
"""Tokens of the prompts; the window has 16."""


def _prompts() -> list[list[int]]:
    draw = random.Random(0)
    return [[draw.randrange(10, 90) for _ in range(length)] for length in LENGTHS]


def _generate(engine: Engine, policy: Policy, sampling: Sampling, n: int) -> list[Rollout]:
    sync(engine, policy)
    prompts = _prompts()
    return [each for group in engine.generate(GenerationRequest(prompts, n, sampling, range(len(prompts)))) for each in group]


@torch.no_grad()
def _errors(policy: Policy, rollouts: list[Rollout]) -> torch.Tensor:
    """How far the log-probabilities of all tokens are from those of one forward pass in float64 over each whole row, in nats."""
    exact, errors = copy.deepcopy(policy.model).double(), []
    for rollout in rollouts:
        tokens = torch.tensor([[*rollout.prompt_ids, *rollout.completion_ids]])
        first = len(rollout.prompt_ids)
        logits_TV = exact(input_ids=tokens, use_cache=False).logits[0, first - 1 : -1]
        wanted_T = logits_TV.log_softmax(-1).gather(-1, tokens[0, first:, None]).squeeze(-1)
        errors.append((torch.tensor(rollout.logprobs) - wanted_T).abs())
    return torch.cat(errors)


CASES = [(rule, {}) for rule in RULES] + [
    ("titans", {"chunk": 1}),
    ("titans", {"momentum": False, "decay": False, "convolution": 1}),
]


@pytest.mark.parametrize(("rule", "more"), CASES, ids=str)
def test_sampled_rows_are_those_of_the_transformers_engine(rule: Kind, more: dict[str, object]) -> None:
    """Three groups of three at a time: rows end one by one, later groups come in, and rows move into the gaps."""
    policy, sampling = memory_policy(rule, **more), Sampling(max_tokens=40)
    ours = _generate(NativeEngine(max_sequences=9), policy, sampling, 3)
    theirs = _generate(TransformersEngine(), policy, sampling, 3)
    assert len({len(rollout.completion_ids) for rollout in ours}) > 3, "rows of one length show nothing"
    assert [our.completion_ids for our in ours] == [their.completion_ids for their in theirs]
    our_errors, their_errors = _errors(policy, ours), _errors(policy, theirs)
    assert our_errors.mean() < 3 * their_errors.mean() + 1e-6  # rounding grows from token to token, as chance has it
    assert our_errors.median() < 1e-4


@pytest.mark.parametrize("rule", RULES)
def test_greedy_is_the_same(rule: Kind) -> None:
    policy, greedy = memory_policy(rule), Sampling(temperature=0.0, max_tokens=30)
    ours, theirs = (_generate(engine, policy, greedy, 1) for engine in (NativeEngine(max_sequences=3), TransformersEngine()))
    assert [rollout.completion_ids for rollout in ours] == [rollout.completion_ids for rollout in theirs]


def test_with_all_tokens_in_the_window_and_shut_gates_it_is_the_llama_to_the_last_bit() -> None:
    tokenizer = make_tokenizer()
    llama = Policy(make_model(INIT, tokenizer, 0).eval(), tokenizer)
    wanted = _generate(NativeEngine(max_sequences=6), llama, Sampling(max_tokens=20), 2)
    for rule in ("titans", "gated_delta", "none"):
        policy = memory_policy(rule, opened=False, window=64)
        assert _generate(NativeEngine(max_sequences=6), policy, Sampling(max_tokens=20), 2) == wanted


@pytest.mark.parametrize("rule", ["titans", "gated_delta", "none"])
def test_memory_does_not_grow_with_the_tokens(rule: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    """The caches' bytes at their largest are what rows are reckoned with, less the state that is there twice in a step."""
    policy, advance = memory_policy(rule), Batch.advance
    sizes: list[int] = []

    def advanced(self: Batch) -> None:
        advance(self)
        sizes.append(sum(part.nbytes for part in self.cache.layers) + sum(state.nbytes for state in self.cache.states.values()))

    monkeypatch.setattr(Batch, "advance", advanced)
    largest = []
    for max_tokens in (30, 150):
        sizes.clear()
        _generate(NativeEngine(max_sequences=8), policy, Sampling(max_tokens=max_tokens), 1)
        largest.append(max(sizes))
    decoder = MemoryDecoder(policy.model.config, policy.named_weights())
    twice = decoder.bytes_a_row(0) // (INIT.layers + 1)
    assert largest == [8 * (decoder.bytes_a_row(10**6) - twice)] * 2
    assert (decoder.bytes_a_row(0) > 0) == (rule != "none")


@pytest.mark.parametrize(("rule", "more"), [*CASES, ("titans", {"depth": 3})])
def test_the_plan_counts_what_the_engine_keeps(rule: Kind, more: dict[str, object]) -> None:
    policy = memory_policy(rule, **more)
    decoder = MemoryDecoder(policy.model.config, policy.named_weights())
    state = decoder._bytes_of_a_state() if decoder.branches else 0
    for tokens in (5, 400):
        window = decoder.new_cache(1, tokens).layers
        kept = sum(layer.nbytes for layer in window) + len(decoder.branches) * state
        assert cache_bytes(shape_from_config(policy.model.config, "?"), tokens, 4) == kept


@pytest.mark.parametrize("window", [1, 2, 5, 8, 40])
@pytest.mark.parametrize("width", [1, 2, 7, 8, 9, 33])
@pytest.mark.parametrize("heads", [2, 6])
def test_attention_in_blocks_is_attention_with_a_mask(window: int, width: int, heads: int) -> None:
    draw = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(3, count, width, 4, generator=draw, dtype=torch.float64) for count in (heads, 2, 2))
    place = torch.arange(width)
    back = place[:, None] - place
    wanted = F.scaled_dot_product_attention(q, k, v, attn_mask=(back >= 0) & (back < window), enable_gqa=True)
    assert torch.allclose(attended(q, k, v, window), wanted, atol=1e-12)


def test_int8_leaves_the_memory_exact() -> None:
    policy = memory_policy()
    if not has_int8(torch.empty(1)):
        pytest.skip("this machine does not multiply in int8")
    ours = _generate(NativeEngine(weights="int8", head="int8"), policy, Sampling(max_tokens=20), 2)
    assert 1e-4 < _errors(policy, ours).mean() < 0.3


def test_a_judge_or_a_command_takes_the_native_engine() -> None:
    assert isinstance(engine_for(memory_policy().spec(), None), NativeEngineConfig)


def test_the_engine_draws_nothing_from_the_global_generator() -> None:
    policy = memory_policy()
    before = torch.random.get_rng_state()
    sync(NativeEngine(), policy)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_a_config_without_a_window_is_refused() -> None:
    config = memory_policy().model.config
    config.sliding_window = None
    with pytest.raises(UsageError, match=r"sliding_window"):
        refuse_others(config)
