"""How long a prompt and its completion may be together, by a model's config."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core.errors import UsageError

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

_KEYS = ("max_position_embeddings", "max_seq_len", "seq_length")  # MPT and Bloom have names of their own


def longest_row(config: PreTrainedConfig) -> int:
    """Return the longest prompt and completion together, in tokens. Raises UsageError where the config does not say it.

    Rotations of type longrope (Phi-3 with 128k tokens) change for all tokens of a row as soon as it is longer than the length that
    the model was first trained with. Log-probabilities would then depend on the rows that are computed together, so rows end there.
    """
    text = config.get_text_config()
    said = next((value for key in _KEYS if (value := getattr(text, key, None)) is not None), None)
    if said is None:
        raise UsageError(
            f"its config.json ({text.model_type}) does not say how long a text may be; write the most tokens of a prompt and its "
            'answer into a copy of it, for example "max_position_embeddings": 2048'
        )
    rope = getattr(text, "rope_parameters", None) or {}
    # One for all layers, or one for each type of layer.
    rotations = [rope, *(each for each in rope.values() if isinstance(each, dict))]
    changing = [each for each in rotations if each.get("rope_type") == "longrope"]
    return min([int(said), *(int(each["original_max_position_embeddings"]) for each in changing)])
