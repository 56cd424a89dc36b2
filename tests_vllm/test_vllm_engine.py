"""The vLLM engine: rollouts that repeat, log-probabilities that are the learner's, and weights that follow it."""

from importlib.util import find_spec

import pytest
import torch

if find_spec("vllm") is None:
    pytest.skip("vLLM has an environment of its own: make test-vllm", allow_module_level=True)

from outgrow.core.errors import OutgrowError, UsageError
from outgrow.engines import GenerationRequest, VLLMEngine, sync
from outgrow.policy import Policy, Sampling
from outgrow.policy.logprobs import completion_logprobs
from outgrow.policy.lora import add_adapter
from outgrow.policy.lora_settings import LoRA
from outgrow.problems.micro import Micro

QUESTIONS = [problem.question for problem in Micro(split="test", per_level=1).load()]


ENGINES = {}


def engine_of(policy):
    """The engine of this shape of model, with the policy's weights. None is ever let go: it would take the others' state along."""
    key = (policy.model.config.to_json_string(), policy.model.dtype)
    engine = ENGINES.setdefault(key, VLLMEngine(max_sequences=64))
    sync(engine, policy)
    return engine


def prompts_of(policy, questions=QUESTIONS):
    return [policy.prompt_ids(question) for question in questions]


def flat(groups):
    return [rollout for group in groups for rollout in group]


@torch.no_grad()
def differences(policy, rollouts, sampling):
    """Engine's minus learner's log-probability, of every token."""
    learner, _, _ = completion_logprobs(policy, [r.prompt_ids for r in rollouts], [r.completion_ids for r in rollouts], sampling)
    rows = [torch.tensor(r.logprobs) - learner[row, : len(r.logprobs)] for row, r in enumerate(rollouts)]
    return torch.cat(rows).abs()


def moved(policy, scale):
    """Every weight a little elsewhere, always in the same direction."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in policy.model.parameters():
            weight.add_(scale * torch.randn(weight.shape, generator=generator).to(weight.dtype))


@pytest.fixture
def engine(shipped):
    return engine_of(shipped)


SAMPLINGS = [
    Sampling(temperature=0.0, max_tokens=24),
    Sampling(temperature=1.0, max_tokens=24),
    Sampling(temperature=0.6, max_tokens=24),
    Sampling(temperature=1.0, top_p=0.9, max_tokens=24),
    Sampling(temperature=1.0, top_k=5, max_tokens=24),
    Sampling(temperature=0.6, top_k=20, top_p=0.95, max_tokens=24),
]


@pytest.mark.parametrize("sampling", SAMPLINGS, ids=lambda s: f"T{s.temperature}-p{s.top_p}-k{s.top_k}")
def test_logprobs_are_the_learners(engine, shipped, sampling):
    prompts = prompts_of(shipped, QUESTIONS[::4])
    groups = engine.generate(GenerationRequest(prompts, 4, sampling, list(range(len(prompts)))))
    assert [[r.prompt_ids for r in group] for group in groups] == [[prompt] * 4 for prompt in prompts]
    found = differences(shipped, flat(groups), sampling)
    print(f"{sampling}: {len(found)} tokens, mean {found.mean():.2g}, max {found.max():.2g}")
    assert found.max() < 1e-4


@pytest.mark.parametrize("temperature", [1.0, 0.6])
def test_logprobs_of_a_real_model_are_the_learners(smollm, temperature):
    sampling = Sampling(temperature=temperature, max_tokens=32)
    prompts = prompts_of(smollm, ["What is 17 + 25?", "Tom has 3 apples and buys 4 more. How many has he?", "Name a prime."])
    engine = engine_of(smollm)
    request = GenerationRequest(prompts, 4, sampling, [1, 2, 3])
    groups = engine.generate(request)
    assert engine.generate(request) == groups
    found = differences(smollm, flat(groups), sampling)
    print(f"{smollm.model.dtype}, {sampling}: {len(found)} tokens, mean {found.mean():.2g}, max {found.max():.2g}")
    if smollm.model.dtype == torch.float32:
        assert found.max() < 1e-3
    else:
        assert found.mean() < 0.1  # bfloat16 is that far from float32 too


def test_a_call_repeats(untrained):
    engine, prompts, sampling = engine_of(untrained), prompts_of(untrained, QUESTIONS[:24]), Sampling(max_tokens=40)
    seeds = [100 + index for index in range(len(prompts))]
    request = GenerationRequest(prompts, 4, sampling, seeds)
    first = engine.generate(request)
    assert engine.generate(request) == first
    sync(engine, untrained)
    assert engine.generate(request) == first


def test_no_two_rollouts_share_their_draws(untrained):
    """Neighbouring seeds neither: vLLM's own `n` counts up from one."""
    prompt = untrained.prompt_ids("3+4=?")
    groups = engine_of(untrained).generate(GenerationRequest([prompt, prompt], 8, Sampling(max_tokens=20), [5, 6]))
    assert len({tuple(rollout.completion_ids) for rollout in flat(groups)}) == 16


