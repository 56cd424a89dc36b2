"""How many threads may compute. Where the system gives no more, the library that makes them ends the process."""

import os

from .errors import UsageError

_PER_CORE, _ALWAYS = 16, 128  # a run of a large machine can be resumed on a small one, with the same sums


def require_threads(count: int, key: str = "run.threads") -> None:
    """Raise UsageError where these are more threads than can be asked for on this machine. key: the setting that asks for them."""
    cores = os.cpu_count() or 1
    most = max(_PER_CORE * cores, _ALWAYS)
    if count > most:
        raise UsageError(
            f"{key} = {count:,}: this machine has {cores:,} cores, and takes up to {most:,} threads; set {key}={cores}"
        )
