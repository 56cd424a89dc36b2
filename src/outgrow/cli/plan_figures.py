"""What both pages of `outgrow plan` print: figures, and how to make a recipe fit."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..plan import CostEstimate


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
    automatic = " (a run does that by itself)" if list(estimate.change) == ["learn.tokens_per_microbatch"] else ""
    return [*lines, f"{name}: does not fit; *fits with {changes}{automatic}, and its figures are for that"]


def figure(value: float) -> str:
    """Return a number with two digits or more; a small one is never shown as zero."""
    if 0 < value < 0.01:
        return "<0.01"
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}" if value >= 1 else f"{value:.2f}"
