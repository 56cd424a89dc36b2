"""What a problem source is: a recipe entry that loads problems."""

from abc import abstractmethod
from collections.abc import Callable

from pydantic import Field

from ..core.registry import Component
from ..types import Problem

Note = Callable[[str], None]  # told, in a line, what a person should know of what was loaded


def quiet(_: str) -> None:
    """A note that nobody reads."""


class Source(Component):
    """Loads problems. weight: its share of the examples where several sources are mixed."""

    weight: float = Field(default=1.0, gt=0)

    @abstractmethod
    def load(self, note: Note = quiet) -> list[Problem]:
        """All its problems, in a fixed order. note is told what was left out."""
