"""The lineage as a picture: generations from left to right, every stage to the right of what it was made from."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .lineage import Graph, Role

_WIDTH, _HEIGHT = 148, 58  # of a box
_ACROSS, _DOWN = 196, 84  # from box to box
_EDGE = 12
# A row for each kind of stage, so that no line need pass behind a box of its own row.
_ROW = {"teacher_base": 0, "teacher": 0, "judge": 1, "base": 2, "student": 2, "duel": 3, "data": 4}


@dataclass(frozen=True)
class Box:
    """An artifact, with lines of text in it; the first is its heading. hint: what a pointer over it shows."""

    name: str
    kind: str
    x: int
    y: int
    lines: Sequence[str]
    hint: str


@dataclass(frozen=True)
class Arrow:
    """From a parent to its child, as a path of SVG."""

    role: Role
    path: str
    hint: str


@dataclass(frozen=True)
class Picture:
    """bands: where each generation begins, and how wide it is."""

    width: int
    height: int
    box_width: int
    box_height: int
    boxes: Sequence[Box]
    arrows: Sequence[Arrow]
    bands: Sequence[tuple[int, int, int]]  # generation, x, width


def layers(graph: Graph) -> dict[str, int]:
    """Name -> column: to the right of every parent (Sugiyama's first step), and of every earlier generation."""
    parents: dict[str, list[str]] = defaultdict(list)
    for edge in graph.edges:
        parents[edge.child].append(edge.parent)
    column: dict[str, int] = {}
    start = 0
    for generation in sorted({one.generation for one in graph.artifacts}):
        part = [one.name for one in graph.artifacts if one.generation == generation]
        for name in part:  # artifacts come in the order in which they were made: parents first
            column[name] = max([start, *(column[parent] + 1 for parent in parents[name] if parent in column)])
        start = 1 + max(column[name] for name in part)
    return column


def picture(graph: Graph, lines: Mapping[str, Sequence[str]], hints: Mapping[str, str]) -> Picture:
    """lines, hints: name -> what stands in a box and over it."""
    column = layers(graph)
    used = sorted({_ROW[one.stage] for one in graph.artifacts})
    boxes: dict[str, Box] = {}
    for one in graph.artifacts:
        x, y = _EDGE + column[one.name] * _ACROSS, 34 + used.index(_ROW[one.stage]) * _DOWN
        boxes[one.name] = Box(one.name, one.kind, x, y, lines[one.name], hints[one.name])
    arrows = [
        Arrow(edge.role, _curve(boxes[edge.parent], boxes[edge.child]), _told(edge.child, edge.role, edge.parent))
        for edge in graph.edges
    ]
    bands = []
    for generation in sorted({one.generation for one in graph.artifacts}):
        taken = [column[one.name] for one in graph.artifacts if one.generation == generation]
        first, last = min(taken), max(taken)
        bands.append((generation, _EDGE // 2 + first * _ACROSS, (last - first) * _ACROSS + _WIDTH + _EDGE))
    width = max((box.x for box in boxes.values()), default=0) + _WIDTH + _EDGE
    height = max((box.y for box in boxes.values()), default=0) + _HEIGHT + _EDGE
    return Picture(width, height, _WIDTH, _HEIGHT, list(boxes.values()), arrows, bands)


def said(graph: Graph) -> list[list[str]]:
    """Every edge as three words: who, what, whom."""
    return [_words(edge.child, edge.role, edge.parent) for edge in graph.edges]


def _words(child: str, role: Role, parent: str) -> list[str]:
    return [child, role, parent] if role in ("made by", "trained on", "compared with") else [parent, role, child]


def _told(child: str, role: Role, parent: str) -> str:
    return " ".join(_words(child, role, parent))


def _curve(parent: Box, child: Box) -> str:
    """From the right side of one box to the left side of another."""
    x1, y1, x2, y2 = parent.x + _WIDTH, parent.y + _HEIGHT // 2, child.x, child.y + _HEIGHT // 2
    bend = max(24, (x2 - x1) // 2)
    return f"M{x1} {y1}C{x1 + bend} {y1} {x2 - bend} {y2} {x2} {y2}"
