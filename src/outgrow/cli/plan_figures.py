"""What both pages of `outgrow plan` print: figures, and how to make a recipe fit."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..plan import CostEstimate


def unfit(bill: "CostEstimate", stage: str = "") -> list[str]:
    """Where a recipe does not fit, and which settings change that. stage: what its keys begin with in a flywheel's recipe."""
    name = f"{stage.rstrip('.')} on {bill.gpu.name}" if stage else bill.gpu.name
    lines = [] if bill.judge_fits else [f"{name}: has no room for the judge's weights; rent a larger GPU for the judge"]
    if bill.fits:
        return lines
    if bill.change is None:
        return [*lines, f"{name}: does not fit, and no setting tried makes it fit; take a smaller model or a larger GPU"]
    changes = " ".join(f"--set {stage}{key}={value}" for key, value in bill.change.items())
    alone = " (a run does that by itself)" if list(bill.change) == ["learn.tokens_per_microbatch"] else ""
    return [*lines, f"{name}: does not fit; *with {changes} it does, and its figures are those{alone}"]


def figure(value: float) -> str:
    """Two digits or more, and never a zero for what is only small."""
    if 0 < value < 0.01:
        return "<0.01"
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}" if value >= 1 else f"{value:.2f}"
