"""How a command ends on Ctrl-C, SIGTERM or a spent budget: one line that says how to continue, and the shell's exit code."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from .console import errors, say

if TYPE_CHECKING:
    from ..runs.cost import BudgetReached


@contextmanager
def explain_stop(how: str = "run the same command to continue") -> Iterator[None]:
    """Turn StopRequested into one line on stderr and the exit code that a shell gives for the signal.

    how: what the user types to continue.
    """
    from ..runs.signals import StopRequested

    try:
        yield
    except StopRequested as stop:
        errors.print(f"Stopped by {stop}. Progress is saved; {how}.", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(stop.exit_code) from stop


@contextmanager
def interruptible(how: str = "run the same command to continue") -> Iterator[Callable[[], None]]:
    """Catch Ctrl-C and SIGTERM; yield the function that raises StopRequested after one. Ends as `explain_stop` does.

    Enter it before the other context managers of a command, so that they are closed when the line is printed.
    """
    from ..runs.signals import Interrupt

    with explain_stop(how), Interrupt() as interrupt:
        yield interrupt.check_stop


def say_budget_reached(reached: "BudgetReached", command: str) -> None:
    """Print what was spent, and the command that continues with a larger budget."""
    say(f"Stopped by its budget after {reached}. Progress is saved; continue with: {command} {reached.options}")
