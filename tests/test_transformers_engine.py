"""The engine that decodes with transformers' own classes, and the learner, on families that the native engine does not decode."""

import dataclasses
import shlex

import pytest
import torch
from transformers import (
    BioGptConfig,
    BioGptForCausalLM,
    BloomConfig,
    BloomForCausalLM,
    CohereConfig,
    CohereForCausalLM,
    Gemma2Config,
    Gemma2ForCausalLM,
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    Glm4MoeConfig,
    Glm4MoeForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    MambaConfig,
    MambaForCausalLM,
    MiniMaxConfig,
    MiniMaxForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    Phi3Config,
    Phi3ForCausalLM,
    PhiConfig,
    PhiForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
    RecurrentGemmaConfig,
    RecurrentGemmaForCausalLM,
    RwkvConfig,
    RwkvForCausalLM,
)

from helpers.runs import SMALL, Silent
from outgrow.config import load_recipe
from outgrow.core.callbacks import Written
from outgrow.core.errors import UsageError
from outgrow.core.json_lines import read_lines
from outgrow.engines import (
    GenerationRequest,
    LocalModel,
    NativeEngine,
    NativeEngineConfig,
    TransformersEngine,
    TransformersEngineConfig,
    engine_for,
    sync,
)
from outgrow.policy import Policy, Sampling, load_policy, packed_forward
from outgrow.policy.learnable import require_learnable
from outgrow.policy.logprobs import completion_logprobs
from outgrow.policy.lora import add_adapter, require_targets
from outgrow.policy.lora_settings import LoRA
from outgrow.policy.micro import make_tokenizer
from outgrow.runs.models import base_policy
from outgrow.runs.session import open_chat_model
from outgrow.train.loop import resume, train

SIZES = {
    "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 2,
    "head_dim": 8, "max_position_embeddings": 96,
}  # fmt: skip
WINDOW = 5
LAYERS = ["sliding_attention", "full_attention", "sliding_attention"]
FAMILIES = {
    "gemma3": (
        Gemma3ForCausalLM,
        Gemma3TextConfig,
        {**SIZES, "sliding_window": WINDOW, "layer_types": LAYERS, "query_pre_attn_scalar": 24},
    ),
    "qwen3": (Qwen3ForCausalLM, Qwen3Config, SIZES),
    "phi3": (Phi3ForCausalLM, Phi3Config, {**SIZES, "num_hidden_layers": 2, "sliding_window": WINDOW}),
    "mistral": (MistralForCausalLM, MistralConfig, {**SIZES, "sliding_window": WINDOW}),
    "qwen2": (
        Qwen2ForCausalLM,
        Qwen2Config,
        {**SIZES, "use_sliding_window": True, "sliding_window": WINDOW, "layer_types": LAYERS},
    ),
    "gpt2": (GPT2LMHeadModel, GPT2Config, {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 96}),
}


def tiny(family, **changes):
    """A model of random weights whose next tokens depend on what stands before: weights are larger than transformers' own."""
    tokenizer = make_tokenizer()
    model, config, sizes = FAMILIES[family]
    special = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
    with torch.random.fork_rng():
        torch.manual_seed(3)
        policy = Policy(model(config(vocab_size=len(tokenizer), **special, **{**sizes, **changes})).eval(), tokenizer)
        for weight in policy.model.parameters():
            torch.nn.init.normal_(weight, std=0.3)
    return policy


@pytest.fixture(scope="module", params=FAMILIES)
def policy(request):
    return tiny(request.param)


def engine_of(policy, engine=TransformersEngine, **settings):
    made = engine(**settings)
    sync(made, policy)
    return made


def prompts(*lengths):
    generator = torch.Generator().manual_seed(11)
    return [torch.randint(9, 100, (length,), generator=generator).tolist() for length in lengths]


def flat(groups):
    return [rollout for group in groups for rollout in group]


