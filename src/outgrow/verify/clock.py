"""Times of day and dates. 3:45 is a time, not three divided by forty-five; 06/10/2021 is a day."""

import re
from dataclasses import dataclass

_TIME = re.compile(r"(\d{1,2}):([0-5]\d)(?::([0-5]\d))? ?(a\.? ?m\.?|p\.? ?m\.?|noon|midnight)?( ?o'?clock)?", re.ASCII | re.IGNORECASE)
_DATE = re.compile(r"(\d{1,4})/(\d{1,2})/(\d{2,4})|(\d{4})-(\d{1,2})-(\d{1,2})", re.ASCII)


@dataclass(frozen=True)
class Clock:
    """A time of day or a date."""

    numbers: tuple[int, ...]
    """Hour, minute, second; or the numbers of a date as they are written."""
    half: str = ""
    """am or pm where it is told."""
    is_date: bool = False

    def same(self, other: "Clock | None") -> bool:
        """Return whether the other says the same, for this as the known one: half a day that is known must be told."""
        if other is None or self.is_date != other.is_date:
            return False
        if not self.half or self.half == other.half:
            return self.numbers == other.numbers
        return not other.half and other.numbers == self._of_24_hours() and other.numbers != self.numbers

    def _of_24_hours(self) -> tuple[int, ...]:
        return (self.numbers[0] % 12 + 12 * (self.half == "pm"), *self.numbers[1:])


def read_clock(plain: str) -> Clock | None:
    """Return the time or the date that a text is; None where it is none.

    >>> read_clock("3:45 p.m."), read_clock("06/10/2021").numbers, read_clock("3:2")
    (Clock(numbers=(3, 45, 0), half='pm', is_date=False), (6, 10, 2021), None)
    """
    if time := _TIME.fullmatch(plain):
        if int(time[1]) > 24:
            return None
        half = {"a": "am", "p": "pm"}.get((time[4] or " ")[0].lower(), "")
        return Clock((int(time[1]), int(time[2]), int(time[3] or 0)), half)
    if date := _DATE.fullmatch(plain):
        return Clock(tuple(int(number) for number in date.groups() if number), is_date=True)
    return None
