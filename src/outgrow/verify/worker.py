"""One comparison process of `pool`: reads pairs of LaTeX answers, says whether math-verify finds them equal.

It is run as a file and imports nothing of this package, so that it starts fast and loads no model. A line in: [known, answer] as
JSON. Bytes out: "r" as it begins with a pair, then "1" or "0". What ends it is the pool, or its own limits.

math-verify's `parse` first looks for an answer in a text, by rules of its own: of "x+2, but the final answer is $x+1$" it takes the
second. Here the answer is already found, and all of it counts; so only what `parse` does next is called. None of that evaluates
text as Python. Its limits in time are signals, which do not end a call that is busy in C; the pool's do.
"""

import json
import logging
import os
import re
import resource
import signal
import sys
from dataclasses import replace

_MEMORY = 2**30
# An alarm ends a comparison whose pool was itself killed; nothing else waits that long.
_ALARM_S = 30
# Its rules for units also take the t of 12+10t for one, so they serve only where a word is written.
_WORD = re.compile(r"\\(?:text|mbox|mathrm)|(?<![A-Za-z\\])[A-Za-z]{3,}")
_DELIMITERS = re.compile(r"(?<!\\)(?:\\[()\[\]]|\$)")


def main() -> None:
    """Answer until the input ends."""
    replies = os.dup(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # whatever a library prints must not look like a reply
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    logging.disable()
    from latex2sympy2_extended import normalize_latex
    from math_verify import LatexExtractionConfig, verify
    from math_verify.parser import parse_latex_cached

    rules = {units: replace(LatexExtractionConfig().normalization_config, units=units) for units in (False, True)}

    def read(text: str) -> list[object]:
        """Return what math-verify makes of an answer: the expression, where it can read one, and the normalised text."""
        plain = " ".join(_DELIMITERS.sub(" ", text).split()).rstrip(".")
        normalised = normalize_latex(plain, rules[_WORD.search(plain) is not None])
        try:
            return [parse_latex_cached(normalised), normalised]
        except Exception:
            return [normalised]

    for line in sys.stdin:
        signal.alarm(_ALARM_S)
        os.write(replies, b"r")
        known, answer = json.loads(line)
        equal = verify(read(known), read(answer), timeout_seconds=None)
        signal.alarm(0)
        os.write(replies, b"1" if equal else b"0")


if __name__ == "__main__":
    main()
