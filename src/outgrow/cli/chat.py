"""The command `outgrow chat`."""

from ..core.plugins import TO_ANSWER
from .app import LOOK, command
from .console import console, say, strip_control_chars, warn
from .open_model import open_model, recipe_for
from .options import MaxTokens, ModelArg, OmitSettings, RecipeOption, Temperature


@command(LOOK, "outgrow chat micro-base", plugins=TO_ANSWER)
def chat(
    model: ModelArg,
    temperature: Temperature = 0.0,
    max_tokens: MaxTokens = None,
    omit_settings: OmitSettings = None,
    recipe: RecipeOption = None,
) -> None:
    """Talk with a model; an empty line or Ctrl-D ends the conversation.

    The conversation starts over when it no longer fits a local model's context.
    """
    source = recipe_for(model, recipe)
    from ..engines import ChatRequest
    from ..policy import Sampling
    from ..runs.session import default_max_tokens

    respondent = open_model(model, source, omit_settings)
    sampling = Sampling(temperature=temperature, max_tokens=max_tokens or default_max_tokens(source, respondent))
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
            warn("(starting over: the conversation no longer fits the model's context)")
            messages = messages[-1:]
        [[answer]] = respondent.answer(ChatRequest([messages], 1, sampling, [len(messages)]))
        if answer.refused:
            warn(f"the server refuses this question: {answer.refused}")
            messages.pop()
            continue
        say(f"{opener}{strip_control_chars(answer.text)}")
        messages.append({"role": "assistant", "content": answer.text.split("</think>")[-1]})
