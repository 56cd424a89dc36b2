"""What a recipe measures its policy on: the suites before and after training, and the validation problems between."""

from contextlib import suppress
from functools import lru_cache

from ..config import Recipe, RLRecipe
from ..core.errors import UsageError
from ..problems.suites import suite, suites


def suites_of(recipe: Recipe) -> list[str]:
    """Return the suites a recipe is measured on before and after, its own first. Raises UsageError for a name without a suite."""
    own, also = recipe.evaluate.suite, recipe.evaluate.extra_suites
    suite(own)  # a suite, not a group
    return list(dict.fromkeys([own, *(suites(",".join(also)) if also else [])]))


def validation_of(recipe: Recipe) -> str | None:
    """Return the suite that a run is measured on while it trains; None where it is not."""
    return recipe.evaluate.validation if isinstance(recipe, RLRecipe) and recipe.evaluate.every else None


def measured_problems(recipe: Recipe) -> dict[str, int]:
    """Return the number of problems of each suite that a recipe measures on, without loading a model.

    A suite is missing whose data are not here, or cannot be read. Raises UsageError for a name without a suite.
    """
    counts: dict[str, int] = {}
    validation = validation_of(recipe)
    for name in dict.fromkeys([*suites_of(recipe), *([validation] if validation else [])]):
        source = suite(name)
        with suppress(UsageError):
            counts[name] = _count(name, source.model_dump_json())
    return counts


@lru_cache(maxsize=64)
def _count(name: str, settings: str) -> int:
    """Return the problems of a suite. settings: its source's, since a table's name may stand for another one later."""
    return len(suite(name).load())
