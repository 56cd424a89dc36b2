"""Tables by one name, as suites and commands take them: `held-out.csv`, `sets/mine:test`, `OWNER/NAME:test:answer=solution`."""

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ..core.errors import UsageError, nearest
from ..core.refusals import explain
from .chains.shape import THEN
from .formats import format_of
from .table import Table

_KEYS = ("config", "question", "answer", "solution", "level", "field")


def named_table(name: str, split: str) -> Table | None:
    """Return the table called PLACE[:SPLIT][:KEY=VALUE]…; None where this is not the name of a table.

    PLACE: a file, a folder with files for each split, or a set on the hub (OWNER/NAME). SPLIT: of a folder or set; by default
    `split`; it stands before every KEY. KEY: question, answer, solution, level or field, for a column (see `Table`); config, of a
    set.

    Raises UsageError where a KEY is unknown.
    """
    place, parts = (name, []) if Path(name).exists() else _divided(name)
    here = is_path(place)
    if not here and "/" not in place:
        return None
    settings: dict[str, Any] = {"path": Path(place)} if here else {"hub": place}
    for part in _settings(parts):
        key, equals, value = part.partition("=")
        if equals and key not in _KEYS:
            raise UsageError(f"{name}: no key {key!r} of a table{nearest(key, _KEYS)}")
        settings[key if equals else "split"] = value if equals else key
    try:
        table = Table.model_validate({"split": split, **settings})
    except ValidationError as error:
        raise UsageError(f"{name}: {explain(error, Table)}") from error
    table._name = name
    return table


def is_path(place: str) -> bool:
    """Return whether a place is on this machine and not on the hub."""
    return place.startswith((".", "/", "~")) or format_of(Path(place)) is not None or Path(place).exists()


def absolute(name: str) -> str:
    """Return a table's name that means the same from every folder; other names as they are.

    >>> absolute("OWNER/NAME:test"), absolute("/sets/a.csv:answer=gold")
    ('OWNER/NAME:test', '/sets/a.csv:answer=gold')
    """
    place, parts = (name, []) if Path(name).exists() else _divided(name)
    return ":".join([str(Path(place).expanduser().absolute()), *parts]) if is_path(place) else name


def label(name: str) -> str:
    """Return a table's name for readers elsewhere: of a path on this machine only the last part; other names as they are.

    >>> label("/home/ada/sets/a.csv:answer=gold"), label("OWNER/NAME:test")
    ('a.csv:answer=gold', 'OWNER/NAME:test')
    """
    if THEN in name and not Path(name).exists():
        return THEN.join(map(label, name.split(THEN)))
    place, parts = _divided(name)
    return ":".join([Path(place).name, *parts]) if is_path(place) else name


def _divided(name: str) -> tuple[str, list[str]]:
    place, *parts = name.split(":")
    return place, parts


def _settings(parts: list[str]) -> list[str]:
    """Return SPLIT and each KEY=VALUE. A column's name may hold colons.

    >>> _settings(["test", "answer=gold", " the right one", "level=n"])
    ['test', 'answer=gold: the right one', 'level=n']
    """
    settings: list[str] = []
    for part in parts:
        if settings and "=" in settings[-1] and "=" not in part:
            settings[-1] += f":{part}"
        elif part:
            settings.append(part)
    return settings
