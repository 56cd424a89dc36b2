"""A draft as TOML."""

from ..core.toml_text import toml_comment, toml_entry
from .recipe_draft import Draft, Table


def toml_of(draft: Draft) -> str:
    """Return the draft as TOML text, each value with its reason; reading it gives `draft.values()`."""
    parts = [[toml_comment(line) for line in draft.head], *map(_table, draft.tables)]
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


def _table(table: Table) -> list[str]:
    header = f"[[{table.name}]]" if table.repeated else f"[{table.name}]"
    has_keys = any(line.key for line in table.lines)
    lines = [header] if table.name and has_keys else [toml_comment(header)] if table.name else []
    for line in table.lines:
        lines += toml_entry(line.key, line.value, line.why) if line.key else [toml_comment(line.why)]
    return lines
