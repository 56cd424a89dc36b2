"""The shape of a model by its name, from its config only: no weights are loaded."""

import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from ..config import RLRecipe, load_recipe, shipped_recipes
from ..config.sections import PolicySection
from ..core.addresses import is_served
from ..core.errors import UsageError, first_line
from ..policy.gguf_head_size import unread_head_size
from ..policy.gguf_open import open_gguf
from ..policy.hub_commits import hub_revision
from ..policy.memory.frozen import CONFIG, read_memory
from ..policy.memory.settings import MODEL_TYPE, Memory, saved_settings
from ..policy.micro import MicroInit, make_tokenizer
from ..runs.resolve_model import resolve_model
from .shape import ATTENTION, FEED_FORWARD, Shape

# Values of the models' own config.json, so that the models of shipped recipes can be planned without a network.
KNOWN = {
    "deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B": Shape(
        hidden=1536,
        layers=28,
        heads=12,
        kv_heads=2,
        head_size=128,
        feed_forward=8960,
        vocabulary=151936,
        context=131072,
        tied=False,
        biased=ATTENTION[:3],
    ),
    "deepseek-ai/DeepSeek-R1-Distill-Qwen-7B": Shape(
        hidden=3584,
        layers=28,
        heads=28,
        kv_heads=4,
        head_size=128,
        feed_forward=18944,
        vocabulary=152064,
        context=131072,
        tied=False,
        biased=ATTENTION[:3],
    ),
    "Qwen/Qwen2.5-0.5B-Instruct": Shape(
        hidden=896,
        layers=24,
        heads=14,
        kv_heads=2,
        head_size=64,
        feed_forward=4864,
        vocabulary=151936,
        context=32768,
        tied=True,
        biased=ATTENTION[:3],
    ),
    "HuggingFaceTB/SmolLM2-135M-Instruct": Shape(
        hidden=576,
        layers=30,
        heads=9,
        kv_heads=3,
        head_size=64,
        feed_forward=1536,
        vocabulary=49152,
        context=8192,
        tied=True,
    ),
}

FutureModels = Mapping[str, Shape]
"""Shapes of models that do not exist yet, by the names that recipes have for them."""
_OUTPUT_FOLDERS = ("runs", "models")  # where commands put what they train and merge, by default


def shape_of(policy: PolicySection, future: FutureModels | None = None) -> Shape:
    """Return the shape of a policy's model; of an adapter, the shape of its base, without the adapter's own parameters, but with
    the memory that learned next to it.

    Raises UsageError where the config cannot be read, or is of a family that the formulas do not cover.
    """
    if policy.memory is not None:
        without: Shape = shape_of(policy.model_copy(update={"memory": None}), future)
        return replace(without, memory=policy.memory)
    # Without a network the hub client logs every retry; our error message is enough.
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
    if policy.init is not None:
        return _micro_shape(policy.init)
    assert policy.model is not None
    known = {**KNOWN, **(future or {})}
    if policy.model in known:
        return known[policy.model]
    if source := recipe_of_future_run(policy.model):
        return shape_of(load_recipe(source).policy)
    model = resolve_model(policy.model)
    if base := model.adapter_base():
        folder = Path(model.location)
        memory = read_memory(folder)[0] if (folder / CONFIG).is_file() else None
        under = shape_of(PolicySection(model=base[0], revision=base[1]))
        return replace(under, memory=memory) if memory else under
    if model.location.endswith(".gguf"):
        return shape_from_config(_config_in_gguf(policy.model, model.location), policy.model)
    return shape_from_config(_config(policy.model, model.location, policy.revision), policy.model)


