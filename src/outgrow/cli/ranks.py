"""A command of several processes (`learn.ranks`): torchrun starts the same command in each of them."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import typer

from ..core.counted import counted
from ..core.environment import environment
from ..core.errors import UsageError
from ..core.processes import require_processes
from ..core.shell import command_line
from .console import warn

if TYPE_CHECKING:
    from torch.distributed.elastic.multiprocessing.errors import ProcessFailure

_TO_SAVE = 24 * 3600
"""Most seconds that torchrun waits for rank 0 to save after a signal, before it kills it. Its default, 30, cuts the saving of a
large model."""
_LOOK_S = 1.0
"""Time between two looks at whether torchrun is still there."""
_TOLD = "OUTGROW_TOLD"
"""Environment variable that names a file: rank 0 makes it once it has told why it ends."""


def launch(ranks: int, run: Path) -> None:
    """Start this command under torchrun where a recipe asks for ranks and it is not there yet, and exit as rank 0 does.

    Raises as `require_ranks` does.
    """
    from ..train.ranks.started import started

    if ranks == 1 or started():
        return
    require_ranks(ranks)
    raise typer.Exit(_exit_code(ranks, run))


def require_ranks(ranks: int) -> None:
    """Raise UsageError where this machine has fewer GPUs than ranks, or not the memory for so many processes."""
    import torch

    require_processes(ranks, "learn.ranks")
    if 0 < torch.cuda.device_count() < ranks:
        raise UsageError(
            f"learn.ranks={ranks}: this machine has {counted(torch.cuda.device_count(), 'GPU')}; set learn.ranks to that, or start "
            "torchrun on several machines"
        )


def _exit_code(ranks: int, run: Path) -> int:
    from torch.distributed.elastic.multiprocessing.api import DefaultLogsSpecs, SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    for name in logging.root.manager.loggerDict:  # what torchrun tells, rank 0 tells better
        if name.startswith(("torch.distributed.elastic", "torch.distributed.launcher")):
            logging.getLogger(name).setLevel(logging.CRITICAL)
    # torchrun replaces handlers: nohup's must stay.
    heard = [name for name in ("SIGTERM", "SIGINT", "SIGHUP") if signal.getsignal(getattr(signal, name)) is not signal.SIG_IGN]
    with TemporaryDirectory() as folder:  # torchrun makes one of its own, and leaves it
        told = Path(folder) / "told"
        config = LaunchConfig(
            min_nodes=1,
            max_nodes=1,
            nproc_per_node=ranks,
            run_id=uuid.uuid4().hex,
            rdzv_backend="c10d",
            rdzv_endpoint="localhost:0",
            max_restarts=0,
            signals_to_handle=",".join(heard),
            shutdown_timeout=_TO_SAVE,
            logs_specs=DefaultLogsSpecs(log_dir=folder),
        )
        try:
            with environment(**{_TOLD: str(told)}):
                elastic_launch(config, sys.executable)("-m", "outgrow", *sys.argv[1:])
        except SignalException as stop:
            return 128 + int(stop.sigval)
        except ChildFailedError as failed:
            return _code_of(failed.failures, run, told.exists())
    return 0


def _code_of(failures: Mapping[int, ProcessFailure], run: Path, told: bool) -> int:
    """Return the exit code of a command whose ranks failed, and tell why where rank 0 was ended before it could.

    failures: those that torchrun saw first, by rank. told: whether rank 0 has told.
    """
    first = failures.get(0)
    if first is not None and first.exitcode > 0:
        return int(first.exitcode)
    if told:
        return 1
    rank = 0
    if first is None or first.exitcode == -signal.SIGTERM:  # by torchrun, where another one has failed
        rank = next((each for each in failures if each), 0)
    code = failures[rank].exitcode
    how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
    warn(f"outgrow: rank {rank} {how}; what is saved is whole, so go on with: {command_line('resume', run)}")
    return 1


def leave_word() -> None:
    """Let the command that started the ranks know that this process, rank 0, has told why it ends."""
    if (file := os.environ.get(_TOLD)) and os.environ.get("RANK") == "0":
        with suppress(OSError):
            Path(file).touch()


def serve_other_rank() -> None:
    """Where torchrun started this process as another rank than the first: answer rank 0's calls, and exit."""
    if os.environ.get("RANK", "0") == "0":
        return
    from ..train.ranks.started import started

    if not started():
        return
    from ..train.ranks.group import joined
    from ..train.ranks.serve import serve

    with joined() as group:
        serve(group)
    raise typer.Exit


@contextmanager
def with_ranks() -> Iterator[None]:
    """Meet the other ranks where torchrun started this process; let them end when the block does."""
    from ..train.ranks.started import started

    if not started():
        yield
        return
    from ..train.ranks.group import joined

    _stop_with_torchrun()
    with joined():
        yield


def _stop_with_torchrun() -> None:
    """Stop this process as SIGTERM does once torchrun is gone, as by kill −9: nobody else would end it."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_LOOK_S)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()
