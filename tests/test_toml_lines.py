"""The line of a key: each value holds a mark of its own, and the line that is found must hold that mark."""

import tomllib

import pytest
import tomli_w
from hypothesis import given, settings
from hypothesis import strategies as st

from outgrow.core.toml_lines import Setting, TomlLines

WRITTEN = '''
# a comment, and a = "MARK" in it
name = "M-name" # behind
"quoted = key" = "M-quoted"
'literal "key"' = 'M-literal'
dotted . key."with = sign" = "M-dotted"
inline = { a = "M-inline-a", b = { c = "M-inline-c" } }
text = """M-text
[not.a.table]
name = "not a key" """
raw = \'\'\'M-raw
= "
\'\'\'
items = [
    "M-item-0",   # ], a comment with a bracket
    # "M-item-1", not yet
    "M-item-1", "M-item-2",
    [ "M-nested-0",
      "M-nested-1" ],
]
tables = [
  { a = "M-tables-0" },

  { a = "M-tables-1" } ]
[learn] # header
steps = "M-steps"
[learn.deep."a.b"]
key = "M-deep"
[[problems]]
path = "M-problems-0"
[problems.columns]
answer = "M-columns-0"
[[problems]]
path = "M-problems-1"
[[problems.more]]
x = "M-more-0"
[[problems.more]]
x = "M-more-1"
[ after ]
last = "M-last"
'''


def leaves(value, path=()):
    """Yield the path and the value of everything that is neither a table nor a list."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    if items is None:
        yield path, value
        return
    for part, inner in items:
        yield from leaves(inner, (*path, part))


def assert_marks_are_found(text):
    lines = text.replace("\r\n", "\n").split("\n")
    known = TomlLines(text)
    for path, value in leaves(tomllib.loads(text)):
        found = known.find(path)
        assert found is not None, path
        mark = str(value).split("\n")[0]
        assert mark in lines[found.line - 1], (path, value, found, lines[found.line - 1])


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_every_way_to_write_a_key(end):
    assert_marks_are_found(WRITTEN.replace("\n", end))


def test_headers_and_what_is_not_there():
    known = TomlLines(WRITTEN)
    lines = WRITTEN.split("\n")
    for path, header in (
        (("learn",), "[learn] # header"),
        (("learn", "deep", "a.b"), '[learn.deep."a.b"]'),
        (("problems", 1, "more", 1), "[[problems.more]]"),
        (("after",), "[ after ]"),
    ):
        assert lines[known.find(path).line - 1] == header
    assert known.find(("problems", 1)).line > known.find(("problems", 0, "columns", "answer")).line
    for path in (("steps",), ("learn", "lr"), ("problems", 2), ("not",), ("inline", "c"), ("items", 9)):
        assert known.find(path) is None, path
    assert known.find(("dotted", "key", "with = sign")) == Setting(6, (), ("dotted", "key", "with = sign"))
    assert known.find(("problems", 0, "columns", "answer")).table == ("problems", 0, "columns")


KEYS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=6)


@st.composite
def marked(draw):
    """Return nested values, each leaf a text with a number of its own at its start."""
    count = iter(range(10_000))

    def fill(shape):
        if isinstance(shape, dict):
            return {key: fill(inner) for key, inner in shape.items()}
        if isinstance(shape, list):
            return [fill(inner) for inner in shape]
        return f"mark {next(count)} end\n{shape}" if shape else f"mark {next(count)} end"

    nested = st.recursive(
        st.sampled_from(["", "two\nlines", "x = 1\n[table]", "'''\n\"\"\"\n]"]),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
        max_leaves=12,
    )
    return fill(draw(st.dictionaries(KEYS, nested, min_size=1, max_size=4)))


@settings(deadline=None, max_examples=60)
@given(marked(), st.booleans())
def test_what_a_writer_of_toml_writes(values, multiline):
    text = tomli_w.dumps(values, multiline_strings=multiline)
    assert tomllib.loads(text) == values
    lines = text.split("\n")
    known = TomlLines(text)
    for path, value in leaves(values):
        found = known.find(path)
        assert found is not None
        if len(path) > 5:  # deeper than the lines inside a value are told apart
            continue
        # A text over several lines begins behind its quotes, on the line of its key or on the next one.
        mark = value.split("\n")[0]
        is_near = mark in "".join(lines[found.line - 1 : found.line + 1])
        # In a list, a key behind such a text is found between the first line of its item and its own.
        item = max((place for place, part in enumerate(path) if isinstance(part, int)), default=None)
        if multiline and item is not None:
            at = next(number for number, line in enumerate(lines, 1) if mark in line)
            is_near = known.find(path[: item + 1]).line <= found.line <= at
        assert is_near, (path, text)
