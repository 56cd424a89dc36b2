"""A new micro policy: a small Llama with random weights, a character tokenizer, and a chat template in the form of DeepSeek-R1's.

Model and tokenizer are Hugging Face objects: once saved, `AutoModelForCausalLM` and `AutoTokenizer` load them.
"""

from __future__ import annotations

import string
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers

from ..core.rng import seed_from

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

SPECIAL = ("<|pad|>", "<|begin|>", "<|end|>", "<|user|>", "<|assistant|>", "<|unknown|>")
# Each marker is one token, as <think> is in R1's tokenizer. Unlike special tokens, markers stay in the decoded text.
MARKERS = ("<think>", "</think>", "\\boxed{")
CHARACTERS = string.digits + string.ascii_letters + string.punctuation + " \n"

# As in R1: the template opens <think> itself, and thoughts of earlier turns are removed.
CHAT_TEMPLATE = (
    "{{ bos_token }}"
    "{%- for message in messages %}"
    "{%- if message['role'] == 'assistant' %}"
    "{{- '<|assistant|>' + message['content'].split('</think>')[-1] + eos_token }}"
    "{%- else %}"
    "{{- '<|user|>' + message['content'] }}"
    "{%- endif %}"
    "{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|assistant|><think>' }}{%- endif %}"
)


class MicroInit(BaseModel):
    """Shape of a policy with random weights (recipe table `policy.init`)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    layers: int = Field(default=3, ge=1, description="Number of layers.")
    hidden: int = Field(default=128, ge=8, description="Width of the hidden states.")
    heads: int = Field(default=4, ge=1, description="Attention heads.")
    kv_heads: int = Field(default=2, ge=1, description="Key-value heads.")
    feed_forward: int = Field(default=384, ge=8, description="Width of the feed-forward layers.")
    context: int = Field(default=256, ge=16, description="Context length in tokens.")


def make_tokenizer() -> PreTrainedTokenizerFast:
    """Make a tokenizer of printable ASCII characters, one token each, and the markers."""
    from transformers import PreTrainedTokenizerFast

    vocabulary = {token: index for index, token in enumerate((*SPECIAL, *MARKERS, *CHARACTERS))}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<|unknown|>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), behavior="isolated")
    tokenizer.decoder = decoders.Fuse()
    tokenizer.add_special_tokens([AddedToken(token, normalized=False) for token in SPECIAL])
    tokenizer.add_tokens([AddedToken(token, normalized=False) for token in MARKERS])
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<|pad|>",
        bos_token="<|begin|>",
        eos_token="<|end|>",
        unk_token="<|unknown|>",
        clean_up_tokenization_spaces=False,
    )
    fast.chat_template = CHAT_TEMPLATE
    return fast


def make_model(init: MicroInit, tokenizer: PreTrainedTokenizerFast, seed: int) -> LlamaForCausalLM:
    """Make a Llama with weights (float32) that depend on `seed` only."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=init.hidden,
        intermediate_size=init.feed_forward,
        num_hidden_layers=init.layers,
        num_attention_heads=init.heads,
        num_key_value_heads=init.kv_heads,
        max_position_embeddings=init.context,
        tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        # The usual 0.02 suits large models; at this width 1/sqrt(hidden) learns several times faster at first.
        initializer_range=init.hidden**-0.5,
    )
    # transformers initialises from the global generator, so that one is seeded here and then restored.
    state = torch.random.get_rng_state()
    try:
        torch.manual_seed(seed_from(seed, "init"))
        return LlamaForCausalLM(config)
    finally:
        torch.random.set_rng_state(state)
