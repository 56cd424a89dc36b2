"""Runs the missing trials of an experiment: one process per core, one thread per process, one line per trial."""

import multiprocessing
import shutil
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from ..core.callbacks import CheckStop, OnProgress, Warn
from ..core.errors import OutgrowError
from ..core.json_lines import append_line, read_lines
from ..runs.folder import RunFolder
from .experiment import PREPARED, Experiment
from .kinds import TrialKind
from .measure import AnyResult, Measure
from .rl_trial import is_outdated, prepare
from .trial import Trial
from .worker import at_work, forkserver, start_worker


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
    with ProcessPoolExecutor(min(processes, len(missing)), mp_context=forkserver(), initializer=start_worker) as pool:
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
                    error = future.exception()
                    if isinstance(error, BrokenProcessPool):
                        raise OutgrowError(
                            f"{experiment.name}: a worker process was killed, as the system does where memory runs out; the "
                            "others save their runs. Run the same command to continue, with fewer --processes if memory ran out"
                        ) from None
                    if error is not None:
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
    with at_work():
        prepare(path, model.recipe)


def _run_trial(path: Path, trial: Trial, kind: TrialKind, measures: Sequence[Measure], prepared: dict[str, Path]) -> AnyResult:
    path.parent.mkdir(parents=True, exist_ok=True)
    with at_work():
        return kind.run(path, trial, measures, prepared)
