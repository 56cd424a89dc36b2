"""Tokens that transformers adds to a GGUF file's tokenizer: the defaults of the class that it builds it with.

transformers (5.23) builds byte-level BPE as GPT-2's tokenizer, which adds `<|endoftext|>` where the file has no such token, behind
the last one. The model has no row for it, so that a text with these characters would end in an error.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gguf import GGUFReader
    from transformers import PreTrainedTokenizerBase


def remove_extra_tokens(tokenizer: PreTrainedTokenizerBase, file: GGUFReader) -> None:
    """Remove, in place, the added tokens whose ids are behind the last token of the file that the tokenizer was read from.

    A marker that transformers has put there in place of its own id is removed as well; `restore_markers` puts it back.
    """
    from tokenizers import Tokenizer

    tokens = file.fields.get("tokenizer.ggml.tokens")
    if tokens is None:
        return
    size = len(tokens.data)
    description = json.loads(tokenizer.backend_tokenizer.to_str())
    kept = [each for each in description["added_tokens"] if each["id"] < size]
    if len(kept) < len(description["added_tokens"]):
        description["added_tokens"] = kept
        tokenizer._tokenizer = Tokenizer.from_str(json.dumps(description))
