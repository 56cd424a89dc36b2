"""Which ways of sharing out a run over processes its recipe allows."""

from .schema import Recipe, RLRecipe


def unshareable(recipe: Recipe, memory: bool) -> str:
    """Return why ranks cannot share out this recipe's policy, and what to set; empty where they can. memory: whether it has one."""
    if memory:
        return "a model with a memory cannot be shared out yet; set learn.ranks=1"
    if recipe.learn.optimizer == "muon":
        return "muon needs whole matrices, and a rank holds parts; set learn.ranks=1, or learn.optimizer=adamw"
    if isinstance(recipe, RLRecipe):
        return "the teacher of [distill] cannot be shared out yet; set learn.ranks=1, or leave it out" if recipe.distill else ""
    dropout = recipe.policy.lora.dropout if recipe.policy.lora else 0.0
    return "ranks compute without dropout; set policy.lora.dropout=0, or learn.ranks=1" if dropout else ""
