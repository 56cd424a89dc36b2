"""Loading a policy: shipped, pulled, a folder, a GGUF file, an adapter, or from the hub."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ..core.errors import UsageError, first_line
from ..core.files import parse_json, read_plain
from .context import longest_row
from .generation_config import require_end
from .gguf_cuts import restore_cuts
from .gguf_extra_tokens import remove_extra_tokens
from .gguf_head_size import unread_head_size
from .gguf_left_out import require_all_read
from .gguf_markers import restore_markers
from .gguf_open import open_gguf
from .gguf_rotations import require_plain_rotations
from .hub_commits import hub_revision
from .memory.frozen import CONFIG, LORA, let_memory_learn, load_memory, read_memory
from .policy import Policy, quiet_transformers
from .prompt import Prompt
from .pull import PULLABLE, pulled_folder, pulled_from_hub
from .tokenizer_files import read_tokenizer

if TYPE_CHECKING:
    import torch
    from gguf import GGUFReader
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

SHIPPED = ("micro-base",)
ADAPTER = "adapter_config.json"
"""The file by which peft knows an adapter's folder."""
Dtype = Literal["float32", "bfloat16"]


def model_folder(name: str) -> str:
    """Return where the model `name` is: the path of a shipped or pulled model, of a folder or GGUF file, else `name` as a hub id.

    Raises UsageError where `name` is a path that does not exist, or a model that must be pulled first.
    """
    if name in SHIPPED:
        return str(files("outgrow") / "policy" / "models" / name)
    if name in PULLABLE:
        return str(pulled_folder(name))
    if folder := pulled_from_hub(name):
        return str(folder)
    path = Path(name)
    if path.is_dir():
        if (path / "policy").is_dir():
            raise UsageError(f"{name} is a checkpoint of a run; give the run's folder, or the model in it: {path / 'policy'}")
        if not (path / "config.json").is_file() and not is_addition(path):
            raise UsageError(f"{name}: this folder has no config.json of a model and no checkpoint of a run; give a model's folder")
        return str(path)
    if path.suffix == ".gguf" and path.is_file():
        return str(path)
    # Folders that the commands of this package write are not looked up on the hub.
    if path.is_absolute() or name.startswith((".", "~", "runs/", "models/")) or name.count("/") != 1:
        known = ", ".join((*SHIPPED, *PULLABLE))
        raise UsageError(f"{name}: no such model; give a folder, a run, a .gguf file, a hub id, or one of {known}")
    return name


def load_policy(name: str, prompt: Prompt | None = None, dtype: Dtype = "float32", revision: str | None = None) -> Policy:
    """Load a model and its tokenizer. For the folder of an adapter, or of a memory that learned next to a frozen base, load the
    base model that it names, and what was added to it.

    revision: branch, tag or commit of a hub id. Default: the newest. Raises UsageError with one line where the model is missing,
    unreadable or not a causal language model, where neither the tokenizer nor the prompt has a chat template, where the
    tokenizer has no end token, or where the config says no longest text.
    """
    import torch

    folder = Path(model_folder(name))
    prompt = prompt or Prompt()
    is_added = is_addition(folder)
    base, revision = base_of(folder) if is_added else (name, revision)
    model, tokenizer = _load(base, model_folder(base), getattr(torch, dtype), revision)
    if is_added and (folder / "tokenizer_config.json").is_file():
        tokenizer = _tokenizer(name, folder)  # with the chat template that the adapter was trained with
    require_end(name, tokenizer, model)
    _require_context(name, model)
    tokenizer.chat_template = prompt.chat_template(tokenizer, name)
    policy = Policy(model, tokenizer, prompt)
    return with_addition(policy, folder) if is_added else policy


def placed(model: PreTrainedModel) -> PreTrainedModel:
    """Move the model to the GPU if there is one (CUDA_VISIBLE_DEVICES= hides it), else to the CPU, and return it."""
    import torch

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    moved: PreTrainedModel = model.to(device)  # type: ignore[arg-type]  # transformers' wrapper hides the signature
    return moved


def is_addition(folder: Path) -> bool:
    """Return whether the folder holds what was added to a base: an adapter, a memory, or both."""
    return any((folder / file).is_file() for file in (CONFIG, ADAPTER))


