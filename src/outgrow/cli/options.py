"""Arguments and options that several commands share."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from ..core.environment import environment
from ..core.errors import UsageError

_NAMES = "A shipped or pulled model, a run's folder, a folder of a model or an adapter, a .gguf file, or a hub id"

RecipeName = Annotated[str, typer.Argument(metavar="RECIPE", help="Name of a shipped recipe, or a .toml file.")]
RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="A run's folder.")]
Runs = Annotated[Path, typer.Argument(metavar="FOLDER", help="The folder that holds runs.")]
Model = Annotated[str, typer.Argument(metavar="MODEL", help=f"{_NAMES}.")]
ModelArg = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help=f"{_NAMES}; or the address of an OpenAI-compatible server (http://localhost:8000/v1, followed by #NAME if it serves "
        "several models; OUTGROW_API_KEYS binds a key to its host, if it needs one).",
    ),
]
ProblemsArg = Annotated[
    str,
    typer.Argument(
        metavar="PROBLEMS",
        help="A recipe, for the problems it trains on, or a table: a file (.jsonl, .json, .csv, .parquet), a folder with files for "
        "each split, or a data set on the hub (OWNER/NAME), followed by :SPLIT and :answer=COLUMN where needed.",
    ),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Change a key of the recipe, for example --set learn.lr=1e-5; may be repeated. docs/reference/recipes.md lists the "
        "keys, and `outgrow recipes NAME --show` prints a recipe. Default: the recipe as it is.",
    ),
]
RecipeOption = Annotated[
    str | None,
    typer.Option(
        "--recipe",
        metavar="RECIPE",
        help="Use this recipe's prompt, token limits and answer extractors. Default: a run's own recipe; for other models the "
        "defaults of a recipe.",
    ),
]
OmitSettings = Annotated[
    str | None,
    typer.Option(
        "--omit-settings",
        metavar="NAMES",
        help="Settings that are not sent to a server, comma-separated, where it refuses them: seed, temperature, top_p, top_k, "
        "min_p, repeat_penalty, repetition_penalty, max_tokens (the limit is then sent as max_completion_tokens), "
        "max_completion_tokens. Default: the recipe's.",
    ),
]
MaxTokens = Annotated[
    int | None,
    typer.Option(
        "--max-tokens",
        min=1,
        help="Length limit of an answer, in tokens. Default: the recipe's; without a recipe, 512 or half the model's context, "
        "whichever is smaller.",
    ),
]
SUITES_HELP = (
    "names, NAME-N for the first N problems, the groups recall, related and unrelated, a file (.jsonl, .json, .csv, .parquet, also "
    "with .gz), a folder with files for each split, or a data set on the hub (OWNER/NAME), followed by :SPLIT, :question=COLUMN "
    "and :answer=COLUMN where needed (docs/guides/own-data.md)"
)
Temperature = Annotated[float, typer.Option("--temperature", min=0.0, help="Sampling temperature; 0 is greedy.")]
Seed = Annotated[int, typer.Option("--seed", help="Seed of all random choices.")]
SetsFolder = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="FOLDER",
        help="Folder of local data sets, for example one with gsm8k/test.jsonl. Default: $OUTGROW_DATA if set, else the hub.",
    ),
]
Limit = Annotated[
    int | None,
    typer.Option(
        "--limit",
        min=1,
        metavar="N",
        help="Take only a random sample of N problems: the same for the same --seed, and part of the sample of a larger N. Every "
        "figure says so. Default: all problems.",
    ),
]
Fresh = Annotated[bool, typer.Option("--fresh", help="Ignore stored answers and ask the model again.")]
BudgetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--budget",
        metavar="AMOUNT",
        help="Save and stop once this is spent, over all sessions: a time (90s, 10m, 1h30, 2d), an amount of dollars (5usd, or in "
        "quotes '$5'; it needs run.dollars_per_hour), or both, with a comma (10h,25usd) or repeated. Default: no limit.",
    ),
]
Margin = Annotated[
    float, typer.Option("--margin", min=0.01, metavar="POINTS", help="Smallest change of pass@1 that matters to you, in points.")
]


def separated(values: Sequence[str]) -> list[str]:
    """Return the values of an option or argument that takes several: repeated, separated by commas, or both.

    >>> separated(["boxed,last_number", "hash"])
    ['boxed', 'last_number', 'hash']
    """
    return [part.strip() for value in values for part in value.split(",") if part.strip()]


def use_data(context: typer.Context, folder: Path | None) -> None:
    """Look for data sets in this folder until the command ends; None leaves $OUTGROW_DATA as it is.

    Raises UsageError if the folder does not exist.
    """
    if folder is None:
        return
    if not folder.is_dir():
        raise UsageError(f"--data {folder}: this folder does not exist")
    context.with_resource(environment(OUTGROW_DATA=str(folder)))
