"""What a model's generation_config.json says: which tokens end an answer, and what transformers' generate() draws from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..core.errors import UsageError

if TYPE_CHECKING:
    from transformers import GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase

    from .sampling import Sampling


def end_ids(tokenizer: PreTrainedTokenizerBase, generation: GenerationConfig | None, vocabulary: int) -> tuple[int, ...]:
    """Return the ids that end a completion: the tokenizer's end token, then the others that the generation config names.

    vocabulary: tokens that the model can write. Where the model has no generation_config.json, transformers fills it from
    config.json, whose end token may be only its class's default (2 for every Llama). So a single id from there counts only if it
    is one of the tokenizer's added tokens, as end tokens are.
    """
    named = getattr(generation, "eos_token_id", None)
    others = [] if named is None else [named] if isinstance(named, int) else list(named)
    if isinstance(named, int) and getattr(generation, "_from_model_config", False):
        others = [named] if named in tokenizer.added_tokens_decoder else []
    known = [int(token) for token in others if 0 <= int(token) < vocabulary]
    return tuple(dict.fromkeys([int(tokenizer.eos_token_id), *known]))


def require_end(name: str, tokenizer: PreTrainedTokenizerBase, model: PreTrainedModel) -> None:
    """Raise UsageError where the tokenizer has no end token, or one that the model cannot write: no answer would end."""
    token, rows = tokenizer.eos_token_id, int(model.config.get_text_config().vocab_size)
    if tokenizer.eos_token and token is not None and token < rows:
        return
    what = "its tokenizer has no end token"
    if tokenizer.eos_token:
        what = f"its tokenizer's end token {tokenizer.eos_token!r} is not among the model's {rows:,} tokens"
    named = model.generation_config.eos_token_id if model.generation_config is not None else None
    first = named[0] if isinstance(named, list) and named else named
    known = isinstance(first, int) and 0 <= first < min(rows, len(tokenizer))
    example = tokenizer.convert_ids_to_tokens(first) if known else "<|im_end|>"
    change = (
        "write the token that ends an answer into tokenizer_config.json of a copy of this model, for example "
        f'"eos_token": "{example}"'
    )
    if name.endswith(".gguf"):
        change = (
            f"name the token that ends an answer, for example: gguf-new-metadata --special-token eos '{example}' {name} NEW.gguf"
        )
    raise UsageError(f"{name}: {what}, so no answer would end; {change}")


def generation_config(
    sampling: Sampling, ends: tuple[int, ...], tokenizer: PreTrainedTokenizerBase, pad_id: int
) -> GenerationConfig:
    """Return the generation config of a model that is measured with this sampling.

    Every setting that changes the distribution is written: where the file says nothing, transformers fills in its own values, for
    example top_k = 50. The length limit is not: servers would take it as the limit of all their users.
    """
    from transformers import GenerationConfig

    neutral: dict[str, Any] = {
        "typical_p": 1.0,
        "epsilon_cutoff": 0.0,
        "eta_cutoff": 0.0,
        "repetition_penalty": 1.0,
        "no_repeat_ngram_size": 0,
        "num_beams": 1,
    }
    drawn = {"temperature": sampling.temperature, "top_k": sampling.top_k, "top_p": sampling.top_p, **neutral}
    greedy = {"repetition_penalty": 1.0, "no_repeat_ngram_size": 0, "num_beams": 1}
    return GenerationConfig(
        do_sample=sampling.temperature > 0,
        **(drawn if sampling.temperature > 0 else greedy),
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=list(ends),
        pad_token_id=pad_id,
    )
