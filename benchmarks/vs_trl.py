"""A training step of SmolLM2-135M beside TRL's: seconds, peak memory, and how near each part comes to this machine's limits.

    outgrow pull smollm2-135m
    python benchmarks/vs_trl.py            # both sides in turn; writes benchmarks/results/vs_trl.json

LoRA of rank 16 on every linear layer, 8 problems x 8 rollouts of at most 128 tokens at temperature 1, one optimizer step on all of
them (groups whose rewards are all equal are computed on both sides), the same loss (DAPO's token mean, no KL divergence), float32.
Each round is a process of its own that makes one step to warm up and then times one. TRL runs with the allocator settings that
help it, from its environment.
"""

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

PROBLEMS, GROUP, TOKENS, RANK = 8, 8, 128, 16
TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
ALLOCATOR = {
    "MALLOC_MMAP_THRESHOLD_": "4294967296",
    "MALLOC_TRIM_THRESHOLD_": "17179869184",
    "MALLOC_TOP_PAD_": "268435456",
}
QUESTIONS = [
    f"{name} has {first} {thing} and gives {second} of them to a friend. Then {name} buys {third} more at 2 dollars each. "
    f"How many {thing} does {name} have now, and how much was paid?"
    for name, thing, first, second, third in (
        ("Ana", "apples", 14, 5, 7),
        ("Ben", "books", 31, 12, 4),
        ("Cleo", "coins", 58, 29, 16),
        ("Dan", "drums", 9, 2, 3),
        ("Eva", "eggs", 24, 11, 12),
        ("Finn", "figs", 47, 8, 21),
        ("Gia", "grapes", 90, 45, 33),
        ("Hal", "hats", 6, 1, 2),
    )
]
RESULTS = Path(__file__).parent / "results" / "vs_trl.json"


def reward(text: str) -> float:
    """Any rule that both sides can compute and that differs inside a group."""
    return float(len(text) % 3 == 0)


def peak_gb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def ours() -> dict[str, float]:
    """Engine update, generation and learning, as the loop does them."""
    import torch

    from outgrow.advantages.dr_grpo import DrGRPO
    from outgrow.learn.optimizer import Optimizer
    from outgrow.fitting import FittingSize
    from outgrow.learn.update import Weighed, update
    from outgrow.memory import keep_large_buffers
    from outgrow.policy import Policy, Sampling, load_policy
    from outgrow.policy.lora import LoRA, add_adapter
    from outgrow.recipes.schema import LearnSection
    from outgrow.rollout import NativeEngine

    keep_large_buffers()
    torch.set_num_threads(os.cpu_count() or 1)
    base = load_policy("smollm2-135m")
    adapter = add_adapter(base.model, LoRA(rank=RANK, targets=tuple(TARGETS)), 0, "smollm2-135m")
    policy = Policy(base.model.eval(), base.tokenizer, base.prompt, adapter)
    section, sampling = LearnSection(lr=1e-5, tokens_per_pass=1280), Sampling(max_tokens=TOKENS)
    optimizer, engine, size = (
        Optimizer(policy.model, section, 10),
        NativeEngine(),
        FittingSize("learn.tokens_per_pass", section.tokens_per_pass, print),
    )
    prompts = [policy.prompt_ids(question) for question in QUESTIONS]
    for step in (1, 2):
        began = time.perf_counter()
        engine.update(policy)
        groups = engine.generate(prompts, GROUP, sampling, [step * 100 + index for index in range(PROBLEMS)])
        engine.sleep()
        generated = time.perf_counter()
        rewards = torch.tensor([[reward(rollout.text) for rollout in group] for group in groups])
        advantages = DrGRPO().weigh(rewards).tolist()
        weighed = [[Weighed(r, a) for r, a in zip(group, row, strict=True)] for group, row in zip(groups, advantages, strict=True)]
        update(policy, policy, optimizer, weighed, section, sampling, step, 0, size, lambda: None)
        ended = time.perf_counter()
    completed = sum(len(rollout.completion_ids) for group in groups for rollout in group)
    computed = sum(map(len, prompts)) + completed
    config = policy.model.config
    in_layers = sum(
        weight.numel()
        for name, weight in policy.model.named_parameters()
        if "layers" in name and "lora" not in name and weight.ndim == 2
    )
    # Frozen weights: forward and the gradient of what came in. The output layer: the same two, in the forward pass.
    operations = 4 * (in_layers * computed + config.vocab_size * config.hidden_size * completed)
    return {
        "seconds": ended - began,
        "generation": generated - began,
        "learning": ended - generated,
        "tokens": completed,
        "learning_gflops": operations / (ended - generated) / 1e9,
        "peak_gb": peak_gb(),
    }


