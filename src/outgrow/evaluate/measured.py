"""What a recipe measures its policy on: the suites before and after training, and the validation problems between."""

import math
import os
from contextlib import suppress
from functools import lru_cache

from ..config import Recipe, RLRecipe
from ..core.callbacks import Warn
from ..core.errors import UsageError
from ..problems.held_out import HELD_OUT, by_hash
from ..problems.suites import suite, suites
from ..runs.practice_problems import suite_problems
from ..types import Problem


def suites_of(recipe: Recipe) -> list[str]:
    """Return the suites a recipe is measured on before and after, its own first. Raises UsageError for a name without a suite."""
    own, also = recipe.evaluate.suite, recipe.evaluate.extra_suites
    if own != HELD_OUT:
        suite(own)  # a suite, not a group
    return list(dict.fromkeys([own, *(suites(",".join(also)) if also else [])]))


def validation_of(recipe: Recipe) -> str | None:
    """Return the suite that a run is measured on while it trains; None where it is not."""
    return recipe.evaluate.validation if isinstance(recipe, RLRecipe) and recipe.evaluate.every else None


def measured_problems(recipe: Recipe) -> dict[str, int]:
    """Return the number of problems of each suite that a recipe measures on, without loading a model.

    A suite is missing whose data are not here, or cannot be read. Raises UsageError for a name without a suite.
    """
    counts: dict[str, int] = {}
    validation = validation_of(recipe)
    for name in dict.fromkeys([*suites_of(recipe), *([validation] if validation else [])]):
        settings = "" if name == HELD_OUT else suite(name).model_dump_json()
        with suppress(UsageError):
            counts[name] = (
                len(suite_problems(recipe, name)) if name == HELD_OUT else _count(name, settings, os.environ.get("OUTGROW_DATA"))
            )
    return counts


def validation_problems(recipe: RLRecipe, warn: Warn) -> list[Problem]:
    """Return the problems that are measured during training: those of the suite, or fewer of them by a hash of the question, so
    that validation writes at most the share `evaluate.validation_share` of the run's rollouts.
    """
    section = recipe.evaluate
    problems, most = suite_problems(recipe, section.validation), validation_room(recipe)
    if len(problems) <= most:
        return problems
    warn(
        f"validation measures {most} of {len(problems)} problems ({section.validation}), so that it writes at most "
        f"{section.validation_share:.0%} of the run's rollouts (evaluate.validation_share)"
    )
    return by_hash(problems)[:most]


def validation_room(recipe: RLRecipe) -> int:
    """Return the most problems that a measurement during training may have, one at least."""
    section, learn = recipe.evaluate, recipe.learn
    rollouts = learn.steps * learn.problems_per_step * learn.group_size
    answers = math.ceil(learn.steps / section.every) * section.validation_samples  # to each problem, over the whole run
    return max(1, math.floor(section.validation_share * rollouts / answers))


@lru_cache(maxsize=64)
def _count(name: str, settings: str, data: str | None) -> int:
    """Return the number of a suite's problems, counted once for each of these.

    settings: its source's, since a table's name may stand for another one later. data: folder of local data sets.
    """
    return len(suite(name).load())
