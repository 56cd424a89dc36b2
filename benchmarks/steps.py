"""One training step, timed: ours and TRL's, on the same prompts, with the same rewards and loss."""

from __future__ import annotations

import os
import resource
import statistics
import tempfile
import time
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from outgrow.policy.load import Dtype
    from outgrow.types import Rollout

TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
_WORDED = [
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


@dataclass(frozen=True)
class Work:
    """A step. rank: of the adapters; None where every weight learns. steps: those that are timed, after one to warm up.

    pass_tokens: tokens that we learn from at once. trl_batch: rollouts that TRL learns from at once, as many as do not slow it
    down; it writes all of them together.
    """

    model: str
    questions: tuple[str, ...]
    group: int
    tokens: int
    rank: int | None
    steps: int
    pass_tokens: int
    trl_batch: int


WORKS = {
    "smollm2-135m": Work("smollm2-135m", tuple(_WORDED), 8, 128, 16, 1, 2048, 16),
    "micro": Work("micro-base", tuple(f"{a}+{1000 - 7 * a}=?" for a in range(101, 133)), 8, 48, None, 10, 16384, 256),
}


def reward(text: str) -> float:
    """Any rule that both sides can compute. No two texts get the same: our side skips groups whose rewards are equal."""
    return zlib.crc32(text.encode()) / 2**32


def ours(
    work: Work, numbers: Literal["exact", "int8"] = "exact", keep: int | None = None, dtype: Dtype = "float32"
) -> dict[str, float]:
    """Engine update, generation, the KL divergence to the reference, and learning, as the loop does them.

    numbers: what rollouts are written with. keep: rollouts of each group that are learned from, those whose rewards vary most;
    None: all. dtype: of the model's weights.
    """
    import torch

    from outgrow.algorithms.advantages.dr_grpo import DrGRPO
    from outgrow.algorithms.losses.clipped_surrogate import ClippedSurrogate
    from outgrow.algorithms.max_variance import max_variance
    from outgrow.config.sections import LearnSection
    from outgrow.core.memory import keep_large_buffers
    from outgrow.core.oom_backoff import AutoBatchSize
    from outgrow.engines import GenerationRequest, NativeEngine, sync
    from outgrow.policy import Policy, Sampling, load_policy
    from outgrow.policy.lora import add_adapter
    from outgrow.policy.lora_settings import LoRA
    from outgrow.runs.models import frozen_copy
    from outgrow.train.kl_sample import kl_sample
    from outgrow.train.optimizer import Optimizer
    from outgrow.train.update import AdvantagedRollout, Learner

    keep_large_buffers()
    torch.set_num_threads(os.cpu_count() or 1)
    policy = load_policy(work.model, dtype=dtype)
    reference = frozen_copy(policy, share=bool(work.rank))
    if work.rank:
        adapter = add_adapter(policy.model, LoRA(rank=work.rank, targets=tuple(TARGETS)), 0, work.model)
        policy = Policy(policy.model, policy.tokenizer, policy.prompt, adapter)
    policy.model.eval()
    old: Literal["engine", "learner"] = "engine" if numbers == "exact" else "learner"
    section = LearnSection(lr=1e-5, tokens_per_microbatch=work.pass_tokens, old_logprobs=old)
    sampling = Sampling(max_tokens=work.tokens)
    optimizer, engine = Optimizer(policy.model, section, 100), NativeEngine(weights=numbers, head=numbers)
    size = AutoBatchSize("learn.tokens_per_microbatch", section.tokens_per_microbatch, print)
    learner = Learner(policy, reference, optimizer, section, ClippedSurrogate(), sampling, 0, size)
    prompts = [policy.prompt_ids(question) for question in work.questions]
    times: list[tuple[float, float, int]] = []
    for step in range(1, work.steps + 2):
        began = time.perf_counter()
        sync(engine, policy)
        seeds = [step * 100 + index for index in range(len(prompts))]
        groups = engine.generate(GenerationRequest(prompts, work.group, sampling, seeds))
        engine.sleep()
        generated = time.perf_counter()
        rewards = [[reward(rollout.text) for rollout in group] for group in groups]
        places = [max_variance(row, keep or len(row)) for row in rewards]
        learned_from = [[group[place] for place in chosen] for group, chosen in zip(groups, places, strict=True)]
        kept = torch.tensor([[row[place] for place in chosen] for row, chosen in zip(rewards, places, strict=True)])
        advantages = DrGRPO().compute(kept, ()).tolist()  # which looks only at rewards
        rows = zip(learned_from, advantages, strict=True)
        weighed = [[AdvantagedRollout(r, a) for r, a in zip(group, row, strict=True)] for group, row in rows]
        flat = [rollout for group in groups for rollout in group]
        completed = sum(len(rollout.completion_ids) for rollout in flat)
        measured = kl_sample(groups, learned_from, 1 if numbers == "exact" else 2, 0, step)
        learner.kl_to_reference(measured, completed / len(flat))
        learner.update(weighed, step)
        times.append((generated - began, time.perf_counter() - generated, completed))
    generation, learning, completed = _medians(times[1:])
    config = policy.model.config
    in_layers = sum(
        weight.numel()
        for name, weight in policy.model.named_parameters()
        if "layers" in name and "lora" not in name and weight.ndim == 2
    )

    def attended_to(rollouts: list[Rollout]) -> float:
        """Tokens that each completion token attends to, over all of them."""
        return sum(len(r.completion_ids) * (len(r.prompt_ids) + len(r.completion_ids) / 2) for r in rollouts)

    def forward(rollouts: list[Rollout], prompt_tokens: int) -> tuple[float, float]:
        """Multiplications of a forward pass by weights, and in attention's two products."""
        written, seen = sum(len(r.completion_ids) for r in rollouts), attended_to(rollouts)
        by_weights = in_layers * (prompt_tokens + written) + config.vocab_size * config.hidden_size * written
        return by_weights, 2 * config.num_hidden_layers * config.num_attention_heads * config.head_dim * seen

    of_prompts = sum(map(len, prompts))  # each once for its group
    weights, attended = forward([row.rollout for group in weighed for row in group], of_prompts)
    # Backward: the gradient of what came in, that of the weight where it learns, and both of attention's factors.
    learned = (2 if work.rank else 3) * weights + 3 * attended
    learned += sum(forward(measured, sum(len(r.prompt_ids) for r in measured))) * (1 if numbers == "exact" else 2)
    return {
        "seconds": generation + learning,
        "generation": generation,
        "learning": learning,
        "tokens": completed,
        "generation_gflop": 2 * sum(forward(flat, of_prompts)) / 1e9,
        "generation_read_gb": 8 * config.num_hidden_layers * config.num_key_value_heads * config.head_dim * attended_to(flat) / 1e9,
        "learning_gflop": 2 * learned / 1e9,
        "peak_gb": peak_gb(),
    }


def trl(work: Work, dtype: Dtype = "float32") -> dict[str, float]:
    """TRL's own trainer, one batch a step. dtype: of the model's weights; in bfloat16 with autocast, as TRL ships it."""
    import torch
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
    from trl import GRPOConfig, GRPOTrainer

    from outgrow.policy.load import model_folder

    torch.set_num_threads(os.cpu_count() or 1)
    folder = model_folder(work.model)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=getattr(torch, dtype))
    generation: list[float] = []
    times: list[tuple[float, float, int]] = []
    completed = 0

    def rewards(completions: list[Any], completion_ids: list[list[int]], **_: Any) -> list[float]:
        nonlocal completed
        completed = sum(map(len, completion_ids))
        return [reward(completion[0]["content"]) for completion in completions]

    class Clock(TrainerCallback):  # type: ignore[misc]
        def on_step_begin(self, *_: Any, **__: Any) -> None:
            self.began = time.perf_counter()

        def on_step_end(self, *_: Any, **__: Any) -> None:
            times.append((generation[-1], time.perf_counter() - self.began - generation[-1], completed))

    class Timed(GRPOTrainer):  # type: ignore[misc]
        def _generate_and_score_completions(self, inputs: Any) -> Any:
            began = time.perf_counter()
            found = super()._generate_and_score_completions(inputs)
            generation.append(time.perf_counter() - began)
            return found

    with tempfile.TemporaryDirectory() as out:
        arguments = GRPOConfig(
            output_dir=out,
            per_device_train_batch_size=work.trl_batch,
            gradient_accumulation_steps=len(work.questions) * work.group // work.trl_batch,
            gradient_checkpointing=False,  # on by default: less memory, a second forward pass
            num_generations=work.group,
            max_completion_length=work.tokens,
            temperature=1.0,
            max_steps=work.steps + 1,
            learning_rate=1e-5,
            loss_type="dapo",
            scale_rewards=False,
            beta=0.0,
            use_cpu=True,
            bf16=dtype == "bfloat16",
            report_to="none",
            save_strategy="no",
            logging_strategy="no",
            disable_tqdm=True,
        )
        adapters = LoraConfig(r=work.rank, lora_alpha=32, target_modules=TARGETS, task_type="CAUSAL_LM") if work.rank else None
        trainer = Timed(
            model=model,
            args=arguments,
            reward_funcs=rewards,
            train_dataset=Dataset.from_list([{"prompt": [{"role": "user", "content": question}]} for question in work.questions]),
            processing_class=tokenizer,
            peft_config=adapters,
            callbacks=[Clock()],
        )
        trainer.train()
    taken, learning, completed = _medians(times[1:])
    return {"seconds": taken + learning, "generation": taken, "learning": learning, "tokens": completed, "peak_gb": peak_gb()}


def _medians(times: list[tuple[float, float, int]]) -> tuple[float, float, int]:
    generation, learning, completed = (statistics.median(part) for part in zip(*times, strict=True))
    return generation, learning, int(completed)


def peak_gb() -> float:
    """The most memory that this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def held_gb() -> float:
    """The memory that this process holds now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e9
