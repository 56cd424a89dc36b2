"""Writing a policy as one Hugging Face folder."""

import shutil
from pathlib import Path

from safetensors import SafetensorError

from ..core.errors import OutgrowError, UsageError
from .load import load_policy
from .policy import Policy


def export(policy: Policy, folder: Path, card: str | None = None) -> None:
    """Write the model, its adapter merged into the weights. card: the text of its README.md.

    Raises UsageError where the folder exists, OutgrowError where it cannot be written. The folder appears whole or not at all.
    """
    if folder.exists():
        raise UsageError(f"{folder} already exists; choose another --out")
    partial = folder.with_name(f".{folder.name}.tmp")
    try:
        shutil.rmtree(partial, ignore_errors=True)  # left by a killed process
        partial.mkdir(parents=True)
        model = policy.model if policy.adapter is None else policy.adapter.merge_and_unload()
        model.save_pretrained(partial)
        policy.tokenizer.save_pretrained(partial)
        if card is not None:
            (partial / "README.md").write_text(card.replace("library_name: peft", "library_name: transformers"), encoding="utf-8")
        partial.rename(folder)
    except (OSError, SafetensorError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise OutgrowError(f"{folder}: cannot be written ({reason})") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def convert(source: Path, folder: Path) -> None:
    """Write the model in `source` (a folder or a GGUF file) as a folder of bfloat16 safetensors."""
    export(load_policy(str(source), dtype="bfloat16"), folder)
