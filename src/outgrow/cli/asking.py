"""Commands that ask a model: generate, chat."""

from typing import Annotated

import typer

from .app import app
from .shared import (
    ModelArg,
    RecipeOption,
    console,
    default_max_tokens,
    errors,
    example,
    open_model,
    recipe_for,
    strip_control_chars,
)

MaxTokens = Annotated[
    int | None,
    typer.Option("--max-tokens", min=1, help="Longest answer; left out, the recipe's, else 512 or half the model's context."),
]


@app.command(epilog=example('outgrow generate micro-base "27+58=?"', 'outgrow generate runs/first "roman XIV=?" --samples 4'))
def generate(
    model: ModelArg,
    question: Annotated[str, typer.Argument(help="What to ask.")],
    samples: Annotated[int, typer.Option("--samples", "-n", min=1)] = 1,
    temperature: Annotated[float, typer.Option("--temperature", min=0.0, help="0 is greedy.")] = 0.0,
    max_tokens: MaxTokens = None,
    recipe: RecipeOption = None,
    seed: Annotated[int, typer.Option("--seed")] = 0,
) -> None:
    """Ask a model one question and print what it writes."""
    from ..engines import ChatRequest
    from ..policy import Sampling

    said = recipe_for(model, recipe)
    respondent = open_model(model, said)
    sampling = Sampling(temperature=temperature, max_tokens=max_tokens or default_max_tokens(said, respondent))
    opener = "<think>" if respondent.opens_think else ""
    for answer in respondent.answer(ChatRequest([respondent.conversation(question)], samples, sampling, [seed]))[0]:
        cut = "" if answer.finished else "  … cut at --max-tokens"
        console.print(f"{opener}{strip_control_chars(answer.text)}{cut}", markup=False, highlight=False, soft_wrap=True)


@app.command(epilog=example("outgrow chat micro-base"))
def chat(
    model: ModelArg,
    temperature: Annotated[float, typer.Option("--temperature", min=0.0, help="0 is greedy.")] = 0.0,
    max_tokens: MaxTokens = None,
    recipe: RecipeOption = None,
) -> None:
    """Talk with a model; an empty line or Ctrl-D ends it. A conversation starts over where it outgrows a local model's context."""
    from ..engines import ChatRequest
    from ..policy import Sampling

    said = recipe_for(model, recipe)
    respondent = open_model(model, said)
    sampling = Sampling(temperature=temperature, max_tokens=max_tokens or default_max_tokens(said, respondent))
    opener = "<think>" if respondent.opens_think else ""
    messages: list[dict[str, str]] = []
    while True:
        try:
            question = console.input("[bold]you[/] > ")
        except (EOFError, KeyboardInterrupt):
            question = ""
        if not question.strip():
            return
        messages.append({"role": "user", "content": question})
        if not respondent.fits(messages, sampling.max_tokens):
            errors.print("(starting over: the conversation no longer fits the model's context)", markup=False)
            messages = messages[-1:]
        [[answer]] = respondent.answer(ChatRequest([messages], 1, sampling, [len(messages)]))
        console.print(f"{opener}{strip_control_chars(answer.text)}", markup=False, highlight=False, soft_wrap=True)
        messages.append({"role": "assistant", "content": answer.text.split("</think>")[-1]})
