"""One process of `verify.pool` that scores answers to reasoning-gym's problems.

A line in: [scorer, answer] as JSON; `generate` wrote the scorer, a model the answer. Bytes out: "r" when everything that scoring
this answer needs is loaded, then "1", "0", or "x" where the scorer raised or was denied something. The pool ends the process, or
its own limits do.
"""

import json
import os
import resource
import signal
import sys

from outgrow.sandbox.guard import Scorer, load

_MEMORY = 2**30
# An alarm ends a scoring whose pool was itself killed; nothing else waits that long.
_ALARM_S = 30


def main() -> None:
    """Answer until the input ends."""
    replies = os.dup(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # whatever a library prints must not look like a reply
    load()
    os.environ.clear()  # it may hold keys
    for limit, most in ((resource.RLIMIT_AS, _MEMORY), (resource.RLIMIT_FSIZE, 0), (resource.RLIMIT_NPROC, 0)):
        resource.setrlimit(limit, (most, most))
    for line in sys.stdin:
        signal.alarm(_ALARM_S)
        problem, answer = json.loads(line)
        scorer = Scorer(**json.loads(problem))
        scorer.prepare()
        os.write(replies, b"r")
        try:
            reply = b"1" if scorer.right(answer) else b"0"
        except Exception:
            reply = b"x"
        signal.alarm(0)
        os.write(replies, reply)


if __name__ == "__main__":
    main()
