"""Rollouts of a model of Qwen2.5-0.5B's shape: ours, exact and in int8, next to transformers' generate.

    python benchmarks/rollouts_05b.py                 # 56 rows x 64 tokens; writes benchmarks/results/rollouts_05b.avx2.json or so
    python benchmarks/rollouts_05b.py --tokens 256    # the length of the aim

The weights are random, so that nothing has to be fetched; speed does not depend on their values. 8 prompts of 96 tokens, 7 rollouts
each, temperature 1, float32. generate keeps its cache as it ships. The sides of a round follow each other in one process, after one
short call of each that warms up.
"""

import argparse
import os
import time

import torch
from bench import gemm_gflops, row, write_for_kind
from transformers import Qwen2Config, Qwen2ForCausalLM

from outgrow.core.memory import keep_large_buffers
from outgrow.engines import GenerationRequest, NativeEngine, sync
from outgrow.policy import Policy, Sampling
from outgrow.policy.micro import make_tokenizer

PROMPTS, GROUP, PROMPT_TOKENS = 8, 7, 96
SHAPE = Qwen2Config(
    vocab_size=151936, hidden_size=896, intermediate_size=4864, num_hidden_layers=24, num_attention_heads=14, num_key_value_heads=2,
    max_position_embeddings=1024, tie_word_embeddings=True, rope_theta=1e6,
)  # fmt: skip


def ours(engine: NativeEngine, prompts: list[list[int]], tokens: int) -> float:
    """Tokens a second."""
    began = time.perf_counter()
    groups = engine.generate(GenerationRequest(prompts, GROUP, Sampling(max_tokens=tokens), list(range(len(prompts)))))
    return sum(len(rollout.completion_ids) for group in groups for rollout in group) / (time.perf_counter() - began)


@torch.no_grad()
def theirs(model: Qwen2ForCausalLM, prompts: list[list[int]], tokens: int) -> float:
    """Tokens a second."""
    rows = torch.tensor([prompt for prompt in prompts for _ in range(GROUP)])
    began = time.perf_counter()
    written = model.generate(  # type: ignore[misc]
        rows, attention_mask=torch.ones_like(rows), do_sample=True, top_k=0, max_new_tokens=tokens, min_new_tokens=tokens,
        pad_token_id=0,
    )  # fmt: skip
    return (written.shape[1] - rows.shape[1]) * len(rows) / (time.perf_counter() - began)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    keep_large_buffers()
    torch.set_num_threads(os.cpu_count() or 1)
    torch.manual_seed(0)
    model = Qwen2ForCausalLM(SHAPE).eval()
    policy = Policy(model, make_tokenizer())
    exact, int8 = NativeEngine(), NativeEngine(weights="int8", head="int8")
    for engine in (exact, int8):
        sync(engine, policy)
    generator = torch.Generator().manual_seed(1)
    prompts = torch.randint(105, SHAPE.vocab_size, (PROMPTS, PROMPT_TOKENS), generator=generator).tolist()
    sides = {
        "generate": lambda tokens: theirs(model, prompts, tokens),
        "exact": lambda tokens: ours(exact, prompts, tokens),
        "int8": lambda tokens: ours(int8, prompts, tokens),
    }
    for side in sides.values():
        side(2)
    rounds = [{name: side(chosen.tokens) for name, side in sides.items()} | {"gemm": gemm_gflops()} for _ in range(chosen.rounds)]

    def over(top: str, bottom: str) -> list[float]:
        return [found[top] / found[bottom] for found in rounds]

    table = [
        row("0.5B shape, rollout tokens a second: ours in int8 / transformers' generate", over("int8", "generate"), 5),
        row("the same, exact", over("exact", "generate")),
        row("0.5B shape, rollout tokens a second in int8", [found["int8"] for found in rounds], 90),
    ]
    write_for_kind("rollouts_05b", table, rounds=rounds, tokens=chosen.tokens)


if __name__ == "__main__":
    main()
