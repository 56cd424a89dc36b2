"""Models of R1's family, a thousandth of the size: Qwen2 with random weights and R1's markers in its vocabulary."""

from pathlib import Path

import torch
from transformers import Qwen2Config, Qwen2ForCausalLM

from outgrow.policy import Policy
from outgrow.policy.micro import make_tokenizer

# A CPU is slow in bfloat16, and the real suites take minutes in a tokenizer of single characters.
QUICK = [
    "learn.steps=2",
    "sampling.max_tokens=24",
    "policy.dtype=float32",
    "evaluate.suite=held-out",
    "evaluate.samples=1",
    "run.keep_checkpoints=2",
]
# Random weights are never right, and only its format can tell one rollout from another.
WITH_FORMAT = 'rewards=[{type="accuracy"},{type="length_kimi",weight=0.2},{type="format"}]'


def make_r1(folder: Path, hidden: int = 192, layers: int = 3, beyond: int = 0, seed: int = 0) -> Path:
    """Save one. beyond: outputs for which there is no token, as the larger models of the family have more of them."""
    tokenizer = make_tokenizer()
    tokenizer.add_special_tokens({"bos_token": "<｜begin▁of▁sentence｜>", "eos_token": "<｜end▁of▁sentence｜>"})
    tokenizer.add_tokens(["<｜User｜>", "<｜Assistant｜>"], special_tokens=True)
    tokenizer.chat_template = None
    torch.manual_seed(seed)
    config = Qwen2Config(
        vocab_size=len(tokenizer) + beyond,
        hidden_size=hidden,
        intermediate_size=4 * hidden,
        num_hidden_layers=layers,
        num_attention_heads=12,
        num_key_value_heads=2,
        max_position_embeddings=4096,
        initializer_range=0.2,
    )
    Policy(Qwen2ForCausalLM(config), tokenizer).save(folder)
    return folder
