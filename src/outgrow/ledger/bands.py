"""Easy, medium and hard: bands of pass rates."""

from typing import Literal

EASY, HARD = 0.8, 0.2  # easy from 0.8 up, hard from 0.2 down

Band = Literal["easy", "medium", "hard"]


def band(pass_rate: float) -> Band:
    """Return the band that a pass rate is in.

    >>> band(0.8), band(0.5), band(0.2)
    ('easy', 'medium', 'hard')
    """
    return "easy" if pass_rate >= EASY else "hard" if pass_rate <= HARD else "medium"
