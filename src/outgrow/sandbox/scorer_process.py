"""One process of `verify.pool` that scores answers to reasoning-gym's problems.

A line in: [scorer, answer] as JSON; `generate` wrote the scorer, a model the answer. Bytes out: "r" when everything that scoring
this answer needs is loaded, then "1", "0", or "x" where the scorer raised or was denied something. The pool ends the process, or
its own limits do.
"""

import json
import os
import resource
import sys

from outgrow.core.children import end_with_parent
from outgrow.sandbox.guard import Scorer, load

_MEMORY = 2**30


def main() -> None:
    """Answer until the input ends."""
    end_with_parent()
    replies = os.dup(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # whatever a library prints must not look like a reply
    load()
    os.environ.clear()  # it may hold keys
    for limit, most in ((resource.RLIMIT_AS, _MEMORY), (resource.RLIMIT_FSIZE, 0), (resource.RLIMIT_NPROC, 0)):
        resource.setrlimit(limit, (most, most))
    for line in sys.stdin:
        problem, answer = json.loads(line)
        scorer = Scorer(**json.loads(problem))
        scorer.prepare()
        os.write(replies, b"r")
        try:
            reply = b"1" if scorer.right(answer) else b"0"
        except Exception:
            reply = b"x"
        os.write(replies, reply)


if __name__ == "__main__":
    main()
