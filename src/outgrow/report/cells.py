"""A change as a cell of a table: better and worse in colour and in words."""

from typing import Literal

from ..core.estimate import Estimate

Tone = Literal["gain", "loss", "none"]
Good = Literal["up", "down"]
"""Whether more or less of a measure is better."""

_WORD = {"gain": ", better", "loss": ", worse", "none": ""}


class Toned(str):
    """The text of a cell, with its tone."""

    tone: Tone

    def __new__(cls, text: str, tone: Tone) -> "Toned":
        """Return this text with this tone."""
        toned = super().__new__(cls, text)
        toned.tone = tone
        return toned


def tone(change: Estimate | None, good: Good = "up") -> Tone:
    """Return gain, loss, or none where the interval holds 0 or nothing was measured.

    >>> tone(Estimate(-0.1, -0.2, -0.05, 60)), tone(Estimate(-0.1, -0.2, -0.05, 60), "down")
    ('loss', 'gain')
    """
    if change is None or not change.excludes():
        return "none"
    return "gain" if (change.value > 0) is (good == "up") else "loss"


def toned(text: str, change: Estimate | None, good: Good = "up") -> Toned:
    """Return the text of a change with its tone, and with a word that says it where the interval excludes 0.

    >>> str(toned("+2.0", Estimate(0.02, 0.01, 0.03, 60), "down"))
    '+2.0, worse'
    """
    known = tone(change, good)
    return Toned(text + _WORD[known], known)
