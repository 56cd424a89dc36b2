"""The cache key of a stage: its resolved recipe, with digests of models, runs and files in place of their names."""

from typing import Any

from ..config import Recipe, table_values
from ..runs.input_digests import PathDigest, with_digests

# Keys that change nothing in what a stage makes: words; and in [run] all but these, such as prices and trackers.
_WORDS = ("name", "description", "expected")
_RUN_KEYS = ("threads", "on_worse")


def recipe_key(recipe: Recipe, path_digest: PathDigest) -> dict[str, Any]:
    """Return the values of a recipe that decide what it makes, with digests in place of the names of inputs.

    path_digest: of what the flywheel itself made. Raises UsageError where a component from outside the package has a path that is
    not declared as an input.
    """
    values = recipe.model_dump(mode="json", exclude_none=True, exclude=set(_WORDS))
    values["run"] = {key: values["run"][key] for key in _RUN_KEYS}
    return {**with_digests(recipe, values, path_digest), **table_values(recipe)}
