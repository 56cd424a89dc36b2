"""What to do after a run: a few lines that its own figures call for, each with the command or the setting to change."""

from collections.abc import Iterator
from dataclasses import dataclass

from ..config import RLRecipe
from ..core.shell import command_line
from ..evaluate.change import Comparison
from . import words
from .curves import mean
from .data import RunData

_MUCH = 0.05  # of all answers
_FEW_MIXED = 0.3  # of the groups
_MOST = 6
_FEWEST_MEASUREMENTS = 3


@dataclass(frozen=True)
class NextStep:
    """One thing to do."""

    text: str
    """Why, and what it does."""
    code: str = ""
    """The command, or the setting as `--set` takes it."""


def next_steps(data: RunData, comparisons: dict[str, Comparison]) -> list[NextStep]:
    """Return what to do next, most important first. comparisons: those of `compare`, before and after training."""
    run = data.place
    if not data.finished:
        text = "Continue the run; until then the figures are those of a part of it."
        return [NextStep(text, command_line("resume", run)), *_settings(data, comparisons)][:_MOST]
    return [*_result(data, comparisons), *_settings(data, comparisons), *_after(data, comparisons, run)][:_MOST]


def _result(data: RunData, comparisons: dict[str, Comparison]) -> Iterator[NextStep]:
    """Yield what the change of pass@1 calls for."""
    change = comparisons["pass@1"].change if "pass@1" in comparisons else None
    if change is None:
        yield NextStep("Measure before and after training, so that the page can say what training changed.", "evaluate.suite=SUITE")
    elif change.high < 0:
        yield NextStep(
            "Do not use this policy: it is worse than its base. A lower learning rate changes it less.",
            f"learn.lr={data.recipe.learn.lr / 4:.2g}",
        )
    elif not change.excludes():
        half = words.points((change.high - change.low) / 2).lstrip("+")
        yield NextStep(
            f"No change is shown. With {change.n:,} problems the interval is ±{half} points wide, so a smaller change cannot be "
            "seen. Train longer, or measure on more problems: four times the problems halve the interval.",
            f"learn.steps={2 * data.recipe.learn.steps}",
        )


def _settings(data: RunData, comparisons: dict[str, Comparison]) -> Iterator[NextStep]:
    """Yield the settings that the figures speak against."""
    recipe = data.recipe
    if (cut := _latest(comparisons, "truncated")) >= _MUCH:
        tokens = recipe.sampling.max_tokens
        yield NextStep(
            f"{words.percent(cut)} of the answers are cut at {tokens:,} tokens and count as not right. Allow longer answers.",
            f"sampling.max_tokens={2 * tokens}",
        )
    if (silent := _latest(comparisons, "no_answer")) >= _MUCH:
        yield NextStep(
            f"{words.percent(silent)} of the answers end without a final answer. Say in the prompt how to write it.",
            "prompt.system=TEXT",
        )
    if not isinstance(recipe, RLRecipe):
        return
    if any(data.metrics.column("judge/alarm")):
        text = "Alarms say that the policy may exploit the judge. Read its answers before you use it."
        yield NextStep(text, command_line("analyze", data.place, "--examples", 3))
    late = data.metrics.column("groups/mixed_frac")[-max(1, len(data.metrics) // 4) :]
    if (mixed := mean(late)) is not None and mixed < _FEW_MIXED:
        rate = mean(data.metrics.column("rollouts/pass_rate")[-len(late) :]) or 0.0
        kind = "harder" if rate > 0.5 else "easier"
        yield NextStep(
            f"Only {words.percent(mixed)} of the last groups had answers with different rewards; the others teach nothing, and "
            f"{words.percent(rate)} of the rollouts were right. Practise {kind} problems."
        )
    looks = [rate for rate in data.metrics.column("validation/pass_rate") if rate is not None]
    change = comparisons["pass@1"].change if "pass@1" in comparisons else None
    if change and change.low > 0 and len(looks) >= _FEWEST_MEASUREMENTS and looks[-1] == max(looks):
        yield NextStep(
            "Validation was highest at its last measurement, so more steps may help further.",
            f"learn.steps={2 * recipe.learn.steps}",
        )


def _after(data: RunData, comparisons: dict[str, Comparison], run: str) -> Iterator[NextStep]:
    """Yield what confirms a result, and what to do with a policy that got better."""
    change = comparisons["pass@1"].change if "pass@1" in comparisons else None
    if not data.drift:
        command = command_line("drift", run, "--on", "SUITES")
        yield NextStep("Check that other abilities did not suffer: measure other suites.", command)
    if change and change.excludes():
        text = "The interval does not cover other seeds. Train with another one, then run: outgrow compare."
        yield NextStep(text, f"seed={data.recipe.seed + 1}")
    if change and change.low > 0:
        yield NextStep("Try the policy.", command_line("chat", run))
        if data.recipe.kind == "sft":
            yield NextStep("Go on by reinforcement learning: a recipe that starts from this policy.", f"policy.model={run}")
        yield NextStep("Write it as a model that transformers loads.", command_line("merge", run, "--out", f"models/{data.name}"))


def _latest(comparisons: dict[str, Comparison], name: str) -> float:
    """Return a measure after training, else before; 0 where it was not measured."""
    compared = comparisons.get(name)
    known = compared and (compared.after or compared.before)
    return known.value if known else 0.0
