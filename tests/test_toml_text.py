"""TOML that is written for people is read back as it was, whatever stands in it."""

import tomllib

from hypothesis import given
from hypothesis import strategies as st

from outgrow.core.toml_text import WIDTH, toml_entry

# Surrogates cannot be written as UTF-8.
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
SCALARS = TEXT | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3), max_leaves=6)


@given(TEXT, VALUES, st.text(max_size=200))
def test_an_entry_is_read_back_whatever_its_comment_says(key, value, comment):
    lines = toml_entry(key, value, comment)
    assert tomllib.loads("\n".join(lines)) == {key: value}
    assert len(lines) == 1 or lines[0].startswith("# "), "a long comment stands above its value"
    assert all("\n" not in line and "\r" not in line and "\x1b" not in line for line in lines)


def test_a_comment_stands_behind_its_value_while_there_is_room():
    assert toml_entry("lr", 0.5, "half") == ["lr = 0.5  # half"]
    behind, above = toml_entry("lr", 0.5, "x" * (WIDTH - 12)), toml_entry("lr", 0.5, "x" * (WIDTH - 11))
    assert (len(behind), len(behind[0])) == (1, WIDTH)
    assert above[1] == "lr = 0.5"
