"""The command `outgrow check`."""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..core.counted import counted
from ..core.errors import UsageError
from .app import TRAIN, command
from .console import say
from .options import Overrides

if TYPE_CHECKING:
    from ..config import Recipe
    from ..engines import EngineConfig
    from ..plan.inventory import Fact


@command(TRAIN, "outgrow check", "outgrow check r1-1.5b-gsm8k")
def check(
    recipe: Annotated[
        str | None,
        typer.Argument(
            metavar="RECIPE", help="Also say what this recipe would use here: a shipped recipe, or a .toml file. Default: none."
        ),
    ] = None,
    overrides: Overrides = None,
) -> None:
    """Say what this machine has of what a run needs: versions, processor, memory, GPUs and disk; and what a recipe would use of it.

    It loads no model, asks nobody and takes seconds. The lines hold no name of a person, a machine or a folder of yours, so they
    can be pasted into an issue. What has to change before a run stands behind an arrow; then the exit code is 1. For hours and
    dollars: outgrow plan RECIPE.
    """
    if overrides and recipe is None:
        raise UsageError("--set changes a recipe; name it, for example: outgrow check micro --set run.threads=1")
    from ..config import load_recipe
    from ..plan.inventory import inventory

    read = load_recipe(recipe, overrides or []) if recipe else None
    facts = [*inventory(Path("runs")), *(_uses(read) if read else [])]
    width = max(len(fact.what) for fact in facts)
    for fact in facts:
        say(f"{fact.what:<{width}}  {fact.found}")
        if fact.advice:
            say(f"{'':<{width}}  → {fact.advice}")
    if any(fact.advice for fact in facts):
        raise typer.Exit(1)


def _uses(recipe: "Recipe") -> "list[Fact]":
    from ..plan.inventory import Fact, cores
    from ..runs.models import check_engine
    from ..runs.trackers import require_packages

    policy = recipe.policy
    learns = "all weights" if policy.lora is None else f"LoRA of rank {policy.lora.rank}"
    facts = [
        Fact("recipe", f"{recipe.name}, kind {recipe.kind}, learns {learns} in {policy.dtype}"),
        _model(recipe),
        Fact("threads", _threads(recipe.run.threads, cores())),
    ]
    if recipe.kind == "rl" or recipe.engine.actors:
        facts.insert(2, Fact("engine", _engine(recipe.engine, cores()), _refusal(lambda: check_engine(recipe))))
    if recipe.learn.ranks > 1:
        facts.append(Fact("ranks", _ranks(recipe, cores()), _refusal(lambda: _check_ranks(recipe))))
    if recipe.run.trackers:
        facts.append(Fact("trackers", ", ".join(recipe.run.trackers), _refusal(lambda: require_packages(recipe.run.trackers))))
    return facts


def _refusal(check: Callable[[], None]) -> str:
    """Return what a check refuses, empty where it refuses nothing."""
    try:
        check()
    except UsageError as error:
        return str(error)
    return ""


def _engine(config: "EngineConfig", allowed: float) -> str:
    if not config.actors:
        return config.type
    shared = f"{config.type}, {counted(config.actors, 'actor')} of {counted(config.actor_threads, 'thread')}"
    if os.environ.get("RAY_ADDRESS"):
        return f"{shared}, on the cluster that RAY_ADDRESS names"
    together = config.actors * config.actor_threads
    return f"{shared} on {allowed:g} cores: they slow each other down" if together > allowed else shared


def _ranks(recipe: "Recipe", allowed: float) -> str:
    import torch

    ranks, threads = recipe.learn.ranks, recipe.run.threads
    if gpus := torch.cuda.device_count():
        return f"{ranks}, on {counted(gpus, 'GPU')}"
    shared = f"{ranks} of {counted(threads, 'thread')}"
    return f"{shared} on {allowed:g} cores: they slow each other down" if ranks * threads > allowed else shared


def _check_ranks(recipe: "Recipe") -> None:
    """Raise UsageError where this machine has not what the ranks need, or where this recipe cannot be shared out."""
    from ..config.shareable import unshareable
    from ..runs.models import has_memory
    from .ranks import require_ranks

    require_ranks(recipe.learn.ranks)
    memory = False
    with suppress(UsageError):  # the model is not here, which is said of it
        memory = has_memory(recipe.policy)
    if why := unshareable(recipe, memory):
        raise UsageError(why)


def _threads(count: int, allowed: float) -> str:
    if count > allowed:
        return (
            f"{count}, on {allowed:g} to use: they slow each other down; run.threads={max(1, int(allowed))} gives other last digits"
        )
    return f"{count}" if count == int(allowed) else f"{count}; run.threads={int(allowed)} uses all, and gives other last digits"


def _model(recipe: "Recipe") -> "Fact":
    """Return whether the model that the recipe starts from is here."""
    from ..plan.inventory import Fact
    from ..policy.load import model_folder

    name = recipe.policy.model
    if name is None:
        return Fact("model", "made new, from random weights")
    shown = Path(name).name if Path(name).is_absolute() else name
    try:
        there = Path(model_folder(name)).exists()
    except UsageError as error:
        return Fact("model", f"{shown}, which is not here", str(error).replace(name, shown))
    return Fact(
        "model", f"{shown}, which is here" if there else f"{shown}, a hub id: fetched when the run starts, unless it was before"
    )
