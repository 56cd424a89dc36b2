"""What a problem source is: a recipe entry that loads problems."""

from abc import abstractmethod

from pydantic import Field, FiniteFloat

from ..core.callbacks import Warn, quiet
from ..core.registry import Component
from ..types import Problem


class Source(Component):
    """Loads problems. weight: its share of the examples where several sources are mixed.

    A field that names a file, a folder, a run or a model says so in its type (core/inputs.py), so that a flywheel sees when the
    content changes.
    """

    weight: FiniteFloat = Field(default=1.0, gt=0, description="Share of this source's problems among all sources, as a weight.")

    def with_rows(self) -> "Source":
        """Return this source with problems that keep their rows (`Problem.row`), if it reads rows with columns of its own."""
        return self

    @abstractmethod
    def load(self, warn: Warn = quiet) -> list[Problem]:
        """Return all its problems, in a fixed order. warn: takes what was skipped."""
