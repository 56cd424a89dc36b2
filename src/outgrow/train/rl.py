"""The RL loop's step: pick problems, write groups, verify, reward, weigh, learn, remember."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from ..algorithms.advantages.base import RolloutAdvantage
from ..algorithms.advantages.per_rollout import mean_advantage, rollout_advantages
from ..algorithms.rewards import compose
from ..config import RLRecipe
from ..core.callbacks import Answering, CheckStop, Warn, unwatched
from ..core.errors import NotFiniteError, OutgrowError, UsageError
from ..core.figure_lines import each_figures, figures_backwards
from ..core.rollout_log import drop_parts_after, write_part
from ..engines import Engine, LocalModel, Tally, sync
from ..evaluate.measured import validation_problems
from ..ledger import Ledger, PassRatePosterior
from ..policy import Policy
from ..policy.unknown_characters import unknown_characters, warn_of_unknown
from ..runs.folder import RunFolder
from ..runs.practice_problems import distinct, shares, training_problems
from ..runs.session import verifier_for
from ..runs.work_log import drop_work_after, write_work
from ..types import GradedGroup
from .ahead import Collected, InBackground, deciding, taken_over
from .collect import Collector, Lap
from .distill import DistillTarget, distill_target
from .job import StepResult
from .judge_scores import JudgeInLoop
from .kept import keep_rollouts
from .kl_sample import kl_sample
from .known_verdicts import EVERY, KnownVerdicts
from .ledger_profile import start_from_profile
from .microbatch_size import fitted_batch_size
from .optimizer import Optimizer
from .passes import Ranks
from .phase_clock import PhaseClock, untimed
from .step_alarms import StepAlarms
from .step_records import RewardParts, advantage_of_correct_by_level, ledger_visit, rollout_rows, step_metrics, total_reward
from .step_warnings import step_warning, warn_about_few_problems
from .update import AdvantagedRollout, Learner
from .validation import validate


class RLJob:
    """Reinforcement learning by a recipe."""

    def __init__(
        self, recipe: RLRecipe, policy: Policy, reference: Policy, engine: Engine, run: Path, warn: Warn,
        distilled: Policy | None = None, answering: Answering = unwatched, measuring: Engine | None = None,
        ranks: Ranks | None = None,
    ) -> None:  # fmt: skip
        """policy: what learns, at any step. reference: the policy as it was before step 1. engine: writes the rollouts. distilled:
        the teacher of recipe.distill, if there is one. answering: told how far the rollouts of a step are. measuring: writes the
        answers that measure the policy. Default: `engine`. ranks: what share the weights of policy and reference, if any do.
        """
        self.recipe, self.policy, self.run = recipe, policy, run
        self.reference, self.distilled, self.answering = reference, distilled, answering
        self.steps = recipe.learn.steps
        self.optimizer = ranks.optimizer if ranks else Optimizer(policy.model, recipe.learn, self.steps)
        batch_size = fitted_batch_size(recipe, policy, distilled, warn)
        self.learner = Learner(
            policy, reference, self.optimizer, recipe.learn, recipe.loss, recipe.sampling, recipe.seed, batch_size, ranks
        )
        self.engine, self.measuring = engine, measuring or engine
        self._awake: tuple[Engine, int] | None = None  # that of the two which holds weights, and the step that they begin
        self.verifier = verifier_for(recipe, warn)
        counts = shares(recipe.learn.problems_per_step, [source.weight for source in recipe.problems])
        sources = distinct(training_problems(recipe, warn))
        warn_about_few_problems(recipe.learn.problems_per_step, counts, [len(problems) for problems in sources], warn)
        warn_of_unknown(partial(unknown_characters, policy.tokenizer), chain(*sources), warn)
        for reward in recipe.rewards:
            for problems in sources:
                reward.require(problems[0])
        self.validation = validation_problems(recipe, warn) if recipe.evaluate.every else []
        self.ledger = Ledger(RunFolder(run).ledger, PassRatePosterior(recipe.ledger.half_life, recipe.ledger.prior_weight))
        self.ledger.enter([problem for problems in sources for problem in problems])
        if recipe.ledger.profile is not None:
            ids = {problem.id for problems in sources for problem in problems}
            start_from_profile(recipe.ledger.profile, self.ledger, ids, reference, recipe.sampling.temperature, warn)
        known = [self.ledger.known(problems) for problems in sources]
        if line := recipe.curriculum.idle(known):
            warn(line)
        self.collector = Collector(recipe, policy, engine, self.verifier, self.ledger, known, counts, answering)
        self.judging = JudgeInLoop(recipe, recipe.judge, run, warn) if recipe.judge else None
        self.problems = sources
        self.verdicts = KnownVerdicts(self.verifier, sources, policy.opens_think)
        self.verdicts.warn_of_rejection(warn)
        self.alarms = StepAlarms(recipe.learn.give_up_after, recipe.sampling.max_tokens)
        self.idle = 0  # steps in a row without anything to learn from
        self._next: Collected | None = None  # what was written ahead and is not learned from yet
        self._warn = warn

    def known_verdicts(self) -> dict[str, str]:
        """See `Job.known_verdicts`."""
        return self.verdicts.as_text()

    def state_dict(self) -> dict[str, Any]:
        """See `Job.state_dict`."""
        written = {"ahead": {**self._next.state_dict(), "settings": deciding(self.recipe)}} if self._next else {}
        return {"tokens_per_microbatch": self.learner.batch_size.state_dict(), **written}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See `Job.load_state_dict`."""
        self.learner.batch_size.load_state_dict(state.get("tokens_per_microbatch", {}))
        self._next = taken_over(state["ahead"], self.recipe, self._warn) if "ahead" in state else None

    def rewind(self, step: int) -> None:
        """See `Job.rewind`."""
        self.ledger.rewind(step)
        drop_parts_after(self.run, step)
        drop_work_after(self.run, step)
        metrics = RunFolder(self.run).metrics
        self.idle = step - self._last_trained(metrics, step)
        self.alarms.rewind(metrics, step)
        if self.judging:
            self.judging.rewind(row for row in each_figures(metrics) if row["step"] <= step)

    def _last_trained(self, metrics: Path, step: int) -> int:
        """Return the last step through `step` that taught something; 0 where none did."""
        for row in figures_backwards(metrics):
            if "groups/trained_frac" not in row:
                raise UsageError(f"{self.run}: its metrics.jsonl is of another version of outgrow; start a new run")
            if row["step"] <= step and row["groups/trained_frac"] > 0:
                return int(row["step"])
        return 0

    def rollouts(self) -> int:
        """See `Job.rollouts`."""
        return self.ledger.rollouts()

    def close(self) -> None:
        """See `Job.close`."""
        self.ledger.close()
        self.verifier.close()
        if self.judging:
            self.judging.close()

    def advance(self, step: int, check_stop: CheckStop) -> StepResult:
        """See `Job.advance`. Raises OutgrowError after too many steps in a row without anything to learn from, NotFiniteError
        where numbers run away.
        """
        recipe, clock = self.recipe, PhaseClock()
        metrics: dict[str, float] = {"step": step}
        look = None
        if recipe.evaluate.every and (step - 1) % recipe.evaluate.every == 0:
            model = LocalModel(self.policy, self._wake(self.measuring, step))
            answers = recipe.evaluate.validation_samples * len(self.validation)
            counted = Tally(self.answering(f"step {step}, validation", answers)).wrap(model)
            validation, look = validate(recipe, counted, self.verifier, self.validation, step, check_stop)
            metrics |= validation
        self._wake(self.engine, step)
        clock.lap("validation")

        collected = self._next or self._collect(step, check_stop, clock.lap)
        if self.judging and self.judging.held_out:
            model = LocalModel(self.policy, self._wake(self.measuring, step))
            metrics |= self.judging.heldout_pass_rate(model, self.verifier, step, check_stop)
        changed = self.verdicts.changed(step) if step % EVERY == 0 else None
        check_stop()
        with self._writing_ahead(step, check_stop) as ahead:
            result = self._learn(step, collected, metrics, clock, check_stop, ahead, changed)
        return replace(result, look=look)

    def _collect(self, step: int, check_stop: CheckStop, lap: Lap) -> Collected:
        return Collected(step, *self.collector.collect(step, check_stop, lap))

    @contextmanager
    def _writing_ahead(self, step: int, check_stop: CheckStop) -> Iterator[InBackground | None]:
        """Write the next step's rollouts meanwhile, where the recipe says so. The ledger must not change before the end.

        Where anything fails, the rollouts of this step are still there, so that the step can be done again. The engine stays awake
        until the next step: an actor that has ended by then must not fail a step whose weights have moved.
        """
        if not self.recipe.learn.ahead or step == self.steps:
            self._sleep()
            yield None
            self._next = None
            return
        ahead = InBackground(lambda stop: self._collect(step + 1, stop, untimed), check_stop)
        try:
            yield ahead
            self._next = ahead.result()
        finally:
            ahead.cancel()

    def _learn(
        self, step: int, collected: Collected, metrics: dict[str, float], clock: PhaseClock, check_stop: CheckStop,
        ahead: InBackground | None, changed: str | None,
    ) -> StepResult:  # fmt: skip
        """Learn from a step's groups. changed: a line about known answers that have other verdicts than before."""
        recipe, whole, screened = self.recipe, list(collected.whole), list(collected.screened)
        groups = [*whole, *screened]
        if self.judging:
            groups, scores = self.judging.score_groups(groups, step, check_stop)
            metrics |= scores
            clock.lap("judge")
        parts = [self._reward_parts(group) for group in groups]
        metrics |= step_metrics(groups, parts)
        target = distill_target(step, recipe, self.distilled, [group.rollouts[0].prompt_ids for group in groups])
        kept = keep_rollouts(recipe.learn, recipe.seed, groups, [total_reward(part) for part in parts], target is not None)
        advantages = self._advantages(kept.groups, kept.rewards, len(whole), target)
        means = [[mean_advantage(advantage_T) for advantage_T in row] for row in advantages]
        metrics |= advantage_of_correct_by_level(kept.groups[: len(whole)], means[: len(whole)])
        # A teacher has an advantage for the tokens of groups that screening ended, too.
        count = len(groups) if target else len(whole)
        weighed = [
            [AdvantagedRollout(rollout, advantage_T) for rollout, advantage_T in zip(group.rollouts, row, strict=True)]
            for group, rewards, row in zip(kept.groups[:count], kept.rewards[:count], advantages[:count], strict=True)
            if target or recipe.advantage.teaches(rewards, row)
        ]
        metrics["groups/trained_frac"] = len(weighed) / len(groups)
        metrics["policy/kl_to_reference"] = self._kl_to_reference(groups, weighed, step)
        warning, alarms = self._check(metrics, step), []
        if self.judging and (alarm := self.judging.check_alarm(metrics)):
            if self.alarms.judge_rang():
                warning = alarm
            else:
                alarms.append(alarm)
        if changed:
            alarms.append(changed)
        if recipe.learn.ahead:
            metrics["rollouts/steps_behind"] = step - 1 - groups[0].rollouts[0].weights_version

        def before_moving() -> None:
            """Wait for what is written ahead: a signal that ends that must find this step's weights where they were."""
            if ahead:
                clock.lap("learning")
                ahead.result()
                clock.lap("generation")

        if weighed:
            metrics |= self.learner.update(weighed, step, check_stop, target, before_moving)
        else:
            before_moving()
        alarms += self.alarms.observe(metrics)
        clock.lap("learning")

        by_group = zip(groups, parts, kept.of_all(means), strict=True)
        rows = [row for group, part, group_means in by_group for row in rollout_rows(group, part, group_means)]
        visits = [ledger_visit(group) for group in groups]

        def commit() -> None:
            write_part(self.run, step, rows)
            write_work(self.run, step, self.collector.work.pop(step, []))
            self.ledger.record(visits)

        return StepResult(metrics, clock.laps, commit, warning, alarms)

    def _wake(self, engine: Engine, step: int) -> Engine:
        """Return this engine with the weights that the policy has at the start of `step`; the other one sleeps."""
        if self._awake != (engine, step):
            self._sleep()
            sync(engine, self.policy, step - 1)
            self._awake = engine, step
        return engine

    def _sleep(self) -> None:
        if self._awake:
            self._awake[0].sleep()
            self._awake = None

    def _reward_parts(self, group: GradedGroup) -> RewardParts:
        parts = compose(self.recipe.rewards, group)
        return self.judging.blend_with_checker(parts, group) if self.judging else parts

    def _kl_to_reference(self, groups: Sequence[GradedGroup], learned: Sequence[Sequence[AdvantagedRollout]], step: int) -> float:
        lengths = [length for group in groups for length in group.lengths]
        rows = [[row.rollout for row in group] for group in learned]
        passes = 1 if self.recipe.learn.old_logprobs == "engine" else 2  # the policy reads them as well
        sample = kl_sample([group.rollouts for group in groups], rows, passes, self.recipe.seed, step)
        kl = self.learner.kl_to_reference(sample, sum(lengths) / len(lengths))
        if not math.isfinite(kl):
            raise NotFiniteError(f"step {step}: the policy's log-probabilities are not finite; {self.optimizer.advice()}")
        return kl

    def _advantages(
        self, groups: Sequence[GradedGroup], rewards: Sequence[Sequence[float]], whole: int, target: DistillTarget | None
    ) -> list[list[RolloutAdvantage]]:
        """Return the rewards' advantage of each rollout; 0 in the groups that screening ended, which are those from `whole` on."""
        weight = target.section.reward_weight if target else 1.0
        advantages = rollout_advantages(self.recipe.advantage, rewards[:whole], groups[:whole], weight)
        advantages += [[0.0] * len(group.rollouts) for group in groups[whole:]]
        return advantages

    def _check(self, metrics: dict[str, float], step: int) -> str | None:
        """Return the warning about a step that teaches little. Raises OutgrowError after too many that teach nothing."""
        warning = step_warning(metrics, step, self.recipe.sampling.max_tokens)
        self.idle = self.idle + 1 if metrics["groups/trained_frac"] == 0 else 0
        if self.idle >= self.recipe.learn.give_up_after:
            raise OutgrowError(f"nothing to learn from in {self.idle} steps in a row. {warning}")
        return warning
