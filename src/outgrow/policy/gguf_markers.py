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


def restore_markers(tokenizer: PreTrainedTokenizerBase, file: GGUFReader) -> None:
    """Give the tokenizer that was read from a GGUF file the markers that were left out, in place."""
    from tokenizers import Tokenizer

    tokens, types = _tokens(file)
    lost = _lost(tokens, types)
    if not lost:
        return
    description = json.loads(tokenizer.backend_tokenizer.to_str())
    read: dict[str, int] = description["model"]["vocab"]
    vocabulary = {token: index for token, index in read.items() if index not in lost} | {tokens[index]: index for index in lost}
    # A marker of spaces, spelled in the alphabet of bytes, had taken the place of the ordinary token of these spaces.
    there = set(vocabulary.values())
    vocabulary |= {token: index for index, token in enumerate(tokens) if index not in there}
    description["model"]["vocab"] = vocabulary
    markers = [_added(index, tokens[index], types[index]) for index in lost]
    kept = [each for each in description["added_tokens"] if each["content"] not in {tokens[index] for index in lost}]
    description["added_tokens"] = sorted([*kept, *markers], key=lambda each: int(each["id"]))
    tokenizer._tokenizer = Tokenizer.from_str(json.dumps(description))


def _tokens(file: GGUFReader) -> tuple[list[str], list[int]]:
    """Return the text and the type of each token; nothing where the file has no byte-level BPE."""
    kind, tokens, types = (file.fields.get(f"tokenizer.ggml.{name}") for name in ("model", "tokens", "token_type"))
    if kind is None or tokens is None or types is None or kind.contents() != "gpt2":
        return [], []
    return tokens.contents(), types.contents()


def _lost(tokens: list[str], types: list[int]) -> list[int]:
    """Return the ids of the markers that have letters outside the alphabet of bytes."""
    from gguf import TokenType
    from tokenizers.pre_tokenizers import ByteLevel

    alphabet, markers = set(ByteLevel.alphabet()), (TokenType.CONTROL, TokenType.USER_DEFINED)
    of_file = enumerate(zip(tokens, types, strict=True))
    return [index for index, (token, kind) in of_file if kind in markers and not set(token) <= alphabet]


def _added(index: int, token: str, kind: int) -> dict[str, Any]:
    from gguf import TokenType

    plain = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    return {"id": index, "content": token, **plain, "special": kind == TokenType.CONTROL}
