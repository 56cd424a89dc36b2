"""Greedy answers of SmolLM2-135M to GSM8K's first test questions: the native engine against generate, token for token.

    outgrow pull smollm2-135m
    OUTGROW_DATA=... python benchmarks/vs_generate.py      # the folder that holds GSM8K; writes benchmarks/results/vs_generate.json

Both in float32, 40 questions at a time, at most 128 tokens, in turn. Where they part, the first tokens that differ are a tie if
their logits, from a plain forward pass over that one row, are closer than float32 rounds them (1e-3).
"""

import argparse
import json
import os
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from outgrow.core.memory import keep_large_buffers
from outgrow.engines import GenerationRequest, NativeEngine, sync
from outgrow.policy import Policy, Sampling, load_policy
from outgrow.problems.gsm8k import GSM8K

RESULTS = Path(__file__).parent / "results" / "vs_generate.json"
AT_ONCE, TOKENS = 40, 128


@torch.no_grad()
def generate(policy: Policy, prompts: list[list[int]]) -> list[list[int]]:
    width = max(map(len, prompts))
    tokens = torch.tensor([[policy.pad_id] * (width - len(prompt)) + prompt for prompt in prompts])
    mask = torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts])
    written = policy.model.generate(
        input_ids=tokens, attention_mask=mask, do_sample=False, max_new_tokens=TOKENS, eos_token_id=policy.end_id,
        pad_token_id=policy.pad_id,
    )  # fmt: skip
    rows = written[:, width:].tolist()
    return [row[: row.index(policy.end_id) + 1] if policy.end_id in row else row for row in rows]


@torch.no_grad()
def apart(policy: Policy, prompt: list[int], ours: list[int], theirs: list[int]) -> float:
    """How far the logits of the first tokens that differ are from each other; 0 where none does."""
    if ours == theirs:
        return 0.0
    place = next(i for i, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b)
    logits = policy.model(torch.tensor([prompt + ours[:place]])).logits[0, -1]
    return float((logits[ours[place]] - logits[theirs[place]]).abs())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--questions", type=int, default=200)
    count = parser.parse_args().questions
    keep_large_buffers()
    torch.set_num_threads(os.cpu_count() or 1)
    policy, engine = load_policy("smollm2-135m"), NativeEngine()
    sync(engine, policy)
    prompts = [policy.prompt_ids(problem.question) for problem in GSM8K(split="test").load()[:count]]
    equal, ties, wrong, seconds, tokens = 0, 0, 0, [0.0, 0.0], 0
    for first in range(0, count, AT_ONCE):
        some = prompts[first : first + AT_ONCE]
        began = time.perf_counter()
        groups = engine.generate(GenerationRequest(some, 1, Sampling(temperature=0.0, max_tokens=TOKENS), [0] * len(some)))
        between = time.perf_counter()
        theirs = generate(policy, some)
        seconds[0] += between - began
        seconds[1] += time.perf_counter() - between
        for prompt, [rollout], other in zip(some, groups, theirs, strict=True):
            tokens += len(rollout.completion_ids)
            distance = apart(policy, prompt, rollout.completion_ids, other)
            equal, ties, wrong = equal + (rollout.completion_ids == other), ties + (0 < distance < 1e-3), wrong + (distance >= 1e-3)
        print(f"{first + len(some)} questions: {equal} equal, {ties} part at a tie, {wrong} differ", flush=True)
    found: dict[str, Any] = {
        "questions": count,
        "equal": equal,
        "part_at_a_tie": ties,
        "differ": wrong,
        "tokens": tokens,
        "tokens_a_second": {"ours": tokens / seconds[0], "generate": tokens / seconds[1]},
        "versions": {package: version(package) for package in ("outgrow", "torch", "transformers")},
    }
    print(
        f"tokens a second: ours {tokens / seconds[0]:.0f}, generate {tokens / seconds[1]:.0f}, ratio {seconds[1] / seconds[0]:.2f}"
    )
    RESULTS.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
