"""Side effects of training: other suites over a run's checkpoints, and how far the policy is from its base there."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from ..core.estimate import Estimate
from ..core.files import read_json, write_json
from ..policy import Policy
from ..runs.folder import RunFolder, pass_at_1
from ..types import Problem
from .evaluation import Evaluation, paired_delta

_ANSWERS = 64  # of the base, on which the divergence is taken


@dataclass(frozen=True)
class Drift:
    """One suite at one step."""

    suite: str
    step: int
    """Training step; 0 is the base."""
    n: int
    """Problems."""
    k: int
    """Samples of each problem."""
    pass_at_1: float
    low: float
    """Lower end of the 95% interval of pass@1."""
    high: float
    change: float
    """pass@1 minus that of the base."""
    change_low: float
    change_high: float
    turnover: float
    """Share of problems whose greedy answer was right at the base and is wrong now, or the other way round."""
    kl: float
    """KL(base ‖ policy) in nats a token, on answers of the base."""

    @property
    def estimate(self) -> Estimate:
        """pass@1."""
        return Estimate(self.pass_at_1, self.low, self.high, self.n)

    @property
    def change_estimate(self) -> Estimate:
        """pass@1 minus that of the base, problem by problem."""
        return Estimate(self.change, self.change_low, self.change_high, self.n)


def drift(
    suite: str, problems: Sequence[Problem], step: int, base: Policy, policy: Policy, before: Evaluation, now: Evaluation
) -> Drift:
    """Return the drift of a suite measured at the base and at this step. problems: the suite's.

    Raises OutgrowError where the two measurements are of different problems.
    """
    rate, change = pass_at_1(now.summary()), pass_at_1(paired_delta(before, now))
    first, second = before.measures()["greedy"], now.measures()["greedy"]
    return Drift(
        suite=suite,
        step=step,
        n=rate.n,
        k=now.k,
        pass_at_1=rate.value,
        low=rate.low,
        high=rate.high,
        change=change.value,
        change_low=change.low,
        change_high=change.high,
        turnover=sum(first[problem] != second[problem] for problem in first) / len(first),
        kl=_mean_kl(base, policy, problems, before) if step else 0.0,
    )


def write_drift(run: Path, rows: Sequence[Drift]) -> None:
    """Write evals/drift.json: these rows in place of those of the same suites. A damaged file is replaced."""
    file, known = RunFolder(run).drift, []
    with suppress(OSError, ValueError, TypeError):
        known = [Drift(**row) for row in read_json(file)]
    others = [row for row in known if row.suite not in {row.suite for row in rows}]
    write_json(file, [asdict(row) for row in (*others, *rows)])


def _mean_kl(base: Policy, policy: Policy, problems: Sequence[Problem], before: Evaluation) -> float:
    """Return the mean over tokens of the first answers to some problems, spread over the suite."""
    from ..policy.likelihood import forward_kl  # imports torch, which the pages that show a drift do not need

    turns = {problem.id: problem.turns for problem in problems}
    first = [sample for sample in before.samples if sample.index == 0 and sample.text]
    chosen = first[:: max(1, len(first) // _ANSWERS)][:_ANSWERS]
    weighted, tokens = 0.0, 0
    for sample in chosen:  # one at a time: they may be long
        prompt = base.prompt_ids(sample.question, turns[sample.problem_id])
        completion: Sequence[int] = base.tokenizer.encode(sample.text, add_special_tokens=False)[: base.context - len(prompt)]
        [kl] = forward_kl(base, policy, [prompt], [completion])
        weighted, tokens = weighted + kl * len(completion), tokens + len(completion)
    return weighted / tokens if tokens else 0.0
