"""Preloaded first by a fork server: it ends with the process that started it, also while it still imports the rest.

Without this, a killed command leaves a server that imports for seconds before it sees that it is not needed. The kernel sends the
signal when the thread that started the server ends, so the main thread has to start it.
"""

import ctypes
import os
import signal
import sys

from .children import SERVER_OF

_PR_SET_PDEATHSIG = 1

if sys.platform == "linux":
    parent = int(os.environ.get(SERVER_OF, os.getppid()))
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended in between
        os._exit(1)
