"""Checkpoints: atomic, checked when read, safetensors and JSON only (nothing that unpickles).

checkpoints/step-000120/
  policy/                 the model, an ordinary Hugging Face folder
  optimizer.safetensors   one tensor per parameter and moment
  state.json              step, and the sha256 of every other file and of its own content: a folder without it, or that
                          disagrees with it, is torn
checkpoints/latest        a link to the newest
"""

import hashlib
import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from ..core.disk import fault_of
from ..core.errors import OutgrowError, first_line
from ..core.files import link_atomic, new_folder, parse_json, read_plain, remove_tree, write_json
from ..core.shell import command_line
from ..core.tensor_file import write_tensors
from ..policy import Policy
from .folder import RunFolder

_NAME = re.compile(r"step-(\d{6,})")
_STATE = "state.json"


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint that has been checked against its own hashes."""

    folder: Path
    step: int
    state: dict[str, Any]

    @property
    def policy(self) -> Path:
        """The model's folder."""
        return self.folder / "policy"

    def optimizer_tensors(self) -> dict[str, Tensor]:
        """Return the optimizer's tensors by name."""
        return dict(safetensors.torch.load_file(self.folder / "optimizer.safetensors"))


class TornCheckpoint(Exception):
    """A checkpoint folder that cannot be trusted; str() says why."""


def save_checkpoint(
    run: Path, step: int, policy: Policy, optimizer: Mapping[str, Tensor], state: dict[str, Any], keep: int, good: int | None = None
) -> None:
    """Write the checkpoint of `step`, point `latest` at it, and drop all but the newest `keep`.

    good: a step whose policy may be needed again: the newest checkpoint up to it is kept as well. Raises OutgrowError where it
    cannot be written (a full disk); earlier checkpoints are untouched then.
    """
    folder, final = RunFolder(run).checkpoints, RunFolder(run).checkpoint(step)
    try:
        with new_folder(final, replace=True) as unfinished:
            policy.save(unfinished / "policy")
            write_tensors(unfinished / "optimizer.safetensors", optimizer)
            sums = {str(path.relative_to(unfinished)): _sha256(path) for path in sorted(unfinished.rglob("*")) if path.is_file()}
            content = {"step": step, "sha256": sums, **state}
            write_json(unfinished / _STATE, {**content, "sha256": {**sums, _STATE: _sha256_of(content)}})
        link_atomic(folder / "latest", final.name)
    except OSError as error:
        raise OutgrowError(
            f"checkpoint of step {step} could not be written to {folder}; earlier checkpoints are whole: "
            f"{fault_of(error) or first_line(error)}, then run: {command_line('resume', run)}"
        ) from error
    kept = newest_step(run, good)
    for old in _steps(folder)[:-keep]:
        if old != kept:
            remove_tree(RunFolder(run).checkpoint(old))


def newest_step(run: Path, through: int | None) -> int | None:
    """Return the step of the newest checkpoint up to the step `through`, whole or not; None where there is none, or no step."""
    steps = _steps(RunFolder(run).checkpoints)
    return None if through is None else max((step for step in steps if step <= through), default=None)


def drop_checkpoints_after(run: Path, step: int) -> None:
    """Remove every checkpoint of a later step than `step`, the newest first."""
    for later in reversed(_steps(RunFolder(run).checkpoints)):
        if later > step:
            remove_tree(RunFolder(run).checkpoint(later))


def newest_whole_checkpoint(run: Path) -> tuple[Checkpoint | None, list[str]]:
    """Return the newest whole checkpoint, or None, and a line about each newer one that is torn."""
    torn_ones: list[str] = []
    files = RunFolder(run)
    for step in reversed(_steps(files.checkpoints)):
        folder = files.checkpoint(step)
        try:
            return read_checkpoint(folder), [f"{line}; using the checkpoint of step {step} instead" for line in torn_ones]
        except TornCheckpoint as torn:
            torn_ones.append(f"{folder} is torn ({torn})")
    return None, torn_ones


def whole_checkpoints(run: Path) -> list[Checkpoint]:
    """Return all checkpoints that are whole, the oldest first."""
    files, checkpoints = RunFolder(run), []
    for step in _steps(files.checkpoints):
        with suppress(TornCheckpoint):
            checkpoints.append(read_checkpoint(files.checkpoint(step)))
    return checkpoints


def read_checkpoint(folder: Path) -> Checkpoint:
    """Check a checkpoint against its hashes. Raises TornCheckpoint."""
    try:
        content = parse_json(read_plain(folder / _STATE))
        sums, step = dict(content["sha256"]), content["step"]
        if _STATE not in sums:
            raise TornCheckpoint(f"{_STATE} has no sha256 of its own; an earlier version of outgrow wrote it, or it was changed")
        own = sums.pop(_STATE)
        if _sha256_of({**content, "sha256": sums}) != own:
            raise TornCheckpoint(f"{_STATE} is not what was written")
        if folder.name != RunFolder.checkpoint_name(step):
            raise TornCheckpoint(f"it holds step {step}")
        for name, expected in sums.items():
            if _sha256(folder / name) != expected:
                raise TornCheckpoint(f"{name} is not what was written")
    except OSError as error:
        raise TornCheckpoint(f"cannot read {Path(error.filename).name if error.filename else error}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise TornCheckpoint(f"{_STATE} is not what was written") from error
    state = {key: value for key, value in content.items() if key not in ("step", "sha256")}
    return Checkpoint(folder, step, state)


def optimizer_to_tensors(optimizer: torch.optim.Optimizer, names: list[str]) -> dict[str, Tensor]:
    """Return an optimizer's state as named tensors. names: the names of its parameters, in order."""
    return {
        f"{names[index]}/{key}": torch.as_tensor(value).contiguous()
        for index, values in optimizer.state_dict()["state"].items()
        for key, value in values.items()
    }


def tensors_to_optimizer(optimizer: torch.optim.Optimizer, names: list[str], tensors: dict[str, Tensor]) -> None:
    """Put back what `optimizer_to_tensors` took out."""
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        parameter, _, key = name.rpartition("/")
        state.setdefault(names.index(parameter), {})[key] = tensor
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})


def _steps(folder: Path) -> list[int]:
    if not folder.is_dir():
        return []
    return sorted(int(match[1]) for path in folder.iterdir() if (match := _NAME.fullmatch(path.name)))


def point_latest(checkpoint: Checkpoint) -> None:
    """Make `latest` name this checkpoint, if it does not."""
    folder, name = checkpoint.folder.parent, checkpoint.folder.name
    if (folder / "latest").resolve().name != name:
        link_atomic(folder / "latest", name)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sha256_of(content: dict[str, Any]) -> str:
    """Return the digest of JSON values; the order of keys does not matter."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
