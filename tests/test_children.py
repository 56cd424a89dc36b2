"""Processes that a run starts end with it, however it ends, and leave its signals to it."""

import os
import pty
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from outgrow.core.children import Child
from outgrow.runs.signals import Interrupt, StopRequested

BUSY = """
import sys
from outgrow.core.children import end_with_parent
end_with_parent()
sys.stdout.write("up\\n")
sys.stdout.flush()
9 ** 9 ** 9  # for minutes, in C code that no Python thread and no handler interrupts
"""
LATE = """
import os, time
os.write(1, b"x")
os.read(0, 1)
from outgrow.core.children import end_with_parent
end_with_parent()
time.sleep(600)
"""
PARENT = """
import sys, time
from pathlib import Path
from outgrow.core.children import Child
children = [Child(Path(sys.argv[1])) for _ in range(2)]
for child in children:
    child.lines.readline()
print(*(child.pid for child in children), flush=True)
time.sleep(600)
"""


def ended(pid: int, within: float) -> bool:
    until = time.monotonic() + within
    while time.monotonic() < until:
        try:
            if "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text():
                return True
        except OSError:
            return True
        time.sleep(0.02)
    return False


@pytest.fixture
def busy(tmp_path):
    path = tmp_path / "busy.py"
    path.write_text(BUSY)
    return path


def test_children_end_with_a_killed_parent_while_they_compute(busy):
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(busy)], stdout=subprocess.PIPE, text=True)
    pids = [int(pid) for pid in parent.stdout.readline().split()]
    assert len(pids) == 2 and not any(ended(pid, 0.1) for pid in pids)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert all(ended(pid, 10) for pid in pids)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT], ids=lambda number: number.name)
def test_a_child_leaves_the_signals_that_stop_a_run_to_the_run(busy, number):
    child = Child(busy)
    os.kill(child.pid, number)  # also while Python starts in it
    assert child.lines.readline() == b"up\n"
    os.kill(child.pid, number)
    assert not ended(child.pid, 0.2)
    child.kill()
    assert ended(child.pid, 10)


def test_a_child_whose_parent_ended_while_it_started_ends(tmp_path):
    program = tmp_path / "late.py"
    program.write_text(LATE)
    child = Child(program)
    assert child.replies.read(1) == b"x"
    os.close(child._parent_end)  # as the kernel does when the parent ends
    child.requests.write(b"x")
    assert ended(child.pid, 20)
    child._parent_end = os.open(os.devnull, os.O_RDONLY)
    child.kill()


def test_a_request_that_came_too_late_goes_to_the_interrupt_around():
    with Interrupt() as outer:
        with Interrupt():
            signal.raise_signal(signal.SIGTERM)
        with pytest.raises(StopRequested, match="SIGTERM"):
            outer.check_stop()


@pytest.mark.parametrize("first", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT], ids=lambda number: number.name)
def test_a_signal_is_a_request_and_only_a_second_ctrl_c_stops_at_once(first):
    with Interrupt() as interrupt:
        interrupt.check_stop()
        os.kill(os.getpid(), first)
        for further in (signal.SIGTERM, signal.SIGHUP):
            os.kill(os.getpid(), further)
        with pytest.raises(StopRequested) as raised:
            interrupt.check_stop()
        assert raised.value.exit_code == 128 + first
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_nohup_is_respected():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Interrupt() as interrupt:
            os.kill(os.getpid(), signal.SIGHUP)
            interrupt.check_stop()
    finally:
        signal.signal(signal.SIGHUP, before)


SHOWING = """
import sys, time
import typer
from outgrow.cli.console import say, warn
from outgrow.cli.interrupt import interruptible
try:
    with interruptible() as check_stop:
        say("up")
        for number in range(2000):
            say("working")
            warn("working")
            check_stop()
            time.sleep(0.01)
except typer.Exit as end:
    sys.exit(end.exit_code)
"""
UNHEARD = "import signal\nsignal.signal(signal.SIGHUP, signal.SIG_IGN)\n"


@pytest.mark.parametrize(("program", "code"), [(SHOWING, 129), (UNHEARD + SHOWING.replace("2000", "100"), 0)], ids=["hup", "nohup"])
def test_a_closed_terminal_ends_as_a_signal_or_not_at_all(program, code):
    """What is shown goes nowhere then: that is no failure."""
    pid, terminal = pty.fork()
    if not pid:
        os.execv(sys.executable, [sys.executable, "-c", program])
    text = b""
    while b"up" not in text:
        assert select.select([terminal], [], [], 60)[0]
        text += os.read(terminal, 1000)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == code
