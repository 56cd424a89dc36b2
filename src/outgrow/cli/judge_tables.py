"""What `outgrow judge` prints of a judge."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.box import SIMPLE
from rich.table import Table

from .console import console, say
from .tables import figures_table

if TYPE_CHECKING:
    from ..judge.quality import Estimate, Scored


def show(answers: "Sequence[Scored]") -> None:
    """Print how well the scores separate right answers from wrong ones."""
    from ..judge.quality import quality

    found = quality(answers)
    table = Table(box=SIMPLE, pad_edge=False, show_header=False)
    table.add_row("answers", f"{found.n:,} to {found.problems:,} problems")
    table.add_row("no score", f"{found.unscored:,} ({found.unscored / found.n:.1%}), not counted below")
    table.add_row("right", _told(found.right))
    table.add_row("mean score of right answers", _told(found.mean_right))
    table.add_row("mean score of wrong answers", _told(found.mean_wrong))
    table.add_row("AUC (right above wrong, ties half)", _told(found.auc))
    table.add_row(f"right among the {found.top_n:,} best scores", _told(found.top))
    console.print(table)
    if found.auc is None:
        say("The scored answers are all right or all wrong, so there is no AUC; use runs, or more answers, that have both.")


def show_levels(answers: "Sequence[Scored]") -> None:
    """Print the same by level, where there are several."""
    from ..judge.quality import quality

    levels = sorted({answer.level for answer in answers})
    if len(levels) < 2:
        return
    table = figures_table("level", "answers", "no score", "right", "AUC", title="by level")
    for level in levels:
        found = quality([answer for answer in answers if answer.level == level])
        table.add_row(str(level), f"{found.n:,}", f"{found.unscored:,}", _told(found.right), _told(found.auc))
    console.print(table)


def show_canaries(canaries: dict[str, list[float | None]]) -> None:
    """Print the mean score of each kind of answer without content."""
    from ..evaluate.statistics import bootstrap_ci95
    from ..judge.quality import Estimate

    table = figures_table("kind", "answers", "no score", "mean score", title="answers without content", text=["kind"])
    for kind, scores in canaries.items():
        known = [score for score in scores if score is not None]
        mean = Estimate(sum(known) / len(known), *bootstrap_ci95(known)) if known else None
        table.add_row(kind, f"{len(scores):,}", f"{len(scores) - len(known):,}", _told(mean))
    console.print(table)


def _told(figure: "Estimate | None") -> str:
    return f"{figure.value:.3f} ({figure.low:.3f} to {figure.high:.3f})" if figure else ""
