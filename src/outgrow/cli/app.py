"""The application that every command registers with, and the panels that `outgrow --help` groups the commands in."""

import inspect
import os
from collections import Counter
from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any, TypeVar

import typer
from rich.markup import escape
from typer.core import TyperCommand, TyperOption

from .. import __version__
from ..core.environment import environment
from ..core.plugins import plugins_imported, plugins_refused
from .console import console, errors, warn

TRAIN = "Train"
MEASURE = "Measure"
LOOK = "Look"
DATA = "Data and flywheel"
MODELS = "Models"

_NO_BARS = ("HF_HUB_DISABLE_PROGRESS_BARS", "HF_DATASETS_DISABLE_PROGRESS_BARS", "TQDM_DISABLE")
"""Environment variables that keep the bars of libraries out of a log; the libraries read them when they are imported."""

app = typer.Typer(
    name="outgrow",
    help="Make small reasoning models better by reinforcement learning on problems whose answers can be checked.\n\n"
    "Start with: outgrow recipes",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


class _Command(TyperCommand):
    """A command whose examples stand under its help, each on one line, however narrow the terminal, so that it can be copied."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the arguments. A second value for an option that takes one is an error: it would replace the first in silence."""
        if args:
            _, _, given = self.make_parser(ctx).parse_args(args=list(args))
            for option, times in Counter(given).items():
                if times > 1 and isinstance(option, TyperOption) and not option.multiple and not option.is_flag:
                    raise typer.BadParameter("give it once; where it takes several values, separate them by commas", ctx, option)
        return super().parse_args(ctx, args)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        examples, self.epilog = self.epilog, None
        try:
            super().format_help(ctx, formatter)
        finally:
            self.epilog = examples
        console.print(f"\n{examples}\n", soft_wrap=True, highlight=False)


Function = TypeVar("Function", bound=Callable[..., None])

_NoPlugins = Annotated[
    bool,
    typer.Option(
        "--no-plugins",
        help='Refuse a recipe that names code from outside the package (type = "mymodule:Class"). Default: import it, and say so.',
    ),
]


def command(
    panel: str, *examples: str, name: str | None = None, plugins: tuple[str, ...] = ()
) -> Callable[[Function], Callable[..., None]]:
    """Register a function as a command of this panel.

    Its docstring is the help, where a paragraph may be wrapped as source is; the examples stand under it. name: the function's, if
    not given. plugins: kinds of components whose code the command needs; by default it imports none. A command that needs some has
    the option --no-plugins.
    """

    def register(function: Function) -> Callable[..., None]:
        paragraphs = (" ".join(part.split()) for part in inspect.cleandoc(function.__doc__ or "").split("\n\n"))
        lines = ["Example:" if len(examples) == 1 else "Examples:", *(f"  [bold]{escape(line)}[/]" for line in examples)]
        about = escape("\n\n".join(paragraphs))
        run = _with_plugins(function, plugins) if plugins else function
        return app.command(name, cls=_Command, rich_help_panel=panel, help=about, epilog="\n".join(lines))(run)

    return register


def _with_plugins(function: Callable[..., None], kinds: tuple[str, ...]) -> Callable[..., None]:
    """Return a command that imports the code of these kinds that a recipe names, and says so; or refuses it with --no-plugins."""

    @wraps(function)
    def run(*arguments: Any, no_plugins: bool = False, **options: Any) -> None:
        with plugins_refused(kinds) if no_plugins else plugins_imported(kinds, warn):
            function(*arguments, **options)

    own = inspect.signature(function)
    option = inspect.Parameter("no_plugins", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=_NoPlugins)
    run.__signature__ = own.replace(parameters=[*own.parameters.values(), option])  # type: ignore[attr-defined]
    run.__annotations__ = {**function.__annotations__, "no_plugins": _NoPlugins}
    return run


@app.callback(invoke_without_command=True)
def _root(context: typer.Context, version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if not errors.is_terminal:
        context.with_resource(environment(**{name: "1" for name in _NO_BARS if name not in os.environ}))
    if version:
        console.print(f"outgrow {__version__}", highlight=False)
        raise typer.Exit
