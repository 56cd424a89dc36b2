"""The command `outgrow audit`."""

from typing import Annotated

import typer

from ..core.errors import UsageError
from ..core.plugins import ANY_KIND
from .app import TRAIN, command
from .console import say, warn
from .interrupt import interruptible
from .options import Overrides, RecipeName, Seed, SetsFolder, use_data
from .progress import answering


@command(
    TRAIN,
    "outgrow audit micro",
    "outgrow audit mine.toml --problems 64 --samples 16",
    "outgrow audit mine.toml --no-samples",
    plugins=ANY_KIND,
)
def audit(
    context: typer.Context,
    recipe: RecipeName,
    problems: Annotated[
        int, typer.Option("--problems", min=1, metavar="N", help="Number of the recipe's problems that are tried, drawn at random.")
    ] = 32,
    samples: Annotated[int, typer.Option("--samples", min=2, metavar="K", help="Answers sampled for each problem.")] = 8,
    no_samples: Annotated[bool, typer.Option("--no-samples", help="Try the reward only; ask the policy nothing.")] = False,
    overrides: Overrides = None,
    seed: Seed = 0,
    data: SetsFolder = None,
) -> None:
    """Check a recipe before you pay for its training: what its reward pays, and whether its policy earns any of it.

    The reward is tried on completions whose worth is known: no answer, the question repeated, the known answer in the wrong place,
    wrong answers of many kinds, and right answers. Then the policy answers a sample of the recipe's problems. If these are chains,
    it also answers some of their parts, each by itself, since chains are for a policy that solves the parts. The verdict is go,
    fix the reward, answers are cut, format not met, too easy, or no support; with --no-samples it is not sampled where the reward
    is sound. The exit code is 0 for go and for not sampled, else 1. `outgrow train` says what the audit of its recipe said.
    """
    from ..config import RLRecipe, load_recipe

    use_data(context, data)
    read = load_recipe(recipe, overrides or [])
    if not isinstance(read, RLRecipe):
        raise UsageError(f"{recipe} is a recipe of kind {read.kind!r}; an audit needs a recipe of kind 'rl'")
    from ..audit.audit import conclude, problems_to_audit, sample_policy, try_reward
    from ..audit.record import standing, write_record
    from ..evaluate.answer_cache import AnswerCache
    from ..policy.pull import cache_folder
    from ..runs.models import base_policy
    from .audit_tables import show_reward, show_support, show_verdict

    tried = problems_to_audit(read, problems, seed, warn)
    policy = base_policy(read)
    drawn = None
    with interruptible() as check_stop:
        reward = try_reward(read, policy, tried, check_stop)
        show_reward(read, tried, reward, policy.opens_think)
        if not no_samples:
            with (
                answering("sampling", samples * len(tried.asked), read.sampling.max_tokens) as tally,
                AnswerCache(cache_folder() / "answers.sqlite", warn=warn) as cache,
            ):
                watch = tally.watching(check_stop)
                drawn = sample_policy(read, policy, tried, samples, warn, lambda model: tally.wrap(cache.wrap(model)), watch)
    result = conclude(read, policy, tried, reward, drawn)
    if result.support:
        show_support(read, tried, result.support, result.parts)
    show_verdict(read, result)
    earlier, now = standing(read), result.support.k * result.support.n if result.support else 0
    path = write_record(read, result)
    if earlier and earlier.samples > now:
        kept = standing(read) == earlier
        how = "The record keeps the audit" if kept else "The record replaces one of an audit"
        say(f"{how} with more samples ({earlier.samples:,}; this audit drew {now:,}).")
    say(f"{path}")
    if not result.verdict.opens:
        raise typer.Exit(1)
