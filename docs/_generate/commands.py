"""The page of the command line: every command with its arguments, its options and its examples."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from outgrow.core.type_words import plain_type, type_words

from . import markdown as md

# Markup of the help texts: a style and its end. Every other bracket is a bracket.
_STYLE = re.compile(r"(?<!\\)\[/?(?:(?:bold|dim|italic|underline|cyan|green|red|yellow|magenta|blue|b|i|u)(?: \w+)*)?\]")
_APART = re.compile(r"\s{3,}|\n")


def plain(text: str | None) -> str:
    """A help text without its markup.

    >>> plain("[bold]outgrow recipes[/] and [x]")
    'outgrow recipes and [x]'
    """
    return _STYLE.sub("", text or "").replace("\\[", "[")


def commands_page(app: Any) -> str:
    """A section a command, under the panel that --help shows it in. app: the click group."""
    panels: dict[str, list[Any]] = {}
    for command in app.commands.values():
        if not command.hidden:
            panels.setdefault(_text(command.rich_help_panel), []).append(command)
    parts = [md.prose(plain(app.help)), _index(panels)]
    for panel, commands in panels.items():
        parts += [f"## {panel}" if panel else "", *(_section(command, app.name, "###" if panel else "##") for command in commands)]
    return md.page("Command line", *parts)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _index(panels: dict[str, list[Any]]) -> str:
    commands = [(panel, command) for panel, commands in panels.items() for command in commands]
    rows = [[_link(command.name), md.inline(_first_paragraph(command)), md.inline(panel)] for panel, command in commands]
    return md.table(["command", "what it does", "panel"], rows)


def _link(name: str) -> str:
    return f"[{md.code(name)}](#{md.anchor(name)})"


def _first_paragraph(command: Any) -> str:
    return plain(command.help).strip().partition("\n\n")[0]


def _section(command: Any, program: str, level: str) -> str:
    shown = [parameter for parameter in command.params if not parameter.hidden]
    arguments = [parameter for parameter in shown if parameter.param_type_name == "argument"]
    options = [parameter for parameter in shown if parameter.param_type_name == "option"]
    usage = " ".join([program, command.name, *(_in_usage(one) for one in arguments), *(["[OPTIONS]"] if options else [])])
    kinds = get_type_hints(command.callback)
    parts = [
        f"{level} {md.code(command.name)}",
        md.fenced(usage),
        md.prose(plain(command.help)),
        md.table(["argument", "type", "meaning"], ([md.code(_name(one)), _kind(one, kinds), _meaning(one)] for one in arguments)),
        md.table(
            ["option", "type", "default", "meaning"],
            ([_flags(one), _kind(one, kinds), _default(one), _meaning(one)] for one in options),
        ),
        _examples(command.epilog),
    ]
    return "\n\n".join(part for part in parts if part)


def _name(argument: Any) -> str:
    name: str = argument.metavar or argument.name.upper()
    return name + ("..." if argument.nargs == -1 else "")


def _in_usage(argument: Any) -> str:
    return _name(argument) if argument.required else f"[{_name(argument)}]"


def _flags(option: Any) -> str:
    value = "" if option.is_flag or not option.metavar else f" {option.metavar}"
    return ", ".join(md.code(flag + value) for flag in (*option.opts, *option.secondary_opts))


def _kind(parameter: Any, kinds: dict[str, Any]) -> str:
    if getattr(parameter, "is_flag", False):
        return "flag"
    limits = [
        words.format(limit)
        for words, limit in (("≥\u00a0{:g}", parameter.min), ("≤\u00a0{:g}", parameter.max))
        if limit is not None
    ]
    words = type_words(_one_of(kinds[parameter.name]), lambda model: model.__name__, md.code)
    return ", ".join([words, *limits, *(["may be repeated"] if parameter.multiple or parameter.nargs == -1 else [])])


def _one_of(annotation: Any) -> Any:
    """What a list holds, where a parameter takes several; else the type itself."""
    annotation = plain_type(annotation)
    if get_origin(annotation) is list:
        return get_args(annotation)[0]
    lists = [part for part in get_args(annotation) if get_origin(part) is list]
    return get_args(lists[0])[0] if lists else annotation


def _default(option: Any) -> str:
    default = option.default
    if option.required:
        return "**required**"
    if default is None or option.is_flag or isinstance(default, Callable):  # type: ignore[arg-type]
        return ""
    values = default if isinstance(default, (list, tuple)) else [default]
    return ", ".join(md.code(one.as_posix() if isinstance(one, Path) else str(one)) for one in values)


def _meaning(parameter: Any) -> str:
    return md.inline(plain(parameter.help))


def _examples(epilog: str | None) -> str:
    """The epilog as a block, a command a line; what it says before the first is its heading."""
    lines = [line.strip() for line in _APART.split(re.sub(r"^\s*Examples?:", "", plain(epilog))) if line.strip()]
    return md.fenced("\n".join(lines), "sh") if lines else ""
