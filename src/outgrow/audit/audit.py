"""An audit of a recipe: its reward on completions of known worth, then the policy on a sample of its problems."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from ..config import RLRecipe
from ..core.callbacks import CheckStop, Warn
from ..engines import ChatModel
from ..evaluate.sample import Sample, require_room, sample_problems
from ..evaluate.unread import unread
from ..policy import Policy
from ..problems.limit import limited
from ..runs.practice_problems import distinct, training_problems
from ..runs.session import open_session, verifier_for
from ..types import Problem, Verdict
from .parts import judge_parts, part_rates, parts_to_ask, practised_first
from .record import Audit
from .reward_audit import RewardAudit, audit_reward
from .support import judge_support, support
from .verdict import AuditVerdict


@dataclass(frozen=True)
class AuditProblems:
    """The problems of an audit."""

    sample: list[Problem]
    """Those that are tried."""
    all: list[Problem]
    """All that the recipe practises on."""
    seed: int
    parts: list[Problem] = field(default_factory=list)
    """Parts of the recipe's chains, which the policy is asked too."""
    first: set[str] = field(default_factory=set)
    """Fields of parts that the recipe's sampler practises before the chains."""

    @property
    def asked(self) -> list[Problem]:
        """All that the policy is asked, each problem once."""
        return list({problem.id: problem for problem in (*self.sample, *self.parts)}.values())

    def __str__(self) -> str:
        return f"{len(self.sample):,} of {len(self.all):,} problems, seed {self.seed}"


def problems_to_audit(recipe: RLRecipe, count: int, seed: int, warn: Warn) -> AuditProblems:
    """Return a random sample of the recipe's problems, all of them where there are fewer than `count`.

    Where the recipe practises chains, half that number of parts of each field among all of them is asked too: the chains of the
    sample have few parts of some fields.
    """
    sources = distinct(training_problems(recipe, warn))
    problems = [problem for source in sources for problem in source]
    parts = parts_to_ask(problems, math.ceil(count / 2), seed)
    return AuditProblems(limited(problems, count, seed)[0], problems, seed, parts, practised_first(recipe, sources))


def try_reward(recipe: RLRecipe, policy: Policy, problems: AuditProblems, check_stop: CheckStop) -> RewardAudit:
    """Try the recipe's reward (see `audit_reward`). policy: what the recipe starts from."""
    with verifier_for(recipe) as verifier:
        return audit_reward(recipe, policy, verifier, problems.sample, problems.all, problems.seed, check_stop)


def sample_policy(
    recipe: RLRecipe,
    policy: Policy,
    problems: AuditProblems,
    k: int,
    warn: Warn,
    wrap: Callable[[ChatModel], ChatModel],
    check_stop: CheckStop,
) -> list[Sample]:
    """Return k graded answers to each problem of `asked`, drawn as in training.

    wrap: takes the model and gives what is asked.

    Raises UsageError where a question leaves no room for an answer.
    """
    with open_session(recipe, policy, warn) as session:
        require_room("the recipe's problems", session.model, problems.asked, session.sampling.max_tokens, "sampling.max_tokens")
        return sample_problems(
            wrap(session.model), session.verifier, problems.asked, k, session.sampling, problems.seed, check_stop
        )


def conclude(recipe: RLRecipe, policy: Policy, problems: AuditProblems, reward: RewardAudit, samples: list[Sample] | None) -> Audit:
    """Return the audit with its verdict. samples: answers of the policy; None where it was not asked."""
    drawn = samples or []
    only_parts = {part.id for part in problems.parts} - {problem.id for problem in problems.sample}
    figures = support([sample for sample in drawn if sample.problem_id not in only_parts]) if samples is not None else None
    rates = part_rates(problems.parts, drawn)
    verdict, reasons = judge_support(figures) if figures else (AuditVerdict.NOT_SAMPLED, [])
    if verdict in (AuditVerdict.GO, AuditVerdict.NO_SUPPORT):
        said = judge_parts(recipe, rates, problems.first)
        # What closes the gate comes first, since training repeats the first line.
        reasons = said.lines + reasons if said.closed and verdict is AuditVerdict.GO else reasons + said.lines
        verdict = AuditVerdict.NO_SUPPORT if said.closed else verdict
    if verdict in (AuditVerdict.FORMAT, AuditVerdict.NO_SUPPORT):
        reasons += _unread(recipe, drawn, policy.opens_think)
    if not reward.sound:
        verdict, reasons = (
            AuditVerdict.FIX_REWARD,
            [*reward.raises, *(kind.fault for kind in (*reward.fails_right, *reward.pays_wrong))],
        )
    return Audit(str(problems), reward, figures, rates, verdict, reasons)


def _unread(recipe: RLRecipe, samples: list[Sample], inside_think: bool) -> list[str]:
    """Return what the extractors looked for, two answers, and the extractor that would find more; [] where answers are found."""
    finished = [sample for sample in samples if sample.verdict is not Verdict.TRUNCATED]
    return unread(finished, recipe.verify.extract, "--set 'verify.extract=[\"{}\"]'", inside_think)
