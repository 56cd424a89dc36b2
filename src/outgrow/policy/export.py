"""Writing a policy as one ordinary Hugging Face folder."""

import shutil
from pathlib import Path

from safetensors import SafetensorError

from ..core.errors import OutgrowError, UsageError
from .load import load_policy
from .policy import Policy


def export(policy: Policy, folder: Path, card: str | None = None) -> None:
    """Write the model with its adapter, if it has one, multiplied into the weights. card: the text of its README.md.

    Raises UsageError where the folder is taken, OutgrowError where it cannot be written; nothing is half written.
    """
    if folder.exists():
        raise UsageError(f"{folder} already exists; choose another --out")
    beside = folder.with_name(f".{folder.name}.tmp")
    try:
        shutil.rmtree(beside, ignore_errors=True)  # what a kill may have left
        beside.mkdir(parents=True)
        model = policy.model if policy.adapter is None else policy.adapter.merge_and_unload()
        model.save_pretrained(beside)
        policy.tokenizer.save_pretrained(beside)
        if card is not None:
            (beside / "README.md").write_text(card.replace("library_name: peft", "library_name: transformers"), encoding="utf-8")
        beside.rename(folder)
    except (OSError, SafetensorError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise OutgrowError(f"{folder}: cannot be written ({reason})") from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def convert(source: Path, folder: Path) -> None:
    """Write the model in `source` (a folder or a GGUF file) as a bf16 safetensors folder."""
    export(load_policy(str(source), dtype="bfloat16"), folder)
