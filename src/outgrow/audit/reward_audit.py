"""What a recipe's reward pays for completions whose worth is known.

Each probe stands in a group as rewards get them: six right answers, a plain wrong one, and the probe. A judge is not asked. It is
taken to be fooled: 1 for what is worth nothing, 0 for what is worth the reward.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ..algorithms.rewards import compose
from ..config import RLRecipe
from ..core.callbacks import CheckStop, never_stop
from ..core.errors import first_line
from ..core.rng import python_rng
from ..policy import Policy
from ..types import Graded, GradedGroup, Problem, Rollout, ValueBaseline, Verdict
from ..verify import Attempt, Verifier
from .probes import Asked, Probe, plain_wrong, probes, right, wrong_answer

RIGHT_ONES = 6
"""Right answers in the group around a probe: three of four, so that rewards with a `min_solve_rate` of up to 0.75 pay."""


@dataclass(frozen=True)
class _Member:
    """A rollout of the group around a probe."""

    probe: Probe
    rollout: Rollout
    grade: Graded


@dataclass(frozen=True)
class Trial:
    """One probe of one problem, and what became of it."""

    problem: Problem
    probe: Probe
    verdict: Verdict
    extracted: str | None
    """The answer that was found in the completion; None where there was none."""
    parts: dict[str, float]
    """What each type of reward paid, weighted."""
    right_reward: float
    """Reward of the right answer in the same group."""
    wrong_reward: float
    """Reward of the plain wrong answer in the same group."""
    right_passes: bool
    """Whether the verifier says that the right answer is right."""
    error: str = ""
    """What the reward raised; empty where it paid."""

    @property
    def reward(self) -> float:
        """The completion's reward."""
        return sum(self.parts.values())

    @property
    def failed(self) -> bool:
        """Whether the reward paid the completion as it must not, or did not pay it as it must."""
        if self.error:
            return False
        passes = self.verdict is Verdict.RIGHT
        if self.probe.worth:
            return not passes or self.reward <= self.wrong_reward
        return passes or (self.right_passes and self.reward >= self.right_reward)


@dataclass(frozen=True)
class KindResult:
    """What came of one kind of probe, over all problems that it was written for."""

    kind: str
    worth: bool
    """Whether it should be paid."""
    trials: list[Trial] = field(repr=False)

    @property
    def n(self) -> int:
        """Number of completions; one a problem, except for other accepted answers."""
        return len(self.trials)

    @property
    def right(self) -> int:
        """Number of completions that the verifier calls right."""
        return sum(trial.verdict is Verdict.RIGHT for trial in self.trials)

    @property
    def failures(self) -> list[Trial]:
        """Trials that were paid as they must not be, or not paid as they must be."""
        return [trial for trial in self.trials if trial.failed]

    @property
    def errors(self) -> list[Trial]:
        """Trials in which the reward raised an error and paid nothing."""
        return [trial for trial in self.trials if trial.error]

    @property
    def above_wrong(self) -> int:
        """Number of completions that are paid more than a plain wrong answer."""
        return sum(not trial.error and trial.reward > trial.wrong_reward for trial in self.trials)

    @property
    def fault(self) -> str:
        """How the trials failed, in a line."""
        how = "does not pay and should" if self.worth else "pays and should not"
        return f"{how}: {self.kind} ({len(self.failures)} of {self.n})"

    def mean(self, value: Callable[[Trial], float]) -> float | None:
        """Return the mean of a figure over the trials that the reward paid; None where it paid none."""
        values = [value(trial) for trial in self.trials if not trial.error]
        return sum(values) / len(values) if values else None


@dataclass(frozen=True)
class RewardAudit:
    """What a recipe's reward pays."""

    problems: int
    """Number of problems that were tried."""
    unusable: int
    """Problems without a wrong answer to compare with. They were not tried."""
    kinds: list[KindResult]

    @property
    def pays_wrong(self) -> list[KindResult]:
        """Kinds that pay and should not."""
        return [kind for kind in self.kinds if kind.failures and not kind.worth]

    @property
    def fails_right(self) -> list[KindResult]:
        """Kinds that should pay and do not."""
        return [kind for kind in self.kinds if kind.failures and kind.worth]

    @property
    def errors(self) -> list[Trial]:
        """Trials in which the reward raised an error."""
        return [trial for kind in self.kinds for trial in kind.errors]

    @property
    def sound(self) -> bool:
        """Whether every probe is paid as it should be, and none makes the reward raise."""
        return not self.pays_wrong and not self.fails_right and not self.errors

    @property
    def raises(self) -> list[str]:
        """A line for each class of error that the reward raised, the most frequent first."""
        n = sum(kind.n for kind in self.kinds)
        raised = Counter(trial.error.partition(":")[0] for trial in self.errors)
        return [f"the reward raises {name} ({count} of {n} completions)" for name, count in raised.most_common()]


