"""A text, and a question after it, as tokens with the characters of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..core.errors import UsageError

if TYPE_CHECKING:
    from ..policy import Policy


@dataclass(frozen=True)
class Row:
    """What a model reads."""

    ids: list[int]
    """All tokens, with those that the tokenizer or the chat template adds."""
    first: int
    """Place of the first token of the text."""
    pieces: list[str]
    """Characters of each token of text and question, from `first` on. Together they are the text and the question."""

    @property
    def shown(self) -> range:
        """Places of the tokens of text and question."""
        return range(self.first, self.first + len(self.pieces))


def row_of(policy: Policy, text: str, question: str = "", chat: bool = False, answer: str = "") -> Row:
    """Return a text and the question that follows it directly, as tokens.

    chat: put them as one question, by the model's chat template, which adds tokens on both sides. Else only those tokens are added
    that the tokenizer adds itself. answer: how the answer begins, behind all that; it is read but not shown. A character that takes
    several tokens is the first one's.

    Raises UsageError where the text is empty, is not text, or does not come back from the chat template as it is.
    """
    inside = text + question
    if not text.strip():
        raise UsageError("the text is empty; give one, or --file PATH")
    try:
        (inside + answer).encode()
    except UnicodeEncodeError as error:
        raise UsageError("the text is not UTF-8; convert it first") from error
    if not policy.tokenizer.is_fast:
        raise UsageError("this model's tokenizer does not say which characters a token stands for; save it with tokenizer.json")
    whole = (policy.prompt_text(inside) if chat else inside) + answer
    start = whole.find(inside)
    if start < 0:
        raise UsageError("this model's chat template changes the text; run it without --chat")
    end = start + len(inside)
    encoded = policy.tokenizer(whole, add_special_tokens=not chat, return_offsets_mapping=True)
    offsets = [(int(low), int(high)) for low, high in encoded["offset_mapping"]]
    places = [place for place, (low, high) in enumerate(offsets) if low < high and low < end and high > start]
    if not places:
        raise UsageError("the tokenizer makes no token of this text; give another text")
    pieces, at = [], start
    for _, high in offsets[places[0] : places[-1] + 1]:
        until = min(max(at, high), end)
        pieces.append(whole[at:until])
        at = until
    pieces[-1] += whole[at:end]
    return Row([int(token) for token in encoded["input_ids"]], places[0], pieces)
