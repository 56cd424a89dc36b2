"""The version of the code that made a result, as one digest: of every file of the package that decides what a run does."""

import hashlib
from functools import cache
from pathlib import Path

_PACKAGE = Path(__file__).parents[1]

# Files and folders that only show, plan or upload. Everything that is not named here decides, or may.
SHOWS_ONLY = (
    "__main__.py",
    "cli",
    "experiments/compare.py",
    "experiments/page.py",
    "experiments/plot.py",
    "flywheel/lineage_graph.py",
    "flywheel/page.py",
    "flywheel/plan.py",
    "flywheel/summary.py",
    "policy/push.py",
    "report",
    "runs/model_card.py",
    "runs/trackers",
    "synthetic/dataset_card.py",
)
# Code, recipes and prices, and the shipped model.
_SUFFIXES = (".py", ".toml", ".json", ".safetensors", ".jinja")


@cache
def code_digest(package: Path = _PACKAGE) -> str:
    """Return the first 12 hexadecimal digits of the sha256 over names and bytes of the files that decide what a run does."""
    digest = hashlib.sha256()
    for path in sorted(package.rglob("*")):
        name = path.relative_to(package)
        if path.suffix in _SUFFIXES and path.is_file() and not _only_shows(name):
            digest.update(f"{name.as_posix()}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:12]


def _only_shows(name: Path) -> bool:
    return any(name.is_relative_to(shown) for shown in SHOWS_ONLY) or name.name.endswith(".html.jinja")
