"""The command `outgrow data`."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..core.errors import UsageError
from ..core.plugins import TO_ANSWER
from .app import DATA, command
from .console import warn
from .data_tables import show
from .interrupt import interruptible
from .open_model import open_model, recipe_for
from .options import SUITES_HELP, Limit, ModelArg, OmitSettings, ProblemsArg, Seed, SetsFolder, use_data
from .progress import answering

if TYPE_CHECKING:
    from ..config import Recipe
    from ..config.sections import DataSection
    from ..engines import ChatModel
    from ..synthetic import SyntheticRow
    from ..types import Problem

DataKeys = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Change a key of \\[data], for example --set data.k=16 or --set data.keep=all; may be repeated. "
        "docs/reference/recipes.md lists the keys. Default: the defaults of that table.",
    ),
]
CheckedSuites = Annotated[
    str | None,
    typer.Option(
        "--on",
        metavar="SUITES",
        help="Drop answers to questions of these suites, comma-separated: "
        f"{SUITES_HELP}. Default: every known suite, and those of the recipe.",
    ),
]


@command(
    DATA,
    "outgrow data runs/first micro --out data/first",
    "outgrow data runs/first micro --out data/free --set data.k=0 --set data.rollouts=true",
    "outgrow data runs/first micro --out data/hard --set data.k=16 --set 'data.levels=[4,5,6]'",
    "outgrow data runs/first micro --out data/control --set data.keep=all",
    plugins=TO_ANSWER,
)
def data(
    context: typer.Context,
    model: ModelArg,
    problems: ProblemsArg,
    out: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="The folder to write; it must not exist yet.")],
    overrides: DataKeys = None,
    on: CheckedSuites = None,
    generation: Annotated[int, typer.Option("--generation", min=0, help="Generation of the flywheel, written into each row.")] = 1,
    limit: Limit = None,
    seed: Seed = 0,
    sets: SetsFolder = None,
    omit_settings: OmitSettings = None,
) -> None:
    """Make synthetic data from a model's own answers: sample, verify, select, check against the suites, write Parquet with a card.

    To train on it, give a recipe of kind sft a problem source of type synthetic whose path is this folder. Run the same command
    again to continue after a stop.
    """
    section = _section(overrides or [])
    from ..core.new_path import require_new
    from ..problems.limit import limited
    from ..problems.suites import SUITES, suites
    from ..runs.folder import RunFolder
    from ..runs.practice_problems import problems_of
    from ..runs.session import sampling_for, verifier_for
    from ..synthetic import DataRequest, make_data
    from ..synthetic.pipeline import matching_problems

    require_new(out)
    if section.rollouts and not RunFolder(Path(model)).rollouts.is_dir():
        raise UsageError(f"{model} has no rollouts; data.rollouts=true needs the folder of a run of kind 'rl'")
    use_data(context, sets)
    every, as_recipe = problems_of(problems, warn)
    chosen, sample = limited(matching_problems(every, section), limit, seed)
    source = recipe_for(model, None) or as_recipe
    held_out = suites(on) if on else [*SUITES, *(_own(as_recipe) if as_recipe else ())]
    respondent = open_model(model, source, omit_settings)
    sampling = sampling_for(source, respondent)
    with (
        interruptible() as check_stop,
        answering("sampling", section.k * len(chosen), sampling.max_tokens) as tally,
        verifier_for(source) as verifier,
    ):
        rows = _run_rows(model, chosen, respondent, generation) if section.rollouts else []
        request = DataRequest(chosen, section, sampling, seed, generation, held_out, sample, rows)
        asked = respondent if section.k else None
        summary = make_data(asked, verifier, request, out, warn=warn, check_stop=check_stop, on_written=tally.call())
    show(summary)


def _section(overrides: Sequence[str]) -> "DataSection":
    """Return the table [data] with these overrides. Raises UsageError if a key or a value is wrong."""
    from pydantic import ValidationError

    from ..config import apply_override
    from ..config.load import option_layers
    from ..config.recipe_error import RecipeError
    from ..config.sections import DataSection, Section

    class Keys(Section):
        data: DataSection = DataSection()

    values: dict[str, Any] = {}
    for override in overrides:
        if not override.startswith("data."):
            raise UsageError(f"--set {override}: only keys of [data] can be set here, for example --set data.k=16")
        apply_override(values, override)
    try:
        return Keys.model_validate(values).data
    except ValidationError as error:
        raise RecipeError("[data]", values, error, Keys, layers=option_layers(overrides)) from error


def _run_rows(model: str, problems: "Sequence[Problem]", respondent: "ChatModel", generation: int) -> "list[SyntheticRow]":
    """Return a run's own rollouts on these problems, as rows."""
    from ..synthetic import rows_from_run
    from ..synthetic.sample import model_name
    from ..verify.extraction.extract import THINK_OPEN

    opener, name = THINK_OPEN if respondent.opens_think else "", model_name(respondent.identity)
    conversations = {problem.id: respondent.conversation(problem.question, problem.turns) for problem in problems}
    return rows_from_run(Path(model), conversations, opener, name, generation)


def _own(recipe: "Recipe") -> list[str]:
    """Return the suites that a recipe measures on. The slice of its own problems is not among those that are sampled."""
    from ..problems.held_out import HELD_OUT

    names = (recipe.evaluate.suite, recipe.evaluate.validation, *recipe.evaluate.extra_suites)
    return [name for name in names if name != HELD_OUT]
