"""The RL loop's step: pick problems, write groups, verify, reward, weigh, learn, remember."""

import math
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import torch

from ..curriculum import Ledger, Visit
from ..errors import NotFiniteError, OutgrowError, UsageError
from ..evaluate import suite
from ..evaluate.sample import sample_problems
from ..fitting import FittingSize
from ..keyed import seed_from
from ..memory import total_memory
from ..plan import load_market
from ..plan.models import shape_from_config
from ..plan.room import tokens_in
from ..policy import Policy
from ..problems import Note
from ..recipes.schema import RLRecipe
from ..rewards import GradedGroup, compose
from ..rollout import Engine, Local
from ..runs.files import read_lines
from ..runs.rollouts import drop_parts_after, write_part
from ..verify import Attempt, Verdict, Verifier
from .job import StepResult
from .optimizer import Optimizer
from .passes import bounds
from .sources import distinct, shares, training_problems
from .update import Weighed, kl_to_reference, update

# Rollouts of a step on which KL to the reference is measured (where the loss does not need it on all of them).
_KL_ROLLOUTS = 32


class RLJob:
    """Reinforcement learning by a recipe."""

    def __init__(self, recipe: RLRecipe, policy: Policy, reference: Policy, engine: Engine, run: Path, note: Note) -> None:
        """policy: what learns, at any step. reference: the policy as it was before step 1. note: told what a person should know."""
        self.recipe, self.policy, self.run = recipe, policy, run
        self.reference = reference
        self.steps = recipe.learn.steps
        self.optimizer = Optimizer(policy.model, recipe.learn, self.steps)
        self.size = _pass_size(recipe, policy, note)
        self.engine = engine
        self.verifier = Verifier(recipe.verify.extract, recipe.verify.exact)
        self.shares = shares(recipe.learn.problems_per_step, [source.weight for source in recipe.problems])
        sources = distinct(training_problems(recipe, note))
        self.validation = suite(recipe.evaluate.validation).load() if recipe.evaluate.every else []
        self.ledger = Ledger(run / "ledger.sqlite")
        self.ledger.enter([problem for problems in sources for problem in problems])
        self.known = [self.ledger.known(problems) for problems in sources]
        self.idle = 0  # steps in a row without anything to learn from

    def rewind(self, step: int) -> None:
        self.ledger.rewind(step)
        drop_parts_after(self.run, step)
        rows = read_lines(self.run / "metrics.jsonl")
        taught = [row["step"] for row in rows if row["step"] <= step and row["informative"] > 0]
        self.idle = step - max(taught, default=0)

    def rollouts(self) -> int:
        return sum(visit.n for visit in self.ledger.visits())

    def close(self) -> None:
        self.ledger.close()
        self.verifier.close()

    def advance(self, step: int, poll: Callable[[], None]) -> StepResult:
        recipe, learn = self.recipe, self.recipe.learn
        clock = _Clock()
        self.engine.update(self.policy)
        metrics: dict[str, float] = {"step": step, **self._validate(step, poll)}
        clock.lap("validation")

        problems = [
            known.problems[place]
            for share, known in zip(self.shares, self.known, strict=True)
            for place in recipe.curriculum.pick(step, share, known, recipe.seed)
        ]
        groups_rollouts = self.engine.generate(
            [self.policy.prompt_ids(problem.question) for problem in problems],
            learn.group_size,
            recipe.sampling,
            [seed_from(recipe.seed, "rollout", step, problem.id) for problem in problems],
            poll,
        )
        self.engine.sleep()
        clock.lap("generation")

        inside_think = self.policy.opens_think
        pairs = list(zip(problems, groups_rollouts, strict=True))
        attempts = [Attempt(r.text, problem.answer, r.finished, problem.scorer) for problem, rollouts in pairs for r in rollouts]
        graded = iter(self.verifier.grade(attempts, inside_think=inside_think, poll=poll))
        groups = [
            GradedGroup(
                problem=problem,
                rollouts=rollouts,
                graded=[next(graded) for _ in rollouts],
                step=step,
                seed=recipe.seed,
                inside_think=inside_think,
            )
            for problem, rollouts in pairs
        ]
        poll()
        clock.lap("verification")

        parts = [compose(recipe.rewards, group) for group in groups]
        rewards_PG = torch.tensor([[sum(prices) for prices in zip(*part.values(), strict=True)] for part in parts])
        advantages_PG = recipe.advantage.weigh(rewards_PG)
        informative_P = (rewards_PG.amax(1) - rewards_PG.amin(1)) > 1e-8
        weighed = [
            [Weighed(r, a) for r, a in zip(group.rollouts, advantages, strict=True)]
            for group, advantages, informative in zip(groups, advantages_PG.tolist(), informative_P.tolist(), strict=True)
            if informative
        ]
        metrics |= self._describe(groups, parts, rewards_PG, len(weighed))
        some = _spread(groups, _KL_ROLLOUTS)
        metrics["kl"] = self.size.fitting(partial(kl_to_reference, self.reference, some, recipe.sampling), *bounds(some))
        if not math.isfinite(metrics["kl"]):
            raise NotFiniteError(f"step {step}: the policy's log-probabilities are not finite; {self.optimizer.advice()}")
        warning = self._check(metrics, step)
        if weighed:
            metrics |= update(
                self.policy, self.reference, self.optimizer, weighed, learn, recipe.sampling, step, recipe.seed, self.size, poll
            )
        clock.lap("learning")

        rows = _rows(step, groups, parts, rewards_PG, advantages_PG)
        visits = [Visit(step, g.problem.id, len(g.rollouts), g.right, g.mean_length) for g in groups]

        def commit() -> None:
            write_part(self.run, step, rows)
            self.ledger.record(visits)

        return StepResult(metrics, clock.laps, commit, warning)

    def _validate(self, step: int, poll: Callable[[], None]) -> dict[str, float]:
        """Pass rate on held-out validation problems, before every so many steps."""
        section = self.recipe.evaluate
        if not section.every or (step - 1) % section.every:
            return {}
        sampling = self.recipe.sampling.model_copy(update={"temperature": section.temperature})
        samples = sample_problems(
            Local(self.policy, self.engine),
            self.verifier,
            self.validation,
            section.validation_samples,
            sampling,
            self.recipe.seed,
            poll,
        )
        return {"validation_pass_rate": sum(s.right for s in samples) / len(samples)}

    def _describe(
        self, groups: Sequence[GradedGroup], parts: Sequence[dict[str, list[float]]], rewards_PG: torch.Tensor, informative: int
    ) -> dict[str, float]:
        verdicts = Counter(grade.verdict for group in groups for grade in group.graded)
        total = verdicts.total()
        lengths = [len(r.completion_ids) for group in groups for r in group.rollouts]
        return {
            "pass_rate": verdicts[Verdict.RIGHT] / total,
            "truncated": verdicts[Verdict.TRUNCATED] / total,
            "no_answer": verdicts[Verdict.NO_ANSWER] / total,
            "verifier_failed": verdicts[Verdict.VERIFIER_FAILED] / total,
            "informative": informative / len(groups),
            "length": sum(lengths) / total,
            "reward": rewards_PG.mean().item(),
            **{f"reward_{name}": sum(sum(part[name]) for part in parts) / total for name in parts[0]},
        }

    def _check(self, metrics: dict[str, float], step: int) -> str | None:
        """What a person should know of a step that teaches little. Raises OutgrowError after too many that teach nothing."""
        limit = self.recipe.sampling.max_tokens
        warning = None
        if metrics["truncated"] == 1:
            warning = f"step {step}: every completion was cut at sampling.max_tokens={limit}; raise it"
        elif metrics["informative"] == 0:
            rate = metrics["pass_rate"]
            advice = "harder problems" if rate > 0.5 else "easier problems or a better base model"
            warning = (
                f"step {step}: all rewards within every group are equal (pass rate {rate:.2f}), so nothing is learned; try {advice}"
            )
        elif metrics["verifier_failed"] > 0:
            warning = f"step {step}: the verifier failed on {metrics['verifier_failed']:.0%} of the completions; see rollouts/"
        elif metrics["truncated"] > 0.5:
            warning = (
                f"step {step}: {metrics['truncated']:.0%} of the completions were cut at sampling.max_tokens={limit}; raise it"
            )
        self.idle = self.idle + 1 if metrics["informative"] == 0 else 0
        if self.idle >= self.recipe.learn.give_up_after:
            raise OutgrowError(f"nothing to learn from in {self.idle} steps in a row. {warning}")
        return warning


