"""The size of a microbatch that memory has room for."""

from contextlib import suppress

from ..config import RLRecipe
from ..core.callbacks import Note, Warn
from ..core.errors import UsageError
from ..core.memory import total_memory
from ..core.oom_backoff import AutoBatchSize
from ..plan import load_gpu_catalog
from ..plan.fit_to_memory import fit_to_memory
from ..plan.models import judge_shapes, shape_from_config
from ..policy import Policy


def fitted_batch_size(recipe: RLRecipe, policy: Policy, distilled: Policy | None, warn: Warn) -> AutoBatchSize:
    """Return `learn.tokens_per_microbatch`, lowered where by the count of `outgrow plan` memory has no room for it."""
    name, tokens = "learn.tokens_per_microbatch", recipe.learn.tokens_per_microbatch
    with suppress(UsageError):  # a model family that the plan does not count
        shape, memory = shape_from_config(policy.model.config, recipe.name), total_memory(policy.model.device)
        teacher = shape_from_config(distilled.model.config, recipe.name) if distilled else None
        judges = judge_shapes(recipe, served=False)
        tokens = fit_to_memory(memory, recipe, shape, load_gpu_catalog().assumptions, teacher, judges)
        if tokens < recipe.learn.tokens_per_microbatch:
            warn(
                Note(
                    f"{name}={recipe.learn.tokens_per_microbatch} does not fit {memory / 1e9:.0f} GB of memory; using {tokens} "
                    "(results differ by rounding only)"
                )
            )
    return AutoBatchSize(name, tokens, warn)
