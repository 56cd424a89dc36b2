"""Several sources as one, for suites."""

from pydantic import Field

from ..core.callbacks import Warn, quiet
from ..types import Problem
from .source import Source


class Several(Source):
    """The problems of all `sources`, one after the other. A recipe names its sources itself, with a weight for each."""

    type: str = "several"
    sources: tuple[Source, ...] = Field(description="The sources, in this order.")

    def load(self, warn: Warn = quiet) -> list[Problem]:
        """Return all problems, in the order of the sources."""
        return [problem for source in self.sources for problem in source.load(warn)]