def _pass_size(recipe: RLRecipe, policy: Policy, note: Note) -> FittingSize:
    """learn.tokens_per_pass, less where memory has no room for so many by the count of `outgrow plan`."""
    name, tokens = "learn.tokens_per_pass", recipe.learn.tokens_per_pass
    with suppress(UsageError):  # a family that the plan does not count
        shape, memory = shape_from_config(policy.model.config, recipe.name), total_memory(policy.model.device)
        tokens = tokens_in(memory, recipe, shape, load_market().assumptions)
        if tokens < recipe.learn.tokens_per_pass:
            note(
                f"{name}={recipe.learn.tokens_per_pass} would not fit {memory / 1e9:.0f} GB of memory; going on with {tokens} (the "
                "results are the same but for rounding)"
            )
    return FittingSize(name, tokens, note)


def _spread(groups: Sequence[GradedGroup], count: int) -> list[Any]:
    """About `count` rollouts, spread evenly over the groups."""
    rollouts = [rollout for group in groups for rollout in group.rollouts]
    return rollouts[:: max(1, len(rollouts) // count)][:count]


def _rows(
    step: int,
    groups: Sequence[GradedGroup],
    parts: Sequence[dict[str, list[float]]],
    rewards_PG: torch.Tensor,
    advantages_PG: torch.Tensor,
) -> list[dict[str, Any]]:
    """One row a rollout, for the Parquet part of the step."""
    return [
        {
            "step": step,
            "problem_id": group.problem.id,
            "field": group.problem.field,
            "level": group.problem.level,
            "sample": index,
            "question": group.problem.question,
            "completion": rollout.text,
            "verdict": str(group.graded[index].verdict),
            "extracted": group.graded[index].extracted,
            "answer": group.problem.answer,
            "length": len(rollout.completion_ids),
            "reward": rewards_PG[row, index].item(),
            **{f"reward_{name}": prices[index] for name, prices in parts[row].items()},
            "advantage": advantages_PG[row, index].item(),
        }
        for row, group in enumerate(groups)
        for index, rollout in enumerate(group.rollouts)
    ]


class _Clock:
    """Seconds by phase."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self.laps[name], self._last = round(now - self._last, 4), now
