"""What `outgrow judge` prints of a judge."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.box import SIMPLE
from rich.table import Table

from .console import console

if TYPE_CHECKING:
    from ..judge.quality import Estimate, Scored


def show(answers: "Sequence[Scored]") -> None:
    from ..judge.quality import quality

    found = quality(answers)
    table = Table(box=SIMPLE, pad_edge=False, show_header=False)
    table.add_row("answers", f"{found.n:,} to {found.problems:,} problems")
    table.add_row("no score", f"{found.unscored:,} ({found.unscored / found.n:.1%}), left out of what follows")
    table.add_row("right", _told(found.right))
    table.add_row("mean score of right answers", _told(found.mean_right))
    table.add_row("mean score of wrong answers", _told(found.mean_wrong))
    table.add_row("AUC (right above wrong, ties half)", _told(found.auc))
    table.add_row(f"right of the {found.top_n:,} that score best", _told(found.top))
    console.print(table)
    if found.auc is None:
        console.print(
            "no answer of one kind, right or wrong, has a score: take runs, or more answers, that hold both", soft_wrap=True
        )


def show_levels(answers: "Sequence[Scored]") -> None:
    from ..judge.quality import quality

    levels = sorted({one.level for one in answers})
    if len(levels) < 2:
        return
    table = Table(title="by level", title_justify="left", box=SIMPLE, pad_edge=False)
    for heading in ("level", "answers", "no score", "right", "AUC"):
        table.add_column(heading, justify="right")
    for level in levels:
        found = quality([one for one in answers if one.level == level])
        table.add_row(str(level), f"{found.n:,}", f"{found.unscored:,}", _told(found.right), _told(found.auc))
    console.print(table)


def show_canaries(canaries: dict[str, list[float | None]]) -> None:
    from ..evaluate.statistics import bootstrap_ci95
    from ..judge.quality import Estimate

    table = Table(title="answers that say nothing", title_justify="left", box=SIMPLE, pad_edge=False)
    for heading in ("kind", "answers", "no score", "mean score"):
        table.add_column(heading, justify="left" if heading == "kind" else "right")
    for kind, scores in canaries.items():
        known = [score for score in scores if score is not None]
        mean = Estimate(sum(known) / len(known), *bootstrap_ci95(known)) if known else None
        table.add_row(kind, f"{len(scores):,}", f"{len(scores) - len(known):,}", _told(mean))
    console.print(table)


def _told(figure: "Estimate | None") -> str:
    return f"{figure.value:.3f} ({figure.low:.3f} to {figure.high:.3f})" if figure else ""
