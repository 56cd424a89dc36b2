"""The policies of a run: the base it starts from, what learns, the reference that never moves, and what it distils."""

import copy
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from ..config import Recipe, RLRecipe
from ..config.sections import DistillSection, PolicySection
from ..core.callbacks import Warn
from ..core.errors import UsageError
from ..core.files import read_json
from ..core.shell import command_line
from ..engines import VLLMEngineConfig, build_engine, check_room, require_cluster
from ..engines.vllm import NO_MEMORY
from ..policy import Policy, Sampling, load_policy
from ..policy.load import placed, with_addition
from ..policy.lora import add_adapter, has_adapter, require_targets
from ..policy.lora_settings import LoRA
from ..policy.memory.convert import add_memory
from ..policy.memory.frozen import FrozenBase, let_memory_learn, memory_weights
from ..policy.memory.settings import MODEL_TYPE
from ..policy.micro import make_model, make_tokenizer
from ..policy.pull import public_name
from .checkpoint import Checkpoint
from .folder import read_recipe
from .resolve_model import resolve_model


def base_policy(recipe: Recipe) -> Policy:
    """Return the policy that the recipe starts from.

    Raises UsageError where it is missing, is an adapter, has no room for a prompt, or lacks the layers of the recipe's adapters.
    """
    section = recipe.policy
    if section.init is None:
        assert section.model is not None
        policy = load_policy(resolve_model(section.model).name, recipe.prompt, section.dtype, section.revision)
        if not policy.whole:
            merge = command_line("merge", section.model, "--out", "MODEL")
            what = "an adapter" if policy.frozen is None else "a memory next to a frozen base"
            raise UsageError(f"{section.model} is {what}; write it as one model first: {merge}, and start from that")
    else:
        tokenizer = make_tokenizer()
        model = placed(make_model(section.init, tokenizer, recipe.seed))
        policy = Policy(model, tokenizer, recipe.prompt)
    if section.memory is not None:
        policy.model = add_memory(policy.model, section.memory, recipe.seed)
    check_room(recipe.sampling, policy.context)
    if section.lora is not None:
        require_targets(policy.model, section.lora, _public_base(recipe))
    return policy


def _section(recipe: Recipe) -> DistillSection | None:
    """Return the recipe's table [distill], or None."""
    return recipe.distill if isinstance(recipe, RLRecipe) else None


def distilled_policy(recipe: Recipe, student: Policy, warn: Warn = lambda _: None) -> Policy | None:
    """Return the teacher that the recipe distils, or None. warn: takes what a person should know.

    Raises UsageError where it is missing, or cannot read what the student writes.
    """
    section = _section(recipe)
    if section is None:
        return None
    teacher = load_policy(resolve_model(section.model).name, recipe.prompt, section.dtype, section.revision)
    teacher.model.requires_grad_(False).eval()
    teacher_key = f"distill.model={section.model}"
    if teacher.tokenizer.get_vocab() != student.tokenizer.get_vocab():
        raise UsageError(f"{teacher_key}: its tokens are not those of the policy; choose a teacher with the same tokenizer")
    # A family's larger models may have more rows than tokens. Extra rows stand for nothing; a missing row cannot be read.
    rows, needed = (len(policy.model.get_output_embeddings().weight) for policy in (teacher, student))
    if rows < needed:
        raise UsageError(f"{teacher_key}: it has {rows} outputs and the policy {needed}; choose a teacher with at least {needed}")
    check_room(recipe.sampling, teacher.context, whose=f"the context of {section.model}")
    if (teacher.prompt_text("?"), teacher.end_ids) != (student.prompt_text("?"), student.end_ids):
        warn(f"{teacher_key} uses a different chat template or end token; the policy's are used")
    return teacher


def evaluation_sampling(recipe: Recipe) -> Sampling:
    """Return the recipe's sampling at the temperature that it measures at."""
    return recipe.sampling.model_copy(update={"temperature": recipe.evaluate.temperature})


def digests(base: Policy, distilled: Policy | None) -> dict[str, str]:
    """Return the digests of the models that a run begins with, by their keys in recipe.toml."""
    return {"base_sha256": base.digest(), **({"distilled_sha256": distilled.digest()} if distilled else {})}


def check_engine(recipe: Recipe) -> None:
    """Raise UsageError where the recipe's engine cannot be used here, or by its kind cannot decode the recipe's model.

    The second is told first: another engine is then needed, and not the package of this one.
    """
    if isinstance(recipe.engine, VLLMEngineConfig) and has_memory(recipe.policy):
        raise UsageError(NO_MEMORY)
    build_engine(recipe.engine)
    if recipe.engine.actors:
        require_cluster()


def has_memory(section: PolicySection) -> bool:
    """Return whether a policy has a memory, as far as the recipe or the model's folder says so."""
    if section.memory is not None:
        return True
    file = Path(resolve_model(section.model).location, "config.json") if section.model else None
    with suppress(OSError, ValueError, AttributeError):  # loading the model says what is wrong with it
        return file is not None and read_json(file).get("model_type") == MODEL_TYPE
    return False


