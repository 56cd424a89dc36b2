"""Tiny models and tokenizers as GGUF files."""

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

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


def written(policy, folder, kind, warn=lambda _: None):
    file = folder / f"model-{kind}.gguf"
    assert export_gguf(policy, file, kind, ABOUT, warn) == file.stat().st_size
    return file
