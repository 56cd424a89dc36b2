"""The curve between before and after: pass rates on held-out validation problems while a run trains."""

import math
from collections.abc import Sequence

from ..config import RLRecipe
from ..core.callbacks import CheckStop, Warn
from ..engines import ChatModel
from ..evaluate.conditions import conditions
from ..evaluate.look import Look, look_at
from ..evaluate.sample import sample_problems
from ..problems.held_out import by_hash
from ..runs.models import evaluation_sampling
from ..runs.practice_problems import suite_problems
from ..types import Problem
from ..verify import Verifier


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


def validate(
    recipe: RLRecipe, model: ChatModel, verifier: Verifier, problems: Sequence[Problem], step: int, check_stop: CheckStop
) -> tuple[dict[str, float], Look]:
    """Return the pass rate and number of these problems before a step, the pass rate of each level where they have several, and
    the look itself.
    """
    how = conditions(recipe, evaluation_sampling(recipe), recipe.evaluate.validation_samples, recipe.seed)
    samples = sample_problems(model, verifier, problems, how.samples, how.sampling, how.seed, check_stop)
    levels: dict[int, list[bool]] = {}
    for sample in samples:
        levels.setdefault(sample.level, []).append(sample.right)
    by_level = {f"validation/level_{level}": sum(right) / len(right) for level, right in sorted(levels.items())}
    rate = sum(sample.right for sample in samples) / len(samples)
    metrics = {"validation/pass_rate": rate, "validation/n": len(problems), **(by_level if len(by_level) > 1 else {})}
    return metrics, look_at(step, samples, problems, how)
