"""Commands that let others measure: harness."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE
from rich.table import Table

from ..core.errors import OutgrowError, UsageError, first_line
from .app import app
from .shared import Model, RecipeOption, console, example, open_model, recipe_for

if TYPE_CHECKING:
    from ..evaluate.lm_eval import Score


@app.command(
    epilog=example(
        "outgrow harness runs/first arc_easy,hellaswag --limit 200",
        "outgrow harness smollm2-135m mine --folder tasks --chat",
    )
)
def harness(
    model: Model,
    tasks: Annotated[str, typer.Argument(help="Tasks or groups of lm-evaluation-harness, with commas between them.")],
    recipe: RecipeOption = None,
    folder: Annotated[Path | None, typer.Option("--folder", help="A folder of more tasks, a YAML file each.")] = None,
    shots: Annotated[
        int | None, typer.Option("--shots", min=0, help="Examples before each question; left out, the task's own.")
    ] = None,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="The first so many questions of each task.")] = None,
    chat: Annotated[bool, typer.Option("--chat", help="Put questions through the model's chat template.")] = False,
    seed: Annotated[int, typer.Option("--seed")] = 0,
    out: Annotated[Path | None, typer.Option("--out", help="Also write the figures here, as JSON.")] = None,
) -> None:
    """Measure a model on any task of lm-evaluation-harness, by its own prompts and figures; its sets come from the hub.

    Brackets hold 95% intervals by the harness's standard errors.
    """
    from dataclasses import asdict

    from ..core.files import write_json
    from ..engines import LocalModel

    try:
        from ..evaluate.lm_eval import run_tasks
    except ImportError as error:
        raise UsageError('this needs lm-evaluation-harness: pip install "outgrow[harness]"') from error
    if folder is not None and not folder.is_dir():
        raise UsageError(f"--folder {folder}: there is no such folder")
    if out is not None and (out.is_dir() or not out.parent.is_dir()):
        raise UsageError(f"--out {out}: {'this is a folder' if out.is_dir() else f'the folder {out.parent} does not exist'}")
    local = open_model(model, recipe_for(model, recipe))
    if not isinstance(local, LocalModel):
        raise UsageError(f"{model} is a server's address; the harness asks servers itself (its model local-chat-completions)")
    names = [name.strip() for name in tasks.split(",") if name.strip()]
    try:
        scores = run_tasks(local, names, folder, shots, limit, chat, seed)
    except (OSError, ValueError, KeyError, ImportError) as error:  # a set or a package that cannot be had, a task that is broken
        raise OutgrowError(f"lm-evaluation-harness cannot run these tasks: {first_line(error)}") from error
    if out is not None:
        write_json(out, [asdict(score) for score in scores])
    _show(f"{model}, lm-evaluation-harness", scores)


def _show(title: str, scores: "list[Score]") -> None:
    table = Table(title=title, box=SIMPLE, pad_edge=False)
    for heading in ("task", "figure", "value (95% interval)", "n"):
        table.add_column(heading, justify="right" if heading not in ("task", "figure") else "left")
    for score in scores:
        estimate = score.estimate
        text = estimate.text() if estimate else f"{score.value:.3f}"
        table.add_row(score.task, score.metric, text, f"{score.n:,}" if score.n else "")
    console.print(table)
