"""The command `outgrow generate`."""

from typing import Annotated

import typer

from ..core.errors import OutgrowError
from ..core.plugins import TO_ANSWER
from .app import LOOK, command
from .console import say, strip_control_chars
from .open_model import cut_mark, open_model, recipe_for, require_room, warn_of_unseen
from .options import MaxTokens, ModelArg, OmitSettings, RecipeOption, Seed, Temperature


@command(LOOK, 'outgrow generate micro-base "27+58=?"', 'outgrow generate runs/first "roman XIV=?" --samples 4', plugins=TO_ANSWER)
def generate(
    model: ModelArg,
    question: Annotated[str, typer.Argument(metavar="QUESTION", help="The question to ask.")],
    samples: Annotated[int, typer.Option("--samples", "-n", min=1, help="Number of answers.")] = 1,
    temperature: Temperature = 0.0,
    max_tokens: MaxTokens = None,
    omit_settings: OmitSettings = None,
    recipe: RecipeOption = None,
    seed: Seed = 0,
) -> None:
    """Ask a model one question and print its answers."""
    source = recipe_for(model, recipe)
    from ..engines import ChatRequest
    from ..policy import Sampling
    from ..runs.session import default_max_tokens

    respondent = open_model(model, source, omit_settings)
    sampling = Sampling(temperature=temperature, max_tokens=max_tokens or default_max_tokens(source, respondent))
    opener = "<think>" if respondent.opens_think else ""
    conversation = respondent.conversation(question)
    require_room(respondent, conversation, sampling.max_tokens)
    warn_of_unseen(respondent, question)
    for answer in respondent.answer(ChatRequest([conversation], samples, sampling, [seed]))[0]:
        if answer.refused:
            raise OutgrowError(f"the server refuses this question: {answer.refused}")
        say(f"{opener}{strip_control_chars(answer.text)}{cut_mark(answer)}")
