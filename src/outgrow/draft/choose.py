"""Findings become a recipe."""

from dataclasses import replace

from ..config import RLRecipe, parse_recipe
from ..core.amounts import duration
from .batch import batch_for, measured, practised
from .budget import Budget, plan_run, speed_of
from .findings import Findings
from .lengths import max_tokens
from .recipe_draft import Draft
from .settings import Settings, temperature_for
from .tables import tables
from .weights import memory_note, weights_for

_TEXT = 40  # letters of a question in words
_FEW = 50  # held-out problems
_LONG = 3 * 3600.0  # seconds of a run that a person should know of


def draft_recipe(name: str, findings: Findings, budget: Budget | None = None) -> Draft:
    """Return a recipe called `name` for what was found.

    Raises UsageError where a question leaves no room for an answer, or the budget for a step.
    """
    model, machine, catalog = findings.model, findings.machine, findings.catalog
    settings = Settings(
        weights=weights_for(model, machine),
        max_tokens=max_tokens(
            model, findings.data.answers.kind, findings.tokens.prompt, findings.tokens.questions, findings.tokens.solutions
        ),
        temperature=temperature_for(model),
        batch=batch_for(practised(findings.data, findings.held), model, machine),
        samples=None,
    )
    recipe = parse_recipe(Draft((), tables(name, findings, settings)).values(), name=name)
    assert isinstance(recipe, RLRecipe)
    assumptions = catalog.assumptions.model_copy(update={"prompt_tokens": findings.tokens.usual_prompt})
    number = measured(findings.data, findings.held)
    speed = speed_of(recipe, number, model.shape, findings.speed, assumptions)
    plan = plan_run(settings.batch.steps, recipe.evaluate.samples, speed, budget, on_cpu=machine.gpu is None)
    settings = replace(settings, batch=replace(settings.batch, steps=plan.steps), samples=plan.samples)
    batch = settings.batch
    few = f"only {number} problems are measured, so only a large change is more than noise" if number < _FEW else None
    long = "long for this machine: --budget makes it shorter, a GPU faster" if budget is None and plan.seconds > _LONG else None
    notes = (memory_note(recipe, model, machine, catalog), plan.note, few, long)
    return Draft(
        head=_head(findings),
        tables=tables(name, findings, settings),
        notes=[*findings.data.notes, *_of_model(findings), *findings.form.notes, *filter(None, notes)],
        estimate=(
            f"{batch.steps.value} steps of {batch.problems_per_step.value} problems × {batch.group_size.value} answers; about "
            f"{duration(plan.seconds)} on this machine, at {duration(speed.step)} a step"
        ),
    )


def _head(findings: Findings) -> list[str]:
    data = findings.data
    return [
        f"Drafted by `outgrow new` for {findings.model.name} and {data.problems:,} problems.",
        f"Their known answers are {data.answers.named()}.",
        "Other keys have their defaults: outgrow recipes FILE --show prints them, docs/reference/recipes.md explains them.",
    ]


def _of_model(findings: Findings) -> list[str]:
    model = findings.model
    # "letter t in battle" and roman numerals are of the micro fields; a longer question is a text.
    if not model.has_words and findings.data.scripts and findings.data.median_question >= _TEXT:
        return [f"{model.name} knows characters and no words: take a language model for questions in words"]
    return []
