"""Supervised fine-tuning on written-out solutions: how a micro base model is made."""

import random
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from ..errors import UsageError
from ..keyed import python_random, seed_from
from ..policy import Policy
from ..policy.logprobs import pad_right
from ..problems import Note, Problem
from ..recipes.schema import SFTRecipe
from ..verify.extract import THINK_CLOSE
from .job import StepResult
from .optimizer import Optimizer
from .sources import training_problems

_IGNORED = -100


class SFTJob:
    """Next-token loss on solutions, the prompt left out of it."""

    def __init__(self, recipe: SFTRecipe, policy: Policy, run: Path, note: Note) -> None:
        """note: told what is left out. Raises UsageError where a problem comes without a solution."""
        self.recipe, self.policy, self.run = recipe, policy, run
        self.steps = recipe.learn.steps
        self.optimizer = Optimizer(policy.model, recipe.learn, self.steps)
        self.weights = [source.weight for source in recipe.problems]
        self.cells = [_cells(problems) for problems in training_problems(recipe, note)]
        self._encoded: dict[str, tuple[list[int], list[int]]] = {}

    def rewind(self, step: int) -> None:
        """Nothing but metrics is left on disk."""

    def rollouts(self) -> int:
        """None: SFT reads solutions."""
        return 0

    def close(self) -> None:
        """Nothing is held open."""

    def advance(self, step: int, poll: Callable[[], None]) -> StepResult:
        poll()
        started = time.perf_counter()
        rng = python_random(self.recipe.seed, "sft", step)
        rows = [self._encode(self._draw(rng)) for _ in range(self.recipe.learn.batch_size)]
        texts = [prompt + completion for prompt, completion in rows]
        tokens_BS, mask_BS = pad_right(texts, self.policy.pad_id, self.policy.model.device)
        labels_BS = tokens_BS.masked_fill(mask_BS == 0, _IGNORED)
        for row, (prompt, _) in enumerate(rows):
            labels_BS[row, : len(prompt)] = _IGNORED
        with _dropout(self.policy.model, seed_from(self.recipe.seed, "dropout", step)):
            logits_BSV = self.policy.model(input_ids=tokens_BS, attention_mask=mask_BS, use_cache=False).logits
        loss = F.cross_entropy(logits_BSV[:, :-1].flatten(0, 1), labels_BS[:, 1:].flatten(), ignore_index=_IGNORED)
        loss.backward()
        norm, rate = self.optimizer.step(step)
        metrics = {"step": step, "loss": loss.item(), "grad_norm": norm, "lr": rate}
        return StepResult(metrics, {"learning": round(time.perf_counter() - started, 4)}, commit=lambda: None)

    def _draw(self, rng: random.Random) -> Problem:
        """A source by weight, then a field and level evenly (small levels would drown otherwise), then a problem."""
        cells = rng.choices(self.cells, self.weights)[0]
        return rng.choice(rng.choice(cells))

    def _encode(self, problem: Problem) -> tuple[list[int], list[int]]:
        if problem.id not in self._encoded:
            if not problem.solution:
                raise UsageError(f"problem {problem.id!r} has no written-out solution, so there is nothing to fine-tune on")
            policy = self.policy
            whole = problem.whole or THINK_CLOSE in problem.solution  # which has ended its thoughts, and answered, itself
            text = problem.solution if whole else f"{problem.solution}{THINK_CLOSE}\\boxed{{{problem.answer}}}"
            completion = [*policy.tokenizer(text, add_special_tokens=False)["input_ids"], policy.end_id]
            self._encoded[problem.id] = policy.prompt_ids(problem.question), completion
        return self._encoded[problem.id]


@contextmanager
def _dropout(model: nn.Module, seed: int) -> Iterator[None]:
    """Dropout as the model and its adapter have it (most have none), drawn from `seed`; the global stream is put back."""
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
