"""Property tests that count how often their strong half ran, and fail where that was too seldom to show anything."""

import functools
from collections import Counter

_MET = Counter()


def met(kind: str, times: int = 1) -> None:
    """Say, inside a test under `meets`, that this kind of case was met and checked."""
    _MET[kind] += times


def meets(**least: int):
    """Above @given: over all its examples the test must meet each kind at least so many times."""

    def above(test):
        @functools.wraps(test)
        def counted(*args, **kwargs):
            _MET.clear()
            test(*args, **kwargs)
            assert all(_MET[kind] >= count for kind, count in least.items()), f"met {dict(_MET)}, and needs {least}"

        return counted

    return above
