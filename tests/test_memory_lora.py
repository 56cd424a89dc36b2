"""A memory that learns next to a frozen base, with adapters and alone: what learns, what is saved, and what loads it."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, MistralConfig, MistralForCausalLM

from helpers.memory import INIT, memory_policy, memory_settings
from helpers.runs import SMALL, Silent
from outgrow.config import Recipe, load_recipe
from outgrow.config.sections import PolicySection
from outgrow.core.errors import UsageError
from outgrow.engines import Engine, GenerationRequest, NativeEngine, TransformersEngine, sync
from outgrow.plan import load_gpu_catalog, plan_recipe
from outgrow.plan.memory_activations import activation_bytes
from outgrow.plan.models import shape_of
from outgrow.plan.shape import parameters
from outgrow.plan.work import learning_parameters
from outgrow.policy import Policy, Sampling, load_policy
from outgrow.policy.export import export, library_of
from outgrow.policy.logprobs import completion_logprobs
from outgrow.policy.lora import merged_lora
from outgrow.policy.memory.settings import Kind
from outgrow.runs.models import base_policy, learner_and_reference, run_policy
from outgrow.runs.resolve_model import resolve_model
from outgrow.train.loop import resume, train
from outgrow.train.optimizer import Optimizer

MEMORY = "policy.memory={window=16,chunk=8,heads=2,width=8,hidden=8}"
LORA, ALONE = "policy.lora={rank=4,alpha=8}", "policy.lora={rank=0}"
SFT = [
    'problems=[{type="recall",length=60,distance=[12,32],facts=1,count=60}]',
    "learn={steps=3,batch_size=4,lr=2e-2}",
    "sampling.max_tokens=16",
    'evaluate={suite="held-out",extra_suites=[],samples=1}',
    "run={threads=1,checkpoint_every=1}",
]
RL = [*SMALL, "policy.memory.window=128", "learn.steps=2", "learn.updates_per_step=1", "learn.lr=1e-2", "run.checkpoint_every=1"]
both = pytest.mark.parametrize("lora", [LORA, ALONE], ids=["adapters and memory", "memory only"])


def recipe_of(lora: str, *more: str) -> Recipe:
    return load_recipe("micro", ["policy={model='micro-base'}", MEMORY, lora, *more])


def learning(lora: str, opened: bool = True, *more: str) -> tuple[Policy, Policy]:
    """What learns, and its reference. opened: with gates and matrices B that are not 0, so that all of it counts."""
    recipe = recipe_of(lora, *more)
    policy, reference = learner_and_reference(recipe, base_policy(recipe), None)
    generator = torch.Generator().manual_seed(1)
    for name, weight in policy.model.named_parameters():
        if opened and name.endswith(("memory.gate", "memory.gates.weight", "lora_B.default.weight")):
            weight.data.normal_(std=0.1, generator=generator)
    return policy, reference


def tokens(rows: int, length: int) -> torch.Tensor:
    return torch.randint(10, 90, (rows, length), generator=torch.Generator().manual_seed(0))


def gradients(policy: Policy) -> dict[str, torch.Tensor | None]:
    draw = tokens(3, 50)
    with merged_lora(policy.model):
        logprobs_BT, _, _ = completion_logprobs(policy, draw[:, :20].tolist(), draw[:, 20:].tolist(), Sampling())
        logprobs_BT.sum().backward()
    return {name: weight.grad for name, weight in policy.model.named_parameters()}


@both
def test_at_first_it_is_the_base_with_a_window_to_the_last_bit(lora: str) -> None:
    base = load_policy("micro-base").model
    known = set(MistralConfig().to_dict()) - {"model_type", "architectures"}
    values = {key: value for key, value in base.config.to_dict().items() if key in known}
    windowed = MistralForCausalLM(MistralConfig(**{**values, "sliding_window": 16}))
    windowed.load_state_dict(base.state_dict())
    policy, reference = learning(lora, opened=False)
    row, plain = tokens(2, 70), load_policy("micro-base")
    with torch.no_grad():
        wanted = windowed.eval()(row).logits
        for model in (policy.model, reference.model):
            assert torch.equal(model(row).logits, wanted)
        with merged_lora(policy.model):
            assert torch.equal(policy.model(row).logits, wanted)
    assert policy.digest() == reference.digest() != plain.digest()
    assert not torch.equal(wanted, plain.model(row).logits)


@both
def test_gradients_reach_adapters_and_memory_and_nothing_else(lora: str) -> None:
    policy, _ = learning(lora)
    found = gradients(policy)
    learns = {name for name in found if ".memory." in name or ".lora_" in name}
    assert {name for name, grad in found.items() if grad is not None} == learns
    assert all(found[name].abs().sum() > 0 for name in learns)
    assert any(".lora_" in name for name in learns) == (lora == LORA)
    assert sum(".memory." in name for name in learns) == 8 * policy.model.config.num_hidden_layers


@both
def test_a_step_moves_neither_the_base_nor_the_reference(lora: str) -> None:
    policy, reference = learning(lora)
    stays = reference.digest()
    before = {name: weight.clone() for name, weight in policy.model.state_dict().items()}
    optimizer = Optimizer(policy.model, recipe_of(lora, "learn.lr=1e-2", "learn.warmup=0").learn, 2)
    gradients(policy)
    optimizer.step(1)
    after = policy.model.state_dict()
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved == {name for name in before if ".memory." in name or ".lora_" in name}
    assert reference.digest() == stays


@both
def test_the_plan_counts_what_learns(lora: str) -> None:
    policy, _ = learning(lora)
    plan = plan_recipe(recipe_of(lora), load_gpu_catalog())
    learns = sum(weight.numel() for weight in policy.model.parameters() if weight.requires_grad)
    of_adapter = sum(weight.numel() for name, weight in policy.model.named_parameters() if ".lora_" in name)
    assert learning_parameters(plan.work, plan.shape) == learns
    assert (plan.work.adapter, plan.work.memory) == (of_adapter, learns - of_adapter)
    assert parameters(plan.shape) == policy.parameters - of_adapter
    part = {part.name: part for part in plan.memory}
    assert part["AdamW moments"].learning == 8 * learns and part["gradients"].learning == 4 * learns
    assert part["weights"].learning + part["adapters"].learning == 4 * policy.parameters
    assert part["reference policy"].learning == 4 * (learns - of_adapter)


@pytest.mark.parametrize("rule", ["titans", "gated_delta", "linear_attention", "tokenwise"])
def test_the_plan_counts_what_a_pass_keeps_of_the_memory(rule: Kind) -> None:
    """In the whole model, over 8 rows of 192 tokens, with a memory and without one."""

    def kept(kind: Kind) -> int:
        model, sizes = memory_policy(kind).model, {}

        def keep(tensor: torch.Tensor) -> torch.Tensor:
            sizes[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor.detach()

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            logits = model(tokens(8, 192), use_cache=False).logits
        del logits
        weights = {weight.untyped_storage().data_ptr() for weight in model.parameters()}
        return sum(size for place, size in sizes.items() if place not in weights)

    of_plan = INIT.layers * 8 * 192 * activation_bytes(memory_settings(rule), INIT.hidden)
    assert of_plan == pytest.approx(kept(rule) - kept("none"), rel=0.1)


def test_in_bfloat16_adapters_and_memory_stay_in_float32(tmp_path: Path) -> None:
    policy, reference = learning(LORA, True, "policy.dtype=bfloat16")
    kinds = {weight.requires_grad: set[torch.dtype]() for weight in policy.model.parameters()}
    for weight in policy.model.parameters():
        kinds[weight.requires_grad].add(weight.dtype)
    assert kinds == {True: {torch.float32}, False: {torch.bfloat16}}
    held = sum(weight.nbytes for weight in policy.model.parameters())
    part = {part.name: part for part in plan_recipe(recipe_of(LORA, "policy.dtype=bfloat16"), load_gpu_catalog()).memory}
    assert part["weights"].learning + part["adapters"].learning == held
    own = {weight.data_ptr() for weight in policy.model.parameters()}
    assert part["reference policy"].learning == sum(
        weight.nbytes for weight in reference.model.parameters() if weight.data_ptr() not in own
    )
    policy.save(tmp_path / "added")
    loaded = load_policy(str(tmp_path / "added"), dtype="bfloat16")
    assert loaded.digest() == policy.digest()
    export(loaded, tmp_path / "whole")
    assert load_policy(str(tmp_path / "whole"), dtype="bfloat16").digest() == policy.digest()


def test_in_bfloat16_a_memory_rounds_no_angle_of_a_position(tmp_path: Path) -> None:
    """With gates of 0, a model computes what the same weights compute that transformers has loaded from a folder."""
    policy = base_policy(load_recipe("micro", ["policy={model='micro-base',dtype='bfloat16'}", MEMORY]))
    policy.save(tmp_path)
    loaded = load_policy(str(tmp_path), dtype="bfloat16")
    row = tokens(2, 120)
    with torch.no_grad():
        assert torch.equal(policy.model(row).logits, loaded.model(row).logits)
    angles = [dict(each.model.named_buffers())["model.rotary_emb.inv_freq"] for each in (policy, loaded)]
    assert torch.equal(*angles) and angles[0].dtype == torch.float32
    assert policy.digest() == loaded.digest()
    part = {
        part.name: part
        for part in plan_recipe(
            load_recipe("micro", ["policy={model='micro-base',dtype='bfloat16'}", MEMORY]), load_gpu_catalog()
        ).memory
    }
    assert part["weights"].learning == sum(weight.nbytes for weight in policy.model.parameters())


@both
def test_the_native_engine_writes_what_transformers_writes(lora: str) -> None:
    policy, _ = learning(lora)
    prompts = [tokens(1, length)[0].tolist() for length in (3, 40, 16, 27)]

    def written(engine: Engine) -> list[list[int]]:
        sync(engine, policy)
        request = GenerationRequest(prompts, 1, Sampling(temperature=0.0, max_tokens=30), range(len(prompts)))
        return [rollout.completion_ids for group in engine.generate(request) for rollout in group]

    assert written(NativeEngine()) == written(TransformersEngine())


@both
def test_a_new_process_loads_what_was_saved(lora: str, tmp_path: Path) -> None:
    policy, _ = learning(lora)
    policy.save(tmp_path)
    names = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.safetensors")}
    assert names == {"memory.safetensors"} | ({"lora/adapter_model.safetensors"} if lora == LORA else set())
    code = "import sys; from outgrow.policy import load_policy; p = load_policy(sys.argv[1]); print(p.digest(), p.parameters)"
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.split() == [policy.digest(), str(policy.parameters)]
    again = load_policy(str(tmp_path))
    learns = [{name for name, weight in each.model.named_parameters() if weight.requires_grad} for each in (policy, again)]
    assert learns[0] == learns[1]
    of_adapter = sum(weight.numel() for name, weight in policy.model.named_parameters() if ".lora_" in name)
    assert parameters(shape_of(PolicySection(model=str(tmp_path)))) == policy.parameters - of_adapter


@both
def test_export_gives_a_whole_model_with_a_memory(lora: str, tmp_path: Path) -> None:
    policy, _ = learning(lora)
    row = tokens(2, 60)
    with torch.no_grad():
        wanted = policy.model(row).logits
        export(policy, tmp_path / "whole", "# a card\nlibrary_name: peft")
        assert "library_name: outgrow" in (tmp_path / "whole" / "README.md").read_text()
        whole = AutoModelForCausalLM.from_pretrained(tmp_path / "whole").eval()
        torch.testing.assert_close(whole(row).logits, wanted, rtol=0, atol=1e-4)
    assert whole.config.model_type == "outgrow_memory"
    recipe = load_recipe("micro", [f"policy={{model='{tmp_path / 'whole'}'}}", lora])  # learns on, from the memory it has
    on, _ = learner_and_reference(recipe, base_policy(recipe), None)
    assert {name for name, weight in on.model.named_parameters() if weight.requires_grad} == {
        name for name, _ in learning(lora)[0].model.named_parameters() if ".memory." in name or ".lora_" in name
    }
    on.save(tmp_path / "on")
    assert library_of(tmp_path / "on") == library_of(tmp_path / "whole") == "outgrow"
    assert load_policy(str(tmp_path / "on")).digest() == on.digest()


@pytest.mark.parametrize(("name", "settings"), [("micro-base", SFT), ("micro", RL)], ids=["sft", "rl"])
@both
def test_a_run_goes_on_to_the_same_bytes(lora: str, name: str, settings: list[str], tmp_path: Path) -> None:
    recipe = ["policy={model='micro-base'}", MEMORY, lora, *settings]
    steps = load_recipe(name, recipe).learn.steps
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train(load_recipe(name, recipe), whole, Silent())
    train(load_recipe(name, [*recipe, "learn.steps=1"]), parts, Silent())
    resume(parts, [f"learn.steps={steps}"], Silent())
    folders = [Path(resolve_model(str(run)).location).parent for run in (whole, parts)]
    files = [{str(path.relative_to(each)): path.read_bytes() for path in each.rglob("*.safetensors")} for each in folders]
    assert files[0] == files[1] and "policy/memory.safetensors" in files[0]
    policy = run_policy(whole)
    assert load_policy(str(whole / "checkpoints" / "latest" / "policy")).digest() == policy.digest()
    gates = [weight for key, weight in policy.model.named_parameters() if key.endswith("memory.gate")]
    assert gates and all(gate.abs().sum() > 0 for gate in gates), "the memory has learned"
    card = (whole / "checkpoints" / "latest" / "policy" / "README.md").read_text()
    assert "library_name: outgrow" in card and (", lora]" in card) == (lora == LORA)


def test_what_cannot_be_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"policy\.lora\.rank=0: micro-base has no memory, so nothing learns"):
        base_policy(load_recipe("micro", ["policy={model='micro-base'}", ALONE]))
    with pytest.raises(UsageError, match=r"policy\.lora\.rank=0: this model has no memory"):
        plan_recipe(load_recipe("micro", ["policy={model='micro-base'}", ALONE]), load_gpu_catalog())
    with pytest.raises(UsageError, match=r"policy\.lora\.rank=0: micro-base has no memory"):
        base_policy(recipe_of(ALONE, "policy.memory.rule=none"))
    with pytest.raises(UsageError, match=r"micro-base has no linear layer named 'gates'"):
        base_policy(recipe_of("policy.lora={targets=['q_proj','gates']}"))
    policy, _ = learning(LORA)
    policy.save(tmp_path)
    with pytest.raises(UsageError, match=r"is a memory next to a frozen base; write it as one model first: outgrow merge"):
        base_policy(load_recipe("micro", [f"policy={{model='{tmp_path}'}}"]))
    (tmp_path / "memory.safetensors").write_bytes(b"no weights")
    with pytest.raises(UsageError, match=r"cannot load this memory"):
        load_policy(str(tmp_path))
    text = (tmp_path / "memory_config.json").read_text()
    policy.save(tmp_path)
    (tmp_path / "memory_config.json").write_text(text.replace('"width": 8', '"width": 16'))
    with pytest.raises(UsageError, match=r"memory\.safetensors has other weights than memory_config\.json"):
        load_policy(str(tmp_path))
    (tmp_path / "memory_config.json").write_text(text.replace('"depth": 2', '"depth": 9'))
    with pytest.raises(
        UsageError, match=r"memory_config\.json does not say .*: memory\.depth: Input should be less than or equal to 4"
    ):
        load_policy(str(tmp_path))
    for huge in ('"width": 100000000', f'"width": {2**70}', f'"convolution": {10**15}'):  # of which nothing is made
        key = huge.partition(":")[0]
        (tmp_path / "memory_config.json").write_text(re.sub(f"{key}: \\d+", huge, text))
        with pytest.raises(UsageError, match=r"cannot load this memory"):
            load_policy(str(tmp_path))
    (tmp_path / "memory_config.json").write_text(text)
    shutil.rmtree(tmp_path / "lora")
    with pytest.raises(UsageError, match=r"an adapter learned with this memory, and its folder lora/ is not here"):
        load_policy(str(tmp_path))
    (tmp_path / "memory_config.json").write_text("{}")
    with pytest.raises(UsageError, match=r"memory_config\.json does not say"):
        load_policy(str(tmp_path))
    export(policy, tmp_path / "whole")
    config = tmp_path / "whole" / "config.json"
    config.write_text(config.read_text().replace('"depth": 2', '"depth": 9'))
    with pytest.raises(UsageError, match=r"memory\.depth: Input should be less than or equal to 4"):
        shape_of(PolicySection(model=str(tmp_path / "whole")))
    with pytest.raises(UsageError, match=r"memory\.depth: Input should be less than or equal to 4"):
        load_policy(str(tmp_path / "whole"))
