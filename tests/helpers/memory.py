"""Small models with a memory."""

import torch

from outgrow.policy import Policy
from outgrow.policy.memory.convert import add_memory
from outgrow.policy.memory.settings import Kind, Memory
from outgrow.policy.micro import MicroInit, make_model, make_tokenizer

INIT = MicroInit(layers=2, hidden=32, heads=4, kv_heads=2, feed_forward=64, context=256)
RULES: list[Kind] = ["titans", "linear_attention", "delta", "gated_delta", "tokenwise", "none"]


def memory_settings(rule: Kind = "titans", **more: object) -> Memory:
    return Memory.model_validate({"rule": rule, "window": 16, "heads": 2, "width": 8, "hidden": 8, "chunk": 4, **more})


def memory_policy(rule: Kind = "titans", opened: bool = True, **more: object) -> Policy:
    """opened: with gates and settings of tokens that are not 0, so that the memory counts."""
    tokenizer = make_tokenizer()
    model = add_memory(make_model(INIT, tokenizer, 0), memory_settings(rule, **more), seed=0).eval()
    torch.manual_seed(1)
    for name, parameter in model.named_parameters():
        if opened and name.endswith(("memory.gate", "memory.gates.weight")):
            torch.nn.init.normal_(parameter, std=0.3)
    return Policy(model, tokenizer)
