#!/usr/bin/env bash
# Python's multiprocessing.resource_tracker.ensure_running() ends with SIGINT and SIGTERM unblocked, also where its caller had blocked
# both before. A parent that blocks SIGTERM while it starts a fork server, so that a signal to the whole process group does not end
# the server, starts the tracker on the way and thereby an unprotected server: the signal ends it, and ProcessPoolExecutor takes its
# living workers for dead.
# Tried: Python 3.11.7, Linux. Exit code 0 while this is so.
set -euo pipefail
python3 - <<'PY'
import platform
import signal
from multiprocessing import resource_tracker

both = {signal.SIGINT, signal.SIGTERM}
signal.pthread_sigmask(signal.SIG_BLOCK, both)
before = signal.pthread_sigmask(signal.SIG_BLOCK, set())
resource_tracker.ensure_running()
after = signal.pthread_sigmask(signal.SIG_BLOCK, set())
print(f"Python {platform.python_version()}: blocked before {sorted(before)}, after {sorted(after)}")
assert both <= before and not both & after
PY
