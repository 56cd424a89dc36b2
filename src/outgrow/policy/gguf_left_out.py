"""Weights of a GGUF file that transformers leaves out without a word: the model would be another one.

A Llama of llama.cpp may have biases, for example; transformers (5.23) makes a model without them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core.errors import UsageError
from .gguf_rotations import FACTORS

if TYPE_CHECKING:
    from gguf import GGUFReader
    from transformers import PreTrainedModel


def require_all_read(file: GGUFReader, model: PreTrainedModel) -> None:
    """Raise UsageError where the file has more values than the model that was made of it."""
    tied = model.get_output_embeddings() is not None and (
        model.get_output_embeddings().weight is model.get_input_embeddings().weight
    )
    in_file = {
        tensor.name: int(tensor.n_elements)
        for tensor in file.tensors
        if tensor.name not in FACTORS and not (tied and tensor.name == "output.weight")
    }
    weights = model.state_dict()
    left = sum(in_file.values()) - sum({weight.data_ptr(): weight.numel() for weight in weights.values()}.values())
    if left <= 0:
        return
    known = _names(file, model, list(weights))
    names = [name for name in in_file if name not in known]
    raise UsageError(
        f"{left:,} of its values are weights that transformers does not read from a GGUF file"
        + (f", as {names[0]}" if names else "")
        + "; give the model's folder or hub id"
    )


def _names(file: GGUFReader, model: PreTrainedModel, weights: list[str]) -> set[str]:
    """Return the names that a file of this architecture has for the model's weights, as far as the package gguf knows them."""
    from gguf import MODEL_ARCH_NAMES, get_tensor_name_map

    architecture = file.fields["general.architecture"].contents()
    found = next((arch for arch, name in MODEL_ARCH_NAMES.items() if name == architecture), None)
    if found is None:
        return set()
    names = get_tensor_name_map(found, int(model.config.get_text_config().num_hidden_layers))
    return {to for name in weights if (to := names.get_name(name, (".weight", ".bias")))}
