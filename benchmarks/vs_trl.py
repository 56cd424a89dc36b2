"""A training step beside TRL's: seconds, peak memory, and how near each part comes to this machine's limits.

    outgrow pull smollm2-135m
    python benchmarks/vs_trl.py smollm2-135m    # both sides in turn; writes benchmarks/results/vs_trl_smollm2-135m.avx2.json or so
    python benchmarks/vs_trl.py micro

smollm2-135m: LoRA of rank 16 on every linear layer, 8 problems x 8 rollouts of at most 128 tokens. micro: the shipped Llama of 3
layers x 128, every weight learns, 32 problems x 8 rollouts of at most 48 tokens. Both at temperature 1, one optimizer step on all
rollouts (each text has a reward of its own, so that our side, which skips groups of equal rewards, skips next to none), the same
loss (DAPO's token mean, no KL divergence), float32. Ours also measures the KL divergence to the reference, as every step of a run
does. "bfloat16": the model's weights in it, on both sides. "int8": rollouts are written with weights in bytes, and the learner's
own log-probabilities start the ratio. "less": of each group of 8, the 4 rollouts whose rewards vary most are learned from. Each
side of a round is a process of its own that makes one step to warm up and then times one (micro: the median of ten). TRL runs with
what makes it fast: the allocator settings that help it, from its environment, no recomputation, and 16 rollouts learned from at
once (micro: all of them).
"""

import argparse
import json
from collections.abc import Callable
from functools import partial

from bench import Found, decoding_limits, gemm_gflops, in_process, row, write_for_kind
from steps import WORKS, Work, ours, trl

ALLOCATOR = {
    "MALLOC_MMAP_THRESHOLD_": "4294967296",
    "MALLOC_TRIM_THRESHOLD_": "17179869184",
    "MALLOC_TOP_PAD_": "268435456",
}
SIDES: dict[str, Callable[[Work], Found]] = {
    "ours": ours,
    "ours, int8": partial(ours, numbers="int8"),
    "ours, less": partial(ours, keep=4),
    "ours, int8, less": partial(ours, numbers="int8", keep=4),
    "ours, bfloat16": partial(ours, dtype="bfloat16"),
    "trl": trl,
    "trl, bfloat16": partial(trl, dtype="bfloat16"),
    "gemm": lambda _: {"gflops": gemm_gflops(), **decoding_limits()},
}
WANTED = {
    "smollm2-135m": ("ours", "ours, int8", "ours, int8, less", "trl", "gemm"),
    "micro": ("ours", "ours, less", "trl", "gemm"),
}
OURS16, TRL16 = "ours, bfloat16", "trl, bfloat16"
"""Also for SmolLM2-135M where products in bfloat16 are at least so many times as fast as in float32; elsewhere they take hours."""
FASTER = 1.5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", choices=WORKS)
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    if chosen.side:
        print(json.dumps(SIDES[chosen.side](WORKS[chosen.work])))
        return
    halves = chosen.work == "smollm2-135m" and gemm_gflops("bfloat16") > FASTER * gemm_gflops()
    sides = WANTED[chosen.work] + ((OURS16, TRL16) if halves else ())
    rounds = [
        {
            side: in_process(__file__, chosen.work, "--side", side, environment=ALLOCATOR if side.startswith("trl") else None)
            for side in sides
        }
        for _ in range(chosen.rounds)
    ]

    def values(of: Callable[[dict[str, Found]], float]) -> list[float]:
        return [of(found) for found in rounds]

    def rate(side: Found) -> float:
        return float(side["tokens"] / side["generation"])

    def steps(side: str) -> list[float]:
        return values(lambda r: r["trl"]["seconds"] / r[side]["seconds"])

    def rate_bound(found: dict[str, Found], numbers: str) -> float:
        """Ours over TRL's, were rollouts nothing but products of 64 rows and reading each row's keys and values once a token."""
        own, limits = found["ours"], found["gemm"]
        least = own["generation_gflop"] / limits[f"{numbers}_gflops"] + own["generation_read_gb"] / limits["read_gb_a_second"]
        return float(own["tokens"] / least / rate(found["trl"]))

    ratio = steps("ours")
    # At the measured rate of products, with nothing else to do.
    floor = values(lambda r: (r["ours"]["generation_gflop"] + r["ours"]["learning_gflop"]) / r["gemm"]["gflops"])
    best = [found["trl"]["seconds"] / least for found, least in zip(rounds, floor, strict=True)]
    share = values(lambda r: r["ours"]["learning_gflop"] / r["ours"]["learning"] / r["gemm"]["gflops"])
    if chosen.work == "micro":
        table = [
            row("micro, seconds a step: TRL / ours", ratio, 2.5),
            row("micro, the same, were ours nothing but products at the measured rate", best),
            row("micro, seconds a step: TRL / ours, learning from 4 of 8 rollouts", steps("ours, less")),
        ]
    else:
        table = [
            row("seconds a step: TRL / ours", ratio),
            row("the same, were ours nothing but products at the measured rate", best),
            row("seconds a step: TRL / ours with rollouts in int8", steps("ours, int8"), 2.3),
            row("seconds a step: TRL / ours with rollouts in int8, learning from 4 of 8", steps("ours, int8, less"), 4),
            row("peak memory: ours / TRL", values(lambda r: r["ours"]["peak_gb"] / r["trl"]["peak_gb"]), 0.28, least=False),
            row("rollout tokens a second: ours / TRL's (generate, scored)", values(lambda r: rate(r["ours"]) / rate(r["trl"])), 3),
            row("the same, were ours nothing but products and reading the cache", values(lambda r: rate_bound(r, "float32"))),
            row("rollout tokens a second: ours in int8 / TRL's", values(lambda r: rate(r["ours, int8"]) / rate(r["trl"])), 5),
            row("the same, were ours nothing but products and reading the cache", values(lambda r: rate_bound(r, "int8"))),
            row("learning: share of the measured rate of products", share, 0.75),
        ]
    if halves:
        table += [
            row("both in bfloat16, seconds a step: TRL / ours", values(lambda r: r[TRL16]["seconds"] / r[OURS16]["seconds"])),
            row("both in bfloat16, rollout tokens a second: ours / TRL's", values(lambda r: rate(r[OURS16]) / rate(r[TRL16]))),
            row("seconds a step of ours, float32 / bfloat16", values(lambda r: r["ours"]["seconds"] / r[OURS16]["seconds"])),
        ]
    write_for_kind(f"vs_trl_{chosen.work}", table, rounds=rounds)


if __name__ == "__main__":
    main()
