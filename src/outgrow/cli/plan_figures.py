"""What both pages of `outgrow plan` print: figures, and how to make a recipe fit."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..plan import CostEstimate

_PASSES = "learn.tokens_per_microbatch"
_WORDS = {
    "policy.lora.rank": "LoRA",
    "engine.max_sequences": "fewer sequences at once",
    "learn.problems_per_step": "fewer problems a step",
    "sampling.max_tokens": "shorter answers",
    _PASSES: "smaller passes",
}
"""Recipe key -> what changing it means; every other key that makes a recipe fit is a data type."""


def fits(estimate: "CostEstimate") -> str:
    """Return whether a recipe fits, and with which changes."""
    if estimate.fits:
        return "yes"
    if estimate.change is None:
        return "no"
    return f"yes, with {', '.join(dict.fromkeys(_WORDS.get(key, 'bfloat16') for key in estimate.change))}"


def unfit(estimate: "CostEstimate", stage: str = "") -> list[str]:
    """Return lines that say where a recipe does not fit, and which settings change that.

    stage: prefix of the recipe's keys in a flywheel's recipe, for example "student.".
    """
    name = f"{stage.rstrip('.')} on {estimate.gpu.name}" if stage else estimate.gpu.name
    lines = [] if estimate.judge_fits else [f"{name}: the judge's weights do not fit; rent a larger GPU for the judge"]
    if estimate.fits:
        return lines
    if estimate.change is None:
        return [*lines, f"{name}: does not fit, and no setting that was tried changes that; use a smaller model or a larger GPU"]
    changes = " ".join(f"--set {stage}{key}={value}" for key, value in estimate.change.items())
    automatic = " (a run does that by itself)" if list(estimate.change) == [_PASSES] else ""
    return [*lines, f"{name}: fits with {changes}{automatic}; its figures are for that"]


def uncounted(names: "list[str]") -> list[str]:
    """Return a line about the suites that a plan does not count."""
    if not names:
        return []
    return [
        f"not counted: measuring on {', '.join(names)}; the data are not here or cannot be read (OUTGROW_DATA names their folder)"
    ]


def figure(value: float) -> str:
    """Return a number with two digits or more; a small one is never shown as zero."""
    if 0 < value < 0.01:
        return "<0.01"
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}" if value >= 1 else f"{value:.2f}"
