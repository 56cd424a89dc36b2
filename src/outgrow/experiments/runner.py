"""Runs the missing trials of an experiment: one process per core, one thread per process, one line per trial."""

import multiprocessing
import os
import shutil
import signal
import threading
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from multiprocessing import connection, resource_tracker
from multiprocessing.forkserver import ensure_running
from pathlib import Path
from types import FrameType

from ..core.callbacks import CheckStop, OnProgress, Warn
from ..core.children import signals_blocked, unblock_signals
from ..core.errors import OutgrowError
from ..core.json_lines import append_line, read_lines
from ..core.memory import give_back_memory
from ..runs.folder import RunFolder
from ..runs.signals import StopRequested
from .experiment import PREPARED, Experiment
from .kinds import TrialKind
from .measure import AnyResult, Measure
from .rl_trial import is_outdated, prepare
from .trial import Trial


def results_file(experiment: Experiment, docs: Path) -> Path:
    """Return the file of an experiment's results."""
    return docs / f"{experiment.name}.jsonl"


def known_results(experiment: Experiment, docs: Path) -> dict[str, AnyResult]:
    """Return key -> result of each trial that is done, of those that the experiment asks for now.

    Raises OutgrowError where the file cannot be read.
    """
    file = results_file(experiment, docs)
    try:
        results = {row["key"]: experiment.kind.read(row) for row in read_lines(file)}
    except (ValueError, TypeError, KeyError) as error:
        raise OutgrowError(
            f"{file}: cannot read these results ({error}); restore the file, or remove it to run all trials again"
        ) from error
    measured = {key for key, result in results.items() if all(measure.is_measured(result) for measure in experiment.measures)}
    return {trial.key: results[trial.key] for trial in experiment.runs if trial.key in measured}


def run_experiment(
    experiment: Experiment,
    docs: Path,
    scratch: Path,
    processes: int,
    on_progress: OnProgress,
    warn: Warn,
    check_stop: CheckStop,
) -> dict[str, AnyResult]:
    """Run the trials without a result and add their lines to docs/NAME.jsonl. Returns key -> result of all trials.

    scratch: holds the folders of unfinished trials; a stopped trial continues there. on_progress: takes the number of finished
    trials. warn: also takes which trial failed, and why. check_stop: where it raises, running trials save themselves.
    Raises OutgrowError after the last trial if any failed.
    """
    docs.mkdir(parents=True, exist_ok=True)
    results = known_results(experiment, docs)
    for key in results:  # a lab that was killed while it removed the folder
        shutil.rmtree(scratch / key, ignore_errors=True)
    missing = [trial for trial in experiment.runs if trial.key not in results]
    on_progress(len(results))
    if not missing:
        return results
    failed: list[Path] = []
    with ProcessPoolExecutor(min(processes, len(missing)), mp_context=_forkserver(), initializer=_start_worker) as pool:
        prepared = {name: PREPARED / model.key for name, model in experiment.prepared.items()}
        running: dict[Future[AnyResult], Trial] = {}
        try:
            for name, path in prepared.items():
                _prepare_model(pool, name, path, experiment.prepared[name], warn, check_stop)
            shared = experiment.kind, experiment.measures, prepared
            running |= {pool.submit(_run_trial, scratch / trial.key, trial, *shared): trial for trial in missing}
            while running:
                check_stop()
                finished, _ = wait(running, timeout=0.5, return_when=FIRST_COMPLETED)
                check_stop()  # a signal to all processes ends trials, too: they did not fail
                for future in finished:
                    trial = running.pop(future)
                    if (error := future.exception()) is not None:
                        failed.append(scratch / trial.key)
                        warn(f"{trial.arm}, seed {trial.seed} failed: {type(error).__name__}: {error}")
                        continue
                    results[trial.key] = result = future.result()
                    append_line(results_file(experiment, docs), result.line())
                    shutil.rmtree(scratch / trial.key, ignore_errors=True)
                    on_progress(len(results))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in multiprocessing.active_children():
                process.terminate()  # SIGTERM: a run saves itself
            raise
    if failed:
        begun = ", ".join(str(path) for path in failed if path.exists())
        raise OutgrowError(
            f"{experiment.name}: {len(failed)} of {len(missing)} runs failed; run the same command to try them again"
            + (f"; to start one from its beginning, remove its folder first: {begun}" if begun else "")
        )
    return results


# In a worker: a signal has arrived, so it starts no further trial.
_stopped = False


def _forkserver() -> multiprocessing.context.BaseContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        ["outgrow.core.fork_server", "outgrow.experiments.kinds", "transformers.models.llama.modeling_llama"]
    )
    resource_tracker.ensure_running()  # the server starts it otherwise, and that unblocks signals
    with signals_blocked():  # the server, which starts the workers, is not ended by a signal to all processes
        ensure_running()
    return context


def _start_worker() -> None:
    """Prepare a worker: Ctrl-C reaches only the parent, which sends SIGTERM; a worker between two trials then starts no other.

    A worker ends with its parent, also where that is killed: it would hold the locks of runs that the next call continues.
    """
    os.setsid()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _stop)
    unblock_signals()
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    connection.wait([parent.sentinel])
    os.kill(os.getpid(), signal.SIGKILL)


def _stop(number: int, frame: FrameType | None) -> None:
    global _stopped
    _stopped = True


def _prepare_model(pool: ProcessPoolExecutor, name: str, path: Path, model: Trial, warn: Warn, check_stop: CheckStop) -> None:
    """Train a prepared model and wait for it, since the next one may start from it."""
    if RunFolder(path).summary.exists():
        if is_outdated(path):
            warn(f"{name} in {path} was trained by another version of the code; remove that folder to train it again")
        return
    warn(f"preparing {name} in {path}")
    future = pool.submit(_prepare, path, model)
    while not wait([future], timeout=0.5).done:
        check_stop()
    if (error := future.exception()) is not None:
        raise OutgrowError(f"{name} could not be prepared: {error}") from error


def _prepare(path: Path, model: Trial) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        prepare(path, model.recipe)
    except StopRequested as stop:  # it cannot be pickled
        raise OutgrowError(f"stopped by {stop}; progress is saved") from None
    finally:
        give_back_memory()  # a worker may have nothing more to do, and other trials need it


def _run_trial(path: Path, trial: Trial, kind: TrialKind, measures: Sequence[Measure], prepared: dict[str, Path]) -> AnyResult:
    global _stopped
    if _stopped:
        raise OutgrowError("not started")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        return kind.run(path, trial, measures, prepared)
    except StopRequested as stop:  # it cannot be pickled
        _stopped = True
        raise OutgrowError(f"stopped by {stop}; progress is saved") from None
    finally:
        give_back_memory()  # a worker may have nothing more to do, and other trials need it
