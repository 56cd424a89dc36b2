"""A run's checkpoints: when they are written, and what of a job and its engine they put back."""

from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError

from ..config.sections import RunSection
from ..core.callbacks import Warn
from ..core.errors import DAMAGED, OutgrowError, first_line
from ..core.json_lines import read_lines
from ..engines import Engine
from ..runs.checkpoint import Checkpoint, newest_whole_checkpoint, save_checkpoint
from ..runs.cost import Meter
from ..runs.folder import RunFolder
from ..runs.records import KEY, Records
from .guard import Guard
from .job import Job


def newest_checkpoint(path: Path, warn: Warn) -> Checkpoint | None:
    """Return what the run continues from; None at its start. warn: told what is lost.

    Raises OutgrowError where every checkpoint is torn: starting over would drop all that the run has written.
    """
    checkpoint, warnings = newest_whole_checkpoint(path)
    files = RunFolder(path)
    if checkpoint is None and warnings:
        raise OutgrowError(
            f"{path}: no whole checkpoint to continue from ({'; '.join(warnings)}); restore one from a copy, or remove "
            f"{files.checkpoints} to begin again at step 1, which drops what the run has written so far"
        )
    for warning in warnings:
        warn(warning)
    lost = len(read_lines(files.metrics)) if checkpoint is None else 0
    if lost:
        warn(f"{path}: no checkpoint yet, so the {lost} steps that it has done are dropped; it begins again at step 1")
    return checkpoint


class Checkpointer:
    """Writes and restores the checkpoints of one run."""

    def __init__(self, run: Path, section: RunSection, job: Job, engines: Mapping[str, Engine], meter: Meter, guard: Guard) -> None:
        """engines: the run's, by their keys in a checkpoint."""
        self._run, self._section, self._job, self._engines, self._meter = run, section, job, engines, meter
        self._guard, self._records = guard, Records(run)
        self._saved = 0

    def restore(self, checkpoint: Checkpoint) -> None:
        """Put optimizer, job and engines back to where they were when the checkpoint was written.

        An engine that the run did not have then starts from nothing. Raises OutgrowError where the checkpoint holds what no run
        writes: its hashes only say that nothing has changed since.
        """
        try:
            self._job.optimizer.load_tensors(checkpoint.optimizer_tensors())
            self._job.load_state_dict(checkpoint.state.get("job", {}))
            for key, engine in self._engines.items():
                engine.load_state_dict(checkpoint.state.get(key, {}))
        except (*DAMAGED, SafetensorError) as error:
            raise OutgrowError(
                f"{checkpoint.folder} is not a checkpoint that a run wrote ({first_line(error)}); remove this folder to continue "
                "from the checkpoint before it"
            ) from error
        self._saved = checkpoint.step

    def due(self, step: int) -> bool:
        """Return whether the recipe asks for a checkpoint after `step`, or the guard may need it."""
        return step % self._section.checkpoint_every == 0 or step == self._job.steps or self._guard.needs(step)

    def save(self, step: int) -> None:
        """Write the checkpoint of `step`, unless it is there. Raises OutgrowError where it cannot be written."""
        if step <= self._saved and RunFolder(self._run).checkpoints.exists():
            return
        tensors = self._job.optimizer.tensors()
        engines = {key: engine.state_dict() for key, engine in self._engines.items()}
        state = {"job": self._job.state_dict(), **engines, KEY: self._records.at(step)}
        keep, good = self._section.keep_checkpoints, self._guard.good_step if self._guard.stops else None
        save_checkpoint(self._run, step, self._job.policy, tensors, state, keep, good)
        self._saved = step
        self._meter.write(step, "saving")
