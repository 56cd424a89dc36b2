"""A model's shape by its name, from its config alone: no weight is loaded."""

import logging
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..config import RLRecipe, load_recipe, shipped_recipes
from ..config.schema import PolicySection
from ..core.errors import UsageError, first_line
from ..engines import is_served
from ..policy.micro import MicroInit, make_tokenizer
from ..runs.resolve_model import resolve_model
from .shape import ATTENTION, FEED_FORWARD, Shape

# Figures of the models' own config.json, so that the models that recipes name can be planned without a network.
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

FutureModels = Mapping[str, Shape]  # by the names that recipes have for them, models that are yet to be made
_OURS = ("runs", "models")  # where commands put what they train and merge, if nothing else is said


def shape_of(policy: PolicySection, made: FutureModels | None = None) -> Shape:
    """The shape of the model that a recipe trains; of an adapter, that of the model it belongs to (what it adds is not counted).

    Raises UsageError with one line where its config cannot be had or is of a family that the formulas do not cover.
    """
    from transformers import AutoConfig

    # Without a network the hub client tells of every retry; our one line says it.
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
    if policy.init is not None:
        return _micro_shape(policy.init)
    assert policy.model is not None
    known = {**KNOWN, **(made or {})}
    if policy.model in known:
        return known[policy.model]
    if maker := yet_to_be_made(policy.model):
        return shape_of(load_recipe(maker).policy)
    found = resolve_model(policy.model)
    if base := found.adapter_base():
        return shape_of(PolicySection(model=base[0], revision=base[1]))
    try:
        config = AutoConfig.from_pretrained(found.location, revision=policy.revision or "main")
    except (OSError, ValueError) as error:
        raise UsageError(
            f"{policy.model}: cannot read this model's config.json: {first_line(error)} "
            f"Give its folder, or go online once; known without a network: {', '.join(KNOWN)}"
        ) from error
    return shape_from_config(config, policy.model)


def distilled_shape(recipe: RLRecipe, made: FutureModels | None = None) -> Shape | None:
    """The shape of what the recipe distils; None where it distils nothing. Raises UsageError as `shape_of` does."""
    distill = recipe.distill
    return shape_of(PolicySection(model=distill.model, revision=distill.revision), made) if distill else None


def yet_to_be_made(model: str) -> str | None:
    """The shipped recipe that makes this model, where it names a run of one, or what was merged from it, and nothing is there yet.

    >>> yet_to_be_made("runs/r1-7b-gsm8k"), yet_to_be_made("r1-7b-gsm8k"), yet_to_be_made("someone/r1-7b-gsm8k")
    ('r1-7b-gsm8k', None, None)
    """
    path = Path(model)
    ours = str(path.parent) in _OURS and path.name in shipped_recipes()
    return path.name if ours and not path.exists() else None


def judge_names(recipe: RLRecipe) -> list[str]:
    """The judges that a recipe asks, as it names them: its teacher, and the second one where it has one."""
    section = recipe.judge
    return [name for name in (section.model, section.watch.second_model) if name] if section else []


def judge_shapes(recipe: RLRecipe, served: bool = True, made: FutureModels | None = None) -> dict[str, Shape]:
    """The shapes of a recipe's judges by their names; without one that a server holds where its address names no model that can be
    looked up. served: whether to look these up at all. Raises UsageError as `shape_of` does of a judge that no server holds.
    """
    found: dict[str, Shape] = {}
    for name in judge_names(recipe):
        if is_served(name):
            shape = _named_behind(name) if served else None
        else:
            assert recipe.judge is not None
            # A revision is that of teacher.model alone.
            revision = recipe.judge.revision if name == recipe.judge.model else None
            shape = shape_of(PolicySection(model=name, revision=revision), made)
        found |= {name: shape} if shape else {}
    return found


def _named_behind(address: str) -> Shape | None:
    """The shape of the model that an address names behind #: under that name, or as our run or merged folder of that name."""
    model = address.partition("#")[2]
    for name in (model, *(f"{folder}/{model}" for folder in _OURS)) if model else ():
        with suppress(UsageError):
            return shape_of(PolicySection(model=name))
    return None


def shape_from_config(config: Any, name: str) -> Shape:
    """The shape that a transformers config describes. Raises UsageError for a family that the formulas do not cover."""
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
    )


def _biased(config: Any, name: str) -> tuple[str, ...]:
    match config.model_type:
        case "llama":
            return (*(ATTENTION if config.attention_bias else ()), *(FEED_FORWARD if config.mlp_bias else ()))
        case "qwen2":
            return ATTENTION[:3]
        case "qwen3":
            return ATTENTION if config.attention_bias else ()
    raise UsageError(f"{name}: plan counts llama, qwen2 and qwen3 models; this one is {config.model_type!r}")


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
