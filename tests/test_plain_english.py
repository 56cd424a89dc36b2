"""Plain English: what a person reads (help, errors, warnings, tables, pages, recipes) has none of these phrases."""

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, get_args, get_origin

import pytest
import typer
from pydantic import BaseModel
from typer.testing import CliRunner

import outgrow
from outgrow.algorithms.advantages import ADVANTAGES
from outgrow.algorithms.losses import LOSSES
from outgrow.algorithms.rewards import REWARDS
from outgrow.algorithms.samplers import SAMPLERS
from outgrow.cli.app import DATA, LOOK, MEASURE, MODELS, TRAIN, app
from outgrow.config import RLRecipe, SFTRecipe
from outgrow.core.registry import Component
from outgrow.engines import ENGINES
from outgrow.flywheel.recipe import FlywheelRecipe
from outgrow.problems import SOURCES

ROOT = Path(__file__).parents[1]
SOURCE = Path(outgrow.__file__).parent
COMMANDS = typer.main.get_command(app).commands

# Phrase -> what to write. A space stands for any white space; each phrase begins and ends at a word's edge. Two of their uses are
# plain English and pass: "there is no X" and "is no longer".
BANNED = {
    r"left out,": 'say "Default: ..."',
    r"if left out": 'say "Default: ..."',
    r"so many": "say what is counted: number of ...",
    r"as many": "say what is counted: number of ...",
    r"other(?:wise)? than": 'say "except", "different from" or "not"',
    r"of which": "begin a new sentence",
    r"(?<!there\s)is no(?! longer)": 'say "is not a" or "has no"',
    r"is none": 'say "is not", or what is missing',
    r"there is no such": 'say "does not exist"',
    r"go(?:es)? on with it": 'say "continue"',
    r"mend(?:s|ed|ing)?": 'say "fix"',
    r"beside": 'say "next to", "and" or "also"',
    r"alone": 'say "only" or "single"',
    r"anew": 'say "again" or "new"',
    r"of one's own": "say whose",
    r"where it has one": 'say "if it has one"',
    r"such as it is": "say how it is",
    r", at most": 'put "at most N" before the noun, or say "limit"',
}
PATTERNS = [
    (re.compile(r"(?:(?<!\w)|(?=\W))" + phrase.replace(" ", r"\s+") + r"(?!\w)", re.IGNORECASE), phrase, advice)
    for phrase, advice in BANNED.items()
]


def banned(text: str) -> Iterator[tuple[int, str]]:
    """Lines of a text, counted from 0, in which a phrase begins, each with the phrase, its surroundings and the advice."""
    for pattern, phrase, advice in PATTERNS:
        for match in pattern.finditer(text):
            around = " ".join(text[max(0, match.start() - 30) : match.end() + 30].split())
            yield text.count("\n", 0, match.start()), f"{phrase!r} in {around!r}: {advice}"


def test_the_list_finds_what_it_should() -> None:
    for text in (
        "Left out, 8.",
        "runs/RECIPE if left out.",
        "So  many\nrows",
        "no suite, other than these",
        "written otherwise than so",
        "'x' is no component",
        "--data x: there is no such folder",
        "Train beside it",
        "Different answers kept, at most.",
        "Mended.",
    ):
        assert list(banned(text)), text
    for text in (
        "left out 3 rows",
        "it is no longer kept",
        "there is no other way",
        "besides",
        "at most 4 answers",
        "recommended",
        "lone",
        "amendment",
    ):
        assert not list(banned(text)), text


