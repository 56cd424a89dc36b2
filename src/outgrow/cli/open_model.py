"""Open a model by any of its names, and the recipe that it is asked by."""

from pathlib import Path
from typing import TYPE_CHECKING

from ..core.errors import UsageError
from .console import warn

if TYPE_CHECKING:
    from ..config import Recipe
    from ..engines import ChatModel
    from ..policy import Policy


def open_model(model: str, recipe: "Recipe | None" = None) -> "ChatModel":
    """A model by any of its names, or the one at an address, ready to be asked as a recipe says."""
    from ..engines import LocalModel, NativeEngine, OpenAIServer, is_served
    from ..runs.models import build_engine

    if is_served(model):
        return OpenAIServer(model, recipe.prompt if recipe else None)
    policy, engine = load(model, recipe), build_engine(recipe, warn) if recipe else NativeEngine(warn=warn)
    engine.update(policy)
    return LocalModel(policy, engine)


def load(model: str, recipe: "Recipe | None" = None) -> "Policy":
    """A model by any of its names; a run's is asked as it was in training, another as `recipe` says."""
    from ..policy import load_policy
    from ..runs.models import run_policy

    if is_run(model):
        return run_policy(Path(model))
    return load_policy(model, recipe.prompt) if recipe else load_policy(model)


def default_max_tokens(recipe: "Recipe | None", respondent: "ChatModel") -> int:
    """The longest answer, in tokens, where none was said."""
    return recipe.sampling.max_tokens if recipe else min(512, respondent.context // 2)


def recipe_for(model: str, recipe: str | None) -> "Recipe | None":
    """The recipe that says how a model is asked and graded: a run's own, or the one named. Raises UsageError on both at once."""
    from ..config import load_recipe
    from ..runs.folder import read_recipe

    if not is_run(model):
        return load_recipe(recipe) if recipe else None
    if recipe:
        raise UsageError(f"{model} is a run and is asked as its own recipe says; leave --recipe out")
    return read_recipe(Path(model))[0]


def is_run(model: str) -> bool:
    """Whether a model's name is the folder of a run."""
    return (Path(model) / "recipe.toml").is_file()
