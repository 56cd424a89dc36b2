"""The curve between before and after: pass rates on held-out validation problems while a run trains."""

from collections.abc import Sequence

from ..config import RLRecipe
from ..core.callbacks import CheckStop
from ..engines import ChatModel
from ..evaluate.sample import sample_problems
from ..runs.models import evaluation_sampling
from ..types import Problem
from ..verify import Verifier


def validation_metrics(
    recipe: RLRecipe, model: ChatModel, verifier: Verifier, problems: Sequence[Problem], check_stop: CheckStop
) -> dict[str, float]:
    """Return the pass rate and number of these problems, and the pass rate of each level where they have several."""
    samples = sample_problems(
        model, verifier, problems, recipe.evaluate.validation_samples, evaluation_sampling(recipe), recipe.seed, check_stop
    )
    levels: dict[int, list[bool]] = {}
    for sample in samples:
        levels.setdefault(sample.level, []).append(sample.right)
    by_level = {f"validation/level_{level}": sum(right) / len(right) for level, right in sorted(levels.items())}
    rate = sum(sample.right for sample in samples) / len(samples)
    return {"validation/pass_rate": rate, "validation/n": len(problems), **(by_level if len(by_level) > 1 else {})}
