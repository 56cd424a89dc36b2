"""One run to a target, ours and TRL's: the same base, problems, prompts, checker, and held-out measurement."""

import os
import statistics
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from target_trace import Target, Trace

from outgrow.config import RLRecipe, filled, load_recipe
from outgrow.engines import LocalModel, NativeEngine, sync
from outgrow.evaluate.sample import sample_problems
from outgrow.policy import Policy
from outgrow.runs.models import base_policy, evaluation_sampling, learner_and_reference
from outgrow.runs.practice_problems import practice_problems, suite_problems
from outgrow.runs.session import verifier_for
from outgrow.types import Problem
from outgrow.verify import Attempt, Verifier


@dataclass(frozen=True)
class Work:
    """What both sides learn."""

    recipe: str
    """Shipped recipe; TRL has its problems, prompts, sampling, checker, adapter, and number of problems and rollouts in a step."""
    target: Target
    rates: tuple[float, float, float]
    """Learning rates that TRL is tried with, the likeliest first."""
    tuning_seed: int
    """Seed of these tries; it is not among those reported."""
    tuning_bound: float
    """Seconds of training of such a try."""
    trl_batch: int
    """Rollouts that TRL learns from at once; it writes all rollouts of a step together. At micro, 64 to 512 differ by less than 5%
    of processor time."""


WORKS = {
    "micro": Work(
        recipe="micro",
        target=Target(rate=0.70, every=5, samples=2, confirming=4, bound=1800),
        rates=(3e-4, 1e-3, 1e-4),
        tuning_seed=39,
        tuning_bound=1800,
        trl_batch=256,
    ),
    "smollm2-135m": Work(
        recipe="smollm2-135m-arithmetic",
        target=Target(rate=0.20, every=4, samples=1, confirming=2, bound=5400),
        rates=(3e-4, 1e-3, 1e-4),
        tuning_seed=39,
        tuning_bound=2400,
        trl_batch=24,
    ),
}
TRL_HORIZON = 4
"""TRL's linear schedule ends after this multiple of the recipe's steps: its rate has not fallen far when it arrives, and what ends
a run that does not arrive is the bound."""


def recipe_of(work: Work, seed: int) -> RLRecipe:
    """Return the shipped recipe without its own validation, with all of this machine's cores."""
    threads = os.cpu_count() or 1
    recipe = load_recipe(work.recipe, [f"seed={seed}", "evaluate.every=0", f"run.threads={threads}"])
    assert isinstance(recipe, RLRecipe)
    rewards = [(reward.type, reward.weight) for reward in recipe.rewards]
    assert rewards == [("accuracy", 1.0)], "TRL's reward is 1 for a right answer"
    return recipe


def held_out(recipe: RLRecipe, policy: Policy, verifier: Verifier) -> Callable[[int, int], float]:
    """Return what measures the policy: by an engine of its own, in float32, on the suite and at the temperature of the recipe."""
    engine, problems, sampling = NativeEngine(), suite_problems(recipe, recipe.evaluate.suite), evaluation_sampling(recipe)

    def measure(samples: int, seed: int) -> float:
        sync(engine, policy)
        graded = sample_problems(LocalModel(policy, engine), verifier, problems, samples, sampling, seed)
        engine.sleep()
        return sum(sample.right for sample in graded) / len(graded)

    return measure


def ours(work: Work, target: Target, seed: int, _: float | None) -> dict[str, Any]:
    """Train by the shipped recipe: each step as a run does it, with its ledger and its log of rollouts, without checkpoints."""
    from outgrow.core.determinism import deterministic
    from outgrow.train.rl import RLJob

    def warn(text: str) -> None:
        print(text, file=sys.stderr)

    recipe = recipe_of(work, seed)
    with deterministic(recipe), tempfile.TemporaryDirectory() as folder:
        base = base_policy(recipe)
        recipe = filled(recipe, base.parameters)
        policy, reference = learner_and_reference(recipe, base, None)
        policy.model.eval()
        job = RLJob(recipe, policy, reference, recipe.engine.build(warn), Path(folder), warn)
        trace = Trace(target, held_out(recipe, policy, job.verifier))
        trace.start()
        for step in range(1, job.steps + 1):
            job.advance(step, lambda: None).commit()
            if trace.step_done(step):
                break
        job.close()
    return {**trace.result(), "rate": recipe.learn.lr}


