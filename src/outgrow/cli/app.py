"""The application that every command registers with."""

from typing import Annotated

import typer

from .. import __version__
from .console import console

app = typer.Typer(
    name="outgrow",
    help="Make small reasoning models better by reinforcement learning on problems whose answers can be checked.\n\n"
    "Start with: outgrow recipes",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True)
def _root(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        console.print(f"outgrow {__version__}", highlight=False)
        raise typer.Exit
