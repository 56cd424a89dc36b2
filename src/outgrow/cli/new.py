"""The command `outgrow new`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..core.errors import UsageError
from ..core.shell import command_line
from .app import TRAIN, command
from .console import say, strip_control_chars

if TYPE_CHECKING:
    from ..draft.recipe_draft import Draft

DEFAULT_MODEL = "smollm2-135m"


@command(
    TRAIN,
    "outgrow new mine.toml --data problems.jsonl",
    "outgrow new mine.toml --data problems.csv --heldout test.csv --model smollm2-135m --budget 1h30",
)
def new(
    file: Annotated[Path, typer.Argument(metavar="FILE.toml", help="The recipe to write.")],
    data: Annotated[
        str | None,
        typer.Option(
            "--data",
            metavar="TABLE",
            help="Your problems: a file (.jsonl, .json, .csv, .parquet), a folder with files for each split, or a data set on the "
            "hub (OWNER/NAME), followed by :SPLIT and :question=COLUMN:answer=COLUMN where needed. Default: asked for in a "
            "terminal.",
        ),
    ] = None,
    heldout: Annotated[
        str | None,
        typer.Option(
            "--heldout",
            metavar="TABLE",
            help="Problems to measure on, named as --data. Default: a slice of the problems is held out.",
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            metavar="MODEL",
            help="A pulled model, a run's folder, a folder of a model, or a hub id. Default: smollm2-135m.",
        ),
    ] = None,
    budget: Annotated[
        str | None,
        typer.Option(
            "--budget",
            metavar="TIME|MONEY",
            help="What training may take on this machine: 10m, 1h30, '$5'. It decides learn.steps. Default: steps by the "
            "number of problems.",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")] = False,
) -> None:
    """Write a recipe for your own problems.

    It looks at the file (columns, how the answers look, lengths), at the model (chat template, context, size) and at this machine,
    and writes a short recipe, in which each line says why it has its value. In a terminal it asks for what is needed.
    """
    _require_place(file, force)
    if data is None:
        data, heldout, model, budget = _ask(heldout, model, budget)
    model = model or DEFAULT_MODEL
    _require_utf8(str(file), data, heldout or "", model)
    if _is_interactive():
        _offer_to_pull(model)
    from ..core.files import write_atomic
    from ..draft.text import toml_of

    draft = _drafted(file.stem, data, heldout, model, budget)
    try:
        write_atomic(file, toml_of(draft).encode())
    except OSError as error:
        raise UsageError(f"{file}: cannot write this file ({error.strerror})") from error
    say(f"wrote      {file}: each line says why")
    say("")
    say(f"next       {command_line('audit', file)}     # does the reward pay what it should, and does the model earn any of it")
    say(f"           {command_line('train', file)}")
    say(f"           {command_line('plan', file)}      # memory, hours and dollars on other machines")


def _require_place(file: Path, force: bool) -> None:
    """Raise UsageError where the recipe cannot be written, before anything else is looked at."""
    if file.suffix != ".toml":
        raise UsageError(f"{file}: a recipe's file ends in .toml; for example: outgrow new mine.toml --data problems.jsonl")
    from ..core.folder_name import as_folder_name

    try:
        as_folder_name(file.stem)
    except ValueError as error:
        raise UsageError(f"the name {file.stem!r} {error}; for example mine.toml") from error
    if not file.parent.is_dir():
        raise UsageError(f"{file}: the folder {file.parent} does not exist")
    if file.is_dir():
        raise UsageError(f"{file}: this is a folder")
    if file.exists() and not force:
        raise UsageError(f"{file} exists already; give another name, or --force to replace it")


def _require_utf8(*names: str) -> None:
    """Raise UsageError for a name that cannot stand in a recipe: of a file whose bytes are not UTF-8."""
    for name in names:
        try:
            name.encode()
        except UnicodeEncodeError as error:
            raise UsageError(f"{name!r}: a name that is not UTF-8 cannot stand in a recipe; rename it") from error


def _is_interactive() -> bool:
    """Whether somebody is there to answer."""
    return sys.stdin.isatty()


def _ask(heldout: str | None, model: str | None, budget: str | None) -> tuple[str, str | None, str | None, str | None]:
    """Ask for what is not given. Raises UsageError where nobody is there to answer."""
    if not _is_interactive():
        raise UsageError("no problems are given; name their file: --data problems.jsonl")
    data = typer.prompt("Your problems (.jsonl, .csv, .parquet, a folder, or OWNER/NAME on the hub)")
    heldout = heldout or typer.prompt("Problems to measure on (empty: hold out a slice of the same file)", "", show_default=False)
    model = model or typer.prompt("Model to train", DEFAULT_MODEL)
    budget = budget or typer.prompt("Time or money for training, as 1h30 or $5 (empty: no limit)", "", show_default=False)
    return data.strip(), heldout.strip() or None, model.strip(), budget.strip() or None


def _offer_to_pull(model: str) -> None:
    """Pull the model where it can be pulled, is not here yet, and the person agrees."""
    from ..policy.export import convert
    from ..policy.pull import PULLABLE, pull, pulled_folder

    try:
        if model in PULLABLE:
            pulled_folder(model)
    except UsageError:
        if typer.confirm(f"{model} is not on this machine yet. Pull it now?", default=True):
            pull(model, convert, say)


def _drafted(name: str, data: str, heldout: str | None, model: str, budget: str | None) -> "Draft":
    """Look at everything, say what was seen, and return the recipe."""
    from ..draft.budget import read_budget
    from ..draft.choose import draft_recipe
    from ..draft.data import look_at_data
    from ..draft.findings import find_out
    from ..draft.machine import look_at_machine
    from ..draft.words import noted, seen
    from ..plan import load_gpu_catalog

    catalog = load_gpu_catalog()
    machine = look_at_machine(catalog)
    limit = read_budget(budget, machine) if budget else None
    problems, held = look_at_data(data, heldout)
    findings = find_out(problems, held, model, machine, catalog)
    draft = draft_recipe(name, findings, limit)
    for line in [*seen(findings), *noted(draft.notes), f"training   {draft.estimate}"]:
        say(strip_control_chars(line).replace("\n", " "))
    return draft
