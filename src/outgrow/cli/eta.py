"""How much of some work is done and how long the rest takes, as text."""

from typing import TYPE_CHECKING

from ..core.amounts import duration

if TYPE_CHECKING:
    from ..core.callbacks import Written


def seconds_left(total: int, written: "Written", seconds: float, max_tokens: int | None = None) -> float | None:
    """Estimate how many seconds the rest of `total` answers takes; None where nothing is known yet.

    written: what is there after `seconds` seconds. max_tokens: the longest answer. Where tokens are counted, the work is tokens: an
    answer is expected to have the tokens written so far over the answers completed, and not more than max_tokens. This is the
    maximum-likelihood mean of a geometric length, so that the unfinished answers of a batch count as well. Before an answer is
    complete, each is expected to be of full length. Answers that were stored took no time.
    """
    left, fresh = total - written.answers, written.answers - written.stored
    if left <= 0:
        return 0.0
    if not written.tokens:
        return seconds / fresh * left if fresh else None
    lengths = [float(max_tokens)] if max_tokens else []
    if fresh:
        lengths.append(written.tokens / fresh)
    if not lengths:
        return None
    missing = min(lengths) * (total - written.stored) - written.tokens
    return max(0.0, missing) * seconds / written.tokens


def eta(seconds: float | None) -> str:
    """Return the time that is left as text.

    >>> eta(43.2), eta(None)
    ('ETA 43 s', 'ETA not known yet')
    """
    return "ETA not known yet" if seconds is None else f"ETA {duration(seconds)}"


def speed(tokens: int, seconds: float) -> str:
    """Return tokens, and tokens a second, as text.

    >>> speed(40_300, 130.0)
    '40,300 tokens, 310 tokens/s'
    """
    return f"{tokens:,} tokens" + (f", {tokens / seconds:,.0f} tokens/s" if seconds > 0 else "")
