"""What the ranks behind the first do: answer the calls of rank 0 until it has no more."""

from __future__ import annotations

import signal
import sys

from ...core.errors import OutgrowError, first_line
from ...core.oom_backoff import ran_out_of_memory
from ...core.plugins import plugins_imported
from .group import OUT_OF_MEMORY, Group, Rank, is_loss


def serve(group: Group) -> None:
    """Answer calls until rank 0 lets this rank end. Signals are left to rank 0, which saves first.

    Exits with code 1 where another rank has ended (rank 0 says so), or where memory runs out.
    """
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    rank = Rank(group)
    with plugins_imported(), rank.stack:
        try:
            while (message := group.receive()) is not None:
                do, argument = message
                try:
                    result = do(rank, argument)
                except OutgrowError:  # raised on all ranks
                    result = None
                group.answer(result)
        except (RuntimeError, MemoryError) as error:
            if is_loss(error):
                sys.exit(1)
            if not ran_out_of_memory(error):
                group.say_why(f"{type(error).__name__}: {first_line(error)}")
                raise
            group.say_why(OUT_OF_MEMORY)
            sys.exit(1)
