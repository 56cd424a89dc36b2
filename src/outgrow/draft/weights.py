"""Which weights learn, in which type, and whether this machine has room for them."""

from dataclasses import dataclass

from ..config import RLRecipe
from ..plan.gpus import GpuCatalog
from ..plan.memory import parts, peak
from ..plan.shape import adapter_parameters
from ..plan.work import work_of
from ..policy.lora_settings import LoRA
from .machine import Machine
from .model import ModelFindings
from .recipe_draft import Choice

FULL = 50_000_000
"""Parameters up to which every weight learns."""
_COPIES = 2  # of the weights: the learner's and the engine's


@dataclass(frozen=True)
class Weights:
    """The keys of [policy] that decide memory."""

    dtype: Choice[str]
    lora: Choice[int] | None
    """Rank of the adapters; None where every weight learns."""


def weights_for(model: ModelFindings, machine: Machine) -> Weights:
    """Return how this model learns on this machine.

    Adapters learn from rewards as well as all weights do, even at low ranks ("LoRA Without Regret", Schulman and Thinking Machines
    Lab, 2025), and a checkpoint of them is a hundredth of the size. A very small model has too little to adapt.
    """
    lora = None
    if model.parameters > FULL:
        full, adapters = _checkpoint(model.parameters), _checkpoint_of_adapters(model)
        lora = Choice(LoRA().rank, f"only adapters learn: checkpoints of {adapters} in place of {full}, and less memory")
    if lora is None:
        return Weights(Choice("float32", "every weight of so small a model learns, in full precision"), None)
    if machine.bfloat16:
        return Weights(Choice("bfloat16", f"the {machine.gpu} computes in it; adapters are float32 in any case"), lora)
    if _COPIES * 4 * model.parameters > machine.memory:
        return Weights(Choice("bfloat16", f"in float32 the model and its copy for generation exceed {_size(machine.memory)}"), lora)
    where = f"the {machine.gpu} has no bfloat16" if machine.gpu else "on a CPU; many processors are slow in bfloat16"
    return Weights(Choice("float32", where), lora)


def memory_note(recipe: RLRecipe, model: ModelFindings, machine: Machine, catalog: GpuCatalog) -> str | None:
    """Return a line where a step, by the count of `outgrow plan`, does not fit the machine even in the smallest passes."""
    smallest = recipe.model_copy(update={"learn": recipe.learn.model_copy(update={"tokens_per_microbatch": 1})})
    needed = peak(parts(work_of(smallest, model.shape, catalog.assumptions), model.shape))
    if needed <= machine.memory * catalog.assumptions.usable_memory:
        return None
    return (
        f"a step needs {_size(needed)} of memory, and this machine has {_size(machine.memory)}; outgrow plan names GPUs with room"
    )


def _checkpoint(numbers: int) -> str:
    """Return the size of float32 weights and AdamW's two moments."""
    return _size(3 * 4 * numbers)


def _checkpoint_of_adapters(model: ModelFindings) -> str:
    lora = LoRA()
    return _size(3 * 4 * adapter_parameters(model.shape, lora.rank, lora.targets))


def _size(count: float) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"
