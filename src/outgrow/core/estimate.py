"""A figure with its 95% interval, and the one way to print it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Estimate:
    """A mean, a share or a change of one, with its 95% interval.

    >>> print(Estimate(0.17, 0.1429, 0.1993, 377))
    0.170 (0.143 to 0.199)
    """

    value: float
    """The figure itself."""
    low: float
    """Lower end of the 95% interval."""
    high: float
    """Upper end of the 95% interval."""
    n: int
    """How many problems, rows or seeds the figure is taken over."""

    def excludes(self, null: float = 0.0) -> bool:
        """Return whether the whole interval lies on one side of `null`."""
        return self.low > null or self.high < null

    def text(self, spec: str = ".3f", scale: float = 1.0, unit: str = "") -> str:
        """Return the figure and its interval as text.

        spec: a format of Python's, for each of the three numbers, "+" in it for the sign of a change. scale: what each number is
        multiplied by first, 100 for percent or points. unit: stands behind the figure.

        >>> Estimate(0.3, 0.25, 0.36, 377).text("+.1f", 100, " points")
        '+30.0 points (+25.0 to +36.0)'
        """
        value, low, high = (format(scale * number, spec) for number in (self.value, self.low, self.high))
        return f"{value}{unit} ({low} to {high})"

    def __str__(self) -> str:
        return self.text()
