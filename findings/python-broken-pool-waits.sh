#!/usr/bin/env bash
# Python's ProcessPoolExecutor, of which the system kills one worker (memory ran out): the futures fail with BrokenProcessPool at once,
# the other workers get SIGTERM, and shutdown waits for them without a limit. A worker that has a SIGTERM handler of its own, to save
# its work and go on, then waits for a next task that never comes: the program hangs in the `with` statement, after all of its futures
# have ended, and says nothing. Such a worker must end itself after its handler.
# Tried: Python 3.11.7, Linux. Exit code 0 while this is so.
set -euo pipefail
python3 - <<'PY'
import os
import platform
import signal
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool


def saves(number, frame):
    pass


def start():
    signal.signal(signal.SIGTERM, saves)


pool = ProcessPoolExecutor(2, initializer=start)
futures = [pool.submit(time.sleep, 3) for _ in range(2)]
time.sleep(1)
first, second = pool._processes
os.kill(first, signal.SIGKILL)
began = time.monotonic()
for future in futures:
    assert isinstance(future.exception(timeout=10), BrokenProcessPool)
failed = time.monotonic() - began
ending = threading.Thread(target=pool.shutdown, daemon=True)
ending.start()
ending.join(10)
state = open(f"/proc/{second}/stat").read().rpartition(")")[2].split()[0]
print(f"Python {platform.python_version()}: futures failed after {failed:.2f} s; shutdown has "
      f"{'not ' if ending.is_alive() else ''}ended 10 s later; the other worker is in state {state}")
waits = ending.is_alive()
os.kill(second, signal.SIGKILL)
ending.join(10)
assert waits and failed < 2 and not ending.is_alive()
PY
