"""What benchmarks and examples import of outgrow is there: most of them run too long for this suite."""

import ast
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SCRIPTS = sorted(
    path for folder in ("benchmarks", "examples", "tests_vllm", "tests_data") for path in (ROOT / folder).rglob("*.py")
)


def missing(text):
    """Return what a script imports of outgrow that is not there."""
    imports = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ImportFrom) and node.level == 0]
    return [
        f"{node.module}.{name.name}"
        for node in imports
        if node.module and node.module.partition(".")[0] == "outgrow"
        for name in node.names
        if not found(node.module, name.name)
    ]


def found(module, name):
    try:
        if hasattr(importlib.import_module(module), name):
            return True
        importlib.import_module(f"{module}.{name}")
    except ModuleNotFoundError:
        return False
    return True


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_it_imports_is_there(script):
    assert missing(script.read_text(encoding="utf-8")) == []


def test_what_is_not_there_is_noticed():
    assert missing("def later():\n    from outgrow.train.nothing import one\n    from outgrow.engines import none") == [
        "outgrow.train.nothing.one",
        "outgrow.engines.none",
    ]
