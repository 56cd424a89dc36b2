"""Reading the tokenizer of a model's folder, of a GGUF file or of the hub. A model without one is told as such."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.errors import UsageError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_VOCABULARIES = ("tokenizer.json", "*.model", "vocab.*", "tekken.json", "*.tiktoken", "*.spm")
"""Names of the files that hold a tokenizer's tokens, of all families."""


def read_tokenizer(place: str, **options: Any) -> PreTrainedTokenizerBase:
    """Return the tokenizer of a folder or hub id. options: as `AutoTokenizer.from_pretrained` takes them.

    Raises UsageError where there is none, which transformers (5.23) says in other words or, for some families, not at all: it makes
    a tokenizer with special tokens only. Raises what it raises where the files cannot be read.
    """
    from transformers import AutoTokenizer

    folder = Path(place)
    try:
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(place, trust_remote_code=False, **options)
    except Exception as error:  # raises errors of several types
        if not options.get("gguf_file") and folder.is_dir() and not any(next(folder.glob(name), None) for name in _VOCABULARIES):
            raise _missing("folder") from error
        raise
    if len(tokenizer) <= len(tokenizer.added_tokens_decoder):
        raise _missing("file" if options.get("gguf_file") else "folder" if folder.is_dir() else "repository")
    return tokenizer


def _missing(what: str) -> UsageError:
    advice = "; put the model's tokenizer.json and tokenizer_config.json into it" if what == "folder" else ""
    return UsageError(f"the {what} has no tokenizer{advice}")
