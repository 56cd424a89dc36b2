"""Writing a policy as one Hugging Face folder."""

import re
from pathlib import Path

from safetensors import SafetensorError

from ..core.errors import OutgrowError
from ..core.files import new_folder, read_json
from ..core.new_path import require_new
from .load import ADAPTER, load_policy
from .memory.frozen import CONFIG
from .memory.settings import MODEL_TYPE
from .policy import Policy


def export(policy: Policy, folder: Path, card: str | None = None) -> None:
    """Write the model, its adapter merged into the weights. card: the text of its README.md.

    Raises UsageError where the folder exists, OutgrowError where it cannot be written. The folder appears whole or not at all.
    """
    require_new(folder)
    try:
        with new_folder(folder) as unfinished:
            _write(policy, unfinished)
            if card is not None:
                text = re.sub(r"(?m)^library_name: .*", f"library_name: {library_of(unfinished)}", card, count=1)
                (unfinished / "README.md").write_text(text, encoding="utf-8")
    except (OSError, SafetensorError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise OutgrowError(f"{folder}: cannot be written ({reason})") from error


def library_of(folder: Path) -> str:
    """Return the library that loads a saved policy, as its card names it. Only this one knows a memory."""
    if (folder / CONFIG).is_file():
        return "outgrow"
    if (folder / ADAPTER).is_file():
        return "peft"
    return "outgrow" if read_json(folder / "config.json").get("model_type") == MODEL_TYPE else "transformers"


def convert(source: Path, folder: Path) -> None:
    """Write the model in `source` (a folder or a GGUF file) as bfloat16 safetensors into an empty folder."""
    _write(load_policy(str(source), dtype="bfloat16"), folder)


def _write(policy: Policy, folder: Path) -> None:
    model = policy.model if policy.adapter is None else policy.adapter.merge_and_unload()
    model.save_pretrained(folder)
    policy.tokenizer.save_pretrained(folder)
