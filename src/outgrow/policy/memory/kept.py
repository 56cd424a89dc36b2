"""What a model with a memory keeps of the tokens that it has read: the window's keys and values, and the states of the memories.

It has the same size for any number of tokens, and a model reads on from it as if it had read all of them now. The file is
safetensors, with a fingerprint of the model and a checksum of the tensors.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor
from transformers import DynamicCache

from ...core.errors import DAMAGED, OutgrowError, UsageError, reason
from ...core.files import parse_json, read_plain, write_atomic
from .model import MemoryCacheLayer, with_memory
from .settings import saved_settings

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_PIECE = 1024
"""Tokens that are read together; it bounds the attention's mask."""

_ABOUT = "outgrow"
"""Name of the file's metadata."""

_TOKENS = "tokens"
"""Name of the number of tokens read."""

_MOST_TOKENS = 2**53
"""More than anybody reads, and few enough that positions can be counted on from it."""


class Kept:
    """What is kept of one row."""

    def __init__(self, cache: DynamicCache) -> None:
        self._cache = cache

    @classmethod
    def nothing(cls, model: PreTrainedModel) -> Kept:
        """Return what is kept before the first token."""
        return cls(with_memory(DynamicCache(config=model.config)))

    @property
    def tokens(self) -> int:
        """Tokens that were read."""
        return int(self._cache.get_seq_length())

    def copy(self) -> Kept:
        """Return what reads on by itself."""
        cache = copy.copy(self._cache)
        cache.layers = [copy.copy(layer) for layer in cache.layers]  # a layer replaces its tensors, and changes none in place
        return Kept(cache)

    def read(self, model: PreTrainedModel, ids: Sequence[int]) -> Tensor:
        """Read tokens, one at least, and return the logits of the next one (V), float32."""
        out: Any = None
        with torch.no_grad():
            for piece in torch.tensor(ids, device=model.device).split(_PIECE):
                out = model(input_ids=piece.unsqueeze(0), past_key_values=self._cache, use_cache=True, logits_to_keep=1)
        logits_V: Tensor = out.logits[0, -1].float()
        return logits_V

    def _tensors(self) -> dict[str, Tensor]:
        found = {_TOKENS: torch.tensor(self.tokens)}
        for index, layer in enumerate(self._cache.layers):
            one = cast("MemoryCacheLayer", layer)
            assert one.memory is not None and one.keys is not None and one.values is not None, "tokens are read first"
            parts = {
                "keys": one.keys,
                "values": one.values,
                **{f"memory.{name}": part for name, part in one.memory.named().items()},
            }
            found |= {f"layers.{index}.{name}": part.detach().cpu().contiguous() for name, part in parts.items()}
        return found

    @classmethod
    def _from(cls, model: PreTrainedModel, tensors: Mapping[str, Tensor]) -> Kept:
        """Raises ValueError where these are not the tensors of this model."""
        kept = cls.nothing(model)
        kept.read(model, [0])  # a token whose state shows the names, shapes and types
        expected, tokens = kept._tensors(), _whole_number(tensors[_TOKENS])
        if tensors.keys() != expected.keys() or not 1 <= tokens <= _MOST_TOKENS:
            raise ValueError("other tensors")
        chunk = saved_settings(model.config.memory).chunk
        for index, layer in enumerate(kept._cache.layers):
            one, prefix = cast("MemoryCacheLayer", layer), f"layers.{index}."
            for name, like in expected.items():
                wanted = list(like.shape)
                if name in (f"{prefix}keys", f"{prefix}values"):
                    wanted[2] = min(tokens, one.sliding_window - 1)
                if name.startswith(prefix) and (list(tensors[name].shape) != wanted or tensors[name].dtype != like.dtype):
                    raise ValueError(f"{name} is of another shape or type")
                if name.startswith(prefix) and not _possible(tensors[name], tokens % chunk):
                    raise ValueError(f"{name} has values that no memory has")
            parts = {name.removeprefix(prefix): part.to(model.device) for name, part in tensors.items() if name.startswith(prefix)}
            one.keys, one.values, one.cumulative_length = parts["keys"], parts["values"], tokens
            assert one.memory is not None
            one.memory = one.memory.filled({name.removeprefix("memory."): part for name, part in parts.items()})
        return kept

    def save(self, path: Path, fingerprint: str) -> None:
        """Write the file, whole or not at all. fingerprint: of the model. Raises OutgrowError where it cannot be written."""
        tensors = self._tensors()
        about = json.dumps({"model": fingerprint, "sha256": _checksum(tensors)})
        content = safetensors.torch.save(tensors, {_ABOUT: about})  # several values would be written in any order
        try:
            write_atomic(path, content)
        except OSError as error:
            raise OutgrowError(f"{path}: cannot write the memory ({reason(error)})") from error

    @classmethod
    def load(cls, path: Path, model: PreTrainedModel, fingerprint: str) -> Kept:
        """Return what `save` wrote. Raises UsageError where it is of another model, damaged or another file, OutgrowError where it
        cannot be read.
        """
        try:
            content = read_plain(path)
        except OSError as error:
            raise OutgrowError(f"{path}: cannot be read ({reason(error)})") from error
        try:
            tensors = safetensors.torch.load(content)
            said = parse_json(content[8 : 8 + int.from_bytes(content[:8], "little")])["__metadata__"]
            said = parse_json(said[_ABOUT])
            if said["sha256"] != _checksum(tensors):
                raise ValueError("damaged")
            if said["model"] == fingerprint:
                return cls._from(model, tensors)
        except (SafetensorError, *DAMAGED) as error:
            raise UsageError(
                f"{path} is damaged, or is not a memory that `outgrow chat` has saved; choose another --memory, or remove it"
            ) from error
        raise UsageError(f"{path} is the memory of another model; choose another --memory, or the model that has read it")


def _whole_number(tensor: Tensor) -> int:
    if tensor.shape or tensor.dtype != torch.long:
        raise ValueError("not one whole number")
    return int(tensor)


def _possible(tensor: Tensor, in_chunk: int) -> bool:
    """Return whether a state may hold this. in_chunk: tokens of the chunk that was begun; a state counts nothing else."""
    values = tensor.isfinite() if tensor.is_floating_point() else tensor == in_chunk
    return bool(values.all())


def _checksum(tensors: dict[str, Tensor]) -> str:
    return hashlib.sha256(safetensors.torch.save(tensors)).hexdigest()
