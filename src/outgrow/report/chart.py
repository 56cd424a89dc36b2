"""A chart of a page."""

from dataclasses import dataclass

from .figures import Figure


@dataclass(frozen=True)
class Chart:
    """A figure with its heading and caption."""

    title: str
    caption: str
    figure: Figure
    wide: bool = False
    """Whether it takes the page's whole width."""
    group: str = ""
    """Heading of the charts that it belongs to."""
    first: bool = False
    """Whether a report shows it before the others, which it folds."""