@torch.no_grad()
def plain_logprobs(policy, prompt, completion, sampling):
    """Log-probabilities (T,) by one forward pass of the row, without padding or cache; nats."""
    logits = policy.model(torch.tensor([[*prompt, *completion]]), use_cache=False).logits[0].float()
    scaled = logits[len(prompt) - 1 : -1] / (sampling.temperature or 1)
    return scaled.log_softmax(-1)[range(len(completion)), completion]


def test_greedy_tokens_are_those_of_the_models_own_generate(policy):
    """Prompts of several lengths in one batch, shorter and longer than the window."""
    given = prompts(3, 17, 9, 1, 12)
    groups = engine_of(policy).generate(GenerationRequest(given, 2, Sampling(temperature=0, max_tokens=24), range(5)))
    for prompt, group in zip(given, groups, strict=True):
        tokens = torch.tensor([prompt])
        found = policy.model.generate(
            tokens, attention_mask=torch.ones_like(tokens), do_sample=False, max_new_tokens=24, eos_token_id=2, pad_token_id=0
        )
        expected = found[0, len(prompt) :].tolist()
        assert [rollout.completion_ids for rollout in group] == [expected, expected]


def test_logprobs_are_those_of_a_plain_forward_pass(policy):
    sampling = Sampling(temperature=1.3, max_tokens=20)
    written = flat(engine_of(policy).generate(GenerationRequest(prompts(4, 15, 8), 4, sampling, [1, 2, 3])))
    assert any(rollout.finished for rollout in written) or len({tuple(rollout.completion_ids) for rollout in written}) == 12
    for rollout in written:
        expected = plain_logprobs(policy, rollout.prompt_ids, rollout.completion_ids, sampling)
        assert rollout.logprobs == pytest.approx(expected.tolist(), abs=1e-4)


def test_a_group_does_not_depend_on_the_groups_around_it(policy):
    """Rounding apart: the same seeds draw the same, also where fewer rows are decoded at the same time."""
    given, sampling = prompts(4, 15, 8), Sampling(max_tokens=16)
    together = engine_of(policy).generate(GenerationRequest(given, 4, sampling, [1, 2, 3]))
    few = engine_of(policy, max_sequences=5).generate(GenerationRequest(given, 4, sampling, [1, 2, 3]))
    for index, prompt in enumerate(given):
        [only] = engine_of(policy).generate(GenerationRequest([prompt], 4, sampling, [index + 1]))
        for group in (few[index], only):
            assert [rollout.completion_ids for rollout in group] == [rollout.completion_ids for rollout in together[index]]


def test_rows_that_ended_leave_and_the_others_write_on(shipped):
    """A trained model, whose answers end at many different tokens."""
    given = [shipped.prompt_ids(question) for question in ("12+7=?", "reverse abc", "123+456=?", "1+1=?")]
    request = GenerationRequest(given, 6, Sampling(max_tokens=60), [5, 6, 7, 8])
    ours, native = (flat(engine_of(shipped, engine).generate(request)) for engine in (TransformersEngine, NativeEngine))
    assert len({len(rollout.completion_ids) for rollout in ours}) > 3
    assert [rollout.completion_ids for rollout in ours] == [rollout.completion_ids for rollout in native]
    assert [rollout.finished for rollout in ours] == [rollout.finished for rollout in native]
    for mine, theirs in zip(ours, native, strict=True):
        assert mine.logprobs == pytest.approx(theirs.logprobs, abs=1e-4)


def test_what_is_written_so_far_is_told_and_a_stop_ends_it(shipped):
    class StopError(Exception):
        pass

    told, request = [], GenerationRequest([shipped.prompt_ids("12+7=?")] * 3, 4, Sampling(max_tokens=60), [1, 2, 3])
    engine = engine_of(shipped, max_sequences=4)
    written = flat(engine.generate(dataclasses.replace(request, on_written=told.append)))
    assert told[-1] == Written(12, sum(len(rollout.completion_ids) for rollout in written))
    assert told == sorted(told, key=lambda so_far: (so_far.tokens, so_far.answers))

    def stop():
        if len(told) > 20:
            raise StopError

    told.clear()
    with pytest.raises(StopError):
        engine.generate(dataclasses.replace(request, on_written=told.append), stop)
    assert len(told) == 21


