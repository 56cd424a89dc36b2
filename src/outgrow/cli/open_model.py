"""Open a model by any of its names, and read the recipe that says how it is prompted and graded."""

from pathlib import Path
from typing import TYPE_CHECKING

from ..core.errors import UsageError, nearest
from .console import warn
from .options import separated

if TYPE_CHECKING:
    from ..config import Recipe
    from ..engines import Answer, ChatModel
    from ..engines.chat_model import Conversation


def open_model(model: str, recipe: "Recipe | None" = None, omit_settings: str | None = None) -> "ChatModel":
    """Return a model by any of its names, or the model of a server, prompted as the recipe says.

    omit_settings: the option --omit-settings. Raises UsageError if it holds an unknown name.
    """
    from ..engines import SERVER_SETTINGS
    from ..runs.session import open_chat_model

    names = None if omit_settings is None else separated([omit_settings])
    for name in names or ():
        if name not in SERVER_SETTINGS:
            raise UsageError(f"--omit-settings: no setting called {name!r}{nearest(name, SERVER_SETTINGS)}")
    return open_chat_model(model, recipe, warn, names)


def recipe_for(model: str, recipe: str | None) -> "Recipe | None":
    """Return the recipe that says how a model is prompted and graded: a run's own, or the one called `recipe`.

    Raises UsageError if a run is given a second recipe.
    """
    from ..config import load_recipe
    from ..runs.folder import read_recipe

    if not is_run(model):
        return load_recipe(recipe) if recipe else None
    if recipe:
        raise UsageError(f"{model} is a run and uses its own recipe; drop --recipe")
    return read_recipe(Path(model))[0]


def require_room(respondent: "ChatModel", conversation: "Conversation", max_tokens: int) -> None:
    """Raise UsageError where a conversation that ends with the question leaves no room for an answer of `max_tokens` tokens."""
    room = respondent.room(conversation)
    if room >= max_tokens:
        return
    said = f"this question is too long: {respondent.context - room:,} tokens, the model takes {respondent.context:,}"
    if room > 0:
        said += f" with the answer, which may have {max_tokens:,}; use --max-tokens {room} or less"
    raise UsageError(said)


def warn_of_unseen(respondent: "ChatModel", question: str) -> None:
    """Say which characters of a question the model cannot read."""
    from ..policy.unknown_characters import unread_line

    if unknown := respondent.unknown_characters(question):
        warn(unread_line(unknown))


def cut_mark(answer: "Answer") -> str:
    """Return what is shown behind an answer that the token limit cut; empty behind any other."""
    return "" if answer.finished else "  … cut at --max-tokens"


def is_run(model: str) -> bool:
    """Return whether a model's name is the folder of a run."""
    from ..runs.folder import RunFolder

    return RunFolder(Path(model)).is_run()
