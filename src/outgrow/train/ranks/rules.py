"""What a learner of several ranks cannot do yet."""

from ...config import Recipe
from ...config.shareable import unshareable
from ...core.errors import UsageError
from ...policy import Policy
from ...policy.memory.frozen import memory_weights
from .group import alone, current


def require_shareable(recipe: Recipe, base: Policy) -> None:
    """Raise UsageError, before anything is made or changed, where ranks cannot share out this recipe's policy, or where there are
    not as many as it asks for.
    """
    ranks = recipe.learn.ranks
    if ranks == 1 and alone():
        return
    current(ranks)
    if ranks > 1 and (why := unshareable(recipe, bool(memory_weights(base.model)))):
        raise UsageError(f"learn.ranks={ranks}: {why}")
