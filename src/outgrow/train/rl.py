"""The RL loop's step: pick problems, write groups, verify, reward, weigh, learn, remember."""

import math
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import torch

from ..algorithms.rewards import compose
from ..config import RLRecipe
from ..core.callbacks import Warn
from ..core.errors import NotFiniteError, OutgrowError, UsageError
from ..core.files import read_lines
from ..core.memory import total_memory
from ..core.oom_backoff import AutoBatchSize
from ..core.rollout_log import drop_parts_after, write_part
from ..engines import Engine, LocalModel
from ..evaluate.pass_rates import read_profile
from ..evaluate.sample import sample_problems
from ..ledger import Ledger, PassRatePosterior
from ..plan import load_gpu_catalog
from ..plan.fit_to_memory import fit_to_memory
from ..plan.models import judge_shapes, shape_from_config
from ..policy import Policy
from ..problems.suites import suite
from ..runs.practice_problems import distinct, shares, training_problems
from ..types import GradedGroup
from ..verify import Verifier
from .collect import Collector
from .distill import distill_target
from .job import StepResult
from .judge_scores import JudgeInLoop
from .microbatches import microbatch_bounds
from .optimizer import Optimizer
from .step_records import RewardParts, advantage_of_correct_by_level, ledger_visit, rollout_rows, step_metrics, total_reward
from .update import AdvantagedRollout, kl_to_reference, update

# Rollouts of a step on which KL to the reference is measured (where the loss does not need it on all of them).
_KL_ROLLOUTS = 32
_ALIKE = 1e-8  # rewards so close together are the same


