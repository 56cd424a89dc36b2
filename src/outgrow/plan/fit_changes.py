"""The smallest changes of a recipe that make it fit into memory, found by trying."""

from collections.abc import Callable
from typing import Any

from ..config import RLRecipe
from ..policy.lora_settings import LoRA

Changes = dict[str, Any]
"""Recipe key -> value."""

_TOKENS = "learn.tokens_per_microbatch"
# Keys lowered where tokens_per_microbatch, which does not change what is learned, is not enough; and the lowest share of each.
_LOWERED = (("engine.max_sequences", 0.0), ("learn.problems_per_step", 0.0), ("sampling.max_tokens", 0.25))
_RANK = LoRA().rank


def fit_changes(recipe: RLRecipe, fits: Callable[[RLRecipe], bool]) -> Changes | None:
    """Return the smallest changes after which `fits`; None where nothing that is tried is enough.

    Lowers tokens_per_microbatch first, then another setting with it; then tries the same with bfloat16 weights (of every local
    model), with adapters, and with both. `fits` must not turn false when one of these settings is lowered.
    """
    models = {"policy": recipe.policy, "distill": recipe.distill, "judge": recipe.judge}
    bfloat16: Changes = {f"{name}.dtype": "bfloat16" for name, section in models.items() if section and section.dtype != "bfloat16"}
    adapters: Changes = {} if recipe.policy.lora else {"policy.lora.rank": _RANK}
    for start in ({}, bfloat16, adapters, bfloat16 | adapters):
        changes = _least(recipe, start, _TOKENS, 0.0, fits)
        if changes is not None:
            return changes
        for key, floor in _LOWERED:
            changes = _least(recipe, {**start, _TOKENS: 1}, key, floor, fits)
            if changes is not None:
                return _least(recipe, changes, _TOKENS, 0.0, fits)
    return None


def changed(recipe: RLRecipe, changes: Changes) -> RLRecipe:
    """Return the recipe with these keys set."""
    for key, value in changes.items():
        if key == "policy.lora.rank":
            key, value = "policy.lora", LoRA(rank=value)
        section, field = key.split(".")
        recipe = recipe.model_copy(update={section: getattr(recipe, section).model_copy(update={field: value})})
    return recipe


def lowered(recipe: RLRecipe, key: str, fits: Callable[[RLRecipe], bool]) -> int | None:
    """Return the value of `key`, or the largest below it that `fits`; None where not even 1 does."""
    changes = _least(recipe, {}, key, 0.0, fits)
    section, field = key.split(".")
    return None if changes is None else int(changes.get(key, getattr(getattr(recipe, section), field)))


def _least(recipe: RLRecipe, held: Changes, key: str, floor: float, fits: Callable[[RLRecipe], bool]) -> Changes | None:
    """Return `held` with `key` lowered as little as possible, by bisection; None where its floor does not fit."""
    section, field = key.split(".")
    high = int(getattr(getattr(recipe, section), field))
    low = max(1, round(high * floor))
    free = {name: value for name, value in held.items() if name != key}
    if fits(changed(recipe, free)):
        return free
    if not fits(changed(recipe, {**free, key: low})):
        return None
    while high - low > 1:  # low fits, high does not
        middle = (low + high) // 2
        low, high = (middle, high) if fits(changed(recipe, {**free, key: middle})) else (low, middle)
    return {**free, key: low}