@pytest.mark.parametrize("block", [256, 4])
def test_the_learners_logprobs_and_gradient_are_those_of_each_row(policy, block, monkeypatch):
    """Prompts and completions shorter and longer than the window, two of a shared prompt; 4: of several blocks each."""
    monkeypatch.setattr(packed_forward, "_BLOCK", block)
    first, second, third = prompts(3, 14, 9)
    rows = list(zip([second, first, second, third], prompts(11, 20, 1, 2), strict=True))
    model = policy.model
    ours, _, mask = completion_logprobs(policy, [prompt for prompt, _ in rows], [ids for _, ids in rows], Sampling())
    plain = []
    for prompt, ids in rows:
        logits = model(torch.tensor([[*prompt, *ids]]), use_cache=False).logits[0, len(prompt) - 1 : -1]
        plain.append(logits.log_softmax(-1)[range(len(ids)), ids])
    expected = torch.cat(plain)
    assert torch.allclose(ours[mask > 0], expected, atol=1e-4)
    weigh = torch.linspace(-1, 1, len(expected))
    gradients = [
        torch.autograd.grad((values * weigh).sum(), list(model.parameters()), allow_unused=True)
        for values in (ours[mask > 0], expected)
    ]
    for mine, theirs in zip(*gradients, strict=True):
        assert (mine is None) == (theirs is None)
        if mine is not None:
            assert torch.isfinite(mine).all()
            assert (mine - theirs).norm() <= 1e-4 * theirs.norm() + 1e-5


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("family", FAMILIES)
def test_these_families_learn(family, dtype):
    policy = tiny(family)
    policy.model.to(dtype).train()
    require_learnable(policy)
    assert policy.model.training


SHORT = [*SMALL, "learn.steps=2", "learn.updates_per_step=1", "run.checkpoint_every=1", "engine.type=transformers"]


def test_a_run_goes_on_to_the_same_bytes(tmp_path):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train(load_recipe("micro", SHORT), whole, Silent())
    train(load_recipe("micro", [*SHORT, "learn.steps=1"]), parts, Silent())
    resume(parts, ["learn.steps=2"], Silent())
    ours, theirs = (path / "checkpoints" / "step-000002" / "policy" / "model.safetensors" for path in (parts, whole))
    assert ours.read_bytes() == theirs.read_bytes()
    assert read_lines(parts / "metrics.jsonl") == read_lines(whole / "metrics.jsonl")
    assert all(row["train_infer_logprob_gap/max"] < 1e-4 for row in read_lines(whole / "metrics.jsonl"))


def saved(policy, folder):
    policy.save(folder)
    return str(folder)


def test_a_gemma_with_windows_trains_and_the_native_engine_names_the_other(tmp_path):
    model = saved(tiny("gemma3", max_position_embeddings=256), tmp_path / "gemma")
    settings = [*SHORT, f"policy.model={model}"]

    class Measuring(Silent):
        def phase(self, text):
            pytest.fail(text)

    with pytest.raises(UsageError, match=r"gemma3_text.*engine\.type=transformers"):
        train(load_recipe("micro", [*settings, "engine.type=native"]), tmp_path / "native", Measuring())
    assert not (tmp_path / "native").exists()
    train(load_recipe("micro", [*settings, "rewards=[{type='random'}]"]), tmp_path / "run", Silent())
    rows = read_lines(tmp_path / "run" / "metrics.jsonl")
    assert [row["step"] for row in rows] == [1, 2]
    assert all(row["train_infer_logprob_gap/max"] < 1e-3 for row in rows)


