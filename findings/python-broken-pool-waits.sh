#!/usr/bin/env bash
# Python's ProcessPoolExecutor, of which an idle worker is killed, as the system does where memory runs out: it held the lock of the
# queue of tasks while it waited, and nobody frees that. The futures fail with BrokenProcessPool at once and the other workers get
# SIGTERM. One that catches SIGTERM, to save its work, then waits for the lock for ever, and so does shutdown(): the program hangs at
# the end of its `with` statement, after all of its futures have ended, and says nothing. Such a worker has to end by itself.
# Tried: Python 3.11.7, Linux; fork and spawn. Exit code 0 while this is so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/waits.py" <<'PY'
import multiprocessing
import os
import platform
import signal
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool


def saves(number, frame):
    pass


def start():
    signal.signal(signal.SIGTERM, saves)


def work(seconds):
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        time.sleep(0.05)
    return os.getpid()


def waits(method, idle):
    pool = ProcessPoolExecutor(2, initializer=start, mp_context=multiprocessing.get_context(method))
    workers = {future.result() for future in [pool.submit(work, 1) for _ in range(2)]}
    futures = [pool.submit(work, 4) for _ in range(1 if idle else 2)]
    time.sleep(1.5)
    busy = max(workers, key=switches)
    first = (workers - {busy}).pop() if idle else busy
    os.kill(first, signal.SIGKILL)
    for future in futures:
        assert isinstance(future.exception(timeout=3), BrokenProcessPool)
    ending = threading.Thread(target=pool.shutdown, daemon=True)
    ending.start()
    ending.join(15)
    hangs = ending.is_alive()
    for pid in workers - {first}:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    ending.join(10)
    assert not ending.is_alive()
    return hangs


def switches(pid):
    """Return how often a worker gave up the processor by itself: the one that works does so 20 times a second."""
    status = open(f"/proc/{pid}/status").read()
    return int(status.split("nonvoluntary_ctxt_switches:")[0].split("voluntary_ctxt_switches:")[1])


if __name__ == "__main__":
    found = {(method, idle): waits(method, idle) for method in ("fork", "spawn") for idle in (False, True)}
    print(f"Python {platform.python_version()}: shutdown hangs for 15 s where the killed worker was")
    for (method, idle), hangs in found.items():
        print(f"  {method}, {'idle' if idle else 'at work'}: {hangs}")
    sys.exit(any(hangs != idle for (_, idle), hangs in found.items()))
PY
python3 "$folder/waits.py"