def test_a_group_depends_on_its_seed_and_not_on_its_neighbours(untrained):
    """In float32; but for a draw that hangs on rounding."""
    engine, prompts, sampling = engine_of(untrained), prompts_of(untrained, QUESTIONS[:24]), Sampling(max_tokens=40)
    seeds = [100 + index for index in range(len(prompts))]
    together = engine.generate(GenerationRequest(prompts, 4, sampling, seeds))
    alone = [
        engine.generate(GenerationRequest([prompt], 4, sampling, [seed]))[0] for prompt, seed in zip(prompts, seeds, strict=True)
    ]
    backwards = engine.generate(GenerationRequest(prompts[::-1], 4, sampling, seeds[::-1]))[::-1]
    for others in (alone, backwards):
        same = [one.completion_ids == other.completion_ids for one, other in zip(flat(together), flat(others), strict=True)]
        print(f"{sum(same)} of {len(same)} rollouts the same")
        assert sum(same) >= 0.95 * len(same)


def test_logprobs_follow_the_learner(untrained):
    engine, sampling = engine_of(untrained), Sampling(max_tokens=20)
    prompts = prompts_of(untrained, QUESTIONS[:8])
    seeds = list(range(8))
    request = GenerationRequest(prompts, 4, sampling, seeds)
    before = engine.generate(request)
    moved(untrained, 0.1)
    assert engine.generate(request) == before, "the engine has not been told yet"
    stale = differences(untrained, flat(before), sampling)
    assert stale.mean() > 0.05, "the weights have not moved enough to tell"
    for version in (1, 2, 3):
        sync(engine, untrained, version)
        after = flat(engine.generate(request))
        assert {rollout.weights_version for rollout in after} == {version}
        assert differences(untrained, after, sampling).max() < 1e-4
        moved(untrained, 0.03)
        assert differences(untrained, after, sampling).max() > 1e-2


def test_an_adapter_is_multiplied_out(untrained):
    adapter = add_adapter(untrained.model, LoRA(rank=4), 0, "somebody/base")
    policy = Policy(untrained.model, untrained.tokenizer, adapter=adapter)
    engine, sampling = engine_of(policy), Sampling(max_tokens=20)
    prompts = prompts_of(policy, QUESTIONS[:8])
    for name, weight in policy.model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.constant_(weight, 0.05)
    request = GenerationRequest(prompts, 2, sampling, list(range(8)))
    assert differences(policy, flat(engine.generate(request)), sampling).max() > 1e-2
    sync(engine, policy)
    assert differences(policy, flat(engine.generate(request)), sampling).max() < 1e-4


def test_rollouts_that_wait_or_start_again_are_the_same(shipped, monkeypatch):
    """Prompts too many for one prefill, and a cache that has room for a few rollouts, which lose their place to others."""
    prompts = [shipped.prompt_ids(question + "0" * (110 - len(question))) for question in QUESTIONS[:20]]
    sampling, seeds = Sampling(max_tokens=60), list(range(20))
    assert 3 * sum(map(len, prompts)) > 4096
    request = GenerationRequest(prompts, 3, sampling, seeds)
    usual = engine_of(shipped).generate(request)
    assert differences(shipped, flat(usual), sampling).max() < 1e-4
    monkeypatch.setattr("outgrow.engines.vllm._CPU_CACHE", 2**22)
    ENGINES["narrow"] = narrow = VLLMEngine(max_sequences=64)
    sync(narrow, shipped)
    cut = narrow.generate(request)
    assert [r.completion_ids for r in flat(cut)] == [r.completion_ids for r in flat(usual)]
    assert differences(shipped, flat(cut), sampling).max() < 1e-4


