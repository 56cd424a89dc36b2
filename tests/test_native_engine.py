"""The native engine against transformers: the same greedy text, the same log-probabilities, and draws that match them."""

import copy
import sys

import pytest
import torch
from scipy import stats
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from outgrow.core.errors import UsageError
from outgrow.engines import GenerationRequest, NativeEngine, VLLMEngine, sync
from outgrow.engines.native.batch import Batch
from outgrow.engines.native.decoder import LlamaDecoder
from outgrow.engines.native.layouts import EXACT
from outgrow.policy import Policy, Sampling
from outgrow.policy.logprobs import completion_logprobs
from outgrow.policy.micro import make_tokenizer
from outgrow.problems.micro import Micro

QUESTIONS = [problem.question for problem in Micro(split="test", per_level=1).load()]


def engine_of(policy, **kwargs):
    engine = NativeEngine(**kwargs)
    sync(engine, policy)
    return engine


def prompts_of(policy, questions=QUESTIONS):
    return [policy.prompt_ids(question) for question in questions]


def flat(groups):
    return [rollout for group in groups for rollout in group]


@torch.no_grad()
def next_logits(policy, prompt, completion):
    """Logits at every place of one completion, by transformers' plain forward pass, alone and unpadded."""
    ids = torch.tensor([[*prompt, *completion]])
    return policy.model(input_ids=ids, use_cache=False).logits[0, len(prompt) - 1 : -1]


def plain_distribution(policy, prompt, completion, sampling):
    """Log-probabilities (tokens, V) that transformers' own logits processors leave."""
    scores = TemperatureLogitsWarper(sampling.temperature)(None, next_logits(policy, prompt, completion))
    if sampling.top_k:
        scores = TopKLogitsWarper(sampling.top_k)(None, scores)
    if sampling.top_p < 1:
        scores = TopPLogitsWarper(sampling.top_p)(None, scores)
    return scores.log_softmax(-1)


def plain_logprobs(policy, rollout, sampling):
    logprobs = plain_distribution(policy, rollout.prompt_ids, rollout.completion_ids, sampling)
    return logprobs.gather(-1, torch.tensor(rollout.completion_ids)[:, None]).squeeze(-1).tolist()


@torch.no_grad()
def generate_greedily(policy, prompts, max_tokens):
    """Completions by transformers' own generate(), in one left-padded batch."""
    width = max(map(len, prompts))
    tokens = torch.tensor([[policy.pad_id] * (width - len(prompt)) + prompt for prompt in prompts])
    mask = torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts])
    written = policy.model.generate(
        input_ids=tokens, attention_mask=mask, do_sample=False, max_new_tokens=max_tokens, eos_token_id=policy.end_id,
        pad_token_id=policy.pad_id,
    )  # fmt: skip
    rows = written[:, width:].tolist()
    return [row[: row.index(policy.end_id) + 1] if policy.end_id in row else row for row in rows]


def assert_same_greedy(policy, prompt, ours, theirs):
    """Token for token, but for a tie: two tokens whose logits differ by no more than rounding."""
    if ours == theirs:
        return
    place = next(i for i, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b)
    logits = next_logits(policy, prompt, ours[: place + 1])[-1]
    assert abs(logits[ours[place]] - logits[theirs[place]]) < 1e-4, (
        f"{policy.spec().text(ours)!r} is not {policy.spec().text(theirs)!r}"
    )


@pytest.mark.parametrize("name", ["shipped", "untrained"])
def test_greedy_is_transformers_generate(request, name):
    policy = request.getfixturevalue(name)
    prompts = prompts_of(policy, QUESTIONS[::2])
    assert len(set(map(len, prompts))) > 5, "prompts of many lengths in one batch"
    greedy = Sampling(temperature=0.0, max_tokens=40)
    groups = engine_of(policy).generate(GenerationRequest(prompts, 1, greedy, list(range(len(prompts)))))
    for prompt, [rollout], theirs in zip(prompts, groups, generate_greedily(policy, prompts, 40), strict=True):
        assert rollout.prompt_ids == prompt
        assert_same_greedy(policy, prompt, rollout.completion_ids, theirs)


