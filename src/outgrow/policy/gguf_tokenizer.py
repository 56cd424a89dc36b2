"""A tokenizer as the metadata of a GGUF file: byte-level BPE, which the format calls gpt2."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from gguf import GGUFValueType, GGUFWriter, TokenType
from tokenizers import Regex
from tokenizers.pre_tokenizers import ByteLevel, Digits, PreTokenizer, Sequence, Split

from ..core.errors import UsageError

if TYPE_CHECKING:
    from tokenizers import AddedToken
    from transformers import PreTrainedTokenizerBase

    from .policy import Policy

_QWEN2 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_LLAMA3 = _QWEN2.replace(r"|\p{N}|", r"|\p{N}{1,3}|")


def _split(pattern: str) -> PreTokenizer:
    return Sequence([Split(Regex(pattern), "isolated"), ByteLevel(add_prefix_space=False, use_regex=False)])


PRE_TOKENIZERS: dict[str, PreTokenizer] = {
    "gpt-2": ByteLevel(add_prefix_space=False),
    "smollm": Sequence([Digits(individual_digits=True), ByteLevel(add_prefix_space=False)]),
    "qwen2": _split(_QWEN2),
    "llama-bpe": _split(_LLAMA3),
}
"""How text is cut before merges, by the names that llama.cpp has for it."""

PROBE = "I'm 2x12345, DON'T (we'll)\n\n\tsee:  'Tis 3.14159!!\r\n  été Привет 你好 ٣٤٥ 🙂🙂   end \n x=[1,22,333];//  "
"""A text that every two of the pre-tokenizers cut in different places."""
WHOLE_WORDS = "llama-bpe"
"""The name by which llama.cpp takes a word that is a token whole, without looking for merges."""
_CHARACTERS = "smollm"  # without merges it does not matter where text is cut; by this name llama.cpp keeps blanks as they are

_SPELLED = {chr(byte): chr(256 + byte) for byte in range(33)} | {chr(127): chr(256 + 33)}
"""How byte-level BPE writes the ASCII characters that cannot be seen."""


class Writer(GGUFWriter):
    """The package's writer, which also writes an empty list of merges: llama.cpp refuses a file that has none."""

    def _pack_val(self, val: Any, vtype: GGUFValueType, add_vtype: bool, sub_type: GGUFValueType | None = None) -> bytes:
        if vtype is GGUFValueType.ARRAY and sub_type is GGUFValueType.STRING and not val:
            return self._pack("I", vtype) + self._pack("I", sub_type) + self._pack("Q", 0)
        return super()._pack_val(val, vtype, add_vtype, sub_type)


def add_tokenizer(writer: Writer, policy: Policy) -> None:
    """Write tokens, merges, special tokens and the chat template.

    Raises UsageError where the format has no tokenizer that reads text as this one does.
    """
    tokenizer = policy.tokenizer
    description = _described(tokenizer)
    pre, spelling, merges = _pieces(description, tokenizer)
    tokens, types = _vocabulary(tokenizer, spelling, int(policy.model.config.vocab_size))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_key_value("tokenizer.ggml.merges", merges, GGUFValueType.ARRAY, sub_type=GGUFValueType.STRING)
    _add_special_tokens(writer, policy)
    writer.add_chat_template(str(tokenizer.chat_template))


def pre_tokenizer_name(pre_tokenizer: PreTokenizer | None) -> str | None:
    """Return llama.cpp's name of what cuts a probe text in the same places; None where nothing does."""
    if pre_tokenizer is None:
        return None
    cut = pre_tokenizer.pre_tokenize_str(PROBE)
    return next((name for name, known in PRE_TOKENIZERS.items() if known.pre_tokenize_str(PROBE) == cut), None)


def _described(tokenizer: PreTrainedTokenizerBase) -> dict[str, Any]:
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise UsageError(f"the tokenizer, a {type(tokenizer).__name__}, has no tokenizer.json, so it cannot be exported")
    description: dict[str, Any] = json.loads(backend.to_str())
    return description