def with_addition(base: Policy, folder: Path) -> Policy:
    """Put a saved adapter, a saved memory or both into their base model, in place, and return the policy of all.

    A generation_config.json next to the adapter takes the place of the base's.
    """
    from transformers import GenerationConfig

    from .lora import load_adapter

    frozen = None
    if (folder / CONFIG).is_file():
        base.model, frozen = load_memory(base.model, folder)
    of_adapter = folder / LORA if frozen else folder
    adapter = None
    if frozen and frozen.adapter and not (of_adapter / ADAPTER).is_file():
        raise UsageError(f"{folder}: an adapter learned with this memory, and its folder {LORA}/ is not here; copy it too")
    if (of_adapter / ADAPTER).is_file():
        adapter = load_adapter(base.model, of_adapter)
        if frozen:
            let_memory_learn(base.model)  # peft has frozen it
    if (folder / "generation_config.json").is_file():
        try:
            base.model.generation_config = GenerationConfig.from_pretrained(folder)
        except Exception as error:  # a bad file raises errors of several types
            raise _unreadable(str(folder), error) from error
    return Policy(base.model, base.tokenizer, base.prompt, adapter, frozen)


def base_of(folder: Path) -> tuple[str, str | None]:
    """Return the name of the base model of an adapter or a memory, and its revision on the hub.

    Raises UsageError where its file does not say it.
    """
    if (folder / CONFIG).is_file():
        frozen = read_memory(folder)[1]
        return frozen.base_model_name_or_path, frozen.revision
    try:
        config = parse_json(read_plain(folder / ADAPTER))
        return str(config["base_model_name_or_path"]), config.get("revision")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{folder}: adapter_config.json does not name the adapter's base model") from error


def _load(name: str, folder: str, dtype: torch.dtype, revision: str | None) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    from transformers import AutoModelForCausalLM

    from .memory import model as _  # noqa: F401  it lets transformers load a model with a memory

    quiet_transformers()
    if revision is not None and (Path(folder).exists() or name != folder):
        raise UsageError(f"{name}: a revision belongs to a hub id, and this model is on this machine; remove the revision")
    place, options = folder, {"revision": hub_revision(folder, revision)}
    of_model: dict[str, Any] = {}
    if folder.endswith(".gguf"):
        from transformers import GgufConfig  # missing in the older transformers that vLLM needs

        place, options = str(Path(folder).parent), {"gguf_file": Path(folder).name}
        of_model = {"quantization_config": GgufConfig(dequantize=True)}  # packed weights can neither learn nor be saved
    try:
        file = _gguf(folder) if folder.endswith(".gguf") else None
        of_model |= unread_head_size(file) if file else {}
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            place, dtype=dtype, output_loading_info=True, trust_remote_code=False, **options, **of_model
        )
        model, info = loaded
        tokenizer = read_tokenizer(place, **options)
        if file is not None:
            require_all_read(file, model)
            remove_extra_tokens(tokenizer, file)
            restore_markers(tokenizer, file)
            restore_cuts(tokenizer, file)
    except Exception as error:  # a bad folder raises errors of a dozen types, from four libraries
        raise _unreadable(name, error) from error
    if info["missing_keys"]:
        missing = sorted(info["missing_keys"])
        raise UsageError(
            f"{name}: cannot load this model: {len(missing)} weights are missing from its files, the first is {missing[0]}"
        )
    return placed(model), tokenizer


def _gguf(path: str) -> GGUFReader:
    """Open a GGUF file for what transformers does not read of it. Raises UsageError where the model would not be the file's."""
    file = open_gguf(path)
    require_plain_rotations(file)
    return file


def _tokenizer(name: str, folder: Path) -> PreTrainedTokenizerBase:
    try:
        return read_tokenizer(str(folder))
    except Exception as error:
        raise _unreadable(name, error) from error


def _require_context(name: str, model: PreTrainedModel) -> None:
    try:
        longest_row(model.config)
    except UsageError as error:
        raise UsageError(f"{name}: {error}") from error


def _unreadable(name: str, error: Exception) -> UsageError:
    return UsageError(f"{name}: cannot load this model: {first_line(error)}")
