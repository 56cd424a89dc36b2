"""Writing a policy as one GGUF file, which llama.cpp and what is built on it run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from gguf import GGML_QUANT_VERSION, GGMLQuantizationType, GGUFType, LlamaFileType

from ..core.callbacks import Warn, quiet
from ..core.errors import OutgrowError, UsageError, first_line
from ..core.files import new_file
from ..core.new_path import require_new, taken
from .gguf_shape import add_shape, require_writable_shape
from .gguf_tokenizer import Writer, add_tokenizer
from .gguf_weights import F16, StoredTensor, stored_tensors

if TYPE_CHECKING:
    from .policy import Policy

_FILE_TYPES = {
    "f32": LlamaFileType.ALL_F32,
    "bf16": LlamaFileType.MOSTLY_BF16,
    "f16": LlamaFileType.MOSTLY_F16,
    "q8_0": LlamaFileType.MOSTLY_Q8_0,
    "q4_0": LlamaFileType.MOSTLY_Q4_0,
}
GGUF_TYPES = tuple(_FILE_TYPES)
"""Types that the matrices of a file can have."""


@dataclass(frozen=True)
class About:
    """What a file says of the model in addition to how it computes."""

    name: str
    """Its name, without a path."""
    license: str | None = None
    """Its licence, as on its card."""


def require_gguf_type(kind: str) -> str:
    """Return the type in lower case. Raises UsageError for one that is not written."""
    if kind.lower() not in _FILE_TYPES:
        raise UsageError(f"--gguf {kind}: unknown type; choose from {', '.join(GGUF_TYPES)}")
    return kind.lower()


def export_gguf(policy: Policy, file: Path, kind: str, about: About, warn: Warn = quiet) -> int:
    """Write the policy, adapters merged, and return the bytes of the file. kind: see `GGUF_TYPES`.

    Raises UsageError where the file exists or the format cannot hold the model, OutgrowError where the file cannot be written. It
    appears whole or not at all. warn: takes what is stored otherwise than `kind` says.
    """
    kind = require_gguf_type(kind)
    require_writable_shape(policy.model.config)
    require_new(file)
    wanted = GGMLQuantizationType[kind.upper()]
    tensors = sorted(stored_tensors(policy, wanted), key=lambda tensor: tensor.name)
    try:
        with new_file(file) as unfinished:
            _write(policy, tensors, unfinished, kind, about)
            size = unfinished.stat().st_size
    except FileExistsError as error:
        raise taken(file) from error
    except OSError as error:
        raise OutgrowError(f"{file}: cannot be written ({_reason(error)})") from error
    if wanted is not F16 and (kept := [tensor for tensor in tensors if tensor.stored is F16]):
        warn(
            f"stored as f16, because {kind} needs rows of a multiple of 32 values: {kept[0].name} (rows of "
            f"{kept[0].weight.shape[-1]})" + (f" and {len(kept) - 1} more" if kept[1:] else "")
        )
    if len(policy.end_ids) > 3:
        warn(f"a GGUF file names 3 tokens that end an answer; this model has {len(policy.end_ids)}, and the rest may not end one")
    return size


def _write(policy: Policy, tensors: list[StoredTensor], file: Path, kind: str, about: About) -> None:
    """Write one tensor after the other, so that memory holds one packed tensor at a time."""
    writer = Writer(file, policy.model.config.model_type)
    try:
        writer.add_type(GGUFType.MODEL)
        writer.add_name(about.name)
        if about.license:
            writer.add_license(about.license)
        writer.add_file_type(_FILE_TYPES[kind])
        writer.add_quantization_version(GGML_QUANT_VERSION)
        add_shape(writer, policy.model.config)
        add_tokenizer(writer, policy)
        for tensor in tensors:
            writer.add_tensor_info(tensor.name, tensor.weight.shape, np.dtype(np.float32), tensor.nbytes, raw_dtype=tensor.stored)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        for tensor in tensors:
            writer.write_tensor_data(tensor.packed())
    finally:
        writer.close()


def _reason(error: OSError) -> str:
    """Return why writing failed. numpy says of a full disk only how many values it wrote, without an error number."""
    return error.strerror or f"the disk is full: {first_line(error)}"
