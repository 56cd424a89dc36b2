"""What a data set is made of: the problems, the settings, and rows that exist already."""

from collections.abc import Sequence
from dataclasses import dataclass

from ..config.sections import DataSection
from ..policy import Sampling
from ..problems.limit import Limit
from ..types import Problem
from .row import SyntheticRow


@dataclass(frozen=True)
class DataRequest:
    """What to make a data set of, and how."""

    problems: Sequence[Problem]
    """Problems to answer; their known answers check the labels. The section may choose some of them by field and level."""
    section: DataSection
    recipe_sampling: Sampling
    """Sampling of the recipe that the model is sampled by."""
    seed: int = 0
    generation: int = 1
    """Generation of the flywheel, written in each row."""
    suites: Sequence[str] = ()
    """Suites whose questions must not be in the data."""
    limit: Limit | None = None
    """How the problems were sampled from a larger set; None where they are the whole set."""
    existing_rows: Sequence[SyntheticRow] = ()
    """Rows that cost nothing more, such as a run's training rollouts. Those to other problems are ignored."""

    @property
    def sampling(self) -> Sampling:
        """Sampling of the draws: the recipe's, at the section's temperature."""
        return self.recipe_sampling.model_copy(update={"temperature": self.section.temperature})
