"""Settings that a recipe need not say: a learning rate and a KL weight by the size of its model and by what of it learns.

Sources. Full fine-tuning of 1.5B to 7B models: 1e-6 (DeepSeekMath, arXiv 2402.03300, section 4.2; DAPO, arXiv 2503.14476, section
4.1; Dr. GRPO, arXiv 2503.20783, appendix G). A smaller model takes more: about the inverse square root of its size. LoRA: about ten
times the rate of full fine-tuning ("LoRA Without Regret", Schulman and Thinking Machines Lab, 2025). KL weight 0.04: DeepSeekMath.
Measured: the first row, and LoRA of the third with SmolLM2-135M (docs/lab/defaults.md, docs/lab/defaults-smollm2.md).
"""

import math
from dataclasses import asdict, dataclass
from typing import Any, overload

from .schema import Recipe, RLRecipe, SFTRecipe


@dataclass(frozen=True)
class BySize:
    """One row of the table."""

    parameters: float
    """Largest number of parameters, adapters not counted, that this row is for."""
    lr: float
    """Learning rate of reinforcement learning on every weight."""
    lora_lr: float
    """The same where only LoRA adapters learn."""
    sft_lr: float
    """Learning rate of supervised fine-tuning on every weight."""
    sft_lora_lr: float
    """The same where only LoRA adapters learn."""
    kl_weight: float
    """Weight of the KL divergence from the starting policy."""


TABLE = (
    BySize(5e6, lr=1e-4, lora_lr=1e-3, sft_lr=5e-4, sft_lora_lr=2e-3, kl_weight=0.04),
    BySize(5e7, lr=2e-5, lora_lr=2e-4, sft_lr=1e-4, sft_lora_lr=5e-4, kl_weight=0.04),
    BySize(6e8, lr=5e-6, lora_lr=1e-4, sft_lr=2e-5, sft_lora_lr=2e-4, kl_weight=0.04),
    BySize(4e9, lr=2e-6, lora_lr=2e-5, sft_lr=1e-5, sft_lora_lr=1e-4, kl_weight=0.04),
    BySize(float("inf"), lr=1e-6, lora_lr=1e-5, sft_lr=5e-6, sft_lora_lr=5e-5, kl_weight=0.04),
)

_MEASUREMENTS = 5  # of the validation problems, over a run

NEW_MODEL_LR = 2e-3
"""Learning rate of a new micro policy, whose weights are random."""


def row_for(parameters: int) -> BySize:
    """Return the row for a model of this many parameters.

    >>> row_for(135_000_000).lora_lr
    0.0001
    """
    return next(row for row in TABLE if parameters <= row.parameters)


def unsaid(recipe: Recipe) -> list[str]:
    """Return the keys that the table fills in this recipe: those that neither its file nor an override says.

    >>> unsaid(RLRecipe.model_validate({"name": "a", "policy": {"model": "micro-base"}, "learn": {"lr": 1e-3}}))
    ['loss.kl_weight', 'evaluate.every']
    """
    keys = [] if "lr" in recipe.learn.model_fields_set else ["learn.lr"]
    if isinstance(recipe, RLRecipe):
        keys += [] if "kl_weight" in recipe.loss.model_fields_set else ["loss.kl_weight"]
        keys += [] if "every" in recipe.evaluate.model_fields_set else ["evaluate.every"]
    return keys


@overload
def filled(recipe: RLRecipe, parameters: int) -> RLRecipe: ...
@overload
def filled(recipe: SFTRecipe, parameters: int) -> SFTRecipe: ...
def filled(recipe: Recipe, parameters: int) -> Recipe:
    """Return the recipe with the table's values for the keys that it does not say. parameters: of its model."""
    keys, row, lora = unsaid(recipe), row_for(parameters), recipe.policy.lora is not None
    change: dict[str, Any] = {}
    if "learn.lr" in keys:
        if recipe.policy.init is not None:
            lr = NEW_MODEL_LR
        elif isinstance(recipe, RLRecipe):
            lr = row.lora_lr if lora else row.lr
        else:
            lr = row.sft_lora_lr if lora else row.sft_lr
        change["learn"] = recipe.learn.model_copy(update={"lr": lr})
    if "loss.kl_weight" in keys and isinstance(recipe, RLRecipe):
        change["loss"] = recipe.loss.model_copy(update={"kl_weight": row.kl_weight})
    if "evaluate.every" in keys:
        change["evaluate"] = recipe.evaluate.model_copy(update={"every": math.ceil(recipe.learn.steps / _MEASUREMENTS)})
    return recipe.model_copy(update=change)


def table_values(recipe: Recipe) -> dict[str, Any]:
    """Return what of the table may decide this recipe, as plain values for a digest; {} where the recipe says all."""
    return {"by_size": [{**asdict(row), "parameters": str(row.parameters)} for row in TABLE]} if unsaid(recipe) else {}
