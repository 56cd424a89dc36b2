"""How a model is asked for its answer, and how the answer is found: a prompt and its extractors, which must fit each other."""

from dataclasses import dataclass

from .answers import AnswerFindings, AnswerKind
from .data import DataFindings
from .model import SMALL, ModelFindings
from .recipe_draft import Choice

_BOX = "{question}\nPut the final answer in \\boxed{}."
_BOX_NUMBER = "{question}\nPut the final number in \\boxed{}."
_PHRASE = '{question}\nEnd with "The answer is" and the answer.'
_BASE = "Question: {question}\nAnswer:"


@dataclass(frozen=True)
class AnswerForm:
    """The tables [prompt] and [verify] of a recipe."""

    extract: Choice[list[str]]
    user_template: Choice[str | None]
    """None: the default, which the reason names."""
    template: Choice[str] | None = None
    """Name of a chat template; None for the tokenizer's own."""
    system: str = ""
    """System turn of the run that the model comes from; empty for none."""
    notes: tuple[str, ...] = ()


def answer_form(data: DataFindings, model: ModelFindings) -> AnswerForm:
    """Return how answers of this kind are asked of this model, and found in what it writes."""
    if model.made_by is not None:
        return _as_before(data, model)
    if model.is_r1:
        default = Choice[str | None](
            None, "R1's own instruction is the default: reason step by step, put the final answer in \\boxed{}"
        )
        return AnswerForm(_boxed(data.answers), default, notes=_unread(data.answers, "boxed"))
    if not model.has_template:
        return _of_base(data.answers)
    if not model.follows:
        default = Choice[str | None](None, "the question only: a model with a tokenizer of characters reads no instructions")
        return AnswerForm(_boxed(data.answers), default, notes=_unread(data.answers, "boxed"))
    return _of_instruct(data, model)


def _as_before(data: DataFindings, model: ModelFindings) -> AnswerForm:
    """Return the form of the recipe that the model was trained by."""
    recipe = model.made_by
    assert recipe is not None
    prompt, extract = recipe.prompt, list(recipe.verify.extract)
    why = f"as in the training of {model.name}"
    return AnswerForm(
        extract=Choice(extract, f"{why}: it writes its answers in this form"),
        user_template=Choice(prompt.user_template, why if prompt.user_template else f"the question only, {why}"),
        template=Choice(prompt.template, why) if prompt.template else None,
        system=prompt.system,
        notes=_unread(data.answers, extract[0]),
    )


def _of_base(answers: AnswerFindings) -> AnswerForm:
    numbers = answers.unread_by("last_number") == 0
    extract = Choice(["last_number"], "all known answers are numbers, and a base model writes no boxes") if numbers else None
    sft = "a base model rarely ends its answers: if the audit says so, fine-tune it first (outgrow sft), or take an instruct model"
    return AnswerForm(
        extract=extract or _boxed(answers),
        user_template=Choice(_BASE, "the form in which base models have read questions"),
        template=Choice("plain", "the tokenizer has no chat template: this is a base model"),
        notes=(sft, *([] if numbers else _unread(answers, "boxed"))),
    )


def _of_instruct(data: DataFindings, model: ModelFindings) -> AnswerForm:
    answers, small = data.answers, model.parameters < SMALL
    numbers = answers.unread_by("last_number") == 0
    if numbers and small:
        return AnswerForm(
            Choice(["last_number"], "all known answers are numbers; a model of this size writes few boxes"),
            Choice("{question}\nEnd with the number.", "asks for what verify.extract finds: the last number of the answer"),
            notes=_language(data),
        )
    if numbers:
        return AnswerForm(
            Choice(
                ["boxed", "last_number"], "the box that the prompt asks for, else the last number: all known answers are numbers"
            ),
            Choice(_BOX_NUMBER, "asks for what verify.extract finds"),
            notes=_language(data),
        )
    plain = small or answers.kind in (AnswerKind.WORDS, AnswerKind.CHOICE)
    if plain and answers.unread_by("phrase") == 0 and not model.thinks:
        return AnswerForm(
            Choice(["phrase"], f'the known answers are {answers.kind}: what follows "The answer is"'),
            _phrase(answers),
            notes=_language(data),
        )
    note = "a model of this size writes few boxes: the audit says how often the answer is found"
    return AnswerForm(
        _boxed(answers),
        Choice(_BOX, "asks for what verify.extract finds"),
        notes=(*_unread(answers, "boxed"), *([note] if small else []), *_language(data)),
    )


def _phrase(answers: AnswerFindings) -> Choice[str | None]:
    """Return the prompt of answers in words. A small model is told which there are: it does not guess them."""
    if not answers.choices:
        return Choice(_PHRASE, "asks for what verify.extract finds")
    *others, last = answers.choices
    template = _PHRASE.replace("\n", f"\nAnswer {', '.join(others)} or {last}. ")
    return Choice(template, "names all known answers, and asks for what verify.extract finds")


def _boxed(answers: AnswerFindings) -> Choice[list[str]]:
    return Choice(["boxed"], f"the known answers are {answers.named()}; a box marks where an answer begins and ends")


def _unread(answers: AnswerFindings, extractor: str) -> tuple[str, ...]:
    count = dict(answers.unread).get(extractor, 0)
    return (f"{count:,} known answers cannot be read by {extractor!r} even as asked; the audit names some",) if count else ()


def _language(data: DataFindings) -> tuple[str, ...]:
    """Return a line where the questions are not in Latin letters, as the instruction is."""
    if not data.scripts or data.scripts[0] == "Latin":
        return ()
    return (f"the questions are in {data.scripts[0]}: write the instruction of prompt.user_template in their language",)
