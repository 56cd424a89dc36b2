"""What a learner of several ranks cannot do yet."""

from ...config import Recipe, RLRecipe
from ...core.errors import UsageError
from ...policy import Policy
from ...policy.memory.frozen import memory_weights
from .group import current


def require_shareable(recipe: Recipe, base: Policy) -> None:
    """Raise UsageError, before anything is made or changed, where ranks cannot share out this recipe's policy."""
    ranks = recipe.learn.ranks
    if ranks == 1:
        return
    current(ranks)
    if memory_weights(base.model):
        raise UsageError(f"learn.ranks={ranks}: a model with a memory cannot be shared out yet; set learn.ranks=1")
    if isinstance(recipe, RLRecipe) and recipe.distill is not None:
        raise UsageError(
            f"learn.ranks={ranks}: the teacher of [distill] cannot be shared out yet; set learn.ranks=1, or leave it out"
        )
    if not isinstance(recipe, RLRecipe) and recipe.policy.lora is not None and recipe.policy.lora.dropout:
        raise UsageError(f"learn.ranks={ranks}: ranks compute without dropout; set policy.lora.dropout=0, or learn.ranks=1")
