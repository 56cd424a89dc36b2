"""Memory that is freed stays with the process while it trains, and goes back where it waits."""

import subprocess
import sys

import pytest

_SCRIPT = """
import resource
from pathlib import Path
from outgrow.core.memory import give_back_memory, keep_large_buffers

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()

keep_large_buffers()
before = resident()
held = [b"x" * 2**20 + bytes([number]) for number in range(200)]
held.append(held)  # as a model and its optimizer refer to each other
full = resident()
del held
kept = resident()
give_back_memory()
print(full - before, kept - before, resident() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_process_that_waits_gives_its_memory_back():
    done = subprocess.run([sys.executable, "-c", _SCRIPT], capture_output=True, text=True, check=True, timeout=60)
    full, kept, after = map(int, done.stdout.split())
    assert full > 200 * 2**20 and kept > 200 * 2**20
    assert after < 20 * 2**20
