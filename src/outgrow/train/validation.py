"""The curve between before and after: pass rates on held-out validation problems while a run trains."""

from collections.abc import Sequence

from ..config import RLRecipe
from ..core.callbacks import CheckStop
from ..engines import ChatModel
from ..evaluate.conditions import conditions
from ..evaluate.look import Look, look_at
from ..evaluate.sample import sample_problems
from ..runs.models import evaluation_sampling
from ..types import Problem
from ..verify import Verifier


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