def scaled_output(monkeypatch):
    """A family whose logits are not the product of states and output layer, with no key of the config that says so."""
    policy, plain = tiny("qwen3"), Qwen3ForCausalLM.forward

    def forward(self, *args, **kwargs):
        output = plain(self, *args, **kwargs)
        output.logits = output.logits * 0.5
        return output

    monkeypatch.setattr(Qwen3ForCausalLM, "forward", forward)
    return policy


def test_a_family_that_the_learner_would_compute_wrongly_is_refused(monkeypatch):
    require_learnable(tiny("qwen3"))
    with pytest.raises(UsageError, match=r"base-1 does not fit the learner.* nats .*Qwen3ForCausalLM"):
        require_learnable(scaled_output(monkeypatch), "base-1")


REFUSED = {
    "final_logit_softcapping=30": ("gemma3", {"final_logit_softcapping": 30.0}),
    "softcap": (
        (Gemma2ForCausalLM, Gemma2Config),
        {**SIZES, "sliding_window": WINDOW, "attn_logit_softcapping": 20.0, "final_logit_softcapping": None},
    ),
    "logit_scale=0.25": ((CohereForCausalLM, CohereConfig), {**SIZES, "logit_scale": 0.25}),
    "layer 0 .*mamba": ((MambaForCausalLM, MambaConfig), {"hidden_size": 32, "num_hidden_layers": 2, "state_size": 4}),
    "attention interface, and 'bloom'": ((BloomForCausalLM, BloomConfig), {"hidden_size": 32, "n_layer": 2, "n_head": 4}),
    "output layer has a bias": ((PhiForCausalLM, PhiConfig), {key: SIZES[key] for key in SIZES if key != "head_dim"}),
}


@pytest.mark.parametrize("named", REFUSED)
def test_what_the_learner_does_not_compute_is_refused_by_name(named, monkeypatch):
    family, changes = REFUSED[named]
    if isinstance(family, tuple):
        monkeypatch.setitem(FAMILIES, "other", (*family, changes))
        family, changes = "other", {}
    with pytest.raises(UsageError, match=named):
        require_learnable(tiny(family, **changes))


def test_a_model_without_transformers_cache_is_refused():
    config = MambaConfig(vocab_size=105, hidden_size=32, num_hidden_layers=1, state_size=4)
    spec = dataclasses.replace(tiny("qwen3").spec(), config=config, architecture="MambaForCausalLM")
    with pytest.raises(UsageError, match=r"past_key_values.*MambaForCausalLM"):
        TransformersEngineConfig().require_model(spec)


def test_a_model_that_no_recipe_chose_an_engine_for_gets_one_that_decodes_it(tmp_path):
    for family, engine in (("gemma3", TransformersEngine), ("qwen3", NativeEngine)):
        model = open_chat_model(saved(tiny(family), tmp_path / family), None, pytest.fail)
        assert isinstance(model, LocalModel)
        assert type(model.engine) is engine
    few = NativeEngineConfig(max_sequences=3)
    assert engine_for(tiny("phi3").spec(), few) == TransformersEngineConfig(max_sequences=3)
    assert engine_for(tiny("qwen3").spec(), few) is few


def test_a_recipe_that_names_no_engine_leaves_the_choice_to_the_model(tmp_path):
    folders = {family: saved(tiny(family), tmp_path / family) for family in ("gemma3", "qwen3")}
    for keys in ([], ["engine.max_sequences=3"]):
        recipe = load_recipe("micro", keys)
        assert recipe.engine.type == "native"
        for family, engine in (("gemma3", TransformersEngine), ("qwen3", NativeEngine)):
            assert type(open_chat_model(folders[family], recipe, pytest.fail).engine) is engine
    named = load_recipe("micro", ["engine.type=transformers"])
    assert type(open_chat_model(folders["qwen3"], named, pytest.fail).engine) is TransformersEngine
    named = load_recipe("micro", ["engine.type=native"])
    with pytest.raises(UsageError, match=r"set engine\.type=transformers; the recipe 'micro' names this engine, so change") as told:
        open_chat_model(folders["gemma3"], named, pytest.fail)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("family", ["gemma3", "gpt2", "mistral", "qwen2"])