TINY = {
    "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
    "max_position_embeddings": 64, "initializer_range": 0.3,
}  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"num_key_value_heads": 4},
        {"num_key_value_heads": 1},
        {"num_attention_heads": 6, "hidden_size": 48},
        {"head_dim": 16},
        {"tie_word_embeddings": False},
        {"rms_norm_eps": 1e-2},
        {"rope_parameters": {"rope_type": "default", "rope_theta": 50.0}},
        {"hidden_act": "gelu"},
        {"attention_bias": True},
        {"mlp_bias": True},
        {"rope_parameters": {"rope_type": "linear", "rope_theta": 10000.0, "factor": 4.0}},
    ],
    ids=str,
)
def test_any_llama_is_decoded_right_or_refused(change):
    tokenizer = make_tokenizer()
    with torch.random.fork_rng():
        torch.manual_seed(1)
        policy = Policy(LlamaForCausalLM(LlamaConfig(**{**TINY, "vocab_size": len(tokenizer), **change})).eval(), tokenizer)
        for name, weight in policy.model.named_parameters():
            if name.endswith("bias"):
                torch.nn.init.normal_(weight, std=0.3)
    try:
        engine = engine_of(policy)
    except UsageError:
        return
    prompts = prompts_of(policy, ["1+2=?", "binary 101=?"])
    for rollout in flat(engine.generate(GenerationRequest(prompts, 2, Sampling(max_tokens=12), [1, 2]))):
        assert rollout.logprobs == pytest.approx(plain_logprobs(policy, rollout, Sampling()), abs=1e-4)


FAMILIES = {
    "llama": (LlamaForCausalLM, LlamaConfig), "qwen2": (Qwen2ForCausalLM, Qwen2Config), "qwen3": (Qwen3ForCausalLM, Qwen3Config),
}  # fmt: skip


def tiny(family, change):
    """A model of random weights, with biases and norms of heads that matter."""
    model_class, config_class = FAMILIES[family]
    tokenizer = make_tokenizer()
    with torch.random.fork_rng():
        torch.manual_seed(1)
        policy = Policy(model_class(config_class(**{**TINY, "vocab_size": len(tokenizer), **change})).eval(), tokenizer)
        for name, weight in policy.model.named_parameters():
            if name.endswith(("bias", "_norm.weight")):
                torch.nn.init.normal_(weight, mean=0.5 * name.endswith("weight"), std=0.5)
    return policy