class RLJob:
    """Reinforcement learning by a recipe."""

    def __init__(
        self, recipe: RLRecipe, policy: Policy, reference: Policy, engine: Engine, run: Path, warn: Warn,
        distilled: Policy | None = None,
    ) -> None:  # fmt: skip
        """policy: what learns, at any step. reference: the policy as it was before step 1. warn: told what a person should know.
        distilled: the teacher of recipe.distill, if there is one.
        """
        self.recipe, self.policy, self.run = recipe, policy, run
        self.reference, self.distilled = reference, distilled
        self.steps = recipe.learn.steps
        self.optimizer = Optimizer(policy.model, recipe.learn, self.steps)
        self.size = _microbatch_size(recipe, policy, distilled, warn)
        self.engine = engine
        self.verifier = Verifier(recipe.verify.extract, recipe.verify.exact)
        counts = shares(recipe.learn.problems_per_step, [source.weight for source in recipe.problems])
        sources = distinct(training_problems(recipe, warn))
        self.validation = suite(recipe.evaluate.validation).load() if recipe.evaluate.every else []
        self.ledger = Ledger(run / "ledger.sqlite", PassRatePosterior(recipe.ledger.half_life, recipe.ledger.prior_weight))
        self.ledger.enter([problem for problems in sources for problem in problems])
        if recipe.ledger.profile is not None:
            ids = {problem.id for problems in sources for problem in problems}
            _take_over(recipe.ledger.profile, self.ledger, ids, reference, recipe.sampling.temperature, warn)
        known = [self.ledger.known(problems) for problems in sources]
        self.collector = Collector(recipe, policy, engine, self.verifier, self.ledger, known, counts)
        self.judging = JudgeInLoop(recipe, recipe.judge, run, warn) if recipe.judge else None
        self.idle = 0  # steps in a row without anything to learn from

    def rewind(self, step: int) -> None:
        self.ledger.rewind(step)
        drop_parts_after(self.run, step)
        rows = read_lines(self.run / "metrics.jsonl")
        rows = [row for row in rows if row["step"] <= step]
        self.idle = step - max((row["step"] for row in rows if row["groups/trained_frac"] > 0), default=0)
        if self.judging:
            self.judging.rewind(rows)

    def rollouts(self) -> int:
        return sum(visit.n for visit in self.ledger.visits())

    def close(self) -> None:
        self.ledger.close()
        self.verifier.close()
        if self.judging:
            self.judging.close()

    def advance(self, step: int, check_stop: Callable[[], None]) -> StepResult:
        recipe, learn = self.recipe, self.recipe.learn
        clock = _Clock()
        self.engine.update(self.policy)
        metrics: dict[str, float] = {"step": step, **self._validate(step, check_stop)}
        clock.lap("validation")

        whole, screened = self.collector.collect(step, check_stop, clock.lap)
        if self.judging:
            metrics |= self.judging.heldout_pass_rate(LocalModel(self.policy, self.engine), self.verifier, step, check_stop)
        self.engine.sleep()
        check_stop()

        groups = [*whole, *screened]
        if self.judging:
            groups, scores = self.judging.score_groups(groups, step, check_stop)
            metrics |= scores
            clock.lap("judge")
        parts = [self._paid(group) for group in groups]
        metrics |= step_metrics(groups, parts)
        some = _spread(groups, _KL_ROLLOUTS)
        metrics["policy/kl_to_reference"] = self.size.run(
            partial(kl_to_reference, self.reference, some, recipe.sampling), *microbatch_bounds(some)
        )
        if not math.isfinite(metrics["policy/kl_to_reference"]):
            raise NotFiniteError(f"step {step}: the policy's log-probabilities are not finite; {self.optimizer.advice()}")
        whole, screened = groups[: len(whole)], groups[len(whole) :]
        guide = distill_target(step, recipe, self.distilled, [group.rollouts[0].prompt_ids for group in groups])
        advantages = self._advantages(whole, parts[: len(whole)], guide.section.reward_weight if guide else 1.0)
        metrics |= advantage_of_correct_by_level(whole, advantages)
        advantages += [[0.0] * len(group.rollouts) for group in screened]
        taken = groups if guide else whole  # a teacher has a word on what screening ended, too: it is written already
        weighed = [
            [AdvantagedRollout(r, a) for r, a in zip(group.rollouts, row, strict=True)]
            for group, part, row in zip(taken, parts, advantages, strict=False)
            if guide or _teaches(total_reward(part), row)
        ]
        metrics["groups/trained_frac"] = len(weighed) / len(groups)
        warning = self._check(metrics, step)
        if self.judging:
            warning = self.judging.check_alarm(metrics) or warning
        if weighed:
            metrics |= update(
                self.policy, self.reference, self.optimizer, weighed, learn, recipe.sampling, step, recipe.seed, self.size,
                check_stop, guide,
            )  # fmt: skip
        clock.lap("learning")

        by_group = zip(groups, parts, advantages, strict=True)
        rows = [row for group, part, weights in by_group for row in rollout_rows(group, part, weights)]
        visits = [ledger_visit(group) for group in groups]

        def commit() -> None:
            write_part(self.run, step, rows)
            self.ledger.record(visits)

        return StepResult(metrics, clock.laps, commit, warning)

    def _paid(self, group: GradedGroup) -> RewardParts:
        paid = compose(self.recipe.rewards, group)
        return self.judging.blend_with_checker(paid, group) if self.judging else paid

    def _advantages(self, groups: Sequence[GradedGroup], parts: Sequence[RewardParts], weight: float) -> list[list[float]]:
        if not groups:  # screening ended them all
            return []
        rewards_PG = torch.tensor([total_reward(part) for part in parts])
        if rewards_PG.max() - rewards_PG.min() <= _ALIKE:
            # An advantage with a memory would weigh even these, but blame alone, or praise alone, does not say which way to go.
            return torch.zeros_like(rewards_PG).tolist()
        advantages_PG = self.recipe.advantage.compute(rewards_PG, [group.expected for group in groups])
        rows: list[list[float]] = (weight * advantages_PG).tolist()
        return rows

    def _validate(self, step: int, check_stop: Callable[[], None]) -> dict[str, float]:
        """Pass rate on held-out validation problems, before every so many steps."""
        section = self.recipe.evaluate
        if not section.every or (step - 1) % section.every:
            return {}
        sampling = self.recipe.sampling.model_copy(update={"temperature": section.temperature})
        samples = sample_problems(
            LocalModel(self.policy, self.engine),
            self.verifier,
            self.validation,
            section.validation_samples,
            sampling,
            self.recipe.seed,
            check_stop,
        )
        levels: dict[int, list[bool]] = {}
        for sample in samples:
            levels.setdefault(sample.level, []).append(sample.right)
        by_level = {f"validation/level_{level}": sum(right) / len(right) for level, right in sorted(levels.items())}
        return {"validation/pass_rate": sum(s.right for s in samples) / len(samples), **(by_level if len(by_level) > 1 else {})}

    def _check(self, metrics: dict[str, float], step: int) -> str | None:
        """What a person should know of a step that teaches little. Raises OutgrowError after too many that teach nothing."""
        limit = self.recipe.sampling.max_tokens
        warning = None
        if metrics["rollouts/truncated_frac"] == 1:
            warning = f"step {step}: every completion was cut at sampling.max_tokens={limit}; raise it"
        elif metrics["groups/trained_frac"] == 0:
            rate = metrics["rollouts/pass_rate"]
            advice = "harder problems" if rate > 0.5 else "easier problems or a better base model"
            warning = (
                f"step {step}: all rewards within every group are equal (pass rate {rate:.2f}), so nothing is learned; try {advice}"
            )
        elif (failed := metrics["rollouts/verifier_failed_frac"]) > 0:
            warning = f"step {step}: the verifier failed on {failed:.0%} of the completions; see rollouts/"
        elif (cut := metrics["rollouts/truncated_frac"]) > 0.5:
            warning = f"step {step}: {cut:.0%} of the completions were cut at sampling.max_tokens={limit}; raise it"
        self.idle = self.idle + 1 if metrics["groups/trained_frac"] == 0 else 0
        if self.idle >= self.recipe.learn.give_up_after:
            raise OutgrowError(f"nothing to learn from in {self.idle} steps in a row. {warning}")
        return warning


