"""What a run practises on: its sources' problems, without those it is measured on."""

from ..evaluate import suite
from ..problems import Note, Problem
from ..problems.overlap import without_held_out
from ..recipes import Recipe


def training_problems(recipe: Recipe, note: Note) -> list[list[Problem]]:
    """The problems of each source. Questions that the recipe's suites hold out are dropped, and said."""
    suites = sorted({recipe.evaluate.suite, recipe.evaluate.validation})
    held_out = [problem for name in suites for problem in suite(name).load()]
    sources = []
    for source in recipe.problems:
        problems, dropped = without_held_out(source.load(note), held_out)
        if dropped:
            note(f"{source.type}: left out {dropped} problems whose questions are held out ({', '.join(suites)})")
        sources.append(problems)
    return sources