def _config(name: str, location: str, revision: str | None) -> Any:
    from transformers import AutoConfig

    from ..policy.memory import config as _  # noqa: F401  it lets transformers read the settings of a model with a memory

    try:
        return AutoConfig.from_pretrained(location, revision=hub_revision(location, revision), trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise UsageError(
            f"{name}: cannot read this model's config.json: {first_line(error)} "
            f"Name its folder, or go online once. Known without a network: {', '.join(KNOWN)}"
        ) from error


@cache  # a file with a vocabulary of 150,000 tokens takes seconds
def _config_in_gguf(name: str, location: str) -> Any:
    from transformers import AutoConfig

    file = Path(location)
    try:
        unread = unread_head_size(open_gguf(location))
        return AutoConfig.from_pretrained(file.parent, gguf_file=file.name, trust_remote_code=False, **unread)
    except Exception as error:  # a bad file raises errors of several types
        raise UsageError(f"{name}: cannot read this GGUF file: {first_line(error)}") from error


def distilled_shape(recipe: RLRecipe, future: FutureModels | None = None) -> Shape | None:
    """Return the shape of the teacher that the recipe distils; None without one. Raises UsageError as `shape_of` does."""
    distill = recipe.distill
    return shape_of(PolicySection(model=distill.model, revision=distill.revision), future) if distill else None


def recipe_of_future_run(model: str) -> str | None:
    """Return the shipped recipe whose run, or merged model, has this path, where nothing exists there yet; else None.

    >>> names = ("runs/r1-7b-gsm8k", "r1-7b-gsm8k", "someone/r1-7b-gsm8k")
    >>> recipe_of_future_run(names[0]), recipe_of_future_run(names[1]), recipe_of_future_run(names[2])
    ('r1-7b-gsm8k', None, None)
    """
    path = Path(model)
    ours = str(path.parent) in _OUTPUT_FOLDERS and path.name in shipped_recipes()
    return path.name if ours and not path.exists() else None


def judge_names(recipe: RLRecipe) -> list[str]:
    """Return the names of a recipe's judges: judge.model, and judge.watch.second_model where it is set."""
    section = recipe.judge
    return [name for name in (section.model, section.watch.second_model) if name] if section else []


def judge_shapes(recipe: RLRecipe, served: bool = True, future: FutureModels | None = None) -> dict[str, Shape]:
    """Return the shapes of a recipe's judges by their names. A judge on a server is missing where its model is not known by name.

    served: whether to look up judges on servers. Raises UsageError as `shape_of` does for a local judge.
    """
    shapes: dict[str, Shape] = {}
    for name in judge_names(recipe):
        if is_served(name):
            shape = _shape_at(name) if served else None
        else:
            assert recipe.judge is not None
            # judge.revision belongs to judge.model, not to the second judge.
            revision = recipe.judge.revision if name == recipe.judge.model else None
            shape = shape_of(PolicySection(model=name, revision=revision), future)
        shapes |= {name: shape} if shape else {}
    return shapes


def _shape_at(address: str) -> Shape | None:
    """Return the shape of the model that an address names after #: a model of that name, or a run or merged folder."""
    model = address.partition("#")[2]
    for name in (model, *(f"{folder}/{model}" for folder in _OUTPUT_FOLDERS)) if model else ():
        with suppress(UsageError):
            return shape_of(PolicySection(model=name))
    return None


def shape_from_config(config: Any, name: str) -> Shape:
    """Return the shape that a transformers config describes. Raises UsageError for a family that the formulas do not cover."""
    biased = _biased(config, name)
    return Shape(
        hidden=config.hidden_size,
        layers=config.num_hidden_layers,
        heads=config.num_attention_heads,
        kv_heads=config.num_key_value_heads,
        head_size=getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads,
        feed_forward=config.intermediate_size,
        vocabulary=config.vocab_size,
        context=config.max_position_embeddings,
        tied=config.tie_word_embeddings,
        biased=biased,
        head_norms=config.model_type == "qwen3",
        memory=_memory(config, name) if config.model_type == MODEL_TYPE else None,
    )


def _memory(config: Any, name: str) -> Memory:
    try:
        return saved_settings(config.memory)
    except ValueError as error:
        raise UsageError(f"{name}: cannot read this model's config.json: {error}") from error


def _biased(config: Any, name: str) -> tuple[str, ...]:
    match config.model_type:
        case "llama":
            return (*(ATTENTION if config.attention_bias else ()), *(FEED_FORWARD if config.mlp_bias else ()))
        case kind if kind == MODEL_TYPE:
            return ATTENTION[:3] if config.qkv_bias else ()
        case "qwen2":
            return ATTENTION[:3]
        case "qwen3":
            return ATTENTION if config.attention_bias else ()
    raise UsageError(f"{name}: plan covers llama, qwen2 and qwen3 models; this model is {config.model_type!r}")


def _micro_shape(init: MicroInit) -> Shape:
    return Shape(
        hidden=init.hidden,
        layers=init.layers,
        heads=init.heads,
        kv_heads=init.kv_heads,
        head_size=init.hidden // init.heads,
        feed_forward=init.feed_forward,
        vocabulary=len(make_tokenizer()),
        context=init.context,
        tied=True,
    )
