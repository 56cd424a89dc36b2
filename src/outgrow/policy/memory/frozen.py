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
from .settings import MODEL_TYPE, NAME, Memory, saved_settings

if TYPE_CHECKING:
    import torch
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
    adapter: bool | None = None
    """Whether an adapter learned with the memory; None in a file that does not say it."""


def memory_weights(model: PreTrainedModel) -> dict[str, Parameter]:
    """Return the parameters of the layers' memories by their names in the model; none for a model without a memory."""
    from .branch import Branch

    branches = [(name, module) for name, module in model.named_modules() if isinstance(module, Branch)]
    return {f"{name}.{own}": weight for name, module in branches for own, weight in module.named_parameters()}


def let_memory_learn(model: PreTrainedModel) -> None:
    """Let the memory learn. Other weights stay as they are; those of an adapter learn if they did."""
    for name, weight in model.named_parameters():
        if ".lora_" not in name:
            weight.requires_grad_(False)
    for weight in memory_weights(model).values():
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
        base, revision, adapter = config["base_model_name_or_path"], config.get("revision"), config.get("adapter")
        if not isinstance(base, str) or not isinstance(revision, str | None) or not isinstance(adapter, bool | None):
            raise TypeError("the name of the base is not a text")
        return saved_settings(config["memory"]), FrozenBase(base, revision, adapter)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{folder}: {CONFIG} does not say the memory's settings and its base: {first_line(error)}") from error


def load_memory(base: PreTrainedModel, folder: Path) -> tuple[PreTrainedModel, FrozenBase]:
    """Return the base with a saved memory, which can learn on, and the base's name.

    A base that has a memory of these settings gets the saved weights in place.

    Raises UsageError where the memory does not fit the base, or is unreadable.
    """
    from safetensors.torch import load_file

    settings, frozen = read_memory(folder)
    try:
        saved: dict[str, Any] = load_file(folder / _WEIGHTS, device=str(base.device))
        fits = {name: tensor.shape for name, tensor in saved.items()} == _shapes(base, settings)
    except Exception as error:  # a bad file raises errors of several types, and so do sizes that no tensor can have
        raise UsageError(f"{folder}: cannot load this memory: {first_line(error)}") from error
    if not fits:
        raise UsageError(f"{folder}: cannot load this memory: {_WEIGHTS} has other weights than {CONFIG} and the base ask for")
    has_one = base.config.model_type == MODEL_TYPE and saved_settings(base.config.memory) == settings
    try:
        model = base if has_one else add_memory(base, settings, seed=0)
    except UsageError as error:
        raise UsageError(f"{folder}: cannot load this memory: {error}") from error
    weights = memory_weights(model)
    let_memory_learn(model)
    for name, weight in weights.items():
        weight.data = saved[name].to(weight.dtype)
    return model, frozen


def _shapes(base: PreTrainedModel, settings: Memory) -> dict[str, torch.Size]:
    """Return the shapes of a memory's weights by their names, without making them: a stranger's file may ask for any size."""
    import torch

    from .branch import Branch

    if settings.rule == "none":
        return {}
    with torch.device("meta"):
        branch = Branch(base.config.hidden_size, settings)
    shapes = {own: weight.shape for own, weight in branch.named_parameters()}
    layers = [f"model.layers.{index}.self_attn.{NAME}." for index in range(base.config.num_hidden_layers)]
    return {f"{layer}{own}": shape for layer in layers for own, shape in shapes.items()}