def strings(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """(line, text) of every string in a module that is no docstring; an f-string's values are replaced by an ellipsis."""
    pieces: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            pieces.add(id(node.value))
        elif isinstance(node, ast.JoinedStr):
            parts = [part.value if isinstance(part, ast.Constant) else "…" for part in node.values]
            pieces.update(id(part) for part in node.values)
            yield node.lineno, "".join(map(str, parts))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in pieces:
            yield node.lineno, node.value


def test_strings_of_a_module_are_found() -> None:
    code = (
        '"""A docstring."""\nx = 1\n"""of x"""\nraise Error(\n    f"so {x} "\n    f"many {\'a\' if x else \'b\'}"\n)\nwarn("b")\n'
    )
    assert sorted(strings(ast.parse(code))) == [(5, "so … many …"), (6, "a"), (6, "b"), (8, "b")]


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.py")), ids=lambda path: path.relative_to(SOURCE).as_posix())
def test_strings_are_in_plain_english(path: Path) -> None:
    """Errors, warnings, help, descriptions, headings, labels: every string of the package except docstrings."""
    found = [
        f"{path.relative_to(ROOT)}:{line}: {why}"
        for line, text in strings(ast.parse(path.read_text(encoding="utf-8")))
        for _, why in banned(text)
    ]
    assert not found, "\n".join(found)


TEXTS = sorted([*SOURCE.rglob("*.jinja"), *SOURCE.rglob("*.toml"), *(ROOT / "labs").rglob("*.toml")])


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_templates_and_recipes_are_in_plain_english(path: Path) -> None:
    """Templates without their comments; recipes and experiments with theirs, which people read."""
    text = path.read_text(encoding="utf-8")
    for hidden in (r"\{#.*?#\}", r"(?<=\{%)[^%\"']*(?=%\})"):  # comments, and conditions such as "x is none"
        text = re.sub(hidden, lambda match: "\n" * match[0].count("\n"), text, flags=re.DOTALL)
    found = [f"{path.relative_to(ROOT)}:{line + 1}: {why}" for line, why in banned(text)]
    assert not found, "\n".join(found)


@pytest.fixture(scope="module")
def help_of() -> dict[str, str]:
    """Command -> its --help, in lines that nothing breaks."""
    runner = CliRunner(env={"COLUMNS": "1000", "NO_COLOR": "1"})
    pages = {name: runner.invoke(app, [name, "--help"]) for name in COMMANDS}
    assert all(page.exit_code == 0 for page in pages.values())
    return {"": runner.invoke(app, ["--help"]).output} | {name: page.output for name, page in pages.items()}


@pytest.mark.parametrize("name", ["", *COMMANDS])
def test_help_is_in_plain_english(help_of: dict[str, str], name: str) -> None:
    found = [f"{_place(name)}: outgrow {name} --help: {why}" for _, why in banned(help_of[name])]
    assert not found, "\n".join(found)


def _place(name: str) -> str:
    """file:line of a command."""
    if not name:
        return "src/outgrow/cli/app.py:1"
    function = COMMANDS[name].callback
    return f"{Path(inspect.getsourcefile(function)).relative_to(ROOT)}:{inspect.getsourcelines(function)[1]}"


@pytest.mark.parametrize("name", COMMANDS)
def test_help_has_a_sentence_a_panel_options_and_an_example(help_of: dict[str, str], name: str) -> None:
    command = COMMANDS[name]
    summary = command.help.partition("\n\n")[0]
    assert re.fullmatch(r"[A-Z][^.!?]*(?:\.(?=\w)[^.!?]*)*\.", summary), f"{_place(name)}: the first paragraph is one sentence"
    assert command.rich_help_panel in (TRAIN, MEASURE, LOOK, DATA, MODELS), _place(name)
    assert f"outgrow {name}" in command.epilog, _place(name)
    silent = [parameter.name for parameter in command.params if not parameter.help]
    assert not silent, f"{_place(name)}: no help for {silent}"


def test_help_lists_every_command_in_its_panel(help_of: dict[str, str]) -> None:
    panels = re.split(r"╭─ (.+?) ─+╮", help_of[""])
    listed = {title: set(re.findall(r"(?m)^│ (\w+)", body)) for title, body in zip(panels[1::2], panels[2::2], strict=True)}
    for panel in (TRAIN, MEASURE, LOOK, DATA, MODELS):
        assert listed[panel] == {name for name, command in COMMANDS.items() if command.rich_help_panel == panel} != set()


def models_in(annotation: object) -> Iterator[type[BaseModel]]:
    """The pydantic models that a value of this type can be or hold."""
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from models_in(part)


def settings() -> list[type[BaseModel]]:
    """Every model of a recipe, and every component that a recipe can name."""
    waiting: list[type[BaseModel]] = [RLRecipe, SFTRecipe, FlywheelRecipe]
    for registry in (SAMPLERS, REWARDS, ADVANTAGES, LOSSES, SOURCES, ENGINES):
        waiting += registry.values()
    met: dict[type[BaseModel], None] = {}
    while waiting:
        model = waiting.pop()
        if model not in met:
            met[model] = None
            waiting += [inner for field in model.model_fields.values() for inner in models_in(field.annotation)]
    return sorted(met, key=lambda model: (model.__module__, model.__qualname__))


@pytest.mark.parametrize("model", settings(), ids=lambda model: f"{model.__module__}.{model.__name__}")
def test_every_setting_has_a_plain_description(model: type[BaseModel]) -> None:
    """Except `type` and `kind`, which name the thing, and tables, which their class describes."""
    lines, first = inspect.getsourcelines(model)
    file = Path(inspect.getsourcefile(model)).relative_to(ROOT)
    wrong = []
    for name, field in model.model_fields.items():
        place = next((first + number for number, line in enumerate(lines) if line.strip().startswith(f"{name}:")), first)
        text = field.description or ""
        wrong += [f"{file}:{place}: {name}: {why}" for _, why in banned(text)]
        table = any(not issubclass(inner, Component) for inner in models_in(field.annotation))
        if not text and not table and name not in ("type", "kind"):
            wrong.append(f"{file}:{place}: {name}: no description")
    assert not wrong, "\n".join(wrong)
