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


_BETWEEN = """
import resource
import sys
from pathlib import Path
from outgrow.core.memory import give_back_much, keep_large_buffers

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()

keep_large_buffers()
before = resident()
held = [b"x" * 2**20 + bytes([number % 256]) for number in range(int(sys.argv[1]))]
last = held.pop()  # at the end of the heap, so that nothing before it goes back by itself
del held
kept = resident()
give_back_much()
print(kept - before, resident() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(("freed", "goes_back"), [(1200, True), (200, False)])
def test_between_writing_and_learning_only_much_memory_goes_back(freed, goes_back):
    command = [sys.executable, "-c", _BETWEEN, str(freed)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    kept, after = map(int, done.stdout.split())
    whole = (freed - 5) * 2**20
    assert kept > whole
    # the interpreter's own pages come and go by a few, and the kernel counts pages in batches: never equal to the byte
    assert after < 20 * 2**20 if goes_back else after > whole


_COMPUTING = """
import resource
import sys
from pathlib import Path
from outgrow.core.determinism import deterministic

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()

with deterministic(1, keep_buffers=sys.argv[1] == "keep"):
    before = resident()
    held = [b"x" * 2**20 + bytes([number]) for number in range(200)]
    last = held.pop()  # at the end of the heap, so that nothing before it goes back by itself
    del held
    print(resident() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("keep", [True, False])
def test_a_process_that_computes_keeps_what_it_frees_and_one_of_ranks_does_not(keep):
    command = [sys.executable, "-c", _COMPUTING, "keep" if keep else "return"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert (int(done.stdout) > 150 * 2**20) == keep
    assert keep or int(done.stdout) < 20 * 2**20
