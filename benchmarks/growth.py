"""How time and memory grow: rows decoded at once, lengths learned from, the vocabulary, the problems that a ledger knows.

    outgrow pull smollm2-135m
    python benchmarks/growth.py            # writes benchmarks/results/growth.avx2.json or so; about ten minutes on 2 cores

Rows and lengths are SmolLM2-135M's; everything is float32. Peak memory of log-probabilities is that of a process of its own, less
what it held before.
"""

import argparse
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from bench import Found, in_process, median_seconds, row, write_for_kind
from steps import WORKS, held_gb, peak_gb

ROWS = (8, 16, 32, 64, 128, 256)
LENGTHS = (128, 256, 512, 1024)
VOCABULARIES = (49_152, 152_064)
PROBLEMS = (10**3, 10**4, 10**5, 10**6)
# The longest rollout of the starting experiment, at its vocabulary and a small model's width.
TOKENS, VOCABULARY, WIDTH = 3456, 152_064, 576


def rows(count: int) -> Found:
    """Tokens a second of so many rollouts of 32 tokens, an eighth of them a group."""
    import torch

    from outgrow.core.memory import keep_large_buffers
    from outgrow.engines import GenerationRequest, NativeEngine, sync
    from outgrow.policy import Sampling, load_policy

    keep_large_buffers()
    torch.set_num_threads(os.cpu_count() or 1)
    work = WORKS["smollm2-135m"]
    policy, engine = load_policy(work.model), NativeEngine()
    sync(engine, policy)
    prompts = [policy.prompt_ids(question) for question in work.questions]
    request = GenerationRequest(prompts, count // 8, Sampling(max_tokens=32), list(range(8)))
    groups = engine.generate(request)
    seconds = median_seconds(lambda: engine.generate(request), 3)
    return {"tokens_a_second": sum(len(rollout.completion_ids) for group in groups for rollout in group) / seconds}


def lengths(tokens: int) -> Found:
    """Tokens a second that are learned from, in passes of 2,048: rollouts of so many tokens each."""
    import torch

    from outgrow.core.memory import keep_large_buffers
    from outgrow.policy import Sampling, load_policy
    from outgrow.policy.logprobs import completion_logprobs
    from outgrow.policy.lora import add_adapter, merged_lora
    from outgrow.policy.lora_settings import LoRA

    keep_large_buffers()
    torch.set_num_threads(os.cpu_count() or 1)
    policy = load_policy("smollm2-135m")
    add_adapter(policy.model, LoRA(rank=16), 0, "smollm2-135m")
    count = 2048 // tokens
    prompts = [policy.prompt_ids("How many?")] * count
    completions = [[1000 + (7 * index + place) % 9000 for place in range(tokens)] for index in range(count)]

    def learn() -> None:
        with merged_lora(policy.model):
            logprobs_BT, _, _ = completion_logprobs(policy, prompts, completions, Sampling())
            logprobs_BT.sum().backward()

    return {"tokens_a_second": tokens * count / median_seconds(learn, 3), "peak_gb": peak_gb()}


def vocabulary(size: int) -> Found:
    """Seconds of a training pass over 1,024 tokens' log-probabilities, beside the floor: its products alone."""
    import torch

    from outgrow.policy import Sampling
    from outgrow.policy.chunked_logprobs import token_logprobs

    torch.set_num_threads(os.cpu_count() or 1)
    hidden = torch.randn(1024, WIDTH, requires_grad=True)
    weight, targets = torch.randn(size, WIDTH) / WIDTH**0.5, torch.randint(size, (1024,))

    def products() -> None:
        for part in hidden.detach().split(64):
            (part @ weight.T) @ weight

    seconds = median_seconds(lambda: token_logprobs(hidden, weight, targets, Sampling())[0].sum().backward(), 3)
    return {"seconds": seconds, "products": median_seconds(products, 3)}


def memory(way: str) -> Found:
    """Peak memory of log-probabilities and their gradient: ours, or logits and log_softmax as one writes it plainly."""
    import torch

    from outgrow.policy import Sampling
    from outgrow.policy.chunked_logprobs import token_logprobs

    hidden = torch.randn(TOKENS, WIDTH, requires_grad=True)
    weight, targets = torch.randn(VOCABULARY, WIDTH).div_(WIDTH**0.5), torch.randint(VOCABULARY, (TOKENS,))
    before = held_gb()
    if way == "ours":
        logprobs = token_logprobs(hidden, weight, targets, Sampling())[0]
    else:
        logprobs = (hidden @ weight.T).log_softmax(-1).gather(-1, targets.unsqueeze(-1))
    logprobs.sum().backward()
    return {"peak_gb": peak_gb() - before}


def ledger(count: int) -> Found:
    """Milliseconds to pick 64 of so many problems by our own sampler, a thousand of them visited; memory of all of it."""
    from outgrow.algorithms.samplers import PickRequest
    from outgrow.algorithms.samplers.frontier import Frontier
    from outgrow.ledger import Ledger
    from outgrow.types import Problem, Visit

    before = held_gb()
    problems = [Problem(f"sum:{number}", "sum", number % 6, f"{number}=?", "7") for number in range(count)]
    with tempfile.TemporaryDirectory() as folder, Ledger(Path(folder) / "ledger.sqlite") as opened:
        opened.enter(problems)
        opened.record([Visit(1, problem.id, 8, place % 9, 9.0) for place, problem in enumerate(problems[:1000])])
        known, sampler = opened.known(problems), Frontier()
        pick = median_seconds(lambda: sampler.pick(PickRequest(2, 64, 8, 0), known), 9)
    return {"milliseconds": 1000 * pick, "gb": peak_gb() - before}


SIDES: dict[str, Callable[..., Found]] = {
    "rows": rows, "lengths": lengths, "vocabulary": vocabulary, "memory": memory, "ledger": ledger,
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", nargs=2, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.side:
        side, at = chosen.side
        print(json.dumps(SIDES[side](int(at) if at.isdigit() else at)))
        return

    def at(side: str, value: object) -> Found:
        return in_process(__file__, "--side", side, str(value))

    table = [row(f"rollout tokens a second, {n} rows", [at("rows", n)["tokens_a_second"]]) for n in ROWS]
    table += [row(f"tokens a second learned from, rollouts of {n}", [at("lengths", n)["tokens_a_second"]]) for n in LENGTHS]
    for n in VOCABULARIES:
        found = at("vocabulary", n)
        table.append(row(f"log-probabilities, vocabulary {n}: seconds / of products", [found["seconds"] / found["products"]]))
    ours, plain = (at("memory", way)["peak_gb"] for way in ("ours", "plain"))
    table.append(row(f"peak memory of {TOKENS} log-probabilities of {VOCABULARY}: plain / ours", [plain / ours]))
    for n in PROBLEMS:
        found = at("ledger", n)
        aim = {"must": 50.0, "least": False} if n == PROBLEMS[-1] else {}
        table.append(row(f"picking 64 of {n} problems, milliseconds", [found["milliseconds"]], **aim))
    table.append(row(f"problems and ledger of {PROBLEMS[-1]}, MB", [1000 * found["gb"]], 500, least=False))
    write_for_kind("growth", table, memory_gb={"ours": ours, "plain": plain})


if __name__ == "__main__":
    main()
