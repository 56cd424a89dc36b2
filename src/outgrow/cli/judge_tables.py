"""What `outgrow judge` prints of a judge."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.box import SIMPLE
from rich.table import Table

from .console import console, say
from .tables import figures_table

if TYPE_CHECKING:
    from ..core.estimate import Estimate
    from ..judge.quality import ScoredAnswer


def show(answers: "Sequence[ScoredAnswer]") -> None:
    """Print how well the scores separate right answers from wrong ones."""
    from ..judge.quality import quality

    found = quality(answers)
    table = Table(box=SIMPLE, pad_edge=False, show_header=False)
    table.add_row("answers", f"{found.n:,} to {found.problems:,} problems")
    table.add_row("no score", f"{found.unscored:,} ({found.unscored / found.n:.1%}), not counted below")
    table.add_row("right", _text(found.right))
    table.add_row("mean score of right answers", _text(found.mean_right))
    table.add_row("mean score of wrong answers", _text(found.mean_wrong))
    table.add_row("AUC (right above wrong, ties half)", _text(found.auc))
    table.add_row(f"right among the {found.top_n:,} best scores", _text(found.top))
    console.print(table)
    if found.auc is None:
        say("The scored answers are all right or all wrong, so there is no AUC; use runs, or more answers, that have both.")


def show_levels(answers: "Sequence[ScoredAnswer]") -> None:
    """Print the same by level, where there are several."""
    from ..judge.quality import quality

    levels = sorted({answer.level for answer in answers})
    if len(levels) < 2:
        return
    table = figures_table("level", "answers", "no score", "right", "AUC", title="by level")
    for level in levels:
        found = quality([answer for answer in answers if answer.level == level])
        table.add_row(str(level), f"{found.n:,}", f"{found.unscored:,}", _text(found.right), _text(found.auc))
    console.print(table)


def show_canaries(canaries: dict[str, list[float | None]]) -> None:
    """Print the mean score of each kind of answer without content."""
    from ..evaluate.statistics import mean_estimate

    table = figures_table("kind", "answers", "no score", "mean score", title="answers without content", text=["kind"])
    for kind, scores in canaries.items():
        known = [score for score in scores if score is not None]
        table.add_row(kind, f"{len(scores):,}", f"{len(scores) - len(known):,}", _text(mean_estimate(known)))
    console.print(table)


def _text(figure: "Estimate | None") -> str:
    return figure.text() if figure else ""
