"""How a GGUF file's tokenizer cuts text before its merges, where transformers (5.23) cuts otherwise.

It does not know SmolLM's way, which takes digits one by one before it looks for words: a number then loses the blank before it. And
where a file has Llama 3's, llama.cpp takes a word that is a token whole, as Llama 3 does, without looking for merges.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .gguf_tokenizer import PRE_TOKENIZERS, WHOLE_WORDS, pre_tokenizer_name

if TYPE_CHECKING:
    from gguf import GGUFReader
    from transformers import PreTrainedTokenizerBase


def restore_cuts(tokenizer: PreTrainedTokenizerBase, file: GGUFReader) -> None:
    """Let the tokenizer that was read from a GGUF file cut text as the file says, in place, where outgrow knows its way."""
    kind, cuts = (file.fields.get(f"tokenizer.ggml.{name}") for name in ("model", "pre"))
    if kind is None or cuts is None or kind.contents() != "gpt2" or (name := str(cuts.contents())) not in PRE_TOKENIZERS:
        return
    backend = tokenizer.backend_tokenizer
    if pre_tokenizer_name(backend.pre_tokenizer) != name:
        backend.pre_tokenizer = PRE_TOKENIZERS[name]
    backend.model.ignore_merges = name == WHOLE_WORDS
