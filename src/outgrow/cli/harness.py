"""The command `outgrow harness`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..core.errors import OutgrowError, UsageError, first_line, install_hint
from ..core.plugins import TO_ANSWER
from .app import MEASURE, command
from .console import console, warn
from .open_model import open_model, recipe_for
from .options import Limit, Model, RecipeOption, Seed, separated
from .progress import measurements
from .tables import figures_table

if TYPE_CHECKING:
    from ..evaluate.lm_eval import Score


@command(
    MEASURE,
    "outgrow harness runs/first arc_easy,hellaswag --limit 200",
    "outgrow harness smollm2-135m mine --folder tasks --chat",
    plugins=TO_ANSWER,
)
def harness(
    model: Model,
    tasks: Annotated[str, typer.Argument(metavar="TASKS", help="Tasks or groups of lm-evaluation-harness, comma-separated.")],
    recipe: RecipeOption = None,
    folder: Annotated[
        Path | None,
        typer.Option(
            "--folder",
            metavar="FOLDER",
            help="A folder with your own tasks, a YAML file for each. Default: no folder.",
        ),
    ] = None,
    shots: Annotated[int | None, typer.Option("--shots", min=0, help="Examples before each question. Default: the task's.")] = None,
    limit: Limit = None,
    chat: Annotated[bool, typer.Option("--chat", help="Put questions through the model's chat template.")] = False,
    seed: Seed = 0,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Also write the figures to this JSON file. Default: no file.")
    ] = None,
) -> None:
    """Measure a model on tasks of lm-evaluation-harness, with the harness's own prompts and metrics.

    Its data sets come from the hub. Intervals are 95%, from the harness's standard errors.
    """
    from dataclasses import asdict

    from ..core.files import write_json
    from ..engines import LocalModel

    try:
        from ..evaluate.lm_eval import run_tasks
    except ImportError as error:
        raise UsageError(f"this needs lm-evaluation-harness: {install_hint('harness')}") from error
    if folder is not None and not folder.is_dir():
        raise UsageError(f"--folder {folder}: this folder does not exist")
    if out is not None and (out.is_dir() or not out.parent.is_dir()):
        raise UsageError(f"--out {out}: {'this is a folder' if out.is_dir() else f'the folder {out.parent} does not exist'}")
    local = open_model(model, recipe_for(model, recipe))
    if not isinstance(local, LocalModel):
        raise UsageError(f"{model} is a server's address; use the harness itself for servers (its model local-chat-completions)")
    names = separated([tasks])
    warn(f"loading {', '.join(names)}")
    try:
        with measurements() as display:
            scores = run_tasks(local, names, folder, shots, limit, chat, seed, display.answering)
    except (OSError, ValueError, KeyError, ImportError) as error:  # a data set or a package is missing, or a task is broken
        raise OutgrowError(f"lm-evaluation-harness cannot run these tasks: {first_line(error)}") from error
    if out is not None:
        write_json(out, [asdict(score) for score in scores])
    sample = f"; samples of {limit:,} by seed {seed}" if any(score.limit for score in scores) else ""
    _show(f"{model}, lm-evaluation-harness{sample}", scores)


def _show(title: str, scores: "list[Score]") -> None:
    table = figures_table("task", "metric", "value (95% interval)", "n", title=title, text=["task", "metric"])
    for score in scores:
        estimate = score.estimate
        text = estimate.text() if estimate else f"{score.value:.3f}"
        of = f" of {score.limit.of:,}" if score.limit else ""
        table.add_row(score.task, score.metric, text, f"{score.n:,}{of}" if score.n else "")
    console.print(table)
