"""All that is looked at before a recipe is drafted."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from ..core.errors import UsageError
from ..plan.gpus import GPU, GpuCatalog
from ..plan.machine import measure_machine
from ..policy import Prompt
from .answer_form import AnswerForm, answer_form
from .data import DataFindings, HeldOut
from .machine import Machine
from .model import ModelFindings, look_at_model, prompt_tokens, tokens_in, unknown_share


@dataclass(frozen=True)
class Tokens:
    """Lengths in the model's tokens."""

    prompt: int
    """Of the longest prompt."""
    usual_prompt: int
    """Of the middle prompt."""
    questions: Sequence[int]
    """Of questions, evenly taken from the file."""
    solutions: Sequence[int]
    """Of written-out solutions."""


@dataclass(frozen=True)
class Findings:
    """All that a recipe is drafted from."""

    data: DataFindings
    held: HeldOut | None
    """Held-out problems of another file; None where a slice of the problems is held out."""
    model: ModelFindings
    machine: Machine
    form: AnswerForm
    tokens: Tokens
    speed: GPU
    """This machine, as a row of the catalog."""
    catalog: GpuCatalog


def find_out(data: DataFindings, held: HeldOut | None, model: str, machine: Machine, catalog: GpuCatalog) -> Findings:
    """Return what the model and this machine make of these problems.

    Raises UsageError where the model cannot be found, read or trained, or where its tokenizer cannot write most questions.
    """
    found, tokenizer = look_at_model(model)
    unknown = unknown_share(tokenizer, data.longest)
    if unknown > 0.5:
        raise UsageError(
            f"--model {model}: its tokenizer does not know characters of {unknown:.0%} of the longest questions; take another model"
        )
    form = answer_form(data, found)
    template = form.template.value if form.template else None
    prompt = Prompt(user_template=form.user_template.value, system=form.system, template=template)
    tokens = Tokens(
        prompt=max(prompt_tokens(tokenizer, prompt, model, data.longest)),
        usual_prompt=statistics.median_low(prompt_tokens(tokenizer, prompt, model, data.questions)),
        questions=tokens_in(tokenizer, data.questions),
        solutions=tokens_in(tokenizer, data.solutions),
    )
    return Findings(
        data, held, found, machine, form, tokens, measure_machine(machine.cores, machine.dollars_per_hour or 0.0), catalog
    )
