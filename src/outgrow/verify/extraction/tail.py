"""The part of a text that an extractor looks at, so that a text of megabytes costs little."""

# More boxes or marks than any answer holds; what stands before the last of them is not looked at.
_LAST = 1000


def start_of_last(text: str, sign: str) -> int:
    """Return where the thousandth last `sign` of a text stands; the first where it has fewer, len(text) where it has none.

    >>> start_of_last("a box, a box", "box"), start_of_last("box" * 1001, "box"), start_of_last("none", "box")
    (2, 3, 4)
    """
    start = len(text)
    for _ in range(_LAST):
        before = text.rfind(sign, 0, start)
        if before < 0:
            break
        start = before
    return start
