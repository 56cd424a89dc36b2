"""Numbers of things, in words."""


def counted(number: int, noun: str) -> str:
    """Return a number and its noun, singular or plural. noun: one whose plural ends with s.

    >>> counted(1, "sample"), counted(1200, "sample")
    ('1 sample', '1,200 samples')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
