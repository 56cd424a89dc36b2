"""The judge in the loop: every group of a step with its scores, and what shows whether the judge is being fooled."""

import hashlib
import itertools
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ..config import RLRecipe
from ..core.callbacks import CheckStop, Warn
from ..core.errors import OutgrowError
from ..core.rng import python_rng, seed_from
from ..engines import ChatModel, NativeEngine, OpenAIServer
from ..evaluate.answer_cache import AnswerCache
from ..evaluate.sample import sample_problems
from ..judge import hacking_alarm as alarm
from ..judge import metrics as watch
from ..judge.canaries import canaries
from ..judge.config import JudgeSection
from ..judge.judge import Judge, JudgeItem
from ..policy import Prompt, load_policy
from ..problems.suites import suite
from ..runs.folder import RunFolder
from ..runs.resolve_model import resolve_model
from ..runs.session import local_model
from ..types import GradedGroup, Problem, Verdict
from ..verify import Verifier
from .step_records import RewardParts

Metrics = dict[str, float]
_SECOND = 64  # rollouts that the second judge scores


def judge_model(section: JudgeSection, warn: Warn) -> ChatModel:
    """The judge's model, ready to be asked. Raises UsageError where it cannot be had."""
    judge = resolve_model(section.model)
    if judge.served:
        return OpenAIServer(section.model, tries=section.tries, timeout_s=section.timeout_s)
    # An engine of its own, which stays awake: its weights never change. vLLM has room for no second one in a process.
    policy = load_policy(judge.name, Prompt(), section.dtype, section.revision)
    return local_model(policy, NativeEngine(warn=warn))


