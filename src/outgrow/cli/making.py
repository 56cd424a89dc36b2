"""Commands that make data: data."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.box import SIMPLE
from rich.table import Table
from rich.text import Text

from ..core.errors import UsageError
from .app import app
from .progress import counting
from .shared import (
    ModelArg,
    console,
    default_max_tokens,
    errors,
    example,
    open_model,
    recipe_for,
    strip_control_chars,
    use_data,
    warn,
)

if TYPE_CHECKING:
    from ..config import Recipe
    from ..config.schema import DataSection
    from ..synthetic import SyntheticSummary


@app.command(
    epilog=example(
        "outgrow data runs/first micro --out data/first",
        "outgrow data runs/first micro --out data/free --samples 0 --rollouts",
        "outgrow data runs/first micro --out data/hard --levels 4,5,6 --samples 16",
        "outgrow data runs/first micro --out data/control --keep all",
    )
)
def data(
    model: ModelArg,
    recipe: Annotated[
        str,
        typer.Argument(help="A recipe (its training problems), or a .jsonl or .parquet file with columns question and answer."),
    ],
    out: Annotated[Path, typer.Option("--out", help="The folder to make; it must not exist yet.")],
    samples: Annotated[int | None, typer.Option("--samples", help="Answers drawn for each problem; left out, 8.")] = None,
    rollouts: Annotated[
        bool, typer.Option("--rollouts", help="Also what the run wrote while it learned, which costs nothing more.")
    ] = False,
    temperature: Annotated[float | None, typer.Option("--temperature", help="Left out, 1.")] = None,
    keep: Annotated[
        str | None, typer.Option("--keep", help="verified: right answers alone; all: a control, every whole answer.")
    ] = None,
    per_problem: Annotated[
        int | None, typer.Option("--per-problem", help="Different answers kept of one problem, at most; left out, 4.")
    ] = None,
    per_easy_problem: Annotated[
        int | None, typer.Option("--per-easy-problem", help="The same of one that is right in 80% of its answers; left out, 1.")
    ] = None,
    min_pass_rate: Annotated[float | None, typer.Option("--min-pass-rate", help="Of problems that give answers.")] = None,
    max_pass_rate: Annotated[float | None, typer.Option("--max-pass-rate", help="The same.")] = None,
    max_tokens: Annotated[int | None, typer.Option("--max-tokens", help="Longest answer kept; left out, any whole one.")] = None,
    fields: Annotated[str | None, typer.Option("--fields", help="Of these fields alone, with commas between them.")] = None,
    levels: Annotated[str | None, typer.Option("--levels", help="Of these levels alone, as 4,5,6.")] = None,
    on: Annotated[
        str | None,
        typer.Option("--on", help="Suites whose questions may not be in it; left out, every one there is, and the recipe's own."),
    ] = None,
    generation: Annotated[int, typer.Option("--generation", min=0, help="Turn of the flywheel, told in each row.")] = 1,
    seed: Annotated[int, typer.Option("--seed")] = 0,
    sets: Annotated[
        Path | None, typer.Option("--data", help="A folder of sets, as gsm8k/test.jsonl; left out, $OUTGROW_DATA, else the hub.")
    ] = None,
) -> None:
    """Make data of a model's own answers: draw, verify, thin, check against the suites, write Parquet with a card.

    A base learns from it by a recipe of kind sft with a problem source of type made and this folder as its path. A call that was
    stopped goes on where it was.
    """
    from ..policy import Sampling
    from ..problems.suites import SUITES, suites
    from ..runs.folder import RunFolder
    from ..runs.practice_problems import problems_of
    from ..runs.session import verifier_for
    from ..runs.signals import Interrupt, StopRequested
    from ..synthetic import DataRequest, make_data, rows_from_run
    from ..synthetic.export import require_new
    from ..synthetic.pipeline import matching_problems
    from ..synthetic.sample import model_name
    from ..verify.extract import THINK_OPEN

    require_new(out)
    if rollouts and not RunFolder(Path(model)).rollouts.is_dir():
        raise UsageError(f"{model} has no rollouts; --rollouts needs the folder of a run of reinforcement learning")
    use_data(sets)
    section = _section(
        k=samples,
        rollouts=rollouts,
        temperature=temperature,
        keep=keep,
        per_problem=per_problem,
        per_easy_problem=per_easy_problem,
        min_pass_rate=min_pass_rate,
        max_pass_rate=max_pass_rate,
        max_tokens=max_tokens,
        fields=tuple(fields.split(",")) if fields else None,
        levels=tuple(levels.split(",")) if levels else None,
    )
    problems, as_recipe = problems_of(recipe, warn)
    problems = matching_problems(problems, section)
    said = recipe_for(model, None) or as_recipe
    held_out = suites(on) if on else [*SUITES, *(_own(as_recipe) if as_recipe else ())]
    respondent = open_model(model, said)
    sampling = (said.sampling if said else Sampling()).model_copy(update={"max_tokens": default_max_tokens(said, respondent)})
    verifier = verifier_for(said)
    opener, name = THINK_OPEN if respondent.opens_think else "", model_name(respondent.identity)

    ids = {problem.id for problem in problems}
    existing = rows_from_run(Path(model), ids, respondent.conversation, opener, name, generation) if rollouts else []
    request = DataRequest(problems, section, sampling, seed, generation, held_out, existing)
    with counting(f"{section.k} answers a problem", len(problems)) as progress, verifier, Interrupt() as interrupt:
        try:
            made = make_data(
                respondent if section.k else None,
                verifier,
                request,
                out,
                warn=warn,
                check_stop=interrupt.check_stop,
                on_progress=progress,
            )
        except StopRequested as stop:
            errors.print(f"stopped by {stop}, what is done is kept; the same command goes on with it", markup=False)
            raise typer.Exit(stop.exit_code) from stop
    _show(made)


def _section(**given: Any) -> "DataSection":
    """The settings that were given; the others are the section's own. Raises UsageError where one cannot be."""
    from pydantic import ValidationError

    from ..config.schema import DataSection
    from ..core.registry import explain

    try:
        return DataSection.model_validate({name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        raise UsageError(f"made data: {explain(error, DataSection)}") from error


def _own(recipe: "Recipe") -> list[str]:
    """The suites that a recipe measures on."""
    return [recipe.evaluate.suite, recipe.evaluate.validation, *recipe.evaluate.extra_suites]


def _show(made: "SyntheticSummary") -> None:
    """What was drawn, kept and dropped, how good it is, and where."""
    from ..synthetic.dataset_card import share_text

    before = f" ({made.written:,} of them written in training)" if made.written else ""
    told_of = f"{made.problems:,} problems, {made.drawn:,} answers{before}, {made.right:,} right, {made.kept:,} kept"
    console.print(told_of, highlight=False)
    _print(
        ("field", "level", "problems", "drawn", "right", "kept"),
        ((cell.field, cell.level, cell.problems, cell.drawn, cell.right, cell.kept) for cell in made.by_cell),
    )
    _print(
        ("problems that are", "problems", "drawn", "right", "kept"),
        ((band.band, band.problems, band.drawn, band.right, band.kept) for band in made.by_band),
    )
    _print(("dropped because", "answers"), made.dropped.items())
    _print(
        ("contaminated by", "questions", "answers to one of them", "answers with 13 words of one"),
        ((one.suite, one.questions, one.same, one.overlapping) for one in made.checked if one.same or one.overlapping),
    )
    lines = [
        f"right answers among those kept: {share_text(made.precision)}",
        f"answers whose every written calculation holds: {share_text(made.sound)}",
        f"contaminated answers dropped: {made.contaminated:,}, by {len(made.checked)} suites",
        *([f"not checked, since not to be had: {', '.join(made.not_checked)}"] if made.not_checked else []),
        str(made.path),
    ]
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _print(heads: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> None:
    table = Table(box=SIMPLE, pad_edge=False)
    for place, head in enumerate(heads):
        table.add_column(head, justify="right" if place else "left")
    for row in rows:
        table.add_row(*(Text(strip_control_chars(cell)) if isinstance(cell, str) else f"{cell:,}" for cell in row))
    if table.row_count:
        console.print(table)