def _microbatch_size(recipe: RLRecipe, policy: Policy, distilled: Policy | None, warn: Warn) -> AutoBatchSize:
    """learn.tokens_per_microbatch, less where memory has no room for so many by the count of `outgrow plan`."""
    name, tokens = "learn.tokens_per_microbatch", recipe.learn.tokens_per_microbatch
    with suppress(UsageError):  # a family that the plan does not count
        shape, memory = shape_from_config(policy.model.config, recipe.name), total_memory(policy.model.device)
        teacher = shape_from_config(distilled.model.config, recipe.name) if distilled else None
        judges = judge_shapes(recipe, served=False)
        tokens = fit_to_memory(memory, recipe, shape, load_gpu_catalog().assumptions, teacher, judges)
        if tokens < recipe.learn.tokens_per_microbatch:
            warn(
                f"{name}={recipe.learn.tokens_per_microbatch} does not fit {memory / 1e9:.0f} GB of memory; using {tokens} "
                "(results differ by rounding only)"
            )
    return AutoBatchSize(name, tokens, warn)


def _take_over(profile: Path, ledger: Ledger, problems: set[str], base: Policy, temperature: float, warn: Warn) -> None:
    """Begin with what a profile knows of these problems, once. Raises UsageError where it knows none of them."""
    if any(visit.step == 0 for visit in ledger.visits()):
        return
    asked, visits = read_profile(profile)
    visits = [visit for visit in visits if visit.problem_id in problems]
    if not visits:
        raise UsageError(f"ledger.profile: {profile} was made with other problems; make one with: outgrow passrate MODEL RECIPE")
    if asked.digest != base.digest():
        warn(f"ledger.profile: {profile} was made with another model ({asked.model}); its pass rates may be off")
    if asked.temperature != temperature:
        warn(f"ledger.profile: {profile} was drawn at temperature {asked.temperature:g}, this run draws at {temperature:g}")
    ledger.record(visits)


def _spread(groups: Sequence[GradedGroup], count: int) -> list[Any]:
    """About `count` rollouts, spread evenly over the groups."""
    rollouts = [rollout for group in groups for rollout in group.rollouts]
    return rollouts[:: max(1, len(rollouts) // count)][:count]


def _teaches(rewards: Sequence[float], advantages: Sequence[float]) -> bool:
    """Whether a group moves the weights: its rewards differ, or (with a memory of what was expected) their common height counts.

    Rounding alone, through GRPO's division by its epsilon, leaves up to some 0.001 of an advantage that is 0.
    """
    return max(rewards) - min(rewards) > _ALIKE or max(map(abs, advantages)) > 0.01


class _Clock:
    """Seconds by phase."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self.laps[name], self._last = round(self.laps.get(name, 0.0) + now - self._last, 4), now
