"""The first problems of a source, for suites."""

from pydantic import Field

from ..core.callbacks import Warn, quiet
from ..types import Problem
from .source import Source


class First(Source):
    """The first problems of a source, in its order. `outgrow eval --limit` draws from all fields and levels."""

    type: str = "first"
    source: Source = Field(description="The source.")
    count: int = Field(ge=1, description="How many; all, where it has fewer.")

    def load(self, warn: Warn = quiet) -> list[Problem]:
        """Return the first `count` problems."""
        return self.source.load(warn)[: self.count]
