"""How a model with a memory grows with the length of what it reads, next to the same model with full attention and with its window.

    python benchmarks/memory_growth.py     # writes benchmarks/results/memory_growth.json; some minutes on 2 cores

The model is that of micro-memory (random weights: time and bytes do not depend on them) with a window and chunks of 32 tokens, in
float32, by the native engine. Rounds take the sides in turn, each in a process of its own.
"""

import argparse
import json
import os
import time
from dataclasses import replace
from typing import Any, Literal, get_args

from bench import Found, in_process, median_seconds, row, write

Side = Literal["memory", "window", "full"]
LENGTHS = (1024, 4096, 16_384, 65_536)
ROUNDS, TOKENS = 3, 64
WINDOW = 32  # and the memory's chunk, which divides it
TEXTS, TEXT = 8, 600  # of a training pass


def policy(side: Side) -> Any:
    """The model of micro-memory; with its window and no memory; or with full attention."""
    import torch

    from outgrow.config import load_recipe
    from outgrow.core.memory import keep_large_buffers
    from outgrow.runs.models import base_policy

    keep_large_buffers()
    torch.set_num_threads(os.cpu_count() or 1)
    name = "micro-memory-window" if side == "window" else "micro-memory"
    sizes = [f"policy.memory.{key}={WINDOW}" for key in ("window", "chunk")]
    recipe = load_recipe(name, [f"policy.init.context={LENGTHS[-1] + TOKENS + 1}", *sizes])
    if side == "full":
        recipe = recipe.model_copy(update={"policy": recipe.policy.model_copy(update={"memory": None})})
    return base_policy(recipe)


def ids(count: int) -> list[int]:
    """Tokens of printable characters, no two neighbours alike."""
    return [20 + (7 * place) % 80 for place in range(count)]


def read(side: Side, length: int) -> Found:
    """Seconds to read so many tokens, milliseconds for each of the next ones, and bytes kept of them."""
    from outgrow.engines import GenerationRequest, NativeEngine
    from outgrow.policy import Sampling

    model, engine = policy(side), NativeEngine()
    engine.start(replace(model.spec(), end_ids=(10**6,)))  # a token that does not exist, so that no answer ends
    engine.load_weights(model.named_weights(), 0)

    def write_tokens(count: int) -> float:
        request = GenerationRequest([ids(length)], 1, Sampling(max_tokens=count, temperature=0.0), [0])
        began = time.perf_counter()
        [[rollout]] = engine.generate(request)
        seconds = time.perf_counter() - began
        assert len(rollout.completion_ids) == count
        return seconds

    write_tokens(1)
    first = min(write_tokens(1) for _ in range(3))
    whole = min(write_tokens(1 + TOKENS) for _ in range(3))
    kept = kept_bytes(model.model, length)
    return {"read_seconds": first, "token_ms": 1000 * (whole - first) / TOKENS, "kept_bytes": kept}


def kept_bytes(model: Any, length: int) -> int:
    """Bytes of what the model keeps of so many tokens, by its own class."""
    import torch
    from transformers import DynamicCache

    from outgrow.policy.memory.model import with_memory

    cache: Any = DynamicCache(config=model.config)
    cache = with_memory(cache) if hasattr(model.config, "memory") else cache
    with torch.no_grad():
        for piece in torch.tensor(ids(length)).split(512):
            model(input_ids=piece.unsqueeze(0), past_key_values=cache, use_cache=True, logits_to_keep=1)
    memories = [layer.memory for layer in cache.layers if getattr(layer, "memory", None) is not None]
    kept = [part for layer in cache.layers for part in (layer.keys, layer.values)]
    return sum(part.nbytes for part in (*kept, *(part for memory in memories for part in memory.named().values())))


def learn(side: Side) -> Found:
    """Seconds of a training pass, forward and backward."""
    from outgrow.policy import Sampling
    from outgrow.policy.logprobs import completion_logprobs

    model = policy(side)
    prompts, completions = [ids(TEXT - 8)] * TEXTS, [ids(8 + index)[index:] for index in range(TEXTS)]

    def work() -> None:
        logprobs_BT, _, _ = completion_logprobs(model, prompts, completions, Sampling())
        logprobs_BT.sum().backward()

    return {"seconds": median_seconds(work, 5)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", nargs="+", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.side:
        what, side, *length = chosen.side
        print(json.dumps(learn(side) if what == "learn" else read(side, int(length[0]))))
        return
    sides = get_args(Side)
    passes = [{side: in_process(__file__, "--side", "learn", side)["seconds"] for side in sides} for _ in range(ROUNDS)]
    table = [
        row("seconds of a training pass: memory / window", [one["memory"] / one["window"] for one in passes], 2.0, least=False),
        row("seconds of a training pass: memory / full attention", [one["memory"] / one["full"] for one in passes]),
    ]
    for length in LENGTHS:
        found = [{side: in_process(__file__, "--side", "read", side, str(length)) for side in sides} for _ in range(ROUNDS)]
        for figure, key in (("seconds to read", "read_seconds"), ("milliseconds a token after", "token_ms")):
            table.append(row(f"{figure} {length} tokens: memory", [one["memory"][key] for one in found]))
            ratios = [one["full"][key] / one["memory"][key] for one in found]
            table.append(row(f"{figure} {length} tokens: full attention / memory", ratios))
        for side in sides:
            table.append(row(f"bytes kept of {length} tokens: {side}", [one[side]["kept_bytes"] for one in found]))
    write("memory_growth", table)


if __name__ == "__main__":
    main()
