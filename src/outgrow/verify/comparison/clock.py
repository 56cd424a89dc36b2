"""Times of day and dates. 3:45 is a time, not three divided by forty-five; 06/10/2021 is a day."""

import re
from dataclasses import dataclass

_TIME = re.compile(r"(\d{1,2}):([0-5]\d)(?::([0-5]\d))? ?([ap]\.? ?m\.?)?", re.ASCII | re.IGNORECASE)
_HOUR = re.compile(r"(\d{1,2}) ?([ap]\.? ?m\.?)", re.ASCII | re.IGNORECASE)
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
        if self.numbers == other.numbers and (not self.half or self.half == other.half):
            return True
        # 15:30 is 3:30 p.m., but 3:30 may be either.
        afternoon = max(self.numbers, other.numbers)[0] > 12
        return afternoon and bool(self.half) != bool(other.half) and self._of_24_hours() == other._of_24_hours()

    def _of_24_hours(self) -> tuple[int, ...]:
        if self.is_date or not self.half:
            return self.numbers
        return (self.numbers[0] % 12 + 12 * (self.half == "pm"), *self.numbers[1:])


def read_clock(plain: str) -> Clock | None:
    """Return the time or the date that a text is; None where it is none.

    >>> read_clock("3:45 p.m."), read_clock("06/10/2021").numbers, read_clock("3:2")
    (Clock(numbers=(3, 45, 0), half='pm', is_date=False), (6, 10, 2021), None)
    """
    if time := _TIME.fullmatch(plain):
        return Clock((int(time[1]), int(time[2]), int(time[3] or 0)), _half(time[4])) if int(time[1]) <= 24 else None
    if hour := _HOUR.fullmatch(plain):
        return Clock((int(hour[1]), 0, 0), _half(hour[2])) if int(hour[1]) <= 12 else None
    if date := _DATE.fullmatch(plain):
        return Clock(tuple(int(number) for number in date.groups() if number), is_date=True)
    return None


def _half(letters: str | None) -> str:
    return {"a": "am", "p": "pm"}[letters[0].lower()] if letters else ""
