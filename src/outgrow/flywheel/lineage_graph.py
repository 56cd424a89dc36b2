"""The lineage as a drawing: generations from left to right, every stage to the right of what it was made from."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .lineage import Edge, Graph, Role

_WIDTH, _HEIGHT = 148, 58  # of a box, in pixels
_ACROSS, _DOWN = 196, 84  # from a box to the next
_EDGE = 12
# A row for each kind of stage, so that no arrow passes behind a box of its own row.
_ROW = {"teacher_base": 0, "teacher": 0, "judge": 1, "base": 2, "student": 2, "promotion": 3, "data": 4}


@dataclass(frozen=True)
class Box:
    """An artifact in the drawing."""

    name: str
    kind: str
    x: int
    y: int
    lines: Sequence[str]
    """Text in the box; the first line is the heading."""
    hint: str
    """Tooltip."""


@dataclass(frozen=True)
class Arrow:
    """An arrow from a parent to its child."""

    role: Role
    path: str
    """SVG path data."""
    hint: str
    """Tooltip."""


@dataclass(frozen=True)
class Picture:
    """The whole drawing."""

    width: int
    height: int
    box_width: int
    box_height: int
    boxes: Sequence[Box]
    arrows: Sequence[Arrow]
    bands: Sequence[tuple[int, int, int]]
    """Background of each generation: its number, x and width."""


def layers(graph: Graph) -> dict[str, int]:
    """Return the column of each artifact: right of every parent (Sugiyama's first step) and of every earlier generation."""
    parents: dict[str, list[str]] = defaultdict(list)
    for edge in graph.edges:
        parents[edge.child].append(edge.parent)
    column: dict[str, int] = {}
    start = 0
    for generation in sorted({artifact.generation for artifact in graph.artifacts}):
        names = [artifact.name for artifact in graph.artifacts if artifact.generation == generation]
        for name in names:  # artifacts come in the order in which they were made: parents first
            column[name] = max([start, *(column[parent] + 1 for parent in parents[name] if parent in column)])
        start = 1 + max(column[name] for name in names)
    return column


def picture(graph: Graph, lines: Mapping[str, Sequence[str]], hints: Mapping[str, str]) -> Picture:
    """Lay out boxes and arrows. lines, hints: text and tooltip of each box, by name."""
    column = layers(graph)
    used = sorted({_ROW[artifact.stage] for artifact in graph.artifacts})
    boxes: dict[str, Box] = {}
    for artifact in graph.artifacts:
        name = artifact.name
        x, y = _EDGE + column[name] * _ACROSS, 34 + used.index(_ROW[artifact.stage]) * _DOWN
        boxes[name] = Box(name, artifact.kind, x, y, lines[name], hints[name])
    arrows = [Arrow(edge.role, _curve(boxes[edge.parent], boxes[edge.child]), " ".join(_words(edge))) for edge in graph.edges]
    bands = []
    for generation in sorted({artifact.generation for artifact in graph.artifacts}):
        columns = [column[artifact.name] for artifact in graph.artifacts if artifact.generation == generation]
        first, last = min(columns), max(columns)
        bands.append((generation, _EDGE // 2 + first * _ACROSS, (last - first) * _ACROSS + _WIDTH + _EDGE))
    width = max((box.x for box in boxes.values()), default=0) + _WIDTH + _EDGE
    height = max((box.y for box in boxes.values()), default=0) + _HEIGHT + _EDGE
    return Picture(width, height, _WIDTH, _HEIGHT, list(boxes.values()), arrows, bands)


def edge_rows(graph: Graph) -> list[list[str]]:
    """Return each edge as a sentence in three parts: subject, role, object."""
    return [_words(edge) for edge in graph.edges]


def _words(edge: Edge) -> list[str]:
    if edge.role in ("made by", "trained on", "compared with"):
        return [edge.child, edge.role, edge.parent]
    return [edge.parent, edge.role, edge.child]


def _curve(parent: Box, child: Box) -> str:
    """Return the path from the right side of one box to the left side of another."""
    x1, y1, x2, y2 = parent.x + _WIDTH, parent.y + _HEIGHT // 2, child.x, child.y + _HEIGHT // 2
    bend = max(24, (x2 - x1) // 2)
    return f"M{x1} {y1}C{x1 + bend} {y1} {x2 - bend} {y2} {x2} {y2}"
