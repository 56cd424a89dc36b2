"""Ray, started for this process on this machine, or joined where RAY_ADDRESS names a cluster.

What Ray does to a process that starts it, and what is done about it here:

- its own handler of SIGTERM takes the place of a run's: it is not set;
- it hears no stop while it starts, which takes from 3 to 30 seconds: it looks for one;
- its servers are in the run's process group, so that a signal to the group would end them before the run has saved: they are
  started so that they never see one; it would then wait a second for each at its end: they are ended at once;
- it writes a token into the home folder, which may be read-only: it is given one;
- it leaves a folder among the temporary files: that is removed (`folder`);
- its processes run at a lower priority than the run: at the same;
- it gives up where its servers take 30 seconds to start: it is given more;
- it prints to the run's output that an actor has ended, also where no output of actors is asked for: it does not, the run says so;
- it tells its makers that it was used: it does not.
"""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from subprocess import Popen
from typing import Any

from ...core.callbacks import CheckStop, never_stop
from ...core.environment import environment
from ...core.errors import OutgrowError, UsageError, first_line, install_hint, reason
from .folder import session_folder
from .rays_start import SLOWEST_START_S, in_other_ways

ADDRESS = "RAY_ADDRESS"
_QUIET = 40  # logging.ERROR
_ANSWER_S = 10
_VISIBLE, _RANKS = "CUDA_VISIBLE_DEVICES", "LOCAL_WORLD_SIZE"  # torchrun sets the second
_TOKEN = secrets.token_hex(32)  # of the process, not of a session: Ray reads it once, and a second one would be refused


def require_ray() -> None:
    """Raise UsageError where Ray is not installed."""
    if find_spec("ray") is None:
        raise UsageError(f"engine.actors needs a package that is not installed: {install_hint('ray')}, or set engine.actors=0")


class Session:
    """Ray, for as long as something of this process uses it."""

    _open = 0
    _ours: ExitStack | None = None

    def __init__(self, actors: int, check_stop: CheckStop = never_stop) -> None:
        """Start or join it, unless this process has done so already. actors: processes to get ready on this machine. check_stop:
        called while it starts; what it raises ends the start.

        Raises UsageError where Ray is not installed or does not answer, OutgrowError where it does not start.
        """
        require_ray()
        import ray

        if not ray.is_initialized():
            stack = ExitStack()
            stack.enter_context(_joined(check_stop) if os.environ.get(ADDRESS) else _started(actors, check_stop))
            Session._ours = stack
        Session._open += 1
        self._closed = False

    def close(self) -> None:
        """Leave it. The last one to leave ends it, unless it was there before."""
        if self._closed:
            return
        self._closed = True
        Session._open -= 1
        if not Session._open and Session._ours is not None:
            stack, Session._ours = Session._ours, None
            stack.close()


@contextmanager
def _started(actors: int, check_stop: CheckStop) -> Iterator[None]:
    """Run Ray on this machine inside, for this process alone."""
    settings = {
        "RAY_worker_niceness": "0",
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",  # actors have this process's environment, not one that uv makes
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
        "RAY_agent_register_timeout_ms": str(1000 * SLOWEST_START_S),
        "RAY_worker_register_timeout_seconds": str(SLOWEST_START_S),
        "RAY_AUTH_TOKEN": os.environ.get("RAY_AUTH_TOKEN", _TOKEN),
    }
    with session_folder() as folder, environment(**settings):
        # num_cpus is how many processes are got ready; actors ask for none of them here, so none waits in silence for a core.
        with environment(**_beside_the_learner()):
            _init(check_stop, address="local", include_dashboard=False, _temp_dir=folder, num_cpus=actors)
        try:
            yield
        finally:
            _shutdown()


def _beside_the_learner() -> dict[str, str]:
    """Return what keeps actors off the GPUs that learn, the first one or that of each rank, where others are left."""
    import torch

    named, count = os.environ.get(_VISIBLE), torch.cuda.device_count()
    every = named.split(",") if named else [str(index) for index in range(count)]
    rest = every[int(os.environ.get(_RANKS, "1")) : count]
    return {_VISIBLE: ",".join(rest)} if rest else {}


@contextmanager
def _joined(check_stop: CheckStop) -> Iterator[None]:
    """Be connected inside to the cluster that RAY_ADDRESS names."""
    require_cluster()
    _init(check_stop, address=os.environ[ADDRESS])
    try:
        yield
    finally:
        _shutdown()


def require_cluster() -> None:
    """Raise UsageError where RAY_ADDRESS is HOST:PORT and nobody listens there: Ray asks for minutes, and hears no signal."""
    address = os.environ.get(ADDRESS, "")
    host, _, port = address.rpartition(":")
    if not host or "/" in host or not port.isdigit():
        return
    try:
        socket.create_connection((host, int(port)), timeout=_ANSWER_S).close()
    except (OSError, OverflowError) as error:
        raise UsageError(f"{ADDRESS}={address}: no Ray answers there ({reason(error)}); start it, or unset {ADDRESS}") from error


def _init(check_stop: CheckStop, **settings: Any) -> None:
    import ray

    servers: list[Popen[bytes]] = []
    stops: list[Exception] = []

    def look() -> None:
        try:
            check_stop()
        except Exception as stop:
            stops.append(stop)
            raise

    try:
        with in_other_ways(look, servers):
            look()
            ray.init(log_to_driver=False, logging_level=_QUIET, **settings)
    except BaseException as error:
        for server in servers:
            server.kill()
            server.wait()
        if stops:
            raise stops[0] from None
        if not isinstance(error, Exception):  # Ray raises errors of many types
            raise
        raise OutgrowError(f"Ray did not start: {first_line(error)}; set engine.actors=0 to go on without it") from error


def _shutdown() -> None:
    import ray

    ray.shutdown()
