"""TOML for people: one line a key, lists and tables in that line, and comments that say where a value comes from."""

import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

import tomli_w

WIDTH = 100
"""Columns up to which a comment stands behind its value; a longer one stands above it."""


def toml_key(key: str) -> str:
    """Return a key, quoted where it must be.

    >>> toml_key("lr"), toml_key("a b")
    ('lr', '"a b"')
    """
    return tomli_w.dumps({key: 0}).removesuffix(" = 0\n")


def toml_value(value: Any) -> str:
    r"""Return a value in one line: a text with escapes, a list, an inline table, or what else TOML has.

    >>> toml_value(["a\nb", 0.5]), toml_value({"x": True})
    ('["a\\nb", 0.5]', '{ x = true }')
    """
    if isinstance(value, Mapping):
        inside = ", ".join(f"{toml_key(key)} = {toml_value(item)}" for key, item in value.items())
        return f"{{ {inside} }}" if inside else "{}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f"[{', '.join(map(toml_value, value))}]"
    return tomli_w.dumps({"_": value}).removeprefix("_ = ").removesuffix("\n")


def toml_comment(text: str) -> str:
    r"""Return a comment of one line. What a comment cannot hold, and what a terminal would obey, becomes a blank.

    >>> toml_comment("two\nlines")
    '# two lines'
    """
    return "# " + "".join(" " if unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") else letter for letter in text)


def toml_entry(key: str, value: Any, comment: str = "") -> list[str]:
    """Return the line of a key and its value, with the comment behind it, or above it where the line would get too long.

    >>> toml_entry("lr", 0.5, "half")
    ['lr = 0.5  # half']
    """
    line = f"{toml_key(key)} = {toml_value(value)}"
    if not comment:
        return [line]
    behind = f"{line}  {toml_comment(comment)}"
    return [behind] if len(behind) <= WIDTH else [toml_comment(comment), line]