def learner_and_reference(recipe: Recipe, base: Policy, checkpoint: Checkpoint | None) -> tuple[Policy, Policy]:
    """Return the policy that learns, as the checkpoint left it, and the base as it is now, which never moves.

    Both in one call, since an adapter is put into `base` in place, for good: a reference taken later would learn too. Where the
    checkpoint holds all weights, `base` itself is the reference, frozen in place.
    """
    if checkpoint and recipe.policy.lora is None:
        base.model.requires_grad_(False).eval()
        return learning_policy(recipe, base, checkpoint), base
    reference = frozen_copy(base, share=recipe.policy.lora is not None)
    return learning_policy(recipe, base, checkpoint), reference


def learning_policy(recipe: Recipe, base: Policy, checkpoint: Checkpoint | None) -> Policy:
    """Return what learns, as the checkpoint left it; at the start the base itself, or the base with a new adapter in it.

    An adapter is put into `base` in place. What is saved of the policy says how the recipe measures it.
    """
    if checkpoint:
        return saved_policy(recipe, checkpoint.policy, base if recipe.policy.lora else None)
    policy = base if recipe.policy.lora is None else _frozen_with_new(recipe, base, recipe.policy.lora)
    policy.declare_sampling(evaluation_sampling(recipe))
    return policy


def _frozen_with_new(recipe: Recipe, base: Policy, lora: LoRA) -> Policy:
    """Freeze the base but for its memory, if it has one, and put a new adapter into it, if one is asked for."""
    name, revision = _public_base(recipe), recipe.policy.revision
    adapter = add_adapter(base.model, lora, recipe.seed, name, revision) if lora.rank else None
    if base.model.config.model_type != MODEL_TYPE:
        return Policy(base.model, base.tokenizer, base.prompt, adapter)
    let_memory_learn(base.model)
    return Policy(base.model, base.tokenizer, base.prompt, adapter, FrozenBase(name, revision))


def _public_base(recipe: Recipe) -> str:
    """Return the name of the model that the recipe starts from, as an adapter's file and messages say it."""
    model = recipe.policy.model
    return public_name(resolve_model(model).name) if model else recipe.name


def run_policy(run: Path) -> Policy:
    """Return the policy that a run has learned so far, with the prompt of its training.

    Raises OutgrowError where it has no whole checkpoint, or UsageError where the base of its adapter is no longer the same.
    """
    recipe, made_with = read_recipe(run)
    base = base_policy(recipe) if recipe.policy.lora is not None else None
    if base is not None:
        require_base(run, recipe, base, made_with)
    return saved_policy(recipe, Path(resolve_model(str(run)).location), base)


def saved_policy(recipe: Recipe, folder: Path, base: Policy | None) -> Policy:
    """Return the policy in a checkpoint's folder `policy`. base: what an adapter is put into, in place; None for whole weights."""
    policy = with_addition(base, folder) if base is not None else load_policy(str(folder), recipe.prompt, recipe.policy.dtype)
    policy.declare_sampling(evaluation_sampling(recipe))
    return policy


def require_base(run: Path, recipe: Recipe, base: Policy, made_with: Mapping[str, object]) -> None:
    """Raise UsageError where this base is not the one that the run started from."""
    if base.digest() != made_with.get("base_sha256"):
        raise UsageError(f"{run}: its base model {recipe.policy.model!r} is not the one it started from; restore that one")


def require_distilled(run: Path, recipe: Recipe, stored: Recipe, distilled: Policy | None, made_with: Mapping[str, object]) -> None:
    """Raise UsageError where the run's teacher has changed under the same name."""
    now, before = _section(recipe), _section(stored)
    if distilled is None or now is None or before is None:
        return
    same = (now.model, now.revision, now.dtype) == (before.model, before.revision, before.dtype)
    if same and distilled.digest() != made_with.get("distilled_sha256"):
        raise UsageError(f"{run}: what it distils, {now.model!r}, is not what it started with; restore that one")


def frozen_copy(policy: Policy, share: bool = False) -> Policy:
    """Return a copy of the policy as it is now, for a reference that never moves.

    share: do not copy the weights but those of a memory, since the others are frozen or are yet to be put in. Raises ValueError
    where an adapter is in the model already: the copy would share its weights, and learn with it.
    """
    if share and has_adapter(policy.model):
        raise ValueError("this model has an adapter, which a copy that shares its weights would learn with; take the copy first")
    tensors = {id(tensor): tensor for tensor in (*policy.model.parameters(), *policy.model.buffers())}
    learning = set(map(id, memory_weights(policy.model).values()))
    memo = {key: tensor for key, tensor in tensors.items() if key not in learning} if share else {}
    model = copy.deepcopy(policy.model, memo).requires_grad_(False)
    return Policy(model.eval(), policy.tokenizer, policy.prompt)
