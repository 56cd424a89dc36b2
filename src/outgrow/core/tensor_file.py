"""Writing a file of safetensors one tensor after the other, so that tensors that ranks share never have to be whole at once."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

_CODES = {"float16": "F16", "bfloat16": "BF16", "float32": "F32", "float64": "F64", "int64": "I64"}
"""The format's names of torch's types, in the order in which the library sorts them."""


class GatheredTensors(Mapping[str, "Tensor"]):
    """Tensors of which this process holds a part. Each is gathered every time that it is asked for, and not kept."""

    def __init__(self, parts: Mapping[str, Tensor], gather: Callable[[str], Tensor]) -> None:
        """parts: have the shapes and types of the whole tensors. gather: returns the whole tensor of a name."""
        self.parts, self._gather = parts, gather

    def __getitem__(self, name: str) -> Tensor:
        """Return a tensor whole."""
        return self._gather(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self.parts)

    def __len__(self) -> int:
        return len(self.parts)


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write what `safetensors.torch.save` returns for these tensors, to the last bit, without holding its bytes.

    Format: https://github.com/huggingface/safetensors#format. Raises OSError, and KeyError for a type that no weight has.
    """
    parts = tensors.parts if isinstance(tensors, GatheredTensors) else tensors
    codes = {name: _CODES[str(tensor.dtype).removeprefix("torch.")] for name, tensor in parts.items()}
    order = list(_CODES.values())
    names = sorted(parts, key=lambda name: (-order.index(codes[name]), name))
    header, end = {}, 0
    for name in names:
        begin, end = end, end + parts[name].numel() * parts[name].element_size()
        header[name] = {"dtype": codes[name], "shape": list(parts[name].shape), "data_offsets": [begin, end]}
    words = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    words += b" " * (-len(words) % 8)
    with path.open("wb") as file:
        file.write(len(words).to_bytes(8, "little") + words)
        for name in names:
            file.write(_bytes(tensors[name]))


def _bytes(tensor: Tensor) -> memoryview:
    import torch

    return tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data