def trl() -> dict[str, float]:
    """TRL's own trainer, two steps of it."""
    import torch
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
    from trl import GRPOConfig, GRPOTrainer

    from outgrow.policy.load import model_folder

    torch.set_num_threads(os.cpu_count() or 1)
    folder = model_folder("smollm2-135m")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    lengths: list[int] = []

    def rewards(completions: list[Any], completion_ids: list[list[int]], **_: Any) -> list[float]:
        lengths[:] = [len(ids) for ids in completion_ids]
        return [reward(completion[0]["content"]) for completion in completions]

    seconds: list[float] = []
    generation: list[float] = []

    class Clock(TrainerCallback):  # type: ignore[misc]
        def on_step_begin(self, *_: Any, **__: Any) -> None:
            self.began = time.perf_counter()

        def on_step_end(self, *_: Any, **__: Any) -> None:
            seconds.append(time.perf_counter() - self.began)

    class Timed(GRPOTrainer):  # type: ignore[misc]
        def _generate_and_score_completions(self, inputs: Any) -> Any:
            began = time.perf_counter()
            found = super()._generate_and_score_completions(inputs)
            generation.append(time.perf_counter() - began)
            return found

    with tempfile.TemporaryDirectory() as out:
        arguments = GRPOConfig(
            output_dir=out,
            per_device_train_batch_size=PROBLEMS * GROUP,
            num_generations=GROUP,
            max_completion_length=TOKENS,
            temperature=1.0,
            max_steps=2,
            learning_rate=1e-5,
            loss_type="dapo",
            scale_rewards=False,
            beta=0.0,
            use_cpu=True,
            bf16=False,
            report_to="none",
            save_strategy="no",
            logging_strategy="no",
            disable_tqdm=True,
        )
        trainer = Timed(
            model=model,
            args=arguments,
            reward_funcs=rewards,
            train_dataset=Dataset.from_list([{"prompt": [{"role": "user", "content": question}]} for question in QUESTIONS]),
            processing_class=tokenizer,
            peft_config=LoraConfig(r=RANK, lora_alpha=32, target_modules=TARGETS, task_type="CAUSAL_LM"),
            callbacks=[Clock()],
        )
        trainer.train()
    return {
        "seconds": seconds[-1],
        "generation": generation[-1],
        "learning": seconds[-1] - generation[-1],
        "tokens": sum(lengths),
        "peak_gb": peak_gb(),
    }


def gemm() -> dict[str, float]:
    """This machine's own limit: float32 products of a size that suits it, GFLOP/s."""
    import torch

    torch.set_num_threads(os.cpu_count() or 1)
    a, b = torch.randn(1024, 576), torch.randn(1536, 576)
    rates = []
    for _ in range(5):
        began, count = time.perf_counter(), 0
        while time.perf_counter() - began < 0.5:
            torch.nn.functional.linear(a, b)
            count += 1
        rates.append(2 * a.shape[0] * b.numel() * count / (time.perf_counter() - began) / 1e9)
    return {"gflops": max(rates)}


SIDES = {"ours": ours, "trl": trl, "gemm": gemm}


def measured(side: str) -> dict[str, float]:
    """One side in a process of its own."""
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", **(ALLOCATOR if side == "trl" else {})}
    done = subprocess.run(
        [sys.executable, __file__, "--side", side], env=environment, stdout=subprocess.PIPE, text=True, check=True
    )
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    print(side, {name: round(value, 2) for name, value in found.items()}, flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    if chosen.side:
        print(json.dumps(SIDES[chosen.side]()))
        return
    rounds = [{side: measured(side) for side in SIDES} for _ in range(chosen.rounds)]

    def figure(name: str, of: Any, must: float, least: bool) -> dict[str, Any]:
        values = sorted(of(round_) for round_ in rounds)
        middle = statistics.median(values)
        met = middle >= must if least else middle <= must
        return {"figure": name, "median": middle, "lowest": values[0], "highest": values[-1], "must": must, "met": met}

    table = [
        figure("seconds a step: TRL / ours", lambda r: r["trl"]["seconds"] / r["ours"]["seconds"], 5, True),
        figure("peak memory: ours / TRL", lambda r: r["ours"]["peak_gb"] / r["trl"]["peak_gb"], 0.35, False),
        figure(
            "rollout tokens a second: ours / TRL's (HF generate)",
            lambda r: (r["ours"]["tokens"] / r["ours"]["generation"]) / (r["trl"]["tokens"] / r["trl"]["generation"]),
            3,
            True,
        ),
        figure(
            "learning: share of the measured matrix rate", lambda r: r["ours"]["learning_gflops"] / r["gemm"]["gflops"], 0.4, True
        ),
    ]
    for row in table:
        sign = ">=" if row["figure"] in (table[0]["figure"], table[2]["figure"], table[3]["figure"]) else "<="
        print(
            f"{row['figure']:56} {row['median']:.2f} ({row['lowest']:.2f} to {row['highest']:.2f})   must {sign} {row['must']:g}   "
            f"{'met' if row['met'] else 'falls short'}"
        )
    made_with = {package: version(package) for package in ("outgrow", "torch", "transformers", "trl", "peft")}
    machine = {"cores": os.cpu_count(), "processor": _processor(), "python": platform.python_version()}
    RESULTS.write_text(json.dumps({"machine": machine, "versions": made_with, "table": table, "rounds": rounds}, indent=1) + "\n")


def _processor() -> str:
    """The processor's name, and whether it multiplies bfloat16 by itself."""
    text = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    name = next((line.split(":", 1)[1].strip() for line in text.splitlines() if line.startswith("model name")), platform.machine())
    return f"{name}, {'AMX' if 'amx_bf16' in text else 'AVX-512' if 'avx512f' in text else 'no AVX-512'}"


if __name__ == "__main__":
    main()
