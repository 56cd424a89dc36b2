"""From a policy to data that another base learns from: draw, select, check, write."""

from collections.abc import Callable, Sequence
from pathlib import Path

from ..policy import Sampling
from ..problems import Problem
from ..problems.source import Note, quiet
from ..recipes.schema import DataSection
from ..rollout import Respondent
from ..verify import Verifier
from .summary import MadeSummary


def make_data(
    respondent: Respondent,
    verifier: Verifier,
    problems: Sequence[Problem],
    section: DataSection,
    *,
    seed: int,
    generation: int,
    out: Path,
    sampling: Sampling,
    suites: Sequence[str] = (),
    gold: Sequence[Problem] = (),
    note: Note = quiet,
    poll: Callable[[], None] = lambda: None,
    told: Callable[[int], None] = lambda done: None,
) -> MadeSummary:
    """Make the folder `out` of the policy's answers to these problems, and say what is in it.

    sampling: the recipe's; its temperature gives way to the section's. suites: names of those whose questions may not be in it.
    gold: problems (by their ids) whose known answers the labels are checked against. told: how many problems are done. Answers are
    kept beside `out` until it is whole: the same call after a stop goes on where it was.
    Raises UsageError where `out` exists or no suite has a given name, OutgrowError where nothing was worth keeping.
    """
    raise NotImplementedError
