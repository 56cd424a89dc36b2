"""What a plan counts: against real models, against numbers worked by hand, and that its parts agree with each other."""

import math
import re
import weakref
from dataclasses import replace

import peft
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from transformers import AutoModelForCausalLM, LlamaConfig, Qwen2Config, Qwen3Config

from helpers.counts import meets, met
from outgrow.cli.plan_figures import fits
from outgrow.config import load_recipe, parse_recipe
from outgrow.config.sections import DistillSection, EvaluateSection, PolicySection
from outgrow.core.amounts import dollars, hours
from outgrow.core.errors import UsageError
from outgrow.core.memory import total_memory
from outgrow.engines import ENGINES
from outgrow.evaluate.measured import measured_problems
from outgrow.judge.config import JudgeSection
from outgrow.plan import GPU, load_gpu_catalog, plan_recipe
from outgrow.plan.fit_changes import changed, fit_changes
from outgrow.plan.fit_to_memory import fit_to_memory
from outgrow.plan.gpus import Assumptions
from outgrow.plan.machine import measure_machine
from outgrow.plan.measuring import MeasuringSeconds
from outgrow.plan.memory import activations, parts, peak
from outgrow.plan.models import KNOWN, distilled_shape, judge_shapes, shape_from_config, shape_of
from outgrow.plan.seconds import seconds
from outgrow.plan.shape import adapter_parameters, key_value_bytes, parameters
from outgrow.plan.work import work_of
from outgrow.policy import Policy, Sampling, load_policy
from outgrow.policy.logprobs import completion_logprobs
from outgrow.policy.lora import add_adapter, merged_lora
from outgrow.policy.lora_settings import LoRA
from outgrow.policy.packed_forward import hidden_states, pack

pytestmark = pytest.mark.usefixtures("measured_once")
R1 = "deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B"
R1_7B = "deepseek-ai/DeepSeek-R1-Distill-Qwen-7B"
TARGETS = LoRA().targets
SMALL = {
    "vocab_size": 50,
    "hidden_size": 64,
    "intermediate_size": 160,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
}
CONFIGS = {
    "llama, tied": LlamaConfig(**SMALL, tie_word_embeddings=True),
    "llama, untied": LlamaConfig(**SMALL, tie_word_embeddings=False),
    "llama, wide heads and biases": LlamaConfig(**SMALL, head_dim=32, attention_bias=True, mlp_bias=True),
    "qwen2, tied": Qwen2Config(**SMALL, tie_word_embeddings=True),
    "qwen2, untied": Qwen2Config(**SMALL, tie_word_embeddings=False),
    "qwen3": Qwen3Config(**SMALL, head_dim=32, tie_word_embeddings=True),
}
ASSUMED = Assumptions(prompt_tokens=256, completion_share=0.5, reply_share=0.5, usable_memory=0.92)


def real(**changes):
    """A recipe with the settings of the experiment that the project starts from."""
    policy = {"model": R1, "dtype": "bfloat16", "lora": {"rank": 64}}
    learn = {"steps": 418, "problems_per_step": 4, "group_size": 7, "tokens_per_microbatch": 13824}
    sampling = {"max_tokens": 3200, "temperature": 0.6, "top_p": 0.95}
    sections = {"policy": policy, "learn": learn, "sampling": sampling}
    for path, value in changes.items():
        section, _, key = path.partition("__")
        sections[section][key] = value
    few = {"type": "micro", "per_level": 30}  # enough to hold out as many as a large set would, and soon loaded
    return parse_recipe({"name": "real", "problems": [few], **sections})


def needed(recipe):
    shape = shape_of(recipe.policy)
    return peak(parts(work_of(recipe, shape, ASSUMED), shape))


# Parameters


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_parameters_are_those_of_the_real_model(config):
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    assert parameters(shape_from_config(config, "it")) == sum(p.numel() for p in model.parameters())


def test_the_shipped_model(shipped):
    assert parameters(shape_of(PolicySection(model="micro-base"))) == sum(p.numel() for p in shipped.model.parameters())


def test_known_models_have_their_published_sizes():
    assert parameters(KNOWN[R1]) == 1_777_088_000
    assert parameters(KNOWN[R1_7B]) == 7_615_616_512
    assert parameters(KNOWN["HuggingFaceTB/SmolLM2-135M-Instruct"]) == 134_515_008
    assert parameters(KNOWN["Qwen/Qwen2.5-0.5B-Instruct"]) == 494_032_768


def test_adapters_by_hand():
    # Rank 8 on q (64 → 64) and down (160 → 64) of 4 layers.
    shape = shape_from_config(CONFIGS["llama, tied"], "it")
    assert adapter_parameters(shape, 8, ("q_proj", "down_proj")) == 4 * 8 * ((64 + 64) + (160 + 64))


@pytest.mark.parametrize("name", ["llama, tied", "qwen2, untied"])
def test_adapters_are_those_of_peft(name):
    model = AutoModelForCausalLM.from_config(CONFIGS[name])
    model = peft.get_peft_model(model, peft.LoraConfig(r=8, target_modules=list(TARGETS)))
    expected = sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert adapter_parameters(shape_from_config(CONFIGS[name], "it"), 8, TARGETS) == expected


# Memory


def _merged_matrices(model):
    """What `merged_lora` computes with in place of the adapted weights."""
    return [module.forward.args[1] for module in model.modules() if "forward" in vars(module)]


