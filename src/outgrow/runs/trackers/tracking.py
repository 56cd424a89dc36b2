"""All trackers of a run together. They may fail; training does not."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ...core.addresses import public_values
from ...core.errors import UsageError, install_hint
from .tensorboard import TensorBoard
from .tracker import Tracker
from .trackio import Trackio
from .wandb import WandB

TRACKERS: dict[str, type[Tracker]] = {"tensorboard": TensorBoard, "trackio": Trackio, "wandb": WandB}

Track = Callable[[dict[str, float]], None]


def require_packages(names: Sequence[str]) -> None:
    """Raise UsageError where the package of one of the trackers is not installed."""
    for name in names:
        if find_spec(TRACKERS[name].package) is None:
            raise UsageError(f"run.trackers names {name}, whose package is not installed: {install_hint(name)}")


@contextmanager
def tracking(
    names: Sequence[str], run: Path, recipe: dict[str, Any], resumed_at: int, warn: Callable[[str], None]
) -> Iterator[Track]:
    """Start trackers for the steps after `resumed_at`, give what takes a step's metrics, and close them at the end of the block.

    Trackers get the recipe without the addresses of servers. A tracker that fails is closed, with one warning; the others continue.
    """
    trackers: dict[str, Tracker] = {name: TRACKERS[name]() for name in names}

    def each(when: str, action: Callable[[Tracker], None]) -> None:
        for name, tracker in list(trackers.items()):
            try:
                action(tracker)
            except Exception as error:  # whatever goes wrong in a tool for looking on: it is not worth a run
                del trackers[name]
                with suppress(Exception):
                    tracker.close()  # its threads and processes, if it got so far
                warn(f"{name} failed {when} ({type(error).__name__}: {error}); training continues without it")

    def track(metrics: dict[str, float]) -> None:
        step = int(metrics["step"])
        figures = {name: value for name, value in metrics.items() if name != "step"}
        each(f"at step {step}", lambda tracker: tracker.log(step, figures))

    each("to start", lambda tracker: tracker.start(run, public_values(recipe), resumed_at))
    try:
        yield track
    finally:
        each("to close", lambda tracker: tracker.close())
