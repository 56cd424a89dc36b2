"""What a step's groups leave behind: metrics, rows for the Parquet part, visits for the ledger."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from ..algorithms.advantages.base import EQUAL_REWARDS
from ..types import GradedGroup, Verdict, Visit

RewardParts = dict[str, list[float]]
"""What each type of reward paid each rollout of a group."""


def total_reward(parts: RewardParts) -> list[float]:
    """Return the reward of each rollout: the sum of its parts."""
    return [sum(prices) for prices in zip(*parts.values(), strict=True)]


def step_metrics(groups: Sequence[GradedGroup], parts: Sequence[RewardParts]) -> dict[str, float]:
    """Return the metrics of all groups of a step, including those that screening ended early."""
    verdicts = Counter(grade.verdict for group in groups for grade in group.graded)
    rollouts = verdicts.total()
    rewards = [total_reward(part) for part in parts]
    return {
        "rollouts/count": rollouts,
        "rollouts/pass_rate": verdicts[Verdict.RIGHT] / rollouts,
        "rollouts/truncated_frac": verdicts[Verdict.TRUNCATED] / rollouts,
        "rollouts/no_answer_frac": verdicts[Verdict.NO_ANSWER] / rollouts,
        "rollouts/verifier_failed_frac": verdicts[Verdict.VERIFIER_FAILED] / rollouts,
        "groups/mixed_frac": sum(max(row) - min(row) > EQUAL_REWARDS for row in rewards) / len(groups),
        "rollouts/mean_tokens": sum(sum(group.lengths) for group in groups) / rollouts,
        "reward/total": sum(map(sum, rewards)) / rollouts,
        **{f"reward/{name}": sum(sum(part[name]) for part in parts) / rollouts for name in parts[0]},
    }


def advantage_of_correct_by_level(groups: Sequence[GradedGroup], advantages: Sequence[Sequence[float]]) -> dict[str, float]:
    """Return the mean advantage of the right answers of each level: it falls as a level is mastered.

    advantages: one number for each rollout; the mean over its tokens where each has its own.
    """
    by_level: dict[int, list[float]] = {}
    for group, row in zip(groups, advantages, strict=True):
        paid = [weight for weight, grade in zip(row, group.graded, strict=True) if grade.right]
        by_level.setdefault(group.problem.level, []).extend(paid)
    return {f"advantage_correct/level_{level}": sum(paid) / len(paid) for level, paid in sorted(by_level.items()) if paid}


def rollout_rows(group: GradedGroup, parts: RewardParts, advantages: Sequence[float]) -> list[dict[str, Any]]:
    """Return one row for each rollout, for the Parquet part of the step. advantages: as in `advantage_of_correct_by_level`."""
    return [
        {
            "step": group.step,
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
            "reward": reward,
            **{f"reward_{name}": prices[index] for name, prices in parts.items()},
            **({"score": group.scores[index]} if group.scores else {}),
            "advantage": advantages[index],
        }
        for index, (rollout, reward) in enumerate(zip(group.rollouts, total_reward(parts), strict=True))
    ]


def ledger_visit(group: GradedGroup) -> Visit:
    """Return what the ledger keeps of a group."""
    right = [length for length, grade in zip(group.lengths, group.graded, strict=True) if grade.right]
    return Visit(
        step=group.step,
        problem_id=group.problem.id,
        n=len(group.rollouts),
        right=len(right),
        mean_length=group.mean_length,
        shortest_right=min(right, default=None),
        truncated=sum(grade.verdict is Verdict.TRUNCATED for grade in group.graded),
    )