@pytest.mark.parametrize("max_tokens", [1, 60])
def test_finished_means_the_model_ended_it(engine, shipped, max_tokens):
    prompts = prompts_of(shipped, QUESTIONS[::2])
    rollouts = flat(engine.generate(GenerationRequest(prompts, 2, Sampling(max_tokens=max_tokens), list(range(len(prompts))))))
    for rollout in rollouts:
        ids = rollout.completion_ids
        assert rollout.finished == (ids[-1] == shipped.end_id)
        assert shipped.end_id not in ids[:-1]
        assert len(rollout.logprobs) == len(ids)
        assert len(ids) <= max_tokens if rollout.finished else len(ids) == max_tokens
        assert rollout.text == shipped.tokenizer.decode(ids, skip_special_tokens=True)
    if max_tokens > 1:
        assert {rollout.finished for rollout in rollouts} == {True, False}, "not both kinds came up"


def test_a_prompt_without_room_is_told(engine, shipped):
    prompt = shipped.prompt_ids("9" * 40)
    room = shipped.context - len(prompt)
    engine.generate(GenerationRequest([prompt], 1, Sampling(temperature=0.0, max_tokens=room), [0]))
    with pytest.raises(UsageError, match=rf"prompt of {len(prompt)} tokens in .* context .{shipped.context} tokens"):
        engine.generate(GenerationRequest([shipped.prompt_ids("1"), prompt], 1, Sampling(max_tokens=room + 1), [0, 1]))


def test_every_end_token_of_the_model_ends_a_completion(untrained):
    seven = untrained.tokenizer.convert_tokens_to_ids("7")
    untrained.model.generation_config.eos_token_id = [untrained.end_id, seven]
    ENGINES["ends"] = engine = VLLMEngine(max_sequences=64)
    sync(engine, untrained)
    rollouts = flat(
        engine.generate(GenerationRequest(prompts_of(untrained, QUESTIONS[:8]), 8, Sampling(max_tokens=40), list(range(8))))
    )
    for rollout in rollouts:
        ids = rollout.completion_ids
        assert not {untrained.end_id, seven} & set(ids[:-1])
        assert rollout.finished == (ids[-1] in (untrained.end_id, seven))
    assert {r.completion_ids[-1] for r in rollouts if r.finished} == {untrained.end_id, seven}


class Stop(Exception):
    pass


def test_what_poll_raises_ends_the_generation(engine, shipped):
    calls = 0

    def check_stop():
        nonlocal calls
        calls += 1
        if calls == 5:
            raise Stop

    prompts, sampling = prompts_of(shipped, QUESTIONS[:3]), Sampling(max_tokens=30)
    request = GenerationRequest(prompts, 2, sampling, [1, 2, 3])
    usual = engine.generate(request)
    with pytest.raises(Stop):
        engine.generate(request, check_stop)
    assert calls == 5
    assert engine.generate(request) == usual


def test_poll_is_asked_at_every_step(engine, shipped):
    calls = []
    [[rollout]] = engine.generate(
        GenerationRequest([shipped.prompt_ids("1")], 1, Sampling(temperature=0.0, max_tokens=25), [0]), lambda: calls.append(1)
    )
    assert len(calls) == len(rollout.completion_ids)


def test_it_sleeps_while_the_learner_works(engine, shipped, monkeypatch):
    """The order of the calls: on a CPU vLLM keeps the books of what sleeps, without moving anything."""
    prompts, sampling = prompts_of(shipped, QUESTIONS[:4]), Sampling(max_tokens=12)
    request = GenerationRequest(prompts, 2, sampling, [1, 2, 3, 4])
    usual = engine.generate(request)
    executor = engine._llm.llm_engine.model_executor
    monkeypatch.setattr(engine._llm.model_config, "enable_sleep_mode", True)
    for _ in range(2):
        assert engine.generate(request) == usual
        engine.sleep()
        assert executor.sleeping_tags == {"weights", "kv_cache"}
    for _ in range(2):
        sync(engine, shipped)
        assert executor.sleeping_tags == {"kv_cache"}
    monkeypatch.setattr(engine._llm.model_config, "enable_sleep_mode", False)
    assert engine.generate(request) == usual
    assert not executor.sleeping_tags


def test_a_start_without_memory_is_told_in_one_line(untrained, monkeypatch):
    monkeypatch.setattr("outgrow.engines.vllm._CPU_CACHE", 10**15)
    with pytest.raises(OutgrowError, match="vLLM did not start: Available memory") as told:
        sync(VLLMEngine(), untrained)
    assert "\n" not in str(told.value)
