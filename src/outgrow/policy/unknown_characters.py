"""Characters that a tokenizer has no token for. It leaves them out in silence, or puts its unknown token in their place."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from ..core.callbacks import Warn
from ..types import Problem

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_SHOWN = 20
"""Most characters that a line names."""


def unknown_characters(tokenizer: PreTrainedTokenizerBase, text: str) -> list[str]:
    """Return the characters that the tokenizer does not know, each once, in the order of the text.

    White space is never one of them: a tokenizer may know a space only together with what follows.
    """
    return [char for char in dict.fromkeys(text) if char.isprintable() and not char.isspace() and not _known(tokenizer, char)]


def warn_of_unknown(unknown: Callable[[str], list[str]], problems: Iterable[Problem], warn: Warn, solutions: bool = False) -> None:
    """Say how many problems hold characters that a tokenizer does not know, if any do.

    unknown: returns those of a text. solutions: whether the model learns the problems' solutions too.
    """
    texts = [f"{problem.question}{problem.solution if solutions else ''}" for problem in problems]
    missing = unknown("".join(sorted(set().union(*texts))))
    if missing:
        count = sum(not set(missing).isdisjoint(text) for text in texts)
        warn(
            f"{count:,} of {len(texts):,} problems hold characters that the model cannot read, since its tokenizer has no token "
            f"for them: {shown(missing)}"
        )


def unread_line(characters: list[str]) -> str:
    """Return one line on the characters of a text that the model cannot read."""
    return f"the model cannot read these characters, for which its tokenizer has no token: {shown(characters)}"


def shown(characters: list[str]) -> str:
    """Return the characters for a line; of many, the first."""
    more = len(characters) - _SHOWN
    return " ".join(characters[:_SHOWN]) + (f" and {more:,} more" if more > 0 else "")


def _known(tokenizer: PreTrainedTokenizerBase, char: str) -> bool:
    ids = tokenizer.encode(char, add_special_tokens=False)
    # A tokenizer that writes spaces into its tokens puts one before the character, also where it drops the character.
    return tokenizer.unk_token_id not in ids and bool(str(tokenizer.decode(ids)).strip())
