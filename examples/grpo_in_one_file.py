"""GRPO in one file, from top to bottom, over outgrow's own parts.

    .venv/bin/python examples/grpo_in_one_file.py 20      # 20 steps on two CPU cores, a line a step

`outgrow train` runs the same step (src/outgrow/train/rl.py) and adds what a long run needs: checkpoints and resume, screening and
refill, a judge, distillation, memory limits, warnings. tests/test_examples.py holds the metrics of both equal.

Shapes: P problems of a step, G rollouts of a group, B = P·G completions, T tokens of a completion.
"""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch

from outgrow.algorithms.losses import LossBatch
from outgrow.algorithms.losses.aggregation import token_weights
from outgrow.algorithms.rewards import compose
from outgrow.algorithms.samplers import PickRequest
from outgrow.config import RLRecipe, load_recipe
from outgrow.core.rng import python_rng, seed_from
from outgrow.engines import GenerationRequest, sync
from outgrow.ledger import Ledger, PassRatePosterior
from outgrow.policy.logprobs import completion_logprobs
from outgrow.runs.models import base_policy, frozen_copy
from outgrow.runs.practice_problems import training_problems
from outgrow.train.microbatches import TrainRow, microbatches
from outgrow.train.optimizer import Optimizer
from outgrow.train.step_records import ledger_visit, total_reward
from outgrow.types import GradedGroup
from outgrow.verify import Attempt, Verifier

RECIPE = [  # the shipped recipe with GRPO's advantage, without screening and without looks at validation problems
    "advantage={type='grpo'}",
    "curriculum={type='frontier'}",
    "evaluate.every=0",
]


def grpo(recipe: RLRecipe, steps: int, folder: Path) -> Iterator[dict[str, float]]:
    """Train `steps` steps and yield the metrics of each. folder: where the ledger is kept."""
    torch.set_num_threads(recipe.run.threads)
    policy = base_policy(recipe)
    reference = frozen_copy(policy)  # the policy before step 1, for the KL divergence
    engine, optimizer = recipe.engine.build(), Optimizer(policy.model, recipe.learn, recipe.learn.steps)
    [problems] = training_problems(recipe, warn=print)  # a list for each source of the recipe; this one has one source
    ledger = Ledger(folder / "ledger.sqlite", PassRatePosterior())
    ledger.enter(problems)
    stats = ledger.known(problems)

    for step in range(1, steps + 1):
        # 1. The sampler picks problems by what the ledger knows of them.
        request = PickRequest(step, recipe.learn.problems_per_step, recipe.learn.group_size, recipe.seed)
        picked = [problems[place] for place in recipe.curriculum.pick(request, stats)]

        # 2. The engine writes a group of rollouts for each. A group's draws depend on its own seed only.
        sync(engine, policy, version=step - 1)
        prompts = [policy.prompt_ids(problem.question) for problem in picked]
        seeds = [seed_from(recipe.seed, "rollout", step, problem.id) for problem in picked]
        written = engine.generate(GenerationRequest(prompts, recipe.learn.group_size, recipe.sampling, seeds))

        # 3. The verifier compares each answer with the known one.
        with Verifier(recipe.verify.extract) as verifier:
            groups = [
                GradedGroup(
                    problem=problem,
                    rollouts=rollouts,
                    graded=verifier.grade([Attempt(rollout.text, problem.answer, rollout.finished) for rollout in rollouts]),
                    step=step,
                    seed=recipe.seed,
                    inside_think=policy.opens_think,
                    expected=ledger.expected(problem),
                    max_tokens=recipe.sampling.max_tokens,
                )
                for problem, rollouts in zip(picked, written, strict=True)
            ]

        # 4. Rewards give each rollout a number. 5. The advantage compares it with its group, or with what was expected.
        rewards_PG = torch.tensor([total_reward(compose(recipe.rewards, group)) for group in groups])
        advantages_PG = recipe.advantage.compute(rewards_PG, groups)

        # 6. One gradient step over the groups that teach something, microbatch by microbatch.
        taught = [
            (group, row)
            for group, rewards, row in zip(groups, rewards_PG.tolist(), advantages_PG.tolist(), strict=True)
            if recipe.advantage.teaches(rewards, row)
        ]
        python_rng(recipe.seed, "minibatch", step).shuffle(taught)
        lengths_B = torch.tensor([length for group, _ in taught for length in group.lengths])
        weights = iter(token_weights(lengths_B, recipe.loss.aggregation, recipe.sampling.max_tokens).tolist())
        rows = [
            [
                TrainRow(rollout, advantage, next(weights), rollout.logprobs)
                for rollout, advantage in zip(group.rollouts, row, strict=True)
            ]
            for group, row in taught
        ]
        loss = 0.0
        for batch in microbatches(rows, recipe.learn.tokens_per_microbatch):
            prompt_ids, completion_ids = [row.prompt_ids for row in batch], [row.completion_ids for row in batch]
            with torch.no_grad():
                reference_BT = completion_logprobs(reference, prompt_ids, completion_ids, recipe.sampling)[0]
            logprobs_BT, _, mask_BT = completion_logprobs(policy, prompt_ids, completion_ids, recipe.sampling)
            drawn_BT = torch.zeros_like(logprobs_BT)  # the engine's log-probabilities, padded with 0
            for row, logprobs in enumerate(row.rollout.logprobs for row in batch):
                drawn_BT[row, : len(logprobs)] = torch.tensor(logprobs)
            result = recipe.loss.compute(
                LossBatch(
                    logprobs_BT,
                    drawn_BT,  # the ratio starts from the policy that drew the tokens
                    torch.tensor([row.advantage_T for row in batch]).unsqueeze(-1) * mask_BT,
                    torch.tensor([row.weight for row in batch]).unsqueeze(-1) * mask_BT,
                    reference_BT,
                )
            )
            result.loss.backward()
            loss += result.loss.item()
        norm, rate = optimizer.step(step)

        # 7. The ledger keeps a visit of each group, for the next pick.
        ledger.record([ledger_visit(group) for group in groups])

        count = sum(len(group.rollouts) for group in groups)
        yield {
            "step": step,
            "rollouts/count": count,
            "rollouts/pass_rate": sum(group.right for group in groups) / count,
            "rollouts/mean_tokens": sum(sum(group.lengths) for group in groups) / count,
            "groups/trained_frac": len(taught) / len(groups),
            "train/loss": loss,
            "train/grad_norm": norm,
            "train/lr": rate,
        }


if __name__ == "__main__":
    recipe = load_recipe("micro", RECIPE)
    assert isinstance(recipe, RLRecipe)
    with tempfile.TemporaryDirectory() as folder:
        for metrics in grpo(recipe, int(sys.argv[1]) if len(sys.argv) > 1 else 20, Path(folder)):
            print("  ".join(f"{name} {value:.4g}" for name, value in metrics.items()))