def test_a_folder_without_a_tokenizer_says_so(family, tmp_path):
    """transformers makes a tokenizer of special tokens only for some families, and for others says something else."""
    folder = tmp_path / "model"
    saved(tiny(family), folder)
    for file in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        (folder / file).unlink()
    with pytest.raises(UsageError, match=r"model: .*the folder has no tokenizer; put") as told:
        load_policy(str(folder))
    assert "\n" not in str(told.value)


def test_an_adapter_on_fused_layers_is_merged_and_other_names_are_refused():
    policy = tiny("phi3")
    with pytest.raises(UsageError, match=r"'q_proj'.*qkv_proj") as told:
        add_adapter(policy.model, LoRA(), 0, "phi")
    option, setting = str(told.value).rpartition("; for all but the output: ")[2].split(" ", 1)
    pasted = load_recipe("micro", shlex.split(setting)).policy.lora
    assert (option, pasted.targets) == ("--set", ("down_proj", "gate_up_proj", "o_proj", "qkv_proj"))
    require_targets(policy.model, pasted, "phi")
    with pytest.raises(UsageError, match=r"leave out policy\.lora"):
        add_adapter(tiny("gpt2").model, LoRA(), 0, "gpt2")
    policy.adapter = add_adapter(policy.model, LoRA(rank=4, targets=["qkv_proj", "gate_up_proj"]), 0, "phi")
    with torch.no_grad():
        for name, weight in policy.model.named_parameters():
            if "lora_B" in name:
                weight.normal_(std=0.1, generator=torch.Generator().manual_seed(0))
    written = flat(engine_of(policy).generate(GenerationRequest(prompts(4, 9), 3, Sampling(max_tokens=12), [1, 2])))
    ours, _, mask = completion_logprobs(
        policy, [rollout.prompt_ids for rollout in written], [rollout.completion_ids for rollout in written], Sampling()
    )
    expected = [value for rollout in written for value in rollout.logprobs]
    assert ours[mask > 0].detach().tolist() == pytest.approx(expected, abs=1e-4)
    without = tiny("phi3")
    assert plain_logprobs(without, written[0].prompt_ids, written[0].completion_ids, Sampling()).tolist() != pytest.approx(
        written[0].logprobs, abs=1e-2
    ), "the adapter did nothing"


def test_names_of_other_layers_are_refused_before_anything_is_made(tmp_path):
    model = saved(tiny("phi3", max_position_embeddings=256), tmp_path / "phi")
    recipe = load_recipe("micro", [*SHORT, f"policy.model={model}", "policy.lora={}"])
    with pytest.raises(UsageError, match="no linear layer named 'q_proj'"):
        base_policy(recipe)
    with pytest.raises(UsageError, match=r"--set 'policy\.lora\.targets="):
        train(recipe, tmp_path / "run", Silent())
    assert not (tmp_path / "run").exists()


def test_rows_end_where_rotations_would_change_for_all_of_them():
    """longrope: with a row over 12 tokens, transformers rotates every row of the batch by the long factors."""
    rope = {"rope_type": "longrope", "rope_theta": 1e4, "short_factor": [1.0] * 4, "long_factor": [1.5, 2.0, 3.0, 6.0]}
    policy = tiny("phi3", sliding_window=None, rope_parameters=rope, original_max_position_embeddings=12)
    assert policy.context == 12
    sampling = Sampling(max_tokens=3)
    with pytest.raises(UsageError, match="12 tokens"):
        engine_of(policy).generate(GenerationRequest(prompts(4, 10), 2, sampling, [1, 2]))
    for rollout in flat(engine_of(policy).generate(GenerationRequest(prompts(4, 9), 2, sampling, [1, 2]))):
        alone = plain_logprobs(policy, rollout.prompt_ids, rollout.completion_ids, sampling).tolist()
        assert rollout.logprobs == pytest.approx(alone, abs=1e-4)