@pytest.mark.parametrize("family", ["qwen2", "qwen3"])
@pytest.mark.parametrize("change", [{}, {"tie_word_embeddings": True}, {"num_key_value_heads": 4, "head_dim": 16}], ids=str)
def test_a_qwen_is_decoded_as_transformers_does(family, change):
    """Greedy, token for token."""
    policy = tiny(family, change)
    prompts = prompts_of(policy, ["1+2=?", "binary 101=?"])
    for prompt, (rollout,) in zip(
        prompts,
        engine_of(policy).generate(GenerationRequest(prompts, 1, Sampling(temperature=0.0, max_tokens=24), [1, 2])),
        strict=True,
    ):
        theirs = policy.model.generate(
            torch.tensor([prompt]), max_new_tokens=24, do_sample=False, eos_token_id=policy.end_id, pad_token_id=policy.pad_id
        )
        assert rollout.completion_ids == theirs[0, len(prompt) :].tolist()
    for rollout in flat(engine_of(policy).generate(GenerationRequest(prompts, 2, Sampling(max_tokens=12), [1, 2]))):
        assert rollout.logprobs == pytest.approx(plain_logprobs(policy, rollout, Sampling()), abs=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("kv_heads", [1, 2, 4])
def test_bfloat16_is_decoded_to_its_rounding(family, kv_heads):
    """Against transformers in float32 with the same rounded weights, beside what transformers in bfloat16 is off by itself."""
    policy = tiny(family, {"num_key_value_heads": kv_heads, "initializer_range": 0.1})
    policy.model.bfloat16()
    prompts = prompts_of(policy, ["1+2=?", "binary 101=?", "clock 12: 3+11=?"])
    rollouts = flat(engine_of(policy).generate(GenerationRequest(prompts, 8, Sampling(max_tokens=24), [1, 2, 3])))
    theirs = [plain_logprobs(policy, rollout, Sampling()) for rollout in rollouts]
    policy.model.float()
    exact = torch.tensor([p for rollout in rollouts for p in plain_logprobs(policy, rollout, Sampling())])
    ours_off, theirs_off = (
        (torch.tensor([p for row in rows for p in row]) - exact).abs().mean() for rows in ([r.logprobs for r in rollouts], theirs)
    )
    assert 1e-5 < ours_off < 1.5 * theirs_off


@pytest.mark.parametrize(("dtype", "error"), [(torch.float32, 2e-6), (torch.bfloat16, 1e-2)], ids=str)
@pytest.mark.parametrize("shape", [(105, 128), (1536, 576), (576, 1536)], ids=str)
@pytest.mark.parametrize("layout", EXACT.values(), ids=EXACT)
def test_a_matrix_multiplies_any_number_of_rows(layout, shape, dtype, error):
    """Its blocks are laid out once, for one number of rows."""
    if not layout.fits(torch.empty(shape, dtype=dtype)):
        pytest.skip("this machine does not have the layout")
    generator = torch.Generator().manual_seed(0)
    weight, bias = torch.randn(shape, generator=generator).to(dtype), torch.randn(shape[0], generator=generator).to(dtype)
    plain, biased = layout(weight), layout(weight, bias)
    exact = weight.double()
    weight.zero_()  # it is a copy that multiplies
    for rows in (1, 2, 7, 63, 64, 65, 200, 512):
        x = torch.randn(rows, 1, shape[1], generator=generator).to(dtype)
        wanted = x.double() @ exact.T
        for found, expected in ((plain(x), wanted), (biased(x), wanted + bias.double())):
            assert (found.double() - expected).norm() < error * expected.norm()


def test_qwen2_with_a_sliding_window_is_refused():
    config = Qwen2Config(vocab_size=105, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, use_sliding_window=True)
    with pytest.raises(UsageError, match=r"use_sliding_window.*engine\.type=transformers"):
        sync(NativeEngine(), Policy(Qwen2ForCausalLM(config), make_tokenizer()))


def test_what_is_no_llama_is_refused_in_one_line():
    model = GPT2LMHeadModel(GPT2Config(vocab_size=105, n_embd=16, n_layer=1, n_head=2))
    with pytest.raises(UsageError, match=r"gpt2.*engine\.type=transformers"):
        sync(NativeEngine(), Policy(model, make_tokenizer()))


SAMPLINGS = [
    Sampling(temperature=1.0, max_tokens=24),
    Sampling(temperature=0.6, max_tokens=24),
    Sampling(temperature=1.0, top_p=0.9, max_tokens=24),
    Sampling(temperature=1.0, top_k=5, max_tokens=24),
    Sampling(temperature=0.6, top_k=20, top_p=0.95, max_tokens=24),
]


@pytest.mark.parametrize("name", ["shipped", "untrained"])
@pytest.mark.parametrize("sampling", SAMPLINGS, ids=lambda s: f"T{s.temperature}-p{s.top_p}-k{s.top_k}")
def test_sampled_logprobs_are_the_learners_and_transformers(request, name, sampling):
    policy = request.getfixturevalue(name)
    prompts = prompts_of(policy, QUESTIONS[::8])
    rollouts = flat(engine_of(policy).generate(GenerationRequest(prompts, 3, sampling, list(range(len(prompts))))))
    with torch.no_grad():
        learner, _, mask = completion_logprobs(
            policy, [r.prompt_ids for r in rollouts], [r.completion_ids for r in rollouts], sampling
        )
    for row, rollout in enumerate(rollouts):
        length = len(rollout.completion_ids)
        assert len(rollout.logprobs) == length == mask[row].sum()
        assert rollout.logprobs == pytest.approx(learner[row, :length].tolist(), abs=1e-4)
        assert rollout.logprobs == pytest.approx(plain_logprobs(policy, rollout, sampling), abs=1e-4)


def chi_square(drawn, probabilities):
    """p-value of counts against probabilities; rare tokens are put together."""
    counts = torch.tensor(drawn).bincount(minlength=len(probabilities))
    assert counts[probabilities == 0].sum() == 0
    expected = probabilities.double() / probabilities.double().sum() * len(drawn)
    often = expected >= 5
    observed, wanted = counts[often].tolist(), expected[often].tolist()
    if expected[~often].sum() > 0:
        observed.append(counts[~often].sum().item())
        wanted.append(expected[~often].sum().item())
    assert len(observed) >= 4, "too few tokens to tell anything"
    return stats.chisquare(observed, wanted, sum_check=False).pvalue


@pytest.mark.parametrize(
    "sampling", [Sampling(max_tokens=2), Sampling(temperature=0.6, top_p=0.8, max_tokens=2)], ids=["plain", "cut"]
)
def test_draws_match_the_softmax(untrained, sampling):
    """The first token, and the second after the commonest first: draws of one step must not depend on those of another."""
    prompt = untrained.prompt_ids("3+4=?")
    [rollouts] = engine_of(untrained, max_sequences=8000).generate(GenerationRequest([prompt], 4000, sampling, [5]))

    def probabilities(ids):
        return plain_distribution(untrained, prompt, [*ids, 0], sampling)[-1].exp()

    firsts = [rollout.completion_ids[0] for rollout in rollouts]
    assert chi_square(firsts, probabilities([])) > 1e-3
    common = max(set(firsts) - {untrained.end_id}, key=firsts.count)
    seconds = [rollout.completion_ids[1] for rollout in rollouts if rollout.completion_ids[0] == common]
    assert chi_square(seconds, probabilities([common])) > 1e-3


def assert_same_rollouts(ours, theirs):
    for one, other in zip(flat(ours), flat(theirs), strict=True):
        assert one.prompt_ids == other.prompt_ids
        assert one.completion_ids == other.completion_ids
        assert one.logprobs == pytest.approx(other.logprobs, abs=1e-4)
        assert (one.finished, one.text) == (other.finished, other.text)


def test_a_group_depends_on_its_seed_and_not_on_its_neighbours(untrained):
    engine, sampling = engine_of(untrained), Sampling(max_tokens=16)
    prompts = prompts_of(untrained, QUESTIONS[:24:5])
    seeds = [100 + index for index in range(len(prompts))]
    together = engine.generate(GenerationRequest(prompts, 4, sampling, seeds))
    assert_same_rollouts(
        together, [engine.generate(GenerationRequest([p], 4, sampling, [s]))[0] for p, s in zip(prompts, seeds, strict=True)]
    )
    assert_same_rollouts(together[::-1], engine.generate(GenerationRequest(prompts[::-1], 4, sampling, seeds[::-1])))
    others = engine.generate(GenerationRequest(prompts, 4, sampling, [seed + 1 for seed in seeds]))
    assert all(
        [r.completion_ids for r in one] != [r.completion_ids for r in other] for one, other in zip(together, others, strict=True)
    )
    for group in together:
        assert len({tuple(rollout.completion_ids) for rollout in group}) > 1, "the rollouts of a group are all the same"


def test_a_finished_rows_place_goes_to_the_next_group(untrained, monkeypatch):
    """Rows of very different lengths through few places: no step works on a finished row, and most places are taken."""
    steps, step = [], LlamaDecoder.step
    monkeypatch.setattr(LlamaDecoder, "step", lambda self, tokens, *rest: (steps.append(len(tokens)), step(self, tokens, *rest))[1])
    prompts, sampling = prompts_of(untrained, QUESTIONS[:40]), Sampling(max_tokens=40)
    rollouts = flat(engine_of(untrained, max_sequences=8).generate(GenerationRequest(prompts, 2, sampling, list(range(40)))))
    lengths = [len(rollout.completion_ids) for rollout in rollouts]
    assert max(lengths) > 3 * min(lengths), "rows of one length show nothing"
    assert sum(steps) == sum(length - 1 for length in lengths)
    assert sum(steps[: len(steps) // 2]) > 0.8 * 8 * (len(steps) // 2)


def test_splitting_by_max_sequences_changes_nothing(untrained):
    prompts, sampling = prompts_of(untrained, QUESTIONS[::8]), Sampling(max_tokens=12)
    seeds = list(range(len(prompts)))
    request = GenerationRequest(prompts, 4, sampling, seeds)
    usual = engine_of(untrained).generate(request)
    for max_sequences in (1, 4, 9):
        assert_same_rollouts(engine_of(untrained, max_sequences=max_sequences).generate(request), usual)


@pytest.mark.parametrize("max_tokens", [1, 60])
def test_finished_means_the_model_ended_it(untrained, max_tokens):
    prompts = prompts_of(untrained, QUESTIONS[:8])
    rollouts = flat(
        engine_of(untrained).generate(
            GenerationRequest(prompts, 40 // max_tokens + 8, Sampling(max_tokens=max_tokens), list(range(8)))
        )
    )
    for rollout in rollouts:
        ids = rollout.completion_ids
        assert rollout.finished == (ids[-1] == untrained.end_id)
        assert untrained.end_id not in ids[:-1]
        assert len(ids) <= max_tokens if rollout.finished else len(ids) == max_tokens
        assert rollout.text == untrained.tokenizer.decode(ids, skip_special_tokens=True)
    assert {rollout.finished for rollout in rollouts} == {True, False}, "not both kinds came up"


def test_a_prompt_without_room_is_told(untrained):
    prompt = untrained.prompt_ids("9" * 40)
    room = untrained.context - len(prompt)
    engine = engine_of(untrained)
    [[rollout]] = engine.generate(GenerationRequest([prompt], 1, Sampling(temperature=0.0, max_tokens=room), [0]))
    assert_same_greedy(untrained, prompt, rollout.completion_ids, generate_greedily(untrained, [prompt], room)[0])
    with pytest.raises(UsageError, match=rf"prompt of {len(prompt)} tokens in .* context .{untrained.context} tokens"):
        engine.generate(GenerationRequest([untrained.prompt_ids("1"), prompt], 1, Sampling(max_tokens=room + 1), [0, 1]))


def test_an_engine_that_slept_goes_on_after_an_update(untrained):
    engine, sampling = engine_of(untrained), Sampling(max_tokens=8)
    prompts = prompts_of(untrained, QUESTIONS[:3])
    request = GenerationRequest(prompts, 2, sampling, [1, 2, 3])
    before = engine.generate(request)
    engine.sleep()
    with pytest.raises(AssertionError, match="load_weights"):
        engine.generate(request)
    sync(engine, untrained)
    assert engine.generate(request) == before


class Stop(Exception):
    pass


def test_what_poll_raises_ends_the_generation(untrained):
    engine, calls = engine_of(untrained), 0

    def check_stop():
        nonlocal calls
        calls += 1
        if calls == 5:
            raise Stop

    prompts, sampling = prompts_of(untrained, QUESTIONS[:3]), Sampling(max_tokens=30)
    request = GenerationRequest(prompts, 2, sampling, [1, 2, 3])
    with pytest.raises(Stop):
        engine.generate(request, check_stop)
    assert calls == 5
    again = engine.generate(request)
    assert_same_rollouts(again, engine_of(untrained).generate(request))


def test_poll_is_asked_at_every_token(untrained):
    calls = []
    [[rollout]] = engine_of(untrained).generate(
        GenerationRequest([untrained.prompt_ids("1")], 1, Sampling(temperature=0.0, max_tokens=25), [0]), lambda: calls.append(1)
    )
    assert len(calls) == len(rollout.completion_ids)


def test_update_takes_a_snapshot(untrained):
    engine, sampling = engine_of(untrained), Sampling(max_tokens=20)
    prompts = prompts_of(untrained, QUESTIONS[:4])
    request = GenerationRequest(prompts, 2, sampling, [1, 2, 3, 4])
    before = engine.generate(request)
    assert [r.logprobs for r in flat(engine.generate(request))] == [r.logprobs for r in flat(before)]
    unmoved = copy.deepcopy(untrained.model.state_dict())
    with torch.no_grad():
        for weight in untrained.model.parameters():
            weight.add_(0.1 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(0)))
    assert engine.generate(request) == before
    sync(engine, untrained)
    moved = engine.generate(request)
    assert moved != before
    assert moved[0][0].logprobs == pytest.approx(plain_logprobs(untrained, moved[0][0], sampling), abs=1e-4)
    untrained.model.load_state_dict(unmoved)
    sync(engine, untrained)
    assert engine.generate(request) == before


def test_vllm_that_is_not_installed_is_told_in_one_line(monkeypatch):
    """What the engine does where it is installed: tests_vllm, in an environment of its own."""
    monkeypatch.setitem(sys.modules, "vllm", None)
    with pytest.raises(UsageError, match="pip install vllm") as told:
        VLLMEngine()
    assert "\n" not in str(told.value)


class Reads(TorchDispatchMode):
    """Counts how often numbers are read out of tensors, for which a GPU must finish its work."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.count += func in (torch.ops.aten._local_scalar_dense.default, torch.ops.aten.nonzero.default)
        return func(*args, **(kwargs or {}))


def written_with_looks(policy, monkeypatch, every):
    """Rollouts of a batch that is refilled, the reads of its tensors, and the tokens of every row that it wrote one by one."""
    engine, reads, steps = engine_of(policy, max_sequences=12), Reads(), []
    start, listed, advance = Batch.__init__, torch.Tensor.tolist, Batch.advance

    def looking(self, *args):
        start(self, *args)
        self.look_every = every

    def counted(tensor):
        reads.count += tensor.dim() == 2 and len(tensor) == 4  # the numbers of a look; prompts and results are no matter of steps
        return listed(tensor)

    def stepped(self):
        steps.append(1)
        advance(self)

    monkeypatch.setattr(Batch, "__init__", looking)
    monkeypatch.setattr(Batch, "advance", stepped)
    monkeypatch.setattr(torch.Tensor, "tolist", counted)
    prompts = prompts_of(policy, QUESTIONS[:9])
    request = GenerationRequest(prompts, 4, Sampling(max_tokens=40), list(range(9)))
    with reads:
        groups = engine.generate(request)
    return groups, reads.count, len(steps)


def test_a_gpu_is_not_waited_for_in_every_token(shipped, monkeypatch):
    """Looks at 16 tokens at a time write what looks at every token write, and read numbers once in 16 tokens."""
    with monkeypatch.context() as patched:
        wanted, reads, steps = written_with_looks(shipped, patched, 1)
        assert reads == steps
    with monkeypatch.context() as patched:
        groups, reads, steps = written_with_looks(shipped, patched, 16)
    ours, theirs = flat(groups), flat(wanted)
    assert [row.completion_ids for row in ours] == [row.completion_ids for row in theirs]
    for our, their in zip(ours, theirs, strict=True):
        assert our.logprobs == pytest.approx(their.logprobs, abs=1e-5)
    assert {row.finished for row in ours} == {True, False}
    assert reads <= steps / 16 + 9  # and at a row's last token; 9 groups came in
