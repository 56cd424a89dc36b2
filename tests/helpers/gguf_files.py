"""Tiny models and tokenizers as GGUF files."""

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from outgrow.policy import Policy
from outgrow.policy.gguf_file import About, export_gguf
from outgrow.policy.gguf_tokenizer import PRE_TOKENIZERS

TEXT = "Tom has 12 apples, buys 7 more and eats 3: he keeps 12 + 7 - 3 = 16. Ann's 40 pears cost $8.25 each; été!"
TEMPLATE = "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}<|im_start|>assistant\n"
ABOUT = About("tiny")
SMALL = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "max_position_embeddings": 200,
    "initializer_range": 0.2,
    "rms_norm_eps": 1e-5,
    "tie_word_embeddings": False,
}
THETA = {"rope_type": "default", "rope_theta": 5e5}


FAMILIES = {
    "llama": (LlamaForCausalLM, LlamaConfig, {"num_attention_heads": 4, "num_key_value_heads": 2}, "llama-bpe"),
    "llama-tied": (
        LlamaForCausalLM,
        LlamaConfig,
        {"num_attention_heads": 2, "num_key_value_heads": 2, "head_dim": 16, "tie_word_embeddings": True},
        "smollm",
    ),
    "qwen2": (Qwen2ForCausalLM, Qwen2Config, {"num_attention_heads": 4, "num_key_value_heads": 2}, "qwen2"),
    # Not the 128 of published models, which transformers 5.23 takes whatever the file says.
    "qwen3": (Qwen3ForCausalLM, Qwen3Config, {"num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 64}, "qwen2"),
}


def bpe(pre, text=TEXT):
    """A byte-level BPE with merges learnt of a text, special tokens, and an added token that is not special."""
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = PRE_TOKENIZERS[pre]
    backend.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    trainer = trainers.BpeTrainer(vocab_size=330, initial_alphabet=alphabet, special_tokens=special, show_progress=False)
    backend.train_from_iterator([text] * 2, trainer)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="<|im_end|>", pad_token="<|endoftext|>")
    tokenizer.add_tokens(["<think>"])
    tokenizer.chat_template = TEMPLATE
    return tokenizer


def learnt(model, ids, steps=60):
    """The model after it has learnt these tokens, so that no bias is 0 and no norm is 1."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    for _ in range(steps):
        loss = model(input_ids=ids, labels=ids).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return model.eval()


def learnt_family(family):
    """A policy that has learnt TEXT."""
    kind, config, heads, pre = FAMILIES[family]
    tokenizer = bpe(pre)
    torch.manual_seed(1)
    # 7 rows that no token has, as Qwen's embeddings have them.
    model = kind(config(**SMALL | heads, vocab_size=len(tokenizer) + 7, rope_parameters=THETA))
    return Policy(learnt(model, torch.tensor([tokenizer(TEXT)["input_ids"]])), tokenizer)


def written(policy, folder, kind, warn=lambda _: None):
    file = folder / f"model-{kind}.gguf"
    assert export_gguf(policy, file, kind, ABOUT, warn) == file.stat().st_size
    return file