def test_a_config_without_a_longest_text_is_one_line(tmp_path):
    config = {"hidden_size": 32, "n_layer": 2, "n_head": 4}
    bloom = BloomForCausalLM(BloomConfig(vocab_size=105, pad_token_id=0, bos_token_id=1, eos_token_id=2, **config))
    model = saved(Policy(bloom, make_tokenizer()), tmp_path / "bloom")
    with pytest.raises(UsageError, match=r"bloom: its config\.json .*max_position_embeddings"):
        load_policy(model)
    bloom.config.seq_length = 64  # Bloom's own name for it
    policy = Policy(bloom, make_tokenizer())
    assert policy.context == 64
    assert len(flat(engine_of(policy).generate(GenerationRequest(prompts(3), 2, Sampling(max_tokens=4), [1])))) == 2


def test_a_class_that_leaves_the_cache_unread_is_refused_before_it_writes(monkeypatch):
    """RecurrentGemma keeps its states in its layers; MiniMax has a cache of its own, and says so."""
    sizes = {**SIZES, "num_hidden_layers": 3}
    recurrent = (RecurrentGemmaForCausalLM, RecurrentGemmaConfig, {**sizes, "attention_window_size": WINDOW, "lru_width": 32})
    for name, family in (("together", recurrent), ("MiniMax", (MiniMaxForCausalLM, MiniMaxConfig, sizes))):
        monkeypatch.setitem(FAMILIES, "other", family)
        with pytest.raises(UsageError, match=f"cannot decode this model.*{name}") as told:
            engine_of(tiny("other"))
        assert "\n" not in str(told.value)


def test_a_model_that_nobody_chose_an_engine_for_is_refused_as_well(tmp_path):
    """Rwkv takes any argument, and reads no cache."""
    config = RwkvConfig(vocab_size=105, hidden_size=32, num_hidden_layers=2, context_length=64, eos_token_id=2)
    model = saved(Policy(RwkvForCausalLM(config), make_tokenizer()), tmp_path / "rwkv")
    with pytest.raises(UsageError, match="past_key_values"):
        open_chat_model(model, None, pytest.fail)


MOE = {
    "n_routed_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16, "n_shared_experts": 1, "first_k_dense_replace": 1,
    "n_group": 1, "topk_group": 1,
}  # fmt: skip


def test_the_copy_has_every_weight_as_it_was_loaded(tmp_path, monkeypatch):
    """transformers loads the bias that chooses experts in float32, also where the model is bfloat16."""
    monkeypatch.setitem(FAMILIES, "other", (Glm4MoeForCausalLM, Glm4MoeConfig, {**SIZES, **MOE}))
    policy = load_policy(saved(tiny("other"), tmp_path / "glm"), dtype="bfloat16")
    engine = engine_of(policy)
    kinds = {name: tensor.dtype for name, tensor in policy.model.state_dict().items()}
    assert set(kinds.values()) == {torch.float32, torch.bfloat16}
    assert {name: tensor.dtype for name, tensor in engine._model.state_dict().items()} == kinds


def test_an_adapter_on_experts_or_on_a_tied_output_of_another_name_is_refused(monkeypatch):
    monkeypatch.setitem(FAMILIES, "other", (Glm4MoeForCausalLM, Glm4MoeConfig, {**SIZES, **MOE}))
    with pytest.raises(UsageError, match=r"peft adapts model\.layers\.1\.mlp\.experts of glm.*down_proj"):
        add_adapter(tiny("other").model, LoRA(), 0, "glm")
    sizes = {key: SIZES[key] for key in ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads")}
    monkeypatch.setitem(FAMILIES, "other", (BioGptForCausalLM, BioGptConfig, sizes))
    with pytest.raises(UsageError, match="output_projection of gpt is tied"):
        add_adapter(tiny("other").model, LoRA(targets=["q_proj", "output_projection"]), 0, "gpt")
