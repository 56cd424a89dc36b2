"""What a run practises on, its sources' problems, and what it is measured on."""

from collections.abc import Sequence

from ..config import Recipe, RLRecipe, load_recipe, shipped_recipes
from ..core.callbacks import Note, Warn, quiet
from ..core.counted import counted
from ..core.errors import UsageError
from ..problems.checked import checked_problems
from ..problems.held_out import HELD_OUT, held_out_slice
from ..problems.named_table import named_table
from ..problems.overlap import without_held_out
from ..problems.suites import suite
from ..types import Problem


def training_problems(recipe: Recipe, warn: Warn) -> list[list[Problem]]:
    """Return the problems of each source. Questions that the recipe is measured on are dropped, with a note.

    Raises UsageError where the recipe names no suite and has too few problems to hold some out.
    """
    if "problems" not in recipe.model_fields_set:
        warn(Note('the recipe names no [[problems]]: it practises on micro, as [[problems]] type = "micro" would say'))
    sources, names = _without_suites(recipe, warn), suites_of_training(recipe)
    if HELD_OUT not in names:
        return sources
    held_out = held_out_slice([problem for source in sources for problem in source])
    practised = [without_held_out(source, held_out)[0] for source in sources]
    warn(
        Note(
            f"{len(held_out)} of {sum(map(len, sources)):,} problems are held out to measure on, by a hash of the question; "
            "evaluate.suite names others"
        )
    )
    return practised


def suites_of_training(recipe: Recipe) -> list[str]:
    """Return the suites that a run looks at while or after it trains; their questions are never practised."""
    validates = isinstance(recipe, RLRecipe) and (recipe.evaluate.every > 0 or recipe.judge is not None)
    return sorted({recipe.evaluate.suite, *([recipe.evaluate.validation] if validates else [])})


def suite_problems(recipe: Recipe, name: str, warn: Warn = quiet) -> list[Problem]:
    """Return the problems of a suite, as the recipe means its name: `held-out` is a slice of the recipe's own problems.

    Raises UsageError as `suite` and `held_out_slice` do.
    """
    if name != HELD_OUT:
        return suite(name).load(warn)
    return held_out_slice([problem for source in _without_suites(recipe, quiet) for problem in source])


def _without_suites(recipe: Recipe, warn: Warn) -> list[list[Problem]]:
    """Return the problems of each source, without the questions of named suites."""
    names = [name for name in suites_of_training(recipe) if name != HELD_OUT]
    held_out = [problem for name in names for problem in suite(name).load()]
    # Rows are kept only where a reward reads them: those of a large set may need more memory than its questions.
    rows = isinstance(recipe, RLRecipe) and any(reward.reads_rows for reward in recipe.rewards)
    sources = []
    for source in recipe.problems:
        problems, dropped = without_held_out(checked_problems(source.with_rows() if rows else source, warn), held_out)
        if dropped:
            warn(Note(f"{source.type}: dropped {counted(dropped, 'problem')} whose questions are held out ({', '.join(names)})"))
        sources.append(problems)
    return sources


def distinct(sources: Sequence[Sequence[Problem]]) -> list[list[Problem]]:
    """Return the sources without repeats: a problem in two sources belongs to the first one.

    Raises UsageError where a source has no problem left.
    """
    met: set[str] = set()
    distinct_sources = []
    for number, source in enumerate(sources, 1):
        own = {problem.id: problem for problem in source if problem.id not in met}
        if not own:
            raise UsageError(f"[[problems]] number {number}: all its problems are held out or in another source; change or drop it")
        met.update(own)
        distinct_sources.append(list(own.values()))
    return distinct_sources


def practice_problems(recipe: Recipe, warn: Warn) -> list[Problem]:
    """Return all problems that a recipe practises on, each once, source by source. Raises UsageError as `distinct` does."""
    return [problem for source in distinct(training_problems(recipe, warn)) for problem in source]


def problems_of(data: str, warn: Warn) -> tuple[list[Problem], Recipe | None]:
    """Return the problems of a table (see `named_table`), or those that a recipe practises on together with the recipe.

    Raises UsageError where the table or the recipe does not exist.
    """
    is_recipe = data.endswith(".toml") or data in shipped_recipes()
    if not is_recipe and (table := named_table(data, "train")):
        return table.load(warn), None
    recipe = load_recipe(data)
    return practice_problems(recipe, warn), recipe


def shares(count: int, weights: Sequence[float]) -> list[int]:
    """Return how many of `count` problems each source gives: at least one, the rest by weight (Sainte-Laguë's method).

    Raises UsageError where there are more sources than problems.
    """
    if count < len(weights):
        raise UsageError(f"learn.problems_per_step={count} is too few for {len(weights)} problem sources; raise it")
    given = [1] * len(weights)
    while sum(given) < count:
        neediest = max(range(len(weights)), key=lambda index: weights[index] / (2 * given[index] + 1))
        given[neediest] += 1
    return given
