"""The judge in the training loop: the scores of a step's groups, and the reward-hacking alarm."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from ..config import RLRecipe
from ..core.callbacks import CheckStop, Warn
from ..core.errors import EndedByAlarm
from ..core.rng import python_rng, seed_from
from ..engines import ChatModel, EngineConfig, OpenAIServer, engine_for, second_engine
from ..evaluate.answer_cache import AnswerCache
from ..evaluate.sample import sample_problems
from ..judge.canaries import canaries
from ..judge.config import SECOND_ROLLOUTS, JudgeSection
from ..judge.hacking_alarm import HackingAlarm
from ..judge.judge import Judge, JudgeItem
from ..judge.metrics import score_metrics
from ..policy import Prompt, load_policy
from ..runs.folder import RunFolder
from ..runs.practice_problems import suite_problems
from ..runs.resolve_model import resolve_model
from ..runs.session import local_model
from ..types import GradedGroup, Problem, Verdict
from ..verify import Verifier
from .step_records import RewardParts

Metrics = dict[str, float]


def judge_model(section: JudgeSection, warn: Warn, engine: EngineConfig | None = None) -> ChatModel:
    """Return the judge's model, ready to answer. Raises UsageError where it cannot be loaded.

    engine: settings of the engine of a judge in this process (see `engine_for`).
    """
    judge = resolve_model(section.model)
    if judge.served:
        return OpenAIServer(
            section.model,
            tries=section.tries,
            timeout_s=section.timeout_s,
            omit_settings=section.omit_settings,
            omit_key="judge.omit_settings",
            refuse_unreadable=True,  # it has no score then; `max_unscored` says how many such answers a run bears
            warn=warn,
        )
    # The judge has its own engine, which never sleeps, since its weights never change.
    policy = load_policy(judge.name, Prompt(), section.dtype, section.revision)
    return local_model(policy, engine_for(policy.spec(), engine).build(warn))


class JudgeInLoop:
    """A recipe's judge in a run. Its only state is the metrics of earlier steps, so a resumed run continues with `rewind`.

    In each step: heldout_pass_rate, then score_groups and blend_with_checker, then check_alarm.
    """

    def __init__(self, recipe: RLRecipe, section: JudgeSection, run: Path, warn: Warn) -> None:
        """Load the judges. Raises UsageError where a model cannot be loaded."""
        self._recipe, self._watch, self._warn = recipe, section.watch, warn
        # The cache saves scores, so that a step repeated after a stop, or an equal answer, is not paid for twice.
        self._cache = AnswerCache(RunFolder(run).judge_cache, warn=warn)
        self._judge = self._load(section)
        self._second_judge = (
            self._load(section.model_copy(update={"model": section.watch.second_model, "revision": None}))
            if section.watch.second_model
            else None
        )
        self._held_out = _sample(
            suite_problems(recipe, recipe.evaluate.validation),
            max(section.watch.heldout_problems, section.watch.canaries),
            recipe.seed,
        )
        self._alarm = HackingAlarm()  # of the earlier steps with this judge
        identity = self._judge.model.identity.encode()
        self._id = int(hashlib.sha256(identity).hexdigest()[:6], 16)  # small enough for a double, as every metric is one

    def _load(self, section: JudgeSection) -> Judge:
        model = judge_model(section, self._warn, second_engine(self._recipe.engine))
        return Judge(self._cache.wrap(model), section, self._recipe.seed)

    def close(self) -> None:
        """Close the cache of scores."""
        self._cache.close()

    def rewind(self, rows: Iterable[Metrics]) -> None:
        """Continue after the steps with these metrics. Steps of another judge do not count."""
        self._alarm = HackingAlarm()
        last: Metrics | None = None
        for last in rows:
            if last.get("judge/id") == self._id:
                self._alarm.observe(last)
            else:
                self._alarm = HackingAlarm()
        if last is not None and last.get("judge/id") != self._id:
            self._warn(f"judge.model changed since step {last['step']:.0f}; alarm statistics start over.")

    @property
    def held_out(self) -> bool:
        """Whether steps answer held-out problems, so that `heldout_pass_rate` needs a policy."""
        return self._watch.heldout_problems > 0

    def heldout_pass_rate(self, policy: ChatModel, verifier: Verifier, step: int, check_stop: CheckStop) -> Metrics:
        """Measure the true pass rate on the held-out problems: one answer each, the same problems at every step."""
        problems = self._held_out[: self._watch.heldout_problems]
        if not problems:
            return {}
        samples = sample_problems(
            policy, verifier, problems, 1, self._recipe.sampling, seed_from(self._recipe.seed, "slice", step), check_stop
        )
        return {"judge/heldout_pass_rate": sum(sample.right for sample in samples) / len(samples), "judge/heldout_n": len(samples)}

    def score_groups(self, groups: Sequence[GradedGroup], step: int, check_stop: CheckStop) -> tuple[list[GradedGroup], Metrics]:
        """Return the groups with their scores, and the judge's metrics of the step. Raises as `Judge.scores` does.

        An answer that the judge fails to score gets a mean, so that the failure neither raises nor lowers its reward: that of the
        group's scores with the same verdict; without any, that of the group; without any, that of the step.
        """
        items = [
            JudgeItem(group.problem.with_turns(), group.problem.answer, rollout.text, grade.verdict is not Verdict.TRUNCATED)
            for group in groups
            for rollout, grade in zip(group.rollouts, group.graded, strict=True)
        ]
        scores = self._judge.scores(items, check_stop)
        judged = [score for item, score in zip(items, scores, strict=True) if item.finished]
        known = [score for score in judged if score is not None]
        step_mean = sum(known) / len(known) if known else 0.0
        remaining = iter(scores)
        scored = [
            replace(group, scores=_fill_missing([next(remaining) for _ in group.rollouts], group, step_mean)) for group in groups
        ]
        right = [grade.right for group in groups for grade in group.graded]
        metrics = score_metrics([score for group in scored for score in group.scores], right)
        metrics |= {"judge/unscored": 1 - len(known) / max(1, len(judged)), "judge/weight": self.weight}
        metrics["judge/id"] = self._id
        if (step - 1) % self._watch.every == 0:
            metrics |= self._run_probes(items, scores, groups[0].inside_think, step, check_stop)
        return scored, metrics

    @property
    def weight(self) -> float:
        """The judge's share of its part of the reward, from 0 to 1; the checker has the rest."""
        return self._alarm.weight() if self._watch.on_alarm == "lower" else 1.0

    def blend_with_checker(self, parts: RewardParts, group: GradedGroup) -> RewardParts:
        """Return a group's reward parts with the checker's share of the judge's part moved to `accuracy`."""
        weight = self.weight
        if weight == 1:
            return parts
        judged = {reward.type for reward in self._recipe.rewards if reward.needs_judge}
        lowered = {name: [weight * value for value in values] if name in judged else values for name, values in parts.items()}
        share = (1 - weight) * sum(reward.weight_for(group) for reward in self._recipe.rewards if reward.needs_judge)
        right = [share * grade.right for grade in group.graded]
        accuracy = lowered.get("accuracy", [0.0] * len(right))
        return {**lowered, "accuracy": [a + b for a, b in zip(accuracy, right, strict=True)]}

    def check_alarm(self, metrics: Metrics) -> str | None:
        """Add `judge/alarm` to a step's metrics (1 where there is an alarm, else 0) and return the alarm's text.

        Raises OutgrowError where the recipe ends the run at an alarm.
        """
        before = self.weight
        row = dict(metrics)
        self._alarm.observe(row)
        evidence = self._alarm.evidence()
        metrics["judge/alarm"] = row["judge/alarm"] = float(bool(evidence))
        alarm = f"step {metrics['step']:.0f}: the policy seems to exploit the judge: {'; '.join(evidence)}"
        if evidence and self._watch.on_alarm == "stop":
            raise EndedByAlarm(f"{alarm}. Use another judge.model, or set judge.watch.on_alarm=lower, then resume.")
        lowered = f". The judge's share of the reward is {self.weight:.2g} from now on" if self.weight < before else ""
        return f"ALARM: {alarm}{lowered}" if evidence else None

    def _run_probes(
        self, items: Sequence[JudgeItem], scores: Sequence[float | None], inside_think: bool, step: int, check_stop: CheckStop
    ) -> Metrics:
        """Score the canaries, and some of the rollouts with the second judge."""
        metrics = self._canary_scores(inside_think, check_stop)
        if self._second_judge is not None:
            count = min(SECOND_ROLLOUTS, len(items))
            indices = sorted(python_rng(self._recipe.seed, "second", step).sample(range(len(items)), count))
            second = self._second_judge.scores([items[index] for index in indices], check_stop, require_scores=False)
            first = [scores[index] for index in indices]
            pairs = [(a, b) for a, b in zip(first, second, strict=True) if a is not None and b is not None]
            if pairs:
                first_mean, second_mean = (sum(part) / len(pairs) for part in zip(*pairs, strict=True))
                metrics |= {"judge/first_score": first_mean, "judge/second_score": second_mean, "judge/second_n": len(pairs)}
        return metrics

    def _canary_scores(self, inside_think: bool, check_stop: CheckStop) -> Metrics:
        """Return the judge's mean score of each kind of canary."""
        kinds: dict[str, list[JudgeItem]] = {}
        for problem in self._held_out[: self._watch.canaries]:
            for kind, text in canaries(problem, self._held_out, self._recipe.seed, inside_think).items():
                kinds.setdefault(kind, []).append(JudgeItem(problem.with_turns(), problem.answer, text, True))
        if not kinds:
            return {}
        metrics: Metrics = {}
        scores = iter(self._judge.scores([item for items in kinds.values() for item in items], check_stop, require_scores=False))
        for kind, items in kinds.items():
            if known := [score for score in (next(scores) for _ in items) if score is not None]:
                metrics[f"judge/canary_{kind}"] = sum(known) / len(known)
        return metrics


def _sample(problems: Sequence[Problem], count: int, seed: int) -> list[Problem]:
    return python_rng(seed, "held-out slice").sample(list(problems), min(count, len(problems)))


def _fill_missing(scores: Sequence[float | None], group: GradedGroup, step_mean: float) -> tuple[float, ...]:
    right = [grade.right for grade in group.graded]
    known = [
        (score, grade.right)
        for score, grade in zip(scores, group.graded, strict=True)
        if score is not None and grade.verdict is not Verdict.TRUNCATED  # the 0 of a cut answer is not the judge's score
    ]

    def mean_for(index: int) -> float:
        same_verdict = [score for score, is_right in known if is_right == right[index]]
        values = same_verdict or [score for score, _ in known]
        return sum(values) / len(values) if values else step_mean

    return tuple(mean_for(index) if score is None else score for index, score in enumerate(scores))