class JudgeInLoop:
    """What a recipe's judge does in a run. Its state is what stands in metrics.jsonl."""

    def __init__(self, recipe: RLRecipe, section: JudgeSection, run: Path, warn: Warn) -> None:
        """Raises UsageError where a model cannot be had."""
        self._recipe, self._watch, self._warn = recipe, section.watch, warn
        # Scores are kept, so that a step that is done again after a stop, or an answer that comes again, is not paid for twice.
        self._cache = AnswerCache(RunFolder(run).judge_cache, warn=warn)
        self._judge = self._judge_of(section, warn)
        second = (
            section.model_copy(update={"model": section.watch.second_model, "revision": None})
            if section.watch.second_model
            else None
        )
        self._second = self._judge_of(second, warn) if second else None
        self._held_out = _some(
            suite(recipe.evaluate.validation).load(), max(section.watch.heldout_problems, section.watch.canaries), recipe.seed
        )
        self._rows: list[Metrics] = []  # of the steps behind
        identity = self._judge.respondent.identity.encode()
        self._id = int(hashlib.sha256(identity).hexdigest()[:6], 16)  # a figure among figures, and no more than a double holds

    def _judge_of(self, section: JudgeSection, warn: Warn) -> Judge:
        return Judge(self._cache.wrap(judge_model(section, warn)), section, self._recipe.seed)

    def close(self) -> None:
        """Let go of the file of scores."""
        self._cache.close()

    def rewind(self, rows: Sequence[Metrics]) -> None:
        """The run goes on behind the steps with these metrics. What was measured of another judge says nothing of this one."""
        mine = itertools.takewhile(lambda row: row.get("judge/id") == self._id, reversed(rows))
        self._rows = [dict(row) for row in mine][::-1]
        if rows and not self._rows:
            self._warn(
                f"judge.model is another one than in step {rows[-1]['step']:.0f}; what was measured of that one is left aside"
            )

    def heldout_pass_rate(self, respondent: ChatModel, verifier: Verifier, step: int, check_stop: CheckStop) -> Metrics:
        """The true pass rate on the held-out slice, an answer a problem, the same problems at every step."""
        problems = self._held_out[: self._watch.heldout_problems]
        if not problems:
            return {}
        samples = sample_problems(
            respondent, verifier, problems, 1, self._recipe.sampling, seed_from(self._recipe.seed, "slice", step), check_stop
        )
        return {"judge/heldout_pass_rate": sum(sample.right for sample in samples) / len(samples), "judge/heldout_n": len(samples)}

    def score_groups(self, groups: Sequence[GradedGroup], step: int, check_stop: CheckStop) -> tuple[list[GradedGroup], Metrics]:
        """The groups with their scores, and figures of the step. Raises as `Judge.scores` does.

        An answer without a score is given the mean of the group's scores with its verdict, else of the group's, else of the
        step's: so it is neither praised nor blamed for the judge's failure.
        """
        answers = [
            JudgeItem(group.problem.question, group.problem.answer, rollout.text, grade.verdict is not Verdict.TRUNCATED)
            for group in groups
            for rollout, grade in zip(group.rollouts, group.graded, strict=True)
        ]
        found = self._judge.scores(answers, check_stop)
        told = [score for answer, score in zip(answers, found, strict=True) if answer.finished]
        known = [score for score in told if score is not None]
        rest = iter(found)
        middle = sum(known) / len(known) if known else 0.0
        done = [replace(group, scores=_filled([next(rest) for _ in group.rollouts], group, middle)) for group in groups]
        right = [grade.right for group in groups for grade in group.graded]
        figures = watch.score_metrics([score for group in done for score in group.scores], right)
        figures |= {"judge/unscored": 1 - len(known) / max(1, len(told)), "judge/weight": self.weight}
        figures["judge/id"] = self._id
        if (step - 1) % self._watch.every == 0:
            figures |= self._run_probes(answers, found, groups[0].inside_think, step, check_stop)
        return done, figures

    @property
    def weight(self) -> float:
        """The judge's share of the reward now; what is missing is the checker's."""
        return alarm.weight(self._rows) if self._watch.on_alarm == "lower" else 1.0

    def blend_with_checker(self, parts: RewardParts, group: GradedGroup) -> RewardParts:
        """What a group is paid once the checker has taken its share of what the judge pays."""
        weight = self.weight
        if weight == 1:
            return parts
        taught = {reward.type for reward in self._recipe.rewards if reward.needs_judge}
        lowered = {name: [weight * price if name in taught else price for price in prices] for name, prices in parts.items()}
        share = (1 - weight) * sum(reward.weight_for(group) for reward in self._recipe.rewards if reward.needs_judge)
        right = [share * grade.right for grade in group.graded]
        accuracy = lowered.get("accuracy", [0.0] * len(right))
        return {**lowered, "accuracy": [a + b for a, b in zip(accuracy, right, strict=True)]}

    def check_alarm(self, metrics: Metrics) -> str | None:
        """Take note of a step's metrics, to which `alarm` is added (1 where it rings), and say what they are evidence of.

        Raises OutgrowError where the recipe says that an alarm ends the run.
        """
        found = alarm.evidence([*self._rows, metrics])
        metrics["judge/alarm"] = float(bool(found))
        said = f"step {metrics['step']:.0f}: the judge seems to be fooled: {'; '.join(found)}"
        if found and self._watch.on_alarm == "stop":
            raise OutgrowError(f"{said}. Better judged, go on with another judge.model, or with judge.watch.on_alarm=lower")
        before = self.weight
        self._rows.append(dict(metrics))
        lowered = f". Its share of the reward is {self.weight:.2g} from now on" if self.weight < before else ""
        return said + lowered if found else None

    def _run_probes(
        self, answers: Sequence[JudgeItem], scores: Sequence[float | None], inside_think: bool, step: int, check_stop: CheckStop
    ) -> Metrics:
        """How canaries score, and what the second judge says of some of the rollouts."""
        figures: Metrics = {}
        kinds: dict[str, list[JudgeItem]] = {}
        for problem in self._held_out[: self._watch.canaries]:
            for kind, text in canaries(problem, self._held_out, self._recipe.seed, inside_think).items():
                kinds.setdefault(kind, []).append(JudgeItem(problem.question, problem.answer, text, True))
        if kinds:
            told = iter(self._judge.scores([one for asked in kinds.values() for one in asked], check_stop, all_or_none=False))
            for kind, asked in kinds.items():
                if known := [score for score in (next(told) for _ in asked) if score is not None]:
                    figures[f"judge/canary_{kind}"] = sum(known) / len(known)
        if self._second is not None:
            places = sorted(python_rng(self._recipe.seed, "second", step).sample(range(len(answers)), min(_SECOND, len(answers))))
            other = self._second.scores([answers[place] for place in places], check_stop, all_or_none=False)
            pairs = [
                (a, b) for a, b in zip((scores[place] for place in places), other, strict=True) if a is not None and b is not None
            ]
            if pairs:
                first, second = (sum(part) / len(pairs) for part in zip(*pairs, strict=True))
                figures |= {"judge/first_score": first, "judge/second_score": second, "judge/second_n": len(pairs)}
        return figures


def _some(problems: Sequence[Problem], count: int, seed: int) -> list[Problem]:
    return python_rng(seed, "held-out slice").sample(list(problems), min(count, len(problems)))


def _filled(scores: Sequence[float | None], group: GradedGroup, middle: float) -> tuple[float, ...]:
    right = [grade.right for grade in group.graded]
    told = [
        (score, grade.right)
        for score, grade in zip(scores, group.graded, strict=True)
        if score is not None and grade.verdict is not Verdict.TRUNCATED  # whose 0 is no judge's
    ]

    def stand_in(place: int) -> float:
        alike = [score for score, good in told if good == right[place]]
        known = alike or [score for score, _ in told]
        return sum(known) / len(known) if known else middle

    return tuple(stand_in(place) if score is None else score for place, score in enumerate(scores))
