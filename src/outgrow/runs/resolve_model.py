"""From what a person calls a model to what is loaded."""

from dataclasses import dataclass
from pathlib import Path

from ..config import shipped_recipes
from ..core.addresses import is_served, parse_address
from ..core.errors import OutgrowError, UsageError
from ..policy.load import base_of, is_addition, model_folder
from .checkpoint import Checkpoint, newest_whole_checkpoint
from .folder import RunFolder


@dataclass(frozen=True)
class ResolvedModel:
    """A model that was found by a name of it."""

    name: str
    """What `load_policy` takes: the name as it was written, or the model's folder in a run's newest whole checkpoint."""
    location: str
    """Where it is: a folder, a .gguf file, a hub id, or the address of a server."""
    step: int | None = None
    """Steps of the run that the checkpoint was written after; None where the name is not a run's."""

    @property
    def served(self) -> bool:
        """Whether a server holds it."""
        return is_served(self.location)

    def adapter_base(self) -> tuple[str, str | None] | None:
        """Return the name and revision of the model that an adapter or a memory was added to; None for whole weights.

        Raises UsageError where its file does not name it.
        """
        folder = Path(self.location)
        return base_of(folder) if is_addition(folder) else None


def resolve_model(name: str) -> ResolvedModel:
    """Return what `name` stands for, by the first of these that fits:

    - http://HOST/v1 or https://HOST/v1, with #MODEL or without: a server's model
    - the folder of a run: the model of its newest whole checkpoint
    - a shipped name, as micro-base: a folder inside this package
    - a name that `outgrow pull` takes: its folder in the cache
    - the hub id of a pulled model: the same
    - a folder with config.json, an adapter's with adapter_config.json, or a memory's with memory_config.json: this folder
    - a .gguf file: this file
    - OWNER/NAME: a hub id, which transformers downloads, or finds in its own cache

    Raises UsageError where nothing fits, the model has yet to be pulled, or an address is refused (`parse_address`); OutgrowError
    where a run has no whole checkpoint.
    """
    if is_served(name):
        parse_address(name)
        return ResolvedModel(name, name)
    checkpoint = _newest(Path(name))
    if checkpoint is not None:
        found = str(checkpoint.policy)
        return ResolvedModel(found, model_folder(found), checkpoint.step)
    try:
        return ResolvedModel(name, model_folder(name))
    except UsageError as error:
        if hint := _run_of(name):
            raise UsageError(f"{name}: no such model; {hint}") from error
        raise


def _run_of(name: str) -> str | None:
    """Return a hint at the run that a recipe's name may mean; None for any other name."""
    if "/" in name:
        return None
    run = Path("runs") / name
    if RunFolder(run).is_run():
        return f"did you mean the run {run}?"
    return f"this is a recipe; outgrow train {name} makes a model of it in {run}" if name in shipped_recipes() else None


def _newest(run: Path) -> Checkpoint | None:
    """Return the newest whole checkpoint; None where this folder has no checkpoints."""
    if not RunFolder(run).checkpoints.is_dir():
        return None
    checkpoint, warnings = newest_whole_checkpoint(run)
    if checkpoint is None:
        raise OutgrowError(f"{run}: no whole checkpoint here{': ' + '; '.join(warnings) if warnings else ' yet'}")
    return checkpoint
