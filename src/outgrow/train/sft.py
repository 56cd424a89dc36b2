"""Supervised fine-tuning on written-out solutions: how a micro base model is made, and the next base of a flywheel."""

import random
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..config import SFTRecipe
from ..core.callbacks import CheckStop, Warn
from ..core.errors import UsageError
from ..core.oom_backoff import AutoBatchSize
from ..core.rng import python_rng, seed_from
from ..policy import Policy, Sampling
from ..policy.logprobs import completion_logprobs
from ..policy.unknown_characters import unknown_characters, warn_of_unknown
from ..runs.practice_problems import training_problems
from ..types import Problem
from ..verify.extraction.extract import THINK_CLOSE
from .job import StepResult
from .microbatches import by_prompt
from .optimizer import Optimizer
from .passes import Ranks, run_passes

_PLAIN = Sampling()  # the model's own distribution


@dataclass(frozen=True)
class Example:
    """A prompt and the solution to be learned, in token ids."""

    prompt_ids: list[int]
    completion_ids: list[int]


@dataclass(frozen=True)
class SFTLearner:
    """What computes the gradient of supervised fine-tuning."""

    policy: Policy
    optimizer: Optimizer
    batch_size: AutoBatchSize
    """Tokens in one forward and backward pass."""
    ranks: Ranks | None = None
    """Processes that compute the passes; None where this one does."""

    def backward(self, rows: list[Example], tokens: int) -> float:
        """Add the gradient of these rows' share in the mean loss over `tokens` tokens to that of the weights; return the share."""
        prompts, completions = [row.prompt_ids for row in rows], [row.completion_ids for row in rows]
        part = -completion_logprobs(self.policy, prompts, completions, _PLAIN)[0].sum() / tokens
        self.optimizer.backward(part)
        return part.item()


class SFTJob:
    """Next-token loss on the tokens of solutions, not on those of prompts."""

    def __init__(self, recipe: SFTRecipe, policy: Policy, run: Path, warn: Warn, ranks: Ranks | None = None) -> None:
        """warn: receives a line about problems that are not used. ranks: what share the policy's weights, if any do.

        Raises UsageError where a problem has no solution.
        """
        self.recipe, self.policy, self.run = recipe, policy, run
        self.steps = recipe.learn.steps
        self.optimizer = ranks.optimizer if ranks else Optimizer(policy.model, recipe.learn, self.steps)
        self.weights = [source.weight for source in recipe.problems]
        self.problems = training_problems(recipe, warn)
        warn_of_unknown(partial(unknown_characters, policy.tokenizer), chain(*self.problems), warn, solutions=True)
        self.cells = [_cells(problems) for problems in self.problems]
        self.batch_size = AutoBatchSize("learn.tokens_per_microbatch", recipe.learn.tokens_per_microbatch or sys.maxsize, warn)
        self.learner = SFTLearner(policy, self.optimizer, self.batch_size, ranks)
        self._encoded: dict[str, Example] = {}

    def known_verdicts(self) -> dict[str, str]:
        """Return nothing: no verifier decides what is learned."""
        return {}

    def state_dict(self) -> dict[str, Any]:
        """See `Job.state_dict`."""
        return {"tokens_per_microbatch": self.batch_size.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See `Job.load_state_dict`."""
        self.batch_size.load_state_dict(state.get("tokens_per_microbatch", {}))

    def rewind(self, step: int) -> None:
        """Do nothing: SFT leaves only metrics on disk."""

    def rollouts(self) -> int:
        """Return 0: SFT writes no rollouts."""
        return 0

    def close(self) -> None:
        """Do nothing: no file is open."""

    def advance(self, step: int, check_stop: CheckStop) -> StepResult:
        check_stop()
        started = time.perf_counter()
        rng = python_rng(self.recipe.seed, "sft", step)
        examples = [self._encode(self._draw(rng)) for _ in range(self.recipe.learn.batch_size)]
        loss = self._accumulate(step, examples, check_stop)
        norm, rate = self.optimizer.step(step)
        metrics = {"step": step, "train/loss": loss, "train/grad_norm": norm, "train/lr": rate}
        return StepResult(metrics, {"learning": round(time.perf_counter() - started, 4)}, commit=lambda: None)

    def _accumulate(self, step: int, examples: list[Example], check_stop: CheckStop) -> float:
        """Add the gradient of the mean loss over the solutions' tokens to that of the weights; return that mean in nats."""
        tokens, loss = sum(len(example.completion_ids) for example in examples), 0.0
        dropout = partial(_dropout, self.policy.model, seed_from(self.recipe.seed, "dropout", step))
        work = partial(SFTLearner.backward, tokens=tokens)
        for _, part in run_passes(self.learner, work, by_prompt(examples), check_stop, dropout):
            loss += part
        return loss

    def _draw(self, rng: random.Random) -> Problem:
        """Draw a source by weight, then a field and level evenly (so that small levels are seen), then a problem."""
        cells = rng.choices(self.cells, self.weights)[0]
        return rng.choice(rng.choice(cells))

    def _encode(self, problem: Problem) -> Example:
        if problem.id not in self._encoded:
            if not problem.solution:
                raise UsageError(f"problem {problem.id!r} has no written-out solution, so there is nothing to fine-tune on")
            policy = self.policy
            whole = problem.whole or THINK_CLOSE in problem.solution  # the text ends its thoughts and gives the answer
            text = problem.solution if whole else f"{problem.solution}{THINK_CLOSE}\\boxed{{{problem.answer}}}"
            completion = [*policy.tokenizer(text, add_special_tokens=False)["input_ids"], policy.end_id]
            self._encoded[problem.id] = Example(policy.prompt_ids(problem.question, problem.turns), completion)
        return self._encoded[problem.id]


@contextmanager
def _dropout(model: nn.Module, seed: int) -> Iterator[None]:
    """Switch on the dropout of the model and its adapter (most have none), drawn from `seed`; restore the global stream after."""
    state = torch.random.get_rng_state()
    torch.manual_seed(seed)
    model.train()
    try:
        yield
    finally:
        model.eval()
        torch.random.set_rng_state(state)


def _cells(problems: list[Problem]) -> list[list[Problem]]:
    cells: dict[tuple[str, int], list[Problem]] = defaultdict(list)
    for problem in problems:
        cells[problem.field, problem.level].append(problem)
    return list(cells.values())