def _pieces(description: dict[str, Any], tokenizer: Any) -> tuple[str, dict[str, str], list[str]]:
    """Return the pre-tokenizer's name, how tokens are spelled where the file spells them otherwise, and the merges."""
    model = description["model"]
    if model["type"] == "BPE" and (description["decoder"] or {}).get("type") == "ByteLevel" and not _affixes(model):
        _require_text_as_it_is(description)
        pre = pre_tokenizer_name(tokenizer.backend_tokenizer.pre_tokenizer)
        if pre is None:
            raise UsageError(
                "the tokenizer cuts text before its merges in a way that outgrow has no GGUF name for; "
                f"it knows {', '.join(PRE_TOKENIZERS)}"
            )
        if model.get("ignore_merges") and pre != WHOLE_WORDS:
            raise UsageError(
                f"the tokenizer takes words that are tokens whole (ignore_merges), which a GGUF file says of {WHOLE_WORDS} only; "
                f"this one cuts text as {pre}"
            )
        return pre, {}, [merge if isinstance(merge, str) else " ".join(merge) for merge in model["merges"]]
    if model["type"] == "WordLevel" and _single_characters(tokenizer):
        _require_text_as_it_is(description)
        return _CHARACTERS, _SPELLED, []
    raise UsageError(
        f"a tokenizer of type {model['type']} cannot be exported; GGUF files are written with byte-level BPE "
        "and with single ASCII characters"
    )


def _require_text_as_it_is(description: dict[str, Any]) -> None:
    """Raise UsageError where text is changed before it is cut. NFC, which Qwen's have, leaves nearly every text as it is."""
    if (normalizer := description["normalizer"]) is not None and normalizer["type"] != "NFC":
        raise UsageError(
            f"the tokenizer changes text before it cuts it (its normalizer is {normalizer['type']}), which a GGUF file cannot say"
        )


def _affixes(model: dict[str, Any]) -> bool:
    return bool(model.get("continuing_subword_prefix") or model.get("end_of_word_suffix") or model.get("byte_fallback"))


def _single_characters(tokenizer: Any) -> bool:
    """Return whether every token is one ASCII character or an added token, and text is cut into characters."""
    added = tokenizer.get_added_vocab()
    characters = [token for token in tokenizer.get_vocab() if token not in added]
    text = "".join(characters)
    cut = tokenizer.backend_tokenizer.pre_tokenizer
    return (
        text.isascii()
        and all(len(token) == 1 for token in characters)
        and cut is not None
        and [piece for piece, _ in cut.pre_tokenize_str(text)] == characters
    )


def _vocabulary(tokenizer: Any, spelling: dict[str, str], rows: int) -> tuple[list[str], list[int]]:
    """Return the text and type of each of the model's tokens. rows: of its embedding, which may be more than the tokenizer has."""
    by_id = {index: token for token, index in tokenizer.get_vocab().items()}
    if (largest := max(by_id)) >= rows:
        raise UsageError(f"the tokenizer's token {by_id[largest]!r} has the id {largest}, and the model has {rows:,} tokens")
    added = tokenizer.added_tokens_decoder
    tokens, types = [], []
    for index in range(rows):
        token = by_id.get(index)
        if token is None:
            tokens.append(f"[PAD{index}]")
            types.append(TokenType.UNUSED)
        elif index in added:
            _require_context_free(added[index])
            # As the tokenizer says it: a token that only looks special is found in every text, as it is in training.
            tokens.append(token)
            types.append(TokenType.CONTROL if added[index].special else TokenType.USER_DEFINED)
        else:
            tokens.append(spelling.get(token, token))
            types.append(TokenType.NORMAL)
    return tokens, [int(kind) for kind in types]


def _require_context_free(token: AddedToken) -> None:
    if token.lstrip or token.rstrip or token.single_word:
        raise UsageError(
            f"the tokenizer finds its token {token.content!r} by the text next to it (lstrip, rstrip or single_word), which "
            "a GGUF file cannot say"
        )


def _add_special_tokens(writer: Writer, policy: Policy) -> None:
    tokenizer: Any = policy.tokenizer
    end, *others = policy.end_ids
    writer.add_eos_token_id(end)
    # Every token that ends an answer in outgrow ends it in llama.cpp too.
    for add, other in zip((writer.add_eot_token_id, writer.add_eom_token_id), others, strict=False):
        add(other)
    for add, token in (
        (writer.add_bos_token_id, tokenizer.bos_token_id),
        (writer.add_pad_token_id, tokenizer.pad_token_id),
        (writer.add_unk_token_id, tokenizer.unk_token_id),
    ):
        if token is not None:
            add(token)
    ids = tokenizer("a")["input_ids"]
    writer.add_add_bos_token(tokenizer.bos_token_id is not None and ids[0] == tokenizer.bos_token_id)
    writer.add_add_eos_token(ids[-1] == end)
