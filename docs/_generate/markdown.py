"""Plain text from the code as Markdown that shows it literally, on the site and on GitHub."""

import inspect
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

DOCS = Path(__file__).parents[1]

_CODE = re.compile(r"`([^`]+)`")
_PAPER = re.compile(r"arXiv (\d{4}\.\d{4,5})")
_PAGE = re.compile(r"docs/([\w./-]+\.md)")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "|": "&#124;", "$": "&#36;"}
_BACKSLASHED = "\\`*[]"
_ITEM = "- "


def literal(text: str) -> str:
    """One line of text in which nothing is markup.

    >>> literal("[x] <y> a_b _c a|b")
    '\\\\[x\\\\] &lt;y&gt; a_b \\\\_c a&#124;b'
    """
    escaped = "".join(_ENTITIES.get(letter, "\\" + letter if letter in _BACKSLASHED else letter) for letter in text)
    return re.sub(r"(?<![^\W_])_|_(?![^\W_])", r"\\_", escaped)


def code(text: str) -> str:
    """One line of text as code, in a table's cell too. Entities where backticks would not hold it."""
    if not set(text) & set("`|"):
        return f"`{text}`"
    escaped = "".join(letter if letter.isalnum() or letter in " .,/=-" else f"&#{ord(letter)};" for letter in text)
    return f"<code>{escaped}</code>"


def inline(text: str) -> str:
    """Text as one line: `code` stays code, a paper and a page of these docs become links, all else is literal."""
    pieces = _CODE.split(" ".join(text.split()))
    return "".join(code(piece) if place % 2 else _linked(literal(piece)) for place, piece in enumerate(pieces))


def _linked(text: str) -> str:
    text = _PAPER.sub(r"[arXiv \1](https://arxiv.org/abs/\1)", text)
    return _PAGE.sub(lambda found: f"[{found[1]}](../{found[1]})" if (DOCS / found[1]).is_file() else found[0], text)


def prose(docstring: str | None) -> str:
    """A docstring as Markdown: paragraphs, lists of "- " and examples of ">>>"."""
    blocks = re.split(r"\n\s*\n", inspect.cleandoc(docstring or ""))
    return "\n\n".join(_block(block) for block in blocks if block.strip())


def _block(block: str) -> str:
    if block.lstrip().startswith(">>>"):
        return fenced(block, "pycon")
    lead, *items = re.split(rf"(?m)^\s*{_ITEM}", block)
    listed = "\n".join(_ITEM + inline(item) for item in items)
    return "\n\n".join(part for part in (_paragraph(lead), listed) if part)


def _paragraph(text: str) -> str:
    """A sign at its start that would begin a list or a heading gets a backslash."""
    return re.sub(r"^(?=[#+-])|(?<=^\d)(?=\.\s)", r"\\", inline(text))


def fenced(text: str, language: str = "text") -> str:
    """A block of code."""
    return f"```{language}\n{text.rstrip()}\n```"


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of cells that are Markdown already; empty columns are left out, and so is a table without rows."""
    cells = [list(row) for row in rows]
    kept = [place for place in range(len(headings)) if any(row[place] for row in cells)]
    lines = [[headings[place] for place in kept], ["---"] * len(kept), *([row[place] for place in kept] for row in cells)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) if cells else ""


def anchor(heading: str) -> str:
    """The anchor of a heading's plain text, as Python-Markdown and GitHub make it.

    >>> anchor("[policy.lora] of rl")
    'policylora-of-rl'
    """
    return re.sub(r"\s+", "-", re.sub(r"[^\w\s-]", "", heading).strip().lower())


def page(title: str, *parts: str) -> str:
    """A whole page, which says first that it is generated; empty parts are left out."""
    said = "<!-- Generated from the code by docs/generate.py; do not edit, run `make docs`. -->"
    return "\n\n".join([said, f"# {title}", *(part for part in parts if part)]) + "\n"
