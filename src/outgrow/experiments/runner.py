"""Running what an experiment still lacks: one process a core, one thread a process, one line a run."""

import multiprocessing
import os
import shutil
import signal
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from pathlib import Path
from types import FrameType

from ..core.errors import OutgrowError
from ..core.files import append_line, read_lines
from ..runs.folder import RunFolder
from ..runs.signals import StopRequested
from .experiment import PREPARED, Experiment
from .kinds import TrialKind
from .measure import AnyResult, Measure
from .rl_trial import made_otherwise, prepare
from .trial import Trial


def results_file(experiment: Experiment, docs: Path) -> Path:
    """Where its lines are."""
    return docs / f"{experiment.name}.jsonl"


def known_results(experiment: Experiment, docs: Path) -> dict[str, AnyResult]:
    """Key -> what is known of each run that this experiment, as it stands, asks for."""
    file = results_file(experiment, docs)
    try:
        lines = {row["key"]: experiment.kind.read(row) for row in read_lines(file)}
    except (ValueError, TypeError, KeyError) as error:
        raise OutgrowError(
            f"{file}: cannot read these results ({error}); restore the file, or remove it to run all again"
        ) from error
    known = {key: line for key, line in lines.items() if all(measure.known(line) for measure in experiment.measures)}
    return {run.key: known[run.key] for run in experiment.runs if run.key in known}


def run_experiment(
    experiment: Experiment,
    docs: Path,
    scratch: Path,
    processes: int,
    on_progress: Callable[[int], None],
    warn: Callable[[str], None],
    check_stop: Callable[[], None],
) -> dict[str, AnyResult]:
    """Do the runs that are not known yet and add their lines to docs/NAME.jsonl. Returns all results by key.

    scratch: where the runs' folders are until they are read; a stopped run continues there.
    on_progress: takes how many runs are done. warn: takes which run failed, and why. check_stop may raise: what is running
    saves itself then. Raises OutgrowError after the last run where some failed.
    """
    docs.mkdir(parents=True, exist_ok=True)
    known = known_results(experiment, docs)
    left = [run for run in experiment.runs if run.key not in known]
    on_progress(len(known))
    failed = 0
    with ProcessPoolExecutor(min(processes, max(1, len(left))), mp_context=_forkserver(), initializer=_settle) as pool:
        prepared = {name: PREPARED / run.key for name, run in experiment.prepared.items()} if left else {}
        waiting: dict[Future[AnyResult], Trial] = {}
        try:
            for name, path in prepared.items():
                _prepare(pool, name, path, experiment.prepared[name], warn, check_stop)
            asked = experiment.kind, experiment.measures, prepared
            waiting |= {pool.submit(_work, scratch / run.key, run, *asked): run for run in left}
            while waiting:
                check_stop()
                done, _ = wait(waiting, timeout=0.5, return_when=FIRST_COMPLETED)
                for future in done:
                    run = waiting.pop(future)
                    if (error := future.exception()) is not None:
                        failed += 1
                        warn(f"{run.arm}, seed {run.seed} failed: {type(error).__name__}: {error}")
                        continue
                    known[run.key] = result = future.result()
                    append_line(results_file(experiment, docs), result.line())
                    shutil.rmtree(scratch / run.key, ignore_errors=True)
                    on_progress(len(known))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in multiprocessing.active_children():
                process.terminate()  # SIGTERM: a run saves itself
            raise
    if failed:
        raise OutgrowError(f"{experiment.name}: {failed} of {len(left)} runs failed; the same command tries them again")
    return known


# Of a worker: that a signal has come, so that it takes no other run from the queue.
_stopped = False


def _forkserver() -> multiprocessing.context.BaseContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["outgrow.experiments.kinds", "transformers.models.llama.modeling_llama"])
    return context


def _settle() -> None:
    """Of a worker: Ctrl-C reaches the parent alone, which asks once; asked between two runs, it takes no other."""
    os.setsid()
    signal.signal(signal.SIGTERM, _stop)


def _stop(number: int, frame: FrameType | None) -> None:
    global _stopped
    _stopped = True


def _prepare(
    pool: ProcessPoolExecutor, name: str, path: Path, run: Trial, warn: Callable[[str], None], check_stop: Callable[[], None]
) -> None:
    """Train what arms need, one after another, since one may need the one before."""
    if RunFolder(path).summary.exists():
        if made_otherwise(path):
            warn(f"{name} in {path} is of another version of the code; remove that folder to prepare it anew")
        return
    warn(f"preparing {name} in {path}")
    future = pool.submit(_in_turn, path, run)
    while not wait([future], timeout=0.5).done:
        check_stop()
    if (error := future.exception()) is not None:
        raise OutgrowError(f"{name} could not be prepared: {error}") from error


def _in_turn(path: Path, run: Trial) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        prepare(path, run.recipe)
    except StopRequested as stop:  # which does not survive the way to another process
        raise OutgrowError(f"stopped by {stop}, and saved") from None


def _work(path: Path, run: Trial, kind: TrialKind, measures: Sequence[Measure], prepared: dict[str, Path]) -> AnyResult:
    global _stopped
    if _stopped:
        raise OutgrowError("not begun")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        return kind.work(path, run, measures, prepared)
    except StopRequested as stop:  # which does not survive the way to another process
        _stopped = True
        raise OutgrowError(f"stopped by {stop}, and saved") from None
