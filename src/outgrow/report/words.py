"""Numbers as text, and the headline of a page."""

import re

from ..core.amounts import duration, money
from ..core.counted import counted
from ..core.estimate import Estimate
from ..evaluate.change import Comparison

# Characters of a completion on the page. A long one keeps its end, where the answer is.
_HEAD, _TAIL = 1500, 2500
_SIGNED_ZERO = re.compile(r"[+-](0(?:\.0+)?)(?![\d.])")


def percent(share: float) -> str:
    """Return a share in percent.

    >>> percent(0.1698)
    '17.0%'
    """
    return f"{_number(100 * share, 1)}%"


def points(change: float, digits: int = 1) -> str:
    """Return a change of a share in percentage points, with its sign.

    >>> points(-0.1346), points(0.0)
    ('−13.5', '0.0')
    """
    return _signed(100 * change, digits)


def share_estimate(estimate: Estimate) -> str:
    """Return a share in percent with its interval.

    >>> share_estimate(Estimate(0.17, 0.1429, 0.1993, 377))
    '17.0% (14.3–19.9)'
    """
    return _typeset(estimate.text(",.1f", 100, "%"))


def share_change(estimate: Estimate) -> str:
    """Return a change of a share in points, with its unit and interval.

    >>> share_change(Estimate(0.3, 0.25, 0.36, 377))
    '+30.0 points (+25.0 to +36.0)'
    """
    return _typeset(estimate.text("+,.1f", 100, " points"))


def point_change(estimate: Estimate) -> str:
    """Return a change of a share in points, with its interval.

    >>> point_change(Estimate(0.3, 0.25, 0.36, 377))
    '+30.0 (+25.0 to +36.0)'
    """
    return _typeset(estimate.text("+,.1f", 100))


def token_estimate(estimate: Estimate) -> str:
    """Return a number of tokens with its interval.

    >>> token_estimate(Estimate(27.75, 27.1, 28.4, 377))
    '27.8 (27.1–28.4)'
    """
    return _typeset(estimate.text(",.1f"))


def token_change(estimate: Estimate) -> str:
    """Return a change of a number of tokens, with its interval.

    >>> token_change(Estimate(-2.0, -3.0, 1.0, 377))
    '−2.0 (−3.0 to +1.0)'
    """
    return _typeset(estimate.text("+,.1f"))


def figure(value: float | None, share: bool) -> str:
    """Return a metric as the text of a table cell.

    >>> figure(0.25, True), figure(12.345, False), figure(3.3e-7, False), figure(None, False)
    ('25.0%', '12.3', '3.3e−07', '')
    """
    if value is None:
        return ""
    return percent(value) if share else f"{value:.3g}".replace("-", "−")


def cost(seconds: float, dollars_per_hour: float) -> str:
    """Return the price of a time on the machine, or that its price is not given.

    >>> cost(1800, 2.5)
    '$1.25 (30 min at $2.50 per hour)'
    """
    if not dollars_per_hour:
        return "unknown (run.dollars_per_hour is 0)"
    return f"{money(seconds / 3600 * dollars_per_hour)} ({duration(seconds)} at {money(dollars_per_hour)} per hour)"


def span_label(steps: range) -> str:
    """Return the label of a window of steps; step 0 is a profile.

    >>> span_label(range(1, 6)), span_label(range(7, 8)), span_label(range(1))
    ('1–5', '7', 'profile')
    """
    if steps == range(1):
        return "profile"
    return f"{steps[0]}–{steps[-1]}" if len(steps) > 1 else str(steps[0])


def shortened(text: str) -> str:
    """Return a completion short enough for a page: its beginning, and more of its end."""
    hidden = len(text) - _HEAD - _TAIL
    if hidden <= 0:
        return text
    return f"{text[:_HEAD]}\n[… {hidden:,} characters not shown …]\n{text[-_TAIL:]}"


def headline(pass_at_1: Comparison | None, k: int) -> str:
    """Return the run's result in one sentence, with its interval and n. k: samples per problem."""
    if pass_at_1 is None:
        return "Nothing has been measured yet."
    change, known = pass_at_1.change, pass_at_1.before or pass_at_1.after
    if change is None:
        assert known is not None
        when, missing = ("before", "after") if pass_at_1.before else ("after", "before")
        return f"pass@1 was {share_estimate(known)} {when} training, {_count(known, k)}; not yet measured {missing} training."
    if not change.excludes():
        return f"No difference shown: pass@1 changed by {share_change(change)}, {_count(change, k)}."
    moved = "rose" if change.value > 0 else "fell"
    size, *ends = (_number(abs(100 * value), 1) for value in (change.value, change.low, change.high))
    low, high = ends if change.value > 0 else reversed(ends)
    return f"pass@1 {moved} by {size} points ({low}–{high}), {_count(change, k)}."


def _typeset(text: str) -> str:
    """Return the text of an estimate with real minus signs, no sign on what rounds to 0, and a dash between ends without signs.

    >>> _typeset("-0.0 (-1.0 to +2.5)"), _typeset("17.0 (14.3 to 19.9)")
    ('0.0 (−1.0 to +2.5)', '17.0 (14.3–19.9)')
    """
    figure, _, ends = _SIGNED_ZERO.sub(r"\1", text).replace("-", "−").partition(" (")
    return f"{figure} ({ends if '−' in ends or '+' in ends else ends.replace(' to ', '–')}"


def _count(estimate: Estimate, k: int) -> str:
    return f"n = {estimate.n:,} problems × {counted(k, 'sample')}"


def _number(value: float, digits: int) -> str:
    return f"{value:,.{digits}f}".replace("-", "−")


def _signed(value: float, digits: int) -> str:
    size = f"{abs(value):,.{digits}f}"
    sign = "" if not size.strip("0.") else "+" if value > 0 else "−"  # what rounds to 0 has no sign
    return sign + size
