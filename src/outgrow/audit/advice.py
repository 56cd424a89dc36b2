"""What to change where a recipe's reward is not sound."""

from ..config import RLRecipe
from ..types import Verdict
from .reward_audit import RewardAudit

_VERDICT_OF_ROLLOUT = "group.graded[i].right"


def reward_advice(recipe: RLRecipe, audit: RewardAudit) -> list[str]:
    """Return what to change in the reward or the extractors, a line for each cause; [] where the reward is sound."""
    lines = []
    if audit.errors:
        lines.append("make the reward return a number for every completion: a reward that raises ends the run")
    wrong = [trial for kind in audit.pays_wrong for trial in kind.failures]
    if any(trial.verdict is Verdict.RIGHT for trial in wrong):
        lines.append("the verifier passes wrong answers: change verify.extract, or the known answers")
    if any(trial.verdict is not Verdict.RIGHT for trial in wrong):
        lines.append(_pay_right_only(recipe))
    right = [trial for kind in audit.fails_right for trial in kind.failures]
    if any(trial.verdict is not Verdict.RIGHT for trial in right):
        lines.append("the verifier does not pass right answers: change verify.extract, or the known answers")
    if any(trial.verdict is Verdict.RIGHT for trial in right):
        lines.append("pay a right answer more than a wrong one: give `accuracy` the largest weight")
    return lines


def _pay_right_only(recipe: RLRecipe) -> str:
    outside = [f"`{reward.type}`" for reward in recipe.rewards if not type(reward).__module__.startswith("outgrow.")]
    weigh = (
        "give `accuracy` the largest weight" if _has_accuracy(recipe) else "add `accuracy` to the rewards, with the largest weight"
    )
    if not outside:
        return weigh
    return f"in {', '.join(outside)}, pay only rollouts that the verifier found right ({_VERDICT_OF_ROLLOUT}); or {weigh}"


def _has_accuracy(recipe: RLRecipe) -> bool:
    return any(reward.type == "accuracy" for reward in recipe.rewards)
