"""What `outgrow COMMAND --help` prints: examples that can be copied, words in brackets, defaults, lists, and where keys are."""

import re
import shlex
from functools import cache

import pytest
import typer
from rich.markup import escape
from rich.text import Text
from typer.testing import CliRunner

from outgrow.cli.app import app
from outgrow.cli.options import separated

COMMANDS = typer.main.get_command(app).commands
BRACKETS = re.compile(r"\[\[?[a-z_.]+\]?\]")


@cache
def printed(name: str, columns: int) -> str:
    return CliRunner().invoke(app, [name, "--help"], env={"COLUMNS": str(columns)}).output


def words(text: str) -> str:
    """Return a page's text without its frames and line breaks."""
    return " ".join(re.sub(r"[│╭╮╰╯─]", " ", text).split())


def examples(name: str, columns: int) -> list[str]:
    _, _, below = printed(name, columns).rpartition("Example")
    return [line.strip() for line in below.partition(":")[2].strip().splitlines() if line.strip()]


def options(name: str) -> list:
    return [parameter for parameter in COMMANDS[name].params if parameter.param_type_name == "option"]


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("columns", [40, 80])
def test_every_command_has_examples_one_to_a_line(name, columns):
    lines = examples(name, columns)
    assert lines
    known = {flag for option in options(name) for flag in option.opts}
    for line in lines:
        parts = [part for part in shlex.split(line) if "=" not in part or part.startswith("-")]
        assert parts[:2] == ["outgrow", name], line
        assert {part for part in parts if part.startswith("--")} <= known, line
    assert lines == [" ".join(Text.from_markup(line).plain.split()) for line in COMMANDS[name].epilog.splitlines()[1:]]


@pytest.mark.parametrize("name", COMMANDS)
def test_words_in_brackets_are_printed(name):
    page = words(printed(name, 200))
    command = COMMANDS[name]
    for text in (command.help, *(parameter.help for parameter in command.params)):
        for word in BRACKETS.findall((text or "").replace("\\[", "[")):
            assert word in page, (name, word, text)


def test_a_word_in_brackets_would_be_swallowed_if_it_were_not_escaped():
    assert "[judge]" not in Text.from_markup("the table [judge]").plain
    assert "[judge]" in Text.from_markup(escape("the table [judge]")).plain
    assert "[judge]" in printed("judge", 200) and "[data]" in printed("data", 200)


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("columns", [80])
def test_nothing_is_cut_off_at_80_columns(name, columns):
    frame = [line for line in printed(name, columns).splitlines() if line.startswith("│")]
    assert not [line for line in frame if "…" in line and "=…" not in line and "profiles/…" not in line], frame


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_says_its_default(name):
    for option in options(name):
        if option.is_flag or option.required:
            continue
        text = Text.from_markup(option.help or "").plain
        assert option.default is not None or "Default: " in text, (name, option.opts)
        if option.default not in (None, ""):
            assert f"[default: {option.default}]" in words(printed(name, 200)), (name, option.opts)


@pytest.mark.parametrize("name", COMMANDS)
def test_set_says_that_it_repeats_and_where_its_keys_are(name):
    for option in options(name):
        if option.multiple:
            text = option.help
            assert "repeated" in text
            assert "comma" in text or "--set" in option.opts
        if "--set" in option.opts:
            assert "docs/reference/recipes.md" in option.help
            assert name == "data" or "recipes NAME --show" in option.help


def test_several_values_are_separated_by_commas_or_repeated():
    assert separated(["a,b", " c ", "", "d, e,"]) == ["a", "b", "c", "d", "e"]


def test_extractors_are_taken_both_ways(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "outputs.jsonl").write_text('{"text": "so 7", "answer": "7"}\n{"text": "\\\\boxed{8}", "answer": "8"}\n')
    grade = ["verify", "outputs.jsonl", "--output", "text", "--answer", "answer"]
    ways = (["--extract", "boxed,last_number"], ["--extract", "boxed", "--extract", "last_number"])
    first, second = (CliRunner().invoke(app, [*grade, *way]) for way in ways)
    assert first.exit_code == 0 and first.output == second.output and "last_number 1" in first.output
    refused = CliRunner().invoke(app, [*grade, "--extract", "boxed,lst_number"])
    assert "last_number" in str(refused.exception)