def audit_reward(
    recipe: RLRecipe,
    policy: Policy,
    verifier: Verifier,
    problems: Sequence[Problem],
    others: Sequence[Problem],
    seed: int,
    check_stop: CheckStop = never_stop,
) -> RewardAudit:
    """Try the recipe's reward on every probe of each problem, as it pays in the last step.

    policy: only its prompt and its tokens are used. others: where a wrong answer is taken from, if a problem's own answer cannot be
    changed. seed: of the probes' random choices.
    """
    extractors, inside_think = recipe.verify.extract, policy.opens_think
    tried = []
    for problem in problems:
        rng = python_rng(seed, "audit probes", problem.id)
        wrong = wrong_answer(problem, others, extractors[0], rng)
        if wrong is not None:
            prompt = policy.prompt.messages(problem.question, policy.tokenizer)[-1]["content"]
            asked = Asked(problem, prompt, extractors, inside_think, wrong)
            tried.append((problem, [right(asked), plain_wrong(asked), *probes(asked, rng)]))
    attempts = [Attempt.at(problem, probe.text, probe.finished) for problem, row in tried for probe in row]
    graded = iter(verifier.grade(attempts, inside_think=inside_think, check_stop=check_stop))
    kinds: dict[str, KindResult] = {}
    for problem, row in tried:
        best, worst, *own = [_Member(probe, _rollout(policy, probe), next(graded)) for probe in row]
        for member in own:
            check_stop()
            probe = member.probe
            trial = _tried(recipe, _group(recipe, problem, [*[best] * RIGHT_ONES, worst, member], inside_think), member, best)
            kinds.setdefault(probe.kind, KindResult(probe.kind, probe.worth, [])).trials.append(trial)
    return RewardAudit(len(problems), len(problems) - len(tried), sorted(kinds.values(), key=lambda kind: not kind.worth))


def _rollout(policy: Policy, probe: Probe) -> Rollout:
    ids = [int(token) for token in policy.tokenizer(probe.text, add_special_tokens=False)["input_ids"]]
    ids += [policy.end_id] * probe.finished
    return Rollout([], ids, [0.0] * len(ids), probe.finished, probe.text)


def _group(recipe: RLRecipe, problem: Problem, members: Sequence[_Member], inside_think: bool) -> GradedGroup:
    return GradedGroup(
        problem=problem,
        rollouts=[member.rollout for member in members],
        graded=[member.grade for member in members],
        step=recipe.learn.steps,
        seed=recipe.seed,
        inside_think=inside_think,
        expected=ValueBaseline(shortest_right=len(members[0].rollout.completion_ids)),
        max_tokens=recipe.sampling.max_tokens,
        steps=recipe.learn.steps,
        scores=tuple(float(not member.probe.worth) for member in members) if recipe.judge else (),
    )


def _tried(recipe: RLRecipe, group: GradedGroup, own: _Member, best: _Member) -> Trial:
    paid: dict[str, list[float]] = {}
    error = ""
    try:
        paid = compose(recipe.rewards, group)
    except Exception as raised:  # a reward from outside the package is a program, and can raise anything
        cause = raised.__cause__ or raised  # of a function, what it raised itself
        error = f"{type(cause).__name__}: {first_line(cause)}"
    totals = [sum(part[place] for part in paid.values()) for place in range(len(group.rollouts))]
    return Trial(
        problem=group.problem,
        probe=own.probe,
        verdict=own.grade.verdict,
        extracted=own.grade.extracted,
        parts={name: part[-1] for name, part in paid.items()},
        right_reward=totals[0],
        wrong_reward=totals[-2],
        right_passes=best.grade.right,
        error=error,
    )
