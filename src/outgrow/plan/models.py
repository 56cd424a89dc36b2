"""A model's shape by its name, from its config alone: no weight is loaded."""

import logging
from typing import Any

from ..errors import UsageError
from ..policy.load import model_folder
from ..policy.micro import MicroInit, make_tokenizer
from ..recipes.schema import PolicySection, RLRecipe
from ..runs.checkpoint import model_of
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


def shape_of(policy: PolicySection) -> Shape:
    """The shape of the model that a recipe trains.

    Raises UsageError with one line where its config cannot be had or is of a family that the formulas do not cover.
    """
    from transformers import AutoConfig

    # Without a network the hub client tells of every retry; our one line says it.
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
    if policy.init is not None:
        return _micro_shape(policy.init)
    assert policy.model is not None
    if policy.model in KNOWN:
        return KNOWN[policy.model]
    try:
        config = AutoConfig.from_pretrained(model_folder(model_of(policy.model)), revision=policy.revision or "main")
    except (OSError, ValueError) as error:
        raise UsageError(
            f"{policy.model}: cannot read this model's config.json: {str(error).splitlines()[0]} "
            f"Give its folder, or go online once; known without a network: {', '.join(KNOWN)}"
        ) from error
    return shape_from_config(config, policy.model)


def distilled_shape(recipe: RLRecipe) -> Shape | None:
    """The shape of what the recipe distils; None where it distils nothing. Raises UsageError as `shape_of` does."""
    distill = recipe.distill
    return shape_of(PolicySection(model=distill.model, revision=distill.revision)) if distill else None


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
