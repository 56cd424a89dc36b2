"""Rotations of a GGUF file that transformers does not read: it would compute with others, without a word.

transformers (5.23) reads the base of the frequencies only. A file may scale them: by a factor for each (Llama 3.1 and later), or by
a rule (YaRN, linear). Of these, it knows those of gpt-oss (findings/transformers-gguf-ignored-keys.sh).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core.errors import UsageError

if TYPE_CHECKING:
    from gguf import GGUFReader

FACTORS = ("rope_freqs.weight", "rope_factors_long.weight", "rope_factors_short.weight")
"""Tensors that hold a factor for each frequency."""
_READ = "gpt-oss"


def require_plain_rotations(file: GGUFReader) -> None:
    """Raise UsageError where the file scales the frequencies of its rotations."""
    kind = file.fields.get("general.architecture")
    architecture = str(kind.contents()) if kind else ""
    if architecture == _READ:
        return
    rule = file.fields.get(f"{architecture}.rope.scaling.type")
    scaled = [str(rule.contents())] if rule and rule.contents() != "none" else []
    scaled += [tensor.name for tensor in file.tensors if tensor.name in FACTORS and (tensor.data != 1).any()]
    if scaled:
        raise UsageError(
            f"it scales its rotations ({', '.join(scaled)}), which transformers does not read from a GGUF file; "
            "give the model's folder or hub id"
        )
