"""The command `outgrow chat`."""

from typing import Annotated

import typer

from .app import app
from .console import console, errors, strip_control_chars
from .open_model import default_max_tokens, open_model, recipe_for
from .options import MaxTokens, ModelArg, RecipeOption, example


@app.command(epilog=example("outgrow chat micro-base"))
def chat(
    model: ModelArg,
    temperature: Annotated[float, typer.Option("--temperature", min=0.0, help="0 is greedy.")] = 0.0,
    max_tokens: MaxTokens = None,
    recipe: RecipeOption = None,
) -> None:
    """Talk with a model; an empty line or Ctrl-D ends it. A conversation starts over where it outgrows a local model's context."""
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
        [[answer]] = respondent.answer([messages], 1, sampling, [len(messages)])
        console.print(f"{opener}{strip_control_chars(answer.text)}", markup=False, highlight=False, soft_wrap=True)
        messages.append({"role": "assistant", "content": answer.text.split("</think>")[-1]})
