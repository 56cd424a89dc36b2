"""Reading TOML that anybody may have written."""

import tomllib
from pathlib import Path
from typing import Any

from .files import read_plain

_MAX_BYTES = 2**24
_MAX_DEPTH = 64  # tables and lists in each other; functions that walk a recipe call themselves at each


def read_toml(path: Path) -> tuple[str, dict[str, Any]]:
    """Return the text and the values of a TOML file.

    Raises OSError where it is not a regular file of up to 16 MiB, UnicodeDecodeError where it is not text, ValueError where no file
    can have its name, and TOMLDecodeError where it is not TOML.
    """
    text = read_plain(path, _MAX_BYTES).decode("utf-8-sig")  # some editors begin a file with a mark of its encoding
    text = text.replace("\r\n", "\n")
    return text, parse_toml(text)


def parse_toml(text: str) -> dict[str, Any]:
    """Return the values of a TOML text.

    Raises TOMLDecodeError where it is not TOML, nested too deep, or holds a whole number of thousands of digits.
    """
    try:
        values = tomllib.loads(text)
    except RecursionError as error:
        raise tomllib.TOMLDecodeError("nested too deep") from error
    except tomllib.TOMLDecodeError:
        raise
    except ValueError as error:
        raise tomllib.TOMLDecodeError(str(error)) from error
    level: list[Any] = [values]
    for _ in range(_MAX_DEPTH):
        level = [item for value in level for item in _items(value)]
        if not level:
            return values
    raise tomllib.TOMLDecodeError(f"nested too deep (more than {_MAX_DEPTH} tables and lists in each other)")


def _items(value: Any) -> list[Any]:
    """Return what a table or list holds; nothing for other values."""
    return list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