def saved_bytes(model, tokenizer):
    """Bytes that autograd keeps of two prompts of 40 tokens and two rollouts of 60 on each, weights left out."""
    policy = Policy(model.get_base_model() if hasattr(model, "get_base_model") else model, tokenizer)
    weights = {weight.untyped_storage().data_ptr() for weight in model.parameters()}
    kept = {}

    def keep(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    completions = [[5] * 61] * 4
    with merged_lora(policy.model), torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        weights |= {merged.untyped_storage().data_ptr() for merged in _merged_matrices(policy.model)}
        state = hidden_states(policy.model, pack([[3] * 40, [4] * 40], [0, 0, 1, 1], completions, model.device))
    assert state.requires_grad
    return sum(kept.values())


def small_work(config, dtype, lora):
    recipe = real(
        policy__dtype=dtype,
        policy__lora=lora,
        learn__problems_per_step=2,
        learn__group_size=2,
        learn__tokens_per_microbatch=320,
        sampling__max_tokens=60,
    )
    work = work_of(recipe, shape_from_config(config, "it"), ASSUMED.model_copy(update={"prompt_tokens": 40}))
    assert (work.microbatch_prompts, work.microbatch_rollouts, work.microbatches) == (2, 4, 1)
    return work


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", ["llama, untied", "qwen2, tied"])
def test_activations_are_what_autograd_keeps(untrained, name, dtype):
    config = CONFIGS[name]
    model = AutoModelForCausalLM.from_config(config).to(getattr(torch, dtype))
    counted = activations(small_work(config, dtype, None), shape_from_config(config, name))
    # Of four layers; the last norm and the rotations, which are there once, are not counted.
    assert saved_bytes(model, untrained.tokenizer) == pytest.approx(counted, rel=0.06)


def test_activations_under_adapters_are_what_autograd_keeps(untrained):
    config = CONFIGS["llama, tied"]
    model = AutoModelForCausalLM.from_config(config).to(torch.bfloat16)
    model = peft.get_peft_model(model, peft.LoraConfig(r=8, target_modules=list(TARGETS)))
    counted = activations(small_work(config, "bfloat16", {"rank": 8}), shape_from_config(config, "it"))
    assert saved_bytes(model, untrained.tokenizer) == pytest.approx(counted, rel=0.08)


class Peak(TorchDispatchMode):
    """The most bytes that tensors made inside held at once."""

    def __init__(self):
        super().__init__()
        self.live, self.most, self.seen = 0, 0, set()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        made = function(*args, **(kwargs or {}))
        for storage in (leaf.untyped_storage() for leaf in tree_leaves(made) if isinstance(leaf, torch.Tensor)):
            if storage._cdata not in self.seen:
                self.seen.add(storage._cdata)
                self.live += storage.nbytes()
                self.most = max(self.most, self.live)
                weakref.finalize(storage, self.gone, storage._cdata, storage.nbytes())
        return made

    def gone(self, key, size):
        self.seen.discard(key)
        self.live -= size


@pytest.mark.parametrize("top_p", [1.0, 0.95])
def test_log_probabilities_take_what_is_counted(untrained, top_p):
    vocabulary, tokens, rows = 60_000, 80, 3
    config = LlamaConfig(**{**SMALL, "hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "vocab_size": vocabulary})
    policy = Policy(AutoModelForCausalLM.from_config(config).eval(), untrained.tokenizer)
    policy.model.get_output_embeddings().requires_grad_(False)  # its gradient is counted elsewhere
    recipe = real(
        learn__tokens_per_microbatch=rows * tokens + 256,
        sampling__max_tokens=tokens,
        sampling__top_p=top_p,
        policy__dtype="float32",
        policy__lora=None,
    )
    shape = shape_from_config(config, "it")
    counted = parts(work_of(recipe, shape, ASSUMED), shape)[-1].learning
    with Peak() as measured:
        logprobs_BT, _, _ = completion_logprobs(policy, [[3]] * rows, [[5] * tokens] * rows, recipe.sampling)
        logprobs_BT.sum().backward()
    assert measured.most == pytest.approx(counted, rel=0.05)


def test_memory_by_hand():
    recipe = real()
    shape = shape_of(recipe.policy)
    work = work_of(recipe, shape, ASSUMED)
    found = {part.name: part for part in parts(work, shape)}
    assert found["weights"].learning == 2 * 1_777_088_000
    assert found["reference policy"].learning == 0
    # The seven matrices of a layer: q and o 1536², k and v 1536 · 256, three of 1536 · 8960.
    assert found["merged adapter weights"].learning == 2 * 28 * (2 * 1536**2 + 2 * 1536 * 256 + 3 * 1536 * 8960)
    # 64 · (in + out) over q, k, v, o, gate, up, down in 28 layers: 73,859,072 adapter parameters in float32.
    assert found["adapters"].learning == found["gradients"].learning == 4 * 73_859_072
    assert found["AdamW moments"].learning == 8 * 73_859_072
    # Keys and values: 2 · 28 layers · 2 heads · 128 · 2 bytes a token; 28 rollouts of 256 + 3200 tokens.
    assert key_value_bytes(shape, 2) == 28_672
    assert found["keys and values, 28 rollouts"].generating == 28 * 3456 * 28_672
    # 2^25 bytes hold 55 tokens' logits at a time; each token's slope is 1536 wide. Four rollouts fit, and their prompt.
    assert (work.microbatch_prompts, work.microbatch_rollouts) == (1, 4)
    assert found["logits and log-probabilities"].learning == 33 * 55 * 151_936 + 2 * 4 * 3200 * 1536


def test_full_fine_tuning_holds_a_reference_and_moments_of_every_weight():
    shape = KNOWN[R1]
    found = {part.name: part for part in parts(work_of(real(policy__lora=None), shape, ASSUMED), shape)}
    weights = 2 * 1_777_088_000
    assert found["reference policy"].generating == found["gradients"].learning == weights
    assert found["AdamW moments"].learning == 2 * weights
    assert found["gradients"].generating == found["adapters"].learning == 0


def distilling(**settings):
    recipe = real()
    return recipe.model_copy(update={"distill": DistillSection(model=R1_7B, dtype="bfloat16", **settings)})


def test_a_teachers_weights_are_there_all_the_time():
    recipe, shape = distilling(), KNOWN[R1]
    plain = {part.name: part for part in parts(work_of(real(), shape, ASSUMED), shape)}
    found = {part.name: part for part in parts(work_of(recipe, shape, ASSUMED, distilled_shape(recipe)), shape)}
    teacher = found.pop("distilled teacher")
    assert teacher.generating == teacher.learning == 2 * 7_615_616_512
    assert found == plain
    # A pass has so much less room.
    with_less = fit_to_memory(48e9, recipe, shape, ASSUMED, distilled_shape(recipe))
    assert with_less == fit_to_memory(48e9 - 2 * 7_615_616_512 / ASSUMED.usable_memory, real(), shape, ASSUMED) < 13824


def judging(model=R1_7B, watch=None, **settings):
    """The same with a judge: a rubric of 40 letters, two replies of at most 100 tokens to every answer."""
    asked = {"rubric": "x" * 40 + "{completion}", "samples": 2, "temperature": 1.0, "max_tokens": 100, "dtype": "bfloat16"}
    section = {"model": model, "watch": {"heldout_problems": 0, "canaries": 0, **(watch or {})}, **asked, **settings}
    return real().model_copy(update={"judge": JudgeSection.model_validate(section)})


def judged_work(recipe):
    return work_of(recipe, KNOWN[R1], ASSUMED, None, judge_shapes(recipe))


def test_a_judge_here_never_sleeps():
    plain = {part.name: part for part in parts(work_of(real(), KNOWN[R1], ASSUMED), KNOWN[R1])}
    found = {part.name: part for part in parts(judged_work(judging()), KNOWN[R1])}
    weights, copy, cache = (found.pop(name) for name in ("judge", "the engine's copy of the judge", "keys and values, 56 replies"))
    assert weights.generating == weights.judging == weights.learning == 2 * 7_615_616_512
    assert copy.generating == copy.judging == copy.learning == 2 * (7_615_616_512 - 3584), "but the last norm"
    # 10 tokens of rubric, 256 of a question, 3200 of an answer, 100 of a reply; 2 · 28 layers · 4 heads · 128 · 2 bytes each.
    assert (cache.generating, cache.judging, cache.learning) == (0, 56 * 3566 * 57_344, 0)
    logits = found["logits and log-probabilities"]
    assert logits.judging == 56 * 152_064 * 16
    assert {name: (part.generating, part.learning) for name, part in found.items()} == {
        name: (part.generating, part.learning) for name, part in plain.items()
    }
    assert found["weights"].judging == plain["weights"].generating
    assert found["the engine's copy of the weights"].judging == found["gradients"].judging == 0
    held = weights.learning + copy.learning
    shapes = judge_shapes(judging())
    with_less = fit_to_memory(64e9, judging(), KNOWN[R1], ASSUMED, None, shapes)
    assert with_less == fit_to_memory(64e9 - held / ASSUMED.usable_memory, real(), KNOWN[R1], ASSUMED) < 13824


def test_a_judge_elsewhere_takes_no_memory_here():
    found = parts(judged_work(judging(f"http://there/v1#{R1_7B}")), KNOWN[R1])
    assert found == parts(work_of(real(), KNOWN[R1], ASSUMED), KNOWN[R1])


@pytest.mark.parametrize(("engine", "decoded"), [("native", 6), ("vllm", 56)])
def test_a_judge_here_decodes_with_the_runs_engine_settings_unless_a_process_has_room_for_one(engine, decoded):
    """56 replies in groups of 2: as many as max_sequences = 7 lets through, or as the native engine's default does."""
    [judge] = judged_work(judging().model_copy(update={"engine": ENGINES[engine](max_sequences=7)})).judges
    assert judge.decoded == decoded


# Seconds


def gpu(**changes):
    figures = {
        "name": "it",
        "dollars_per_hour": 2.0,
        "memory_gb": 80,
        "bandwidth_gb_s": 1000,
        "bfloat16_tflops": 100,
        "float32_tflops": 10,
        "bandwidth_efficiency": 0.5,
        "rate_efficiency": 0.5,
        "launch_ms": 0.0,
    }
    return GPU.model_validate({**figures, **changes})


def test_seconds_by_hand():
    shape = KNOWN[R1]
    work = work_of(real(), shape, ASSUMED)
    found = seconds(work, shape, gpu(), completion=1600)
    # The embedding is looked up, not read: 1,777,088,000 − 151,936 · 1536 − the last norm = 1,543,712,768 weights a token.
    weights = 3200 * 2 * 1_543_712_768
    cache = 28 * 1600 * (256 + 800) * 28_672
    assert found.generation == pytest.approx((weights + cache) / 500e9)
    # Two forward passes' worth, 3% of writing and learning for the KL divergence, and the adapters' own six.
    # Four prompts of 256 tokens, and 28 completions of 1600 that attend to them as well.
    layers, head = 1_543_712_768 - 233_373_696, 233_373_696
    forward = 4 * (2 * layers * 256 + 4 * 28 * 1536 * 256**2)
    forward += 28 * (2 * (layers + head) * 1600 + 4 * 28 * 1536 * 1600 * 1856)
    assert found.learning == pytest.approx(((2 + 0.03 * 3) * forward + 6 * 73_859_072 * (4 * 256 + 28 * 1600)) / 50e12)
    # Launches: 3200 token steps, and 7 passes of three, through 28 layers.
    slower = seconds(work, shape, gpu(launch_ms=1.0), completion=1600)
    assert slower.generation - found.generation == pytest.approx(3200 * 28 * 1e-3)
    assert slower.learning - found.learning == pytest.approx(7 * 3 * 28 * 1e-3)


def test_cut_groups_are_learned_from_sooner_by_hand(outgrow):
    shape, cut = KNOWN[R1], work_of(load_recipe("r1-1.5b-gsm8k", ["learn.keep=3", "loss.kl_weight=0.0"]), KNOWN[R1], ASSUMED)
    assert (cut.group, cut.learned, cut.rollouts) == (7, 3, 28)
    layers, head = 1_543_712_768 - 233_373_696, 233_373_696
    prompts = 4 * (2 * layers * 256 + 4 * 28 * 1536 * 256**2)
    one = 2 * (layers + head) * 1600 + 4 * 28 * 1536 * 1600 * 1856
    operations = 2 * (prompts + 12 * one) + 0.03 * (prompts + 28 * one + 2 * (prompts + 12 * one))
    operations += 6 * 73_859_072 * (4 * 256 + 12 * 1600)
    found = seconds(cut, shape, gpu(), completion=1600)
    assert found.learning == pytest.approx(operations / 50e12)
    assert (
        found.generation == seconds(work_of(load_recipe("r1-1.5b-gsm8k"), shape, ASSUMED), shape, gpu(), completion=1600).generation
    )
    printed = " ".join(outgrow("plan", "r1-1.5b-gsm8k", "--set", "learn.keep=3")[1].split())
    assert "3 of its 7 rollouts" in printed
    assert "engine.weights" not in printed


def test_a_plan_says_that_rollouts_in_int8_are_for_a_cpu(outgrow):
    """Its devices are GPUs, which refuse them."""
    fast = ["learn.old_logprobs=learner", "engine.weights=int8"]
    printed = " ".join(outgrow("plan", "micro", *(part for setting in fast for part in ("--set", setting)))[1].split())
    assert "engine.weights=int8" in printed
    assert "engine.weights=exact" in printed


@pytest.mark.parametrize(("settings", "share"), [({}, 1), ({"steps": 1000}, 1), ({"steps": 209}, 0.5)])
def test_a_teachers_seconds_by_hand(settings, share):
    recipe, shape = distilling(**settings), KNOWN[R1]
    plain = work_of(real(), shape, ASSUMED)
    work = work_of(recipe, shape, ASSUMED, distilled_shape(recipe))
    without, found = seconds(plain, shape, gpu(), 1600), seconds(work, shape, gpu(), 1600)
    assert found.generation == without.generation
    # One forward pass over four prompts of 256 tokens and 28 completions of 1600: 2 operations a weight and token, of the layers
    # alone for the prompts, and attention's 4 · 28 layers · 3584 a pair of tokens. 7,615,616,512 less two matrices of
    # 152,064 · 3584 and the last norm are in the layers.
    head = 152_064 * 3584
    layers = 7_615_616_512 - 2 * head - 3584
    forward = 4 * (2 * layers * 256 + 4 * 28 * 3584 * 256**2)
    forward += 28 * (2 * (layers + head) * 1600 + 4 * 28 * 3584 * 1600 * 1856)
    assert found.learning - without.learning == pytest.approx(share * forward / 50e12)
    # Launches: 7 passes through 28 layers, forwards alone, beside the student's own.
    slower = seconds(work, shape, gpu(launch_ms=1.0), completion=1600)
    assert slower.learning - found.learning == pytest.approx(7 * (3 + share) * 28 * 1e-3)
    # In float32 the teacher reads at the rate of float32, though the student learns in bfloat16.
    wide = recipe.model_copy(update={"distill": recipe.distill.model_copy(update={"dtype": "float32"})})
    slow = seconds(work_of(wide, shape, ASSUMED, distilled_shape(wide)), shape, gpu(), 1600)
    assert slow.learning - without.learning == pytest.approx(share * forward / 5e12)


def seven_billion(at_once):
    """Seconds of a judge of 7B, by hand: 28 answers of 1600 tokens, 56 replies of 50 tokens, `at_once` of them at the same time."""
    head = 152_064 * 3584
    layers = 7_615_616_512 - 2 * head - 3584
    prompt = 10 + 256 + 1600
    reading = 28 * (2 * layers * prompt + 4 * 28 * 3584 * prompt**2) / 50e12
    # The first `at_once` replies run to the limit at the latest; after that a reply of mean length follows each that ends.
    steps = math.ceil((56 / at_once - 1) * 50 + 100)
    weights, cache = steps * 2 * (layers + head), 56 * 50 * (prompt + 25) * 57_344
    return reading + (weights + cache) / 500e9, steps


@pytest.mark.parametrize(("model", "at_once", "launched"), [(R1_7B, 56, True), (f"http://there/v1#{R1_7B}", 16, False)])
def test_a_judges_seconds_by_hand(model, at_once, launched):
    work, shape = judged_work(judging(model)), KNOWN[R1]
    without = seconds(work_of(real(), shape, ASSUMED), shape, gpu(), 1600)
    found = seconds(work, shape, gpu(), 1600, reply_share=0.5)
    by_hand, steps = seven_billion(at_once)
    assert (found.generation, found.learning, without.judging) == (without.generation, without.learning, 0)
    assert found.judging == pytest.approx(by_hand)
    assert found.total == pytest.approx(without.total + by_hand)
    slower = seconds(work, shape, gpu(launch_ms=1.0), 1600, reply_share=0.5)
    assert slower.judging - found.judging == pytest.approx(steps * 28 * 1e-3 * launched)


def test_what_a_judges_watch_adds_by_hand():
    shape = KNOWN[R1]
    watch = {"every": 4, "canaries": 8, "second_model": "micro-base"}
    found = judged_work(judging(watch=watch)).judges
    assert [(judge.role, judge.model, judge.answers, judge.share) for judge in found] == [
        ("judge", R1_7B, 28, 1.25),
        ("second judge", "micro-base", 28, 0.25),
    ]
    total = seconds(judged_work(judging(watch=watch)), shape, gpu(), 1600, 0.5).judging
    second = seconds(judged_work(judging("micro-base")), shape, gpu(), 1600, 0.5).judging
    assert total == pytest.approx(1.25 * seven_billion(56)[0] + 0.25 * second)
    # 40 held-out answers are a call of their own: every weight is read once more in each of its token steps.
    work = judged_work(judging(watch={"heldout_problems": 40}))
    more = seconds(work, shape, gpu(), 1600).generation - seconds(judged_work(judging()), shape, gpu(), 1600).generation
    assert more == pytest.approx((3200 * 2 * 1_543_712_768 + 40 * 1600 * (256 + 800) * 28_672) / 500e9)
    assert any(part.name == "keys and values, 40 rollouts" for part in parts(work, shape)), "they are more than the rollouts"


def test_a_judge_with_a_short_context_reads_no_more_than_it_holds():
    [judge] = judged_work(judging("micro-base")).judges
    assert (judge.prompt(1), judge.prompt(3200)) == (256 - 100, 256 - 100)


def test_a_judge_elsewhere_is_waited_for_and_paid_for():
    catalog = load_gpu_catalog().model_copy(update={"gpu": (gpu(), gpu(memory_gb=16))})
    plain, here, there, unknown = (
        plan_recipe(recipe, catalog)
        for recipe in (real(), judging(), judging(f"http://there/v1#{R1_7B}"), judging("http://there/v1"))
    )
    assert [estimate.extra_gpus for plan in (plain, here, there, unknown) for estimate in plan.estimates] == [
        0,
        0,
        0,
        0,
        1,
        1,
        0,
        0,
    ]
    estimate = there.estimates[0]
    assert estimate.expected.training == pytest.approx(418 * estimate.expected.step.total)
    assert estimate.dollars(estimate.expected.total) == pytest.approx(2 * 2.0 * estimate.expected.total / 3600)
    assert estimate.expected.step.judging > 0
    assert estimate.most.step.judging > estimate.expected.step.judging
    assert [estimate.judge_fits for estimate in there.estimates] == [True, False], "15.2 GB of weights, and 14.7 of 16 to be had"
    assert unknown.estimates[0].expected == plain.estimates[0].expected
    pair = judging(f"http://there/v1#{R1_7B}", watch={"second_model": "http://other/v1#micro-base"})
    assert plan_recipe(pair, catalog).estimates[0].extra_gpus == 2


def test_float32_learns_at_the_float32_rate():
    shape = KNOWN[R1]
    narrow = work_of(real(policy__lora=None), shape, ASSUMED)
    wide = work_of(real(policy__lora=None, policy__dtype="float32"), shape, ASSUMED)
    assert seconds(wide, shape, gpu(), 100).learning == pytest.approx(10 * seconds(narrow, shape, gpu(), 100).learning)


# What must hold of every plan


@given(problems=st.integers(1, 200), more=st.integers(1, 100), group=st.integers(2, 64), rows=st.integers(1, 64))
def test_more_rollouts_are_never_cheaper(problems, more, group, rows):
    few, many = (
        real(learn__problems_per_step=count, learn__group_size=group, learn__tokens_per_microbatch=rows * 500)
        for count in (problems, problems + more)
    )
    assert needed(few) <= needed(many)
    shape = KNOWN[R1]
    less, longer = (seconds(work_of(recipe, shape, ASSUMED), shape, gpu(launch_ms=0.2), 1600) for recipe in (few, many))
    assert less.generation <= longer.generation
    assert less.learning <= longer.learning


@meets(fits=20, changed=10, hopeless=10)
@given(rows=st.integers(1, 64), limit=st.integers(16, 8000), memory=st.integers(4, 400))
def test_the_flag_agrees_with_the_sum_and_the_change_is_the_least(rows, limit, memory):
    recipe = real(learn__tokens_per_microbatch=rows * 500, learn__problems_per_step=16, sampling__max_tokens=limit)
    card = gpu(memory_gb=memory)
    catalog = load_gpu_catalog().model_copy(update={"gpu": (card,)})
    plan = plan_recipe(recipe, catalog)
    (estimate,) = plan.estimates
    room = memory * 1e9 * catalog.assumptions.usable_memory
    together = max(sum(part.generating for part in plan.memory), sum(part.learning for part in plan.memory))
    assert estimate.fits == (together <= room)
    met("fits" if estimate.fits else "changed" if estimate.change else "hopeless")
    if estimate.change:
        assert not estimate.fits
        assert needed(changed(recipe, estimate.change)) <= room
        for key, value in estimate.change.items():
            assert needed(changed(recipe, {**estimate.change, key: value + 1})) > room


def test_a_change_is_the_mildest_that_does():
    recipe = real(policy__lora=None, policy__dtype="float32")
    assert fit_changes(recipe, lambda r: r.learn.tokens_per_microbatch <= 3000) == {"learn.tokens_per_microbatch": 3000}
    assert fit_changes(recipe, lambda r: r.learn.problems_per_step <= 2) == {"learn.problems_per_step": 2}
    both = fit_changes(recipe, lambda r: r.learn.tokens_per_microbatch <= 2000 and r.sampling.max_tokens <= 999)
    assert both == {"learn.tokens_per_microbatch": 2000, "sampling.max_tokens": 999}
    assert fit_changes(recipe, lambda r: r.policy.dtype == "bfloat16") == {"policy.dtype": "bfloat16"}
    assert fit_changes(recipe, lambda r: r.policy.lora is not None) == {"policy.lora.rank": 16}
    assert fit_changes(recipe, lambda r: False) is None


def test_a_change_is_made_to_every_model_that_is_here():
    recipe = judging(dtype="float32")
    recipe = recipe.model_copy(update={"distill": DistillSection(model="it")})
    assert fit_changes(recipe, lambda r: r.judge.dtype == "bfloat16") == {"distill.dtype": "bfloat16", "judge.dtype": "bfloat16"}


def test_a_pass_takes_as_many_tokens_as_memory_has_room_for():
    shape = KNOWN[R1]

    def learning(recipe):
        return sum(part.learning for part in parts(work_of(recipe, shape, ASSUMED), shape))

    usable = ASSUMED.usable_memory
    for memory in (24e9, 48e9, 80e9):
        tokens = fit_to_memory(memory, real(), shape, ASSUMED)
        assert learning(real(learn__tokens_per_microbatch=tokens)) <= usable * memory
        assert tokens == 13824 or learning(real(learn__tokens_per_microbatch=tokens + 1)) > usable * memory
    assert fit_to_memory(24e9, real(), shape, ASSUMED) < fit_to_memory(48e9, real(), shape, ASSUMED)
    assert fit_to_memory(1e15, real(), shape, ASSUMED) == 13824, "never more than was asked for"
    assert fit_to_memory(1e9, real(), shape, ASSUMED) == 256 + 3200, "not even one rollout fits, and memory itself will tell"


# The command


def test_the_command_tells_all_of_it(outgrow):
    code, printed, _ = outgrow("plan", "micro")
    assert code == 0
    assert "604,160 parameters" in printed
    assert "165 steps of 64 problems × 8 = 512 rollouts" in printed
    assert "; fewer if the first 4 of a group agree\n" in printed
    for name in ("AdamW moments", "activations", "H100", "RTX 4090", "T4"):
        assert name in printed
    assert len(re.findall("^assumes", printed, re.M)) == 8
    assert "fits with" not in printed and "does not fit" not in printed
    _, printed, _ = outgrow("plan", "micro", "--set", "curriculum={type='uniform',refill=2}")
    assert "; up to 3 times this with refill\n" in printed
    assert "fewer if" not in printed


def test_a_run_that_does_not_fit_is_told_what_would(outgrow):
    model = ["--set", f"policy.model={R1}", "--set", "policy.dtype=bfloat16", "--set", "policy.lora.rank=64"]
    model += ["--set", "sampling.max_tokens=3200"]
    code, printed, _ = outgrow("plan", "micro", *model)
    assert code == 0
    assert "73,859,072 parameters, 4.0%" in printed
    (line,) = [line for line in printed.splitlines() if line.startswith("L40S: fits with")]
    assert re.search(r"^ L40S +48 +0\.90 +yes, with ", printed, re.M)
    told = re.findall(r"--set|[a-z_.]+=\d+", line)
    _, printed, _ = outgrow("plan", "micro", *model, *told)
    assert "L40S: fits with" not in printed
    assert re.search(r"^ L40S +48 +0\.90 +yes +\d", printed, re.M)


def test_what_a_run_does_by_itself_is_told(outgrow):
    _, printed, _ = outgrow("plan", "r1-1.5b-gsm8k")
    alone = [line for line in printed.splitlines() if "(a run does that by itself)" in line]
    assert alone
    own = total_memory(torch.device("cuda" if torch.cuda.is_available() else "cpu")) / 1e9
    for line in alone:
        name, tokens = re.fullmatch(r"(.+): fits with --set learn.tokens_per_microbatch=(\d+) .*", line).groups()
        assert re.search(rf"^ {name} .* yes, with smaller passes ", printed, re.M)
        memory = next((card.memory_gb for card in load_gpu_catalog().gpu if card.name == name), own)
        recipe = load_recipe("r1-1.5b-gsm8k")
        assert fit_to_memory(memory * 1e9, recipe, KNOWN[R1], ASSUMED) == int(tokens)


def test_a_teacher_is_told_and_priced(outgrow):
    def told(*overrides):
        code, printed, _ = outgrow("plan", "micro", *(part for override in overrides for part in ("--set", override)))
        assert code == 0
        return printed

    assert "teacher" not in told()
    always = told(f"distill={{model='{R1_7B}',dtype='bfloat16'}}")
    assert f"{R1_7B}, 7,615,616,512 parameters" in always
    assert re.search(r"distilled teacher +15 +15 *\n", always)
    assert "first 30 steps" in told("distill={model='micro-base',steps=30}")


def rows_of(printed, device):
    """A device's cells in the tables of a step, of the run's time and of its price; the step's figures are one cell."""
    step, time, price = re.findall(rf"^ {device}  +(.*?) *$", printed, re.M)
    return re.fullmatch(r"(\d+) +([\d.]+) +(yes|yes, with .*?|no) +([\d., ]+)", step).groups(), *(
        re.split(r"  +", row) for row in (time, price)
    )


PRICED = {
    "r1-7b-gsm8k": ["deepseek-ai/DeepSeek-R1-Distill-Qwen-7B, 7,615,616,512 parameters in bfloat16"],
    "r1-1.5b-gsm8k-judged": ["http://localhost:8001/v1#r1-7b-gsm8k, 7,615,616,512 parameters", "28 replies"],
    "r1-1.5b-gsm8k-distilled": ["runs/r1-7b-gsm8k", "7,615,616,512 parameters", "first 150 steps"],
}


@pytest.mark.parametrize("name", PRICED)
def test_recipes_with_a_judge_or_a_teacher_have_prices(outgrow, monkeypatch, tmp_path, name):
    monkeypatch.chdir(tmp_path)  # where no run is
    code, printed, _ = outgrow("plan", name)
    assert code == 0
    assert all(part in printed for part in PRICED[name])
    judged = name.endswith("judged")
    assert bool(re.search(r" judge +learn ", printed)) == judged
    *_, seconds = rows_of(printed, "H100")[0]
    training, _, _, total, most = rows_of(printed, "H100")[1]
    price = rows_of(printed, "H100")[2][3]
    assert hours(training) == pytest.approx(418 * sum(map(float, seconds.split())) / 3600, rel=0.05)
    assert dollars(price) == pytest.approx(hours(total) * 2.70 * (1 + judged), rel=0.05)
    assert hours(most) < 10


def test_a_judge_here_has_a_phase_of_its_own(outgrow):
    code, printed, _ = outgrow("plan", "r1-1.5b-gsm8k-judged", "--set", "judge.model=models/r1-7b-gsm8k")
    assert code == 0
    assert re.search(r"generating +judging +learning", printed)
    assert re.search(r"judge +15 +15 +15 *\n +the engine's copy of the judge +15 +15 +15", printed)


def test_a_judge_whose_size_is_not_known_is_told(outgrow):
    for address in ("http://localhost:8001/v1", "http://localhost:8001/v1#mine"):
        code, printed, _ = outgrow("plan", "r1-1.5b-gsm8k-judged", "--set", f"judge.model={address}")
        assert code == 0
        assert f"{address} is not included" in printed
        _, times, prices = rows_of(printed, "H100")
        assert dollars(prices[3]) == pytest.approx(hours(times[3]) * 2.70, rel=0.05), "no second GPU is paid for"


def own_gpus():
    """The text of a GPU file with one GPU."""
    table = "\n".join(f"{key} = {value!r}" for key, value in gpu(name="mine").model_dump(exclude_defaults=True).items())
    assumptions = "[assumptions]\nprompt_tokens = 20\ncompletion_share = 1.0\nreply_share = 1.0\nusable_memory = 0.9"
    return f"date = 2026-01-01\n{assumptions}\n[[gpu]]\n{table}\n"


def test_a_persons_own_gpus(outgrow, tmp_path):
    own = tmp_path / "own.toml"
    own.write_text(own_gpus())
    code, printed, _ = outgrow("plan", "micro", "--gpus", own)
    assert code == 0
    assert "mine" in printed
    assert "H100" not in printed
    assert "January 2026" in printed
    assert "assumes prompts of 20 tokens" in printed


BROKEN = [
    ("date = 2026-01-01", "date = ", "not valid TOML"),
    ("prompt_tokens", "promt_tokens", "unknown key 'assumptions.promt_tokens' (did you mean 'prompt_tokens'?)"),
    ("launch_ms = 0.0", "", "gpu.0.launch_ms is missing"),
    ("launch_ms", "launch = 1\nlaunch_ms", "unknown key 'gpu.0.launch' (did you mean 'launch_ms'?)"),
    ("date =", "dates = 1\ndate =", "unknown key 'dates' (did you mean 'date'?)"),
    ("memory_gb = 80.0", "memory_gb = 0", "memory_gb takes a number > 0, not 0"),
    ("date = 2026-01-01", "date = 'today'", "date takes"),
]


@pytest.mark.parametrize(("before", "after", "said"), BROKEN)
def test_a_broken_gpu_file_is_one_clear_line(outgrow, tmp_path, before, after, said):
    own = tmp_path / "own.toml"
    assert before in own_gpus()
    own.write_text(own_gpus().replace(before, after))
    code, _, complaint = outgrow("plan", "micro", "--gpus", own)
    assert code == 2
    assert len(complaint.strip().splitlines()) == 1, complaint
    assert said in complaint
    if after:  # the line that is wrong; what is missing is told at the table that lacks it
        number = next(n for n, line in enumerate(own.read_text().splitlines(), 1) if after.split("\n")[0] in line)
        assert f"line {number}" in complaint


MISTAKES = [
    (["micro", "--gpus", "nowhere.toml"], "cannot read this file"),
    (["micro-base"], "plan counts what `outgrow train` runs"),
    (["micro", "--set", "policy.model=nobody/nothing"], "deepseek-ai/DeepSeek-R1"),
    (["micro", "--set", "policy.model=./nowhere"], "no such model"),
    (["micro", "--set", "sampling.max_tokens=256"], "sampling.max_tokens=256"),
    (["micro", "--set", 'policy.lora.targets=["query"]'], "no linear layer"),
]


@pytest.mark.parametrize(("args", "said"), MISTAKES)
def test_a_mistake_is_one_clear_line_and_exit_code_2(outgrow, args, said):
    code, _, complaint = outgrow("plan", *args)
    assert code == 2
    assert len(complaint.strip().splitlines()) == 1, complaint
    assert said in complaint


def test_a_family_that_the_formulas_do_not_cover():
    from transformers import GPT2Config

    with pytest.raises(UsageError, match="'gpt2'"):
        shape_from_config(GPT2Config(), "it")


def test_a_new_micro_policy_has_the_shape_it_will_be_made_with(untrained):
    init = {"layers": 2, "hidden": 32, "heads": 4, "kv_heads": 2, "feed_forward": 48, "context": 96}
    shape = shape_of(PolicySection(init=init))
    assert shape == shape_from_config(untrained.model.config, "it")


def test_a_run_that_is_not_here_yet_has_the_shape_that_its_recipe_says(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert shape_of(PolicySection(model="runs/r1-7b-gsm8k")) == KNOWN[R1_7B]
    # The judge is made of the teacher, which is made of the larger base.
    init = load_recipe("micro-teacher-base").policy.init
    assert shape_of(PolicySection(model="runs/micro-judge")) == shape_of(PolicySection(init=init))
    served = judge_shapes(judging("http://there/v1#r1-7b-gsm8k", watch={"second_model": "http://there/v1#nobody-knows"}))
    assert served == {"http://there/v1#r1-7b-gsm8k": KNOWN[R1_7B]}
    with pytest.raises(UsageError, match="no such model"):
        shape_of(PolicySection(model="r1-7b-gsm8k"))
    (tmp_path / "models" / "r1-7b-gsm8k").mkdir(parents=True)
    with pytest.raises(UsageError, match="models/r1-7b-gsm8k"):
        shape_of(PolicySection(model="models/r1-7b-gsm8k"))


def test_an_adapter_has_the_shape_of_its_base(tmp_path):
    base = load_policy("micro-base")
    Policy(base.model, base.tokenizer, base.prompt, add_adapter(base.model, LoRA(rank=4), 0, "micro-base")).save(tmp_path / "it")
    assert shape_of(PolicySection(model=str(tmp_path / "it"))) == shape_of(PolicySection(model="micro-base"))


def test_lengths_stay_inside_the_context():
    work = work_of(load_recipe("micro"), shape_of(PolicySection(model="micro-base")), ASSUMED)
    assert work.prompt + work.limit == 256
    assert Sampling(max_tokens=work.limit).max_tokens == 88


# Measurements


def tiny_suite(tmp_path, name, problems):
    file = tmp_path / f"{name}.jsonl"
    file.write_text("".join(f'{{"question": "{n}+{n}=?", "answer": "{2 * n}"}}\n' for n in range(problems)))
    return str(file)


def test_measurements_by_hand(tmp_path):
    """The recipe of `real`, 10 problems before and after, 6 for validation; answers of 3,200 tokens at most, 1,600 on average."""
    suite, validation = tiny_suite(tmp_path, "suite", 10), tiny_suite(tmp_path, "validation", 6)
    section = {"suite": suite, "samples": 4, "every": 100, "validation": validation, "validation_samples": 2}
    recipe = real().model_copy(update={"evaluate": EvaluateSection.model_validate(section)})
    assert measured_problems(recipe) == {suite: 10, validation: 6}
    catalog = load_gpu_catalog().model_copy(update={"gpu": (gpu(),), "assumptions": ASSUMED})
    plan = plan_recipe(recipe, catalog)
    assert (plan.measured.looks, plan.measured.missing) == (5, ()), "steps 1, 101, 201, 301 and 401 of 418"

    def answers(rows):  # all at the same time: each token step reads every weight but the embedding and the last norm
        return (3200 * 2 * 1_543_712_768 + rows * 1600 * (256 + 800) * 28_672) / 500e9

    run = plan.estimates[0].expected
    assert run.measuring.ends == pytest.approx(2 * (answers(40) + answers(10)))
    assert run.measuring.validation == pytest.approx(5 * answers(12))
    assert run.total == pytest.approx(418 * run.step.total + 2 * (answers(40) + answers(10)) + 5 * answers(12))
    assert plan.estimates[0].dollars(run.total) == pytest.approx(run.total / 3600 * 2.0)
    without = recipe.model_copy(update={"evaluate": recipe.evaluate.model_copy(update={"every": 0})})
    assert plan_recipe(without, catalog).estimates[0].expected.measuring == MeasuringSeconds(run.measuring.ends, 0.0)
    assert measured_problems(without) == {suite: 10}


def test_more_answers_than_fit_at_once_take_the_places_of_those_that_end(tmp_path):
    """2 at a time, 6 answers: the first two run to the limit at the latest, and two of mean length follow one after the other."""
    suite = tiny_suite(tmp_path, "suite", 6)
    section = EvaluateSection(suite=suite, samples=1, every=0)
    recipe = real().model_copy(update={"evaluate": section, "engine": ENGINES["native"](max_sequences=2)})
    catalog = load_gpu_catalog().model_copy(update={"gpu": (gpu(),), "assumptions": ASSUMED})
    found = plan_recipe(recipe, catalog).estimates[0].expected.measuring.ends
    once = ((3200 + 2 * 1600) * 2 * 1_543_712_768 + 6 * 1600 * (256 + 800) * 28_672) / 500e9
    assert found == pytest.approx(4 * once), "before and after, sampled and greedy"


def test_suites_whose_data_are_not_here_are_said(outgrow, monkeypatch, data):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    code, printed, _ = outgrow("plan", "micro", "--set", "evaluate.suite=gsm8k")
    assert code == 0 and "not counted" not in printed
    monkeypatch.delenv("OUTGROW_DATA")  # in the same process, which has counted them by now
    code, printed, _ = outgrow(
        "plan", "micro", "--set", "evaluate.suite=gsm8k", "--set", "evaluate.extra_suites=['micro-validation']"
    )
    assert code == 0
    assert re.search(r"not counted: measuring on gsm8k;", printed)
    assert rows_of(printed, "H100")[1][2] == "?"
    code, _, complaint = outgrow("plan", "micro", "--set", "evaluate.extra_suites=['micor']")
    assert code == 2 and "micor" in complaint


def test_the_share_of_each_part_is_told(outgrow):
    _, printed, _ = outgrow("plan", "micro")
    assert "678 problems" in printed and "190 problems × 2 samples" in printed and "validates 7 times" in printed
    training, validation, ends, total, most = map(hours, rows_of(printed, "H100")[1])
    assert total == pytest.approx(training + validation + ends, rel=0.1)
    assert most > total
    _, printed, _ = outgrow("plan", "micro", "--set", "evaluate.every=0")
    assert rows_of(printed, "H100")[1][1] == "none"


# This machine


def test_this_machine_is_measured(outgrow):
    own = measure_machine(1, 1.5)
    assert own.measured and own.dollars_per_hour == 1.5
    assert own.memory_gb * 1e9 == pytest.approx(total_memory(torch.device("cuda" if torch.cuda.is_available() else "cpu")))
    assert 1e-4 < own.float32_tflops < 1e3 and 1e-4 < own.bfloat16_tflops < 1e4
    assert 0.05 < own.bandwidth_gb_s < 1e5 and 0 < own.launch_ms < 100
    _, printed, _ = outgrow("plan", "micro", "--set", "run.dollars_per_hour=2")
    step, times, prices = rows_of(printed, "this machine")
    assert step[0] == f"{own.memory_gb:.0f}" and step[2] == "yes"
    assert dollars(prices[3]) == pytest.approx(2 * hours(times[3]), rel=0.1)
    assert "for this machine (" in printed


def with_rates(catalog, float32, bfloat16):
    own = catalog.gpu[0].model_copy(
        update={"name": "this machine", "measured": True, "float32_tflops": float32, "bfloat16_tflops": bfloat16}
    )
    return catalog.model_copy(update={"gpu": (own, *catalog.gpu)})


@pytest.mark.parametrize(
    ("rates", "change", "told"),
    [
        ((0.3, 1.2), (), True),
        ((0.3, 0.31), (), False),
        ((0.3, 0.02), (), False),
        ((0.3, 1.2), ("policy.dtype=bfloat16",), False),
        ((0.3, 1.2), ("engine.weights=int8", "learn.old_logprobs=learner"), False),
    ],
)
def test_bfloat16_is_proposed_where_it_is_faster(outgrow, monkeypatch, rates, change, told):
    monkeypatch.setattr("outgrow.plan.machine.with_this_machine", lambda catalog, _: with_rates(catalog, *rates))
    code, printed, _ = outgrow(
        "plan", "r1-1.5b-gsm8k", *(part for each in ("policy.dtype=float32", *change) for part in ("--set", each))
    )
    assert code == 0
    assert ("4.0 times as fast in bfloat16" in printed) is told


def test_bfloat16_is_not_proposed_where_every_weight_learns(outgrow, monkeypatch):
    monkeypatch.setattr("outgrow.plan.machine.with_this_machine", lambda catalog, _: with_rates(catalog, 0.3, 1.2))
    _, printed, _ = outgrow("plan", "micro")
    assert "times as fast in bfloat16" not in printed


def test_the_threads_are_put_back():
    before = torch.get_num_threads()
    measure_machine(before + 1, 0.0)
    assert torch.get_num_threads() == before


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"learn.tokens_per_microbatch": 3}, "yes, with smaller passes"),
        ({"policy.dtype": "bfloat16", "judge.dtype": "bfloat16", "policy.lora.rank": 8}, "yes, with bfloat16, LoRA"),
        ({"sampling.max_tokens": 3, "learn.tokens_per_microbatch": 3}, "yes, with shorter answers, smaller passes"),
        (None, "no"),
    ],
)
def test_what_makes_it_fit_is_said(change, text):
    catalog = load_gpu_catalog().model_copy(update={"gpu": (gpu(),)})
    estimate = plan_recipe(load_recipe("micro"), catalog).estimates[0]
    assert fits(replace(estimate, fits=False, change=change)) == text
    assert fits(estimate) == "yes"