def trl(work: Work, target: Target, seed: int, rate: float | None) -> dict[str, Any]:
    """Train by TRL's GRPO: its own loss, its own scaling of rewards, its own optimizer and schedule.

    Rollouts are written by transformers' generate: its continuous batching takes three times as long a step here (TRL 1.16, micro).
    """
    import torch
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import TrainerCallback
    from trl import GRPOConfig, GRPOTrainer

    assert rate is not None
    torch.set_num_threads(os.cpu_count() or 1)
    torch.manual_seed(seed)
    recipe = recipe_of(work, seed)
    base, problems, learn = base_policy(recipe), practice_problems(recipe, lambda _: None), recipe.learn
    lora = recipe.policy.lora
    adapter = lora and LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=list(lora.targets),
        task_type="CAUSAL_LM",
    )
    first: list[tuple[int, float]] = []  # problem and reward of each rollout of the first step
    agreement: dict[str, float] = {}

    def right(completion_ids: list[list[int]], number: list[int], **_: Any) -> list[float]:
        texts = [spec.text(ids) for ids in completion_ids]
        ended = [ids[-1] in spec.end_ids for ids in completion_ids]
        attempts = [Attempt.at(problems[n], text, end) for n, text, end in zip(number, texts, ended, strict=True)]
        rewards = [float(graded.right) for graded in verifier.grade(attempts, inside_think=policy.opens_think)]
        if not first:
            first.extend(zip(number, rewards, strict=True))
            with trace.paused():
                agreement.update(_agreement(recipe, policy, verifier, problems, first))
        return rewards

    class Follow(TrainerCallback):  # type: ignore[misc]
        def on_train_begin(self, *_: Any, **__: Any) -> None:
            trace.start()

        def on_step_end(self, _: Any, state: Any, control: Any, **__: Any) -> None:
            control.should_training_stop = trace.step_done(state.global_step)

    with tempfile.TemporaryDirectory() as out, verifier_for(recipe) as verifier:
        rollouts = learn.problems_per_step * learn.group_size
        trainer = GRPOTrainer(
            model=base.model,
            args=GRPOConfig(
                output_dir=out,
                seed=seed,
                learning_rate=rate,
                max_steps=TRL_HORIZON * learn.steps,
                per_device_train_batch_size=work.trl_batch,
                gradient_accumulation_steps=rollouts // work.trl_batch,
                gradient_checkpointing=False,  # on by default: less memory, a second forward pass
                num_generations=learn.group_size,
                max_completion_length=recipe.sampling.max_tokens,
                temperature=recipe.sampling.temperature,
                top_p=recipe.sampling.top_p,
                top_k=recipe.sampling.top_k,
                use_cpu=True,
                bf16=False,
                report_to="none",
                save_strategy="no",
                logging_strategy="no",
                disable_tqdm=True,
            ),
            reward_funcs=right,
            train_dataset=Dataset.from_list(
                [{"prompt": base.conversation(p.question, p.turns), "number": n} for n, p in enumerate(problems)]
            ),
            processing_class=base.tokenizer,
            peft_config=adapter,
            callbacks=[Follow()],
        )
        # TRL has put its adapter into the base's layers; they are merged wherever the policy is measured.
        policy = Policy(base.model, base.tokenizer, base.prompt, trainer.model if lora else None)
        spec = policy.spec()
        _require_same_tokens(trainer, policy, problems)
        trace = Trace(target, held_out(recipe, policy, verifier))
        trainer.train()
    return {**trace.result(), "rate": rate, **agreement}


def _require_same_tokens(trainer: Any, policy: Policy, problems: list[Problem]) -> None:
    """Raise ValueError where TRL puts other tokens before the policy, or ends an answer by others."""
    chosen = problems[:: max(1, len(problems) // 500)]
    conversations = [policy.conversation(problem.question, problem.turns) for problem in chosen]
    ids, *_ = trainer._tokenize_prompts(conversations)
    if [list(map(int, each)) for each in ids] != [policy.chat_ids(each) for each in conversations]:
        raise ValueError("TRL puts other tokens before the policy than we do")
    if set(trainer.eos_token_ids) != set(policy.end_ids):
        raise ValueError(f"TRL ends an answer by {trainer.eos_token_ids}, and we by {policy.end_ids}")


def _agreement(
    recipe: RLRecipe, policy: Policy, verifier: Verifier, problems: list[Problem], first: list[tuple[int, float]]
) -> dict[str, float]:
    """Return the pass rate of the rollouts that TRL wrote at its first step, and of ours to the same problems by the same policy.

    Raises ValueError where they differ by more than four standard errors: then the two sides do not learn the same task.
    """
    numbers = list(dict.fromkeys(number for number, _ in first))
    asked, engine = [problems[number] for number in numbers], NativeEngine()
    sync(engine, policy)
    samples = sample_problems(LocalModel(policy, engine), verifier, asked, recipe.learn.group_size, recipe.sampling, recipe.seed)
    theirs = [statistics.mean(reward for n, reward in first if n == number) for number in numbers]
    own = [statistics.mean(sample.right for sample in samples if sample.problem_id == problem.id) for problem in asked]
    error = statistics.stdev(a - b for a, b in zip(theirs, own, strict=True)) / len(numbers) ** 0.5
    rates = f"TRL's rollouts {statistics.mean(theirs):.3f}, ours {statistics.mean(own):.3f}, standard error {error:.3f}"
    print(f"step 1, pass rate of {len(numbers)} problems: {rates}", file=sys.stderr, flush=True)
    if abs(statistics.mean(theirs) - statistics.mean(own)) > 4 * error:
        raise ValueError(f"the two sides do not learn the same task: before training, {rates}")
    return {"first_trl": statistics.mean(theirs), "first_ours": statistics.mean(own), "first_error": error}


SIDES = {"ours": ours, "trl": trl}
