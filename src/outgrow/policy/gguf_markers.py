"""Markers in the tokenizer of a GGUF file that transformers does not find, such as DeepSeek's `<｜User｜>`.

A file with byte-level BPE spells its tokens in the alphabet of bytes, but its control tokens and added tokens in plain text.
transformers (5.23) leaves those out that have letters outside that alphabet: the marker in a prompt is then cut into pieces, and as
the end token it gets an id that the model has no row for (findings/transformers-gguf-control-tokens.sh).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gguf import GGUFReader
    from transformers import PreTrainedTokenizerBase

_CONTROL, _ADDED = 3, 4  # types of tokens in GGUF


def restore_markers(tokenizer: PreTrainedTokenizerBase, file: GGUFReader) -> None:
    """Give the tokenizer that was read from a GGUF file the markers that were left out, in place."""
    from tokenizers import Tokenizer

    if not (lost := _lost(file)):
        return
    description = json.loads(tokenizer.backend_tokenizer.to_str())
    vocabulary: dict[str, int] = description["model"]["vocab"]
    spelled = {index: token for token, index in vocabulary.items()}
    for index, (token, _) in lost.items():
        vocabulary.pop(spelled[index], None)
        vocabulary[token] = index
    known = {token for token, _ in lost.values()}
    kept = [each for each in description["added_tokens"] if each["content"] not in known]
    description["added_tokens"] = sorted([*kept, *(_added(*each) for each in lost.items())], key=lambda each: int(each["id"]))
    tokenizer._tokenizer = Tokenizer.from_str(json.dumps(description))


def _lost(file: GGUFReader) -> dict[int, tuple[str, int]]:
    """Return index -> text and type of the markers that have letters outside the alphabet of bytes."""
    from tokenizers.pre_tokenizers import ByteLevel

    kind, tokens, types = (file.fields.get(f"tokenizer.ggml.{name}") for name in ("model", "tokens", "token_type"))
    if kind is None or tokens is None or types is None or kind.contents() != "gpt2":
        return {}
    alphabet = set(ByteLevel.alphabet())
    return {
        index: (token, each)
        for index, (token, each) in enumerate(zip(tokens.contents(), types.contents(), strict=True))
        if each in (_CONTROL, _ADDED) and not set(token) <= alphabet
    }


def _added(index: int, marker: tuple[str, int]) -> dict[str, Any]:
    token, kind = marker
    plain = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    return {"id": index, "content": token, **plain, "special": kind == _CONTROL}
