"""How a run starts and fails: what is left of a start that fails, and what an error of the machine says."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..config import Recipe
from ..core.callbacks import Warn
from ..core.disk import DISK_ERRORS, fault_of
from ..core.errors import EndedByAlarm, OutgrowError, first_line
from ..core.figure_lines import last_figures
from ..core.fresh_folder import FreshFolder, undone_on_failure
from ..core.oom_backoff import ran_out_of_memory
from ..core.shell import command_line
from ..runs.folder import RunFolder
from ..runs.sessions import STOPS
from ..runs.signals import Interrupt


def steps_done(run: Path) -> int:
    """Return the last step that is on disk; 0 before the first. Raises OutgrowError where it cannot be read."""
    row = last_figures(RunFolder(run).metrics)
    return int(row["step"]) if row else 0


@contextmanager
def removed_if_start_fails(fresh: FreshFolder | None, run: Path, interrupt: Interrupt, warn: Warn) -> Iterator[None]:
    """Remove the folder of a new run where the block raises before its first step is on disk.

    It stays after a signal, a spent budget and an alarm of the judge: a person or the recipe stopped it then. fresh: the folder
    as it was before the start; None for a run that is resumed, which is never removed.
    """
    if fresh is None:
        yield
        return

    def began() -> bool:
        if interrupt.requested is not None or steps_done(run):
            return True
        warn(f"{run} is removed: the run failed before its first step was done")
        return False

    with undone_on_failure(fresh, began, (*STOPS, EndedByAlarm)):
        yield


@contextmanager
def loading(recipe: Recipe) -> Iterator[None]:
    """Turn running out of memory while a recipe's models are loaded into one line that says what to change."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not ran_out_of_memory(error):
            raise
        smaller = "" if recipe.policy.dtype == "bfloat16" else ", or halve its weights with --set policy.dtype=bfloat16"
        raise OutgrowError(
            f"out of memory while {recipe.policy.model or 'the model'} was loaded; take a smaller model{smaller} "
            "(outgrow plan shows what needs how much)"
        ) from error


@contextmanager
def explained(recipe: Recipe, run: Path) -> Iterator[None]:
    """Turn an error of the machine (memory, disk) into one line that says how to go on: every file of a run is written inside."""
    try:
        yield
    except DISK_ERRORS as error:
        raise OutgrowError(f"{run}: {fault_of(error) or first_line(error)}; then run: {again(run)}") from error
    except (RuntimeError, MemoryError) as error:
        if not ran_out_of_memory(error):
            raise
        key = "learn.problems_per_step" if recipe.kind == "rl" else "learn.batch_size"
        raise OutgrowError(
            f"out of memory; lower {key} or sampling.max_tokens (outgrow plan shows what needs how much): "
            f"{again(run)} --set {key}=…"
        ) from error


def again(run: Path) -> str:
    """Return the command that goes on: the folder of a start that failed is removed, so it is started again."""
    try:
        return command_line("resume", run) if steps_done(run) else "the same command"
    except OutgrowError:
        return command_line("resume", run)
