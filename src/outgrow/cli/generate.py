"""The command `outgrow generate`."""

from typing import Annotated

import typer

from .app import app
from .console import console, strip_control_chars
from .open_model import default_max_tokens, open_model, recipe_for
from .options import MaxTokens, ModelArg, RecipeOption, example


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
    from ..policy import Sampling

    said = recipe_for(model, recipe)
    respondent = open_model(model, said)
    sampling = Sampling(temperature=temperature, max_tokens=max_tokens or default_max_tokens(said, respondent))
    opener = "<think>" if respondent.opens_think else ""
    for answer in respondent.answer([respondent.conversation(question)], samples, sampling, [seed])[0]:
        cut = "" if answer.finished else "  … cut at --max-tokens"
        console.print(f"{opener}{strip_control_chars(answer.text)}{cut}", markup=False, highlight=False, soft_wrap=True)
