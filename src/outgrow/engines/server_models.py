"""A server's list of models: their names, and what software the server is."""

from collections.abc import Sequence
from typing import Any

Card = dict[str, Any]
"""What a list says of a model: `id`, `owned_by` and more, of any type."""

_LONGEST_NAME = 300  # characters; a name is shown, and stored with answers


def read_models(named: bool, page: Any) -> list[Card]:
    """Return a list of models. named: whether the model's name is known, so that nobody is shown these names.

    Raises TypeError where they would be shown and are no names.
    """
    cards = [model.model_dump(warnings=False) for model in page.data]
    names = [card["id"] for card in cards]
    if not named and not all(isinstance(name, str) and name.isprintable() and len(name) <= _LONGEST_NAME for name in names):
        raise TypeError("a model's id is not a name")
    return cards


def card_of(name: str, cards: Sequence[Card]) -> Card:
    """Return what the list says of a model; empty where it is not in it."""
    return next((card for card in cards if card.get("id") == name), {})


def owner_of(name: str, cards: Sequence[Card]) -> str:
    """Return `owned_by` of a model, by which servers name their software; of a model that is not listed, what all others have.

    >>> owner_of("b", [{"id": "a", "owned_by": "vllm"}]), owner_of("a", [])
    ('vllm', '')
    """
    own = card_of(name, cards)
    owners = {str(card.get("owned_by") or "") for card in ([own] if own else cards)}
    return owners.pop() if len(owners) == 1 else ""
