"""A memory that learns next to a base whose own weights stay as they are: what learns of it, and how it is saved.

A saved folder has the memory's settings and its base's name (memory_config.json), its weights (memory.safetensors), and the
adapter that learned with it, if any, in a folder of its own (lora/). peft finds no adapter in the folder itself: it would load one
without the memory.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...core.errors import UsageError, first_line
from ...core.files import parse_json, read_plain, write_atomic
from .convert import add_memory
from .settings import MODEL_TYPE, Memory

if TYPE_CHECKING:
    from torch.nn import Parameter
    from transformers import PreTrainedModel

CONFIG = "memory_config.json"
LORA = "lora"
_WEIGHTS = "memory.safetensors"


@dataclass(frozen=True)
class FrozenBase:
    """The model that a memory learns next to."""

    base_model_name_or_path: str
    """Its public name."""
    revision: str | None = None
    """Branch, tag or commit of a hub id."""


def memory_weights(model: PreTrainedModel) -> dict[str, Parameter]:
    """Return the parameters of the layers' memories by their names in the model; none for a model without a memory."""
    from .branch import Branch

    branches = [(name, module) for name, module in model.named_modules() if isinstance(module, Branch)]
    return {f"{name}.{own}": weight for name, module in branches for own, weight in module.named_parameters()}


def let_memory_learn(model: PreTrainedModel) -> None:
    """Let the memory learn, in float32 as an adapter. Other weights stay as they are; those of an adapter learn if they did."""
    for name, weight in model.named_parameters():
        if ".lora_" not in name:
            weight.requires_grad_(False)
    for weight in memory_weights(model).values():
        weight.data = weight.data.float()
        weight.requires_grad_(True)


def save_memory(model: PreTrainedModel, base: FrozenBase, folder: Path) -> None:
    """Write the memory's settings, its base's name and its weights into the folder."""
    from safetensors.torch import save

    folder.mkdir(parents=True, exist_ok=True)
    config = {**asdict(base), "memory": model.config.memory}
    write_atomic(folder / CONFIG, json.dumps(config, indent=2, sort_keys=True).encode())
    weights = {name: weight.detach().cpu().contiguous() for name, weight in memory_weights(model).items()}
    write_atomic(folder / _WEIGHTS, save(weights, metadata={"format": "pt"}))


def read_memory(folder: Path) -> tuple[Memory, FrozenBase]:
    """Return the settings of a saved memory, and its base. Raises UsageError where its file does not say them."""
    try:
        config = parse_json(read_plain(folder / CONFIG))
        base, revision = config["base_model_name_or_path"], config.get("revision")
        if not isinstance(base, str) or not isinstance(revision, str | None):
            raise TypeError("the name of the base is not a text")
        return Memory(**config["memory"]), FrozenBase(base, revision)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{folder}: {CONFIG} does not say the memory's settings and its base: {first_line(error)}") from error


def load_memory(base: PreTrainedModel, folder: Path) -> tuple[PreTrainedModel, FrozenBase]:
    """Return the base with a saved memory, which can learn on, and the base's name.

    A base that has a memory of these settings gets the saved weights in place.

    Raises UsageError where the memory does not fit the base, or is unreadable.
    """
    from safetensors.torch import load_file

    settings, frozen = read_memory(folder)
    has_one = base.config.model_type == MODEL_TYPE and Memory(**(base.config.memory or {})) == settings
    model = base if has_one else add_memory(base, settings, seed=0)
    try:
        saved: dict[str, Any] = load_file(folder / _WEIGHTS, device=str(model.device))
    except Exception as error:  # a bad file raises errors of several types
        raise UsageError(f"{folder}: cannot load this memory: {first_line(error)}") from error
    weights = memory_weights(model)
    if {name: tensor.shape for name, tensor in saved.items()} != {name: weight.shape for name, weight in weights.items()}:
        raise UsageError(f"{folder}: cannot load this memory: {_WEIGHTS} has other weights than {CONFIG} and the base ask for")
    let_memory_learn(model)
    for name, weight in weights.items():
        weight.data = saved[name].to(weight.dtype)
    return model, frozen
