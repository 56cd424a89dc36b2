"""The size of a Qwen3's heads, which transformers does not read from a GGUF file: it takes 128, as every published Qwen3 has."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gguf import GGUFReader

_NOT_READ = "qwen3"  # transformers 5.23


def unread_head_size(file: GGUFReader) -> dict[str, int]:
    """Return the key of the model's config that transformers would not fill, and its value; empty for other families."""
    kind = file.fields.get("general.architecture")
    size = file.fields.get(f"{_NOT_READ}.attention.key_length")
    return {"head_dim": int(size.contents())} if kind and size and kind.contents() == _NOT_READ else {}
