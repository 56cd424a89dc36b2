"""What `outgrow audit` prints."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from .console import console, say, strip_control_chars
from .tables import figures_table

if TYPE_CHECKING:
    from ..audit.audit import AuditProblems
    from ..audit.record import Audit
    from ..audit.reward_audit import KindResult, RewardAudit, Trial
    from ..audit.support import Support
    from ..config import RLRecipe
    from ..core.estimate import Estimate

_SHOWN = 120


def show_reward(recipe: "RLRecipe", problems: "AuditProblems", audit: "RewardAudit", inside_think: bool) -> None:
    """Print what each kind of completion is paid, then an example of each that is paid as it should not be.

    inside_think: whether the prompt has opened <think> already.
    """
    from ..audit.reward_audit import RIGHT_ONES

    judged = "; a judge is taken to be fooled by every wrong answer" if recipe.judge else ""
    parts = " + ".join(f"{reward.weight:g} {reward.type}" for reward in recipe.rewards)
    say(f"{recipe.name}: reward {parts}, on {problems}")
    table = figures_table("completion", "n", "right", "reward", "a right\none gets", "fails", text=["completion"])
    for worth, heading in ((True, "should be paid"), (False, "should not be paid")):
        table.add_row(f"[bold]{heading}[/]")
        for kind in audit.kinds:
            if kind.worth == worth:
                table.add_row(
                    f"  {kind.kind}", f"{kind.n}", f"{kind.right}", *_means(kind), f"{len(kind.failures) + len(kind.errors) or ''}"
                )
    console.print(table)
    say(f"Each completion is paid in a group with {RIGHT_ONES} right answers and a wrong one{judged}.")
    if audit.unusable:
        were = "was" if audit.unusable == 1 else "were"
        say(f"{audit.unusable} of {audit.problems} problems {were} not tried: no wrong answer is known for them.")
    for line in _examples(audit, inside_think):
        say(line)


def show_support(recipe: "RLRecipe", problems: "AuditProblems", figures: "Support", parts: "Mapping[str, Estimate]") -> None:
    """Print what the policy earns. parts: share of right answers to the parts of chains, by field."""
    name = recipe.policy.model or "a new micro policy"
    how = f"temperature {recipe.sampling.temperature:g}, limit {recipe.sampling.max_tokens:,} tokens"
    say(f"{name} on {problems}, {figures.k} samples each, {how}")
    table = figures_table("", "share (95% interval)", text=[""])
    rows = {
        "right answers (pass@1)": figures.pass_1,
        f"problems with a right answer (pass@{figures.k})": figures.pass_k,
        "groups with right and wrong answers": figures.mixed,
        "groups with right answers only": figures.all_right,
        "answers cut by the token limit": figures.cut,
        "finished answers that are not read": figures.unread,
        **{f"right answers to {field} by itself": rate for field, rate in parts.items()},
    }
    for label, estimate in rows.items():
        table.add_row(label, estimate.text() if estimate else "none finished")
    console.print(table)


def show_verdict(recipe: "RLRecipe", audit: "Audit") -> None:
    """Print the verdict with its reasons, or with what to change in a reward, whose faults were printed with their examples."""
    from ..audit.advice import reward_advice

    console.print(f"[bold]verdict: {audit.verdict}[/]", highlight=False)
    for reason in reward_advice(recipe, audit.reward) or audit.reasons:
        say(f"  {reason}")


def _means(kind: "KindResult") -> tuple[str, str]:
    own, right = kind.mean(lambda trial: trial.reward), kind.mean(lambda trial: trial.right_reward)
    return ("" if own is None else f"{own:.3f}"), ("" if right is None else f"{right:.3f}")


def _examples(audit: "RewardAudit", inside_think: bool) -> Iterator[str]:
    """Yield what is wrong, and an example of each, with its question where that differs from the one before."""
    yield from audit.raises
    failed = [("", audit.errors[0])] if audit.errors else []
    failed += [(kind.fault, kind.failures[0]) for kind in (*audit.fails_right, *audit.pays_wrong)]
    if failed and inside_think:
        yield "The prompt opens <think>, so each completion begins inside the thought."
    question = None
    for fault, trial in failed:
        if fault:
            yield fault
        if trial.problem.question != question:
            question = trial.problem.question
            yield f"  question: {_line(question)} (known answer {_line(trial.problem.answer)})"
        yield f"  completion: {_line(trial.probe.text)}"
        yield f"  result: {_outcome(trial)}"


def _outcome(trial: "Trial") -> str:
    if trial.error:
        return f"the reward raises {_line(trial.error)}"
    parts = ", ".join(f"{name} {paid:.3g}" for name, paid in trial.parts.items())
    read = "" if trial.extracted is None else f" ({_line(trial.extracted)})"
    return f"{trial.verdict}{read}, {parts}; a right answer gets {trial.right_reward:.3g}, a wrong one {trial.wrong_reward:.3g}"


def _line(text: str) -> str:
    """Return a text on one line, shortened, as it was written."""
    clean = " ".join(strip_control_chars(text).split())
    return (clean if len(clean) <= _SHOWN else f"{clean[:_SHOWN]}…") or "(empty)"
