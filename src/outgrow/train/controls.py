"""A recipe's controls: the same training by a reward that knows nothing of what is right. A gain of theirs is not the reward's.

What to practise next is still chosen by true pass rates, as in the recipe.
"""

from ..algorithms.advantages.grpo import GRPO
from ..algorithms.rewards.format import Format
from ..algorithms.rewards.random import Random
from ..config import RLRecipe
from ..problems.shuffled import Shuffled


def controls(recipe: RLRecipe) -> dict[str, RLRecipe]:
    """Name -> recipe: paid by a coin, for the shape of the text alone, and by answers that belong to other problems.

    Such rewards gained Qwen2.5-Math-7B 14 to 24 points of MATH-500 (arXiv 2506.10947), so a gain without controls says little.
    """
    # What teaches nothing shall end with a measurement, not with an error.
    learn = recipe.learn.model_copy(update={"give_up_after": recipe.learn.steps + 1})
    patient = recipe.model_copy(update={"learn": learn})
    dealt = tuple(Shuffled(source=source, weight=source.weight, seed=recipe.seed) for source in recipe.problems)
    # Advantages that remember pass rates expect a reward of 1 for what is right; these two are weighed within their groups.
    grouped = patient.model_copy(update={"advantage": GRPO()})
    return {
        "random": grouped.model_copy(update={"rewards": (Random(),)}),
        "format": grouped.model_copy(update={"rewards": (Format(),)}),
        "shuffled": patient.model_copy(update={"problems": dealt}),
    }
