"""The policies of a run: the base it starts from, what learns, the reference that never moves, and what it distils."""

import copy
from collections.abc import Mapping
from pathlib import Path

from ..config import Recipe, RLRecipe
from ..config.schema import DistillSection
from ..core.callbacks import Warn
from ..core.errors import UsageError
from ..engines import Engine, NativeEngine, VLLMEngine
from ..policy import Policy, load_policy
from ..policy.load import placed, with_adapter
from ..policy.lora import add_adapter
from ..policy.micro import make_model, make_tokenizer
from ..policy.pull import public_name
from .checkpoint import Checkpoint
from .folder import read_recipe
from .resolve_model import resolve_model


def base_policy(recipe: Recipe) -> Policy:
    """What the recipe starts from. Raises UsageError where it cannot be had, is an adapter, or leaves no room for a prompt."""
    section = recipe.policy
    if section.init is None:
        assert section.model is not None
        policy = load_policy(resolve_model(section.model).name, recipe.prompt, section.dtype, section.revision)
        if policy.adapter is not None:
            raise UsageError(
                f"{section.model} is an adapter; write it as one model first: outgrow merge {section.model} --out MODEL, and "
                "start from that"
            )
    else:
        tokenizer = make_tokenizer()
        model = placed(make_model(section.init, tokenizer, recipe.seed))
        policy = Policy(model, tokenizer, recipe.prompt)
    if recipe.sampling.max_tokens >= policy.context:
        raise UsageError(
            f"sampling.max_tokens={recipe.sampling.max_tokens} leaves no room for a prompt in the model's context of "
            f"{policy.context}; lower it"
        )
    return policy


def _section(recipe: Recipe) -> DistillSection | None:
    """What the recipe says of a teacher to distil."""
    return recipe.distill if isinstance(recipe, RLRecipe) else None


def distilled_policy(recipe: Recipe, student: Policy, warn: Warn = lambda _: None) -> Policy | None:
    """The teacher that the recipe distils; None where it names none. warn: told what a person should know.

    Raises UsageError where it cannot be had, or cannot read what the student writes.
    """
    section = _section(recipe)
    if section is None:
        return None
    teacher = load_policy(resolve_model(section.model).name, recipe.prompt, section.dtype, section.revision)
    teacher.model.requires_grad_(False).eval()
    told = f"distill.model={section.model}"
    if teacher.tokenizer.get_vocab() != student.tokenizer.get_vocab():
        raise UsageError(f"{told}: its tokens are not those of the policy, token for token; take a teacher with the same tokenizer")
    # A family's larger models may have more rows than tokens. Those too many stand for nothing; those too few cannot be read.
    rows, needed = (len(policy.model.get_output_embeddings().weight) for policy in (teacher, student))
    if rows < needed:
        raise UsageError(f"{told}: it has {rows} outputs and the policy {needed}; take a teacher with as many")
    if recipe.sampling.max_tokens >= teacher.context:
        raise UsageError(
            f"sampling.max_tokens={recipe.sampling.max_tokens} leaves no room for a prompt in the context of {section.model}, "
            f"{teacher.context}; lower it"
        )
    if (teacher.prompt_text("?"), teacher.end_id) != (student.prompt_text("?"), student.end_id):
        warn(f"{told} would put questions, or end answers, otherwise than the policy; it reads them as the policy has them")
    return teacher


def digests(base: Policy, distilled: Policy | None) -> dict[str, str]:
    """Of the models that a run begins with, by the names that its recipe.toml keeps them under."""
    return {"base_sha256": base.digest(), **({"distilled_sha256": distilled.digest()} if distilled else {})}


def build_engine(recipe: Recipe, warn: Warn = lambda _: None) -> Engine:
    """What writes the completions. One serves a whole run: vLLM has room for no second one in a process.

    warn: told what a person should know.
    """
    section = recipe.engine
    if section.type == "vllm":
        return VLLMEngine(section.gpu_memory_utilization, section.max_sequences)
    return NativeEngine(section.max_sequences, warn)


def learning_policy(recipe: Recipe, base: Policy, checkpoint: Checkpoint | None) -> Policy:
    """What learns, as the checkpoint left it; at the start the base itself, or the base with a new adapter in it."""
    section = recipe.policy
    if section.lora is None:
        return load_policy(str(checkpoint.policy), recipe.prompt, section.dtype) if checkpoint else base
    if checkpoint:
        return with_adapter(base, checkpoint.policy)
    name = public_name(resolve_model(section.model).name) if section.model else recipe.name
    return Policy(
        base.model, base.tokenizer, base.prompt, add_adapter(base.model, section.lora, recipe.seed, name, section.revision)
    )


def run_policy(run: Path) -> Policy:
    """What a run has learned so far, asked as it was in training.

    Raises OutgrowError where it has no whole checkpoint, or UsageError where the base of its adapter is no longer the same.
    """
    recipe, made_with = read_recipe(run)
    base = base_policy(recipe) if recipe.policy.lora is not None else None
    if base is not None:
        require_base(run, recipe, base, made_with)
    return saved_policy(recipe, Path(resolve_model(str(run)).location), base)


def saved_policy(recipe: Recipe, folder: Path, base: Policy | None) -> Policy:
    """What a checkpoint's folder `policy` holds. base: what an adapter goes into, for good; None for whole weights."""
    return with_adapter(base, folder) if base is not None else load_policy(str(folder), recipe.prompt, recipe.policy.dtype)


def require_base(run: Path, recipe: Recipe, base: Policy, made_with: Mapping[str, object]) -> None:
    """Raise UsageError where this base is not the one that the run was started from."""
    if base.digest() != made_with.get("base_sha256"):
        raise UsageError(f"{run}: its base model {recipe.policy.model!r} is not the one it started from; put that one back")


def require_distilled(run: Path, recipe: Recipe, stored: Recipe, distilled: Policy | None, made_with: Mapping[str, object]) -> None:
    """Raise UsageError where what the run distils is no longer what it was, though the stored recipe names the same."""
    now, before = _section(recipe), _section(stored)
    if distilled is None or now is None or before is None:
        return
    same = (now.model, now.revision, now.dtype) == (before.model, before.revision, before.dtype)
    if same and distilled.digest() != made_with.get("distilled_sha256"):
        raise UsageError(f"{run}: what it distils, {now.model!r}, is not what it started with; put that back")


def frozen_copy(policy: Policy, share: bool = False) -> Policy:
    """The policy as it is now, for a reference that never moves.

    share: the weights themselves never move (only adapters, yet to be put in, will learn), so they are not copied.
    """
    memo = {id(tensor): tensor for tensor in (*policy.model.parameters(), *policy.model.buffers())} if share else {}
    model = copy.deepcopy(policy.model, memo).requires_grad_(False)
    return Policy(model.eval(), policy.tokenizer, policy.prompt)
