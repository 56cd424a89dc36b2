"""The command `outgrow chat`."""

from ..core.plugins import TO_ANSWER
from .app import LOOK, command
from .console import console, strip_control_chars, warn
from .open_model import open_model, recipe_for
from .options import MaxTokens, ModelArg, OmitSettings, RecipeOption, Temperature

_UNFINISHED = "\N{REPLACEMENT CHARACTER}"
"""What a character of several tokens is decoded as until its last one is there."""


@command(LOOK, "outgrow chat micro-base", plugins=TO_ANSWER)
def chat(
    model: ModelArg,
    temperature: Temperature = 0.0,
    max_tokens: MaxTokens = None,
    omit_settings: OmitSettings = None,
    recipe: RecipeOption = None,
) -> None:
    """Talk with a model, and read its answers while it writes them; an empty line or Ctrl-D ends the conversation.

    The conversation starts over when it no longer fits a local model's context. Answers of a server are shown when they are whole.
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
        shown = _Shown(opener)
        [[answer]] = respondent.answer(ChatRequest([messages], 1, sampling, [len(messages)], on_text=shown.show))
        if answer.refused:
            warn(f"the server refuses this question: {answer.refused}")
            messages.pop()
            continue
        shown.show(answer.text, whole=True)
        messages.append({"role": "assistant", "content": answer.text.split("</think>")[-1]})


class _Shown:
    """An answer on the terminal, to which what is new is added."""

    def __init__(self, opener: str) -> None:
        """opener: what stands before the answer's own text."""
        self._opener, self._text = opener, ""

    def show(self, text: str, whole: bool = False) -> None:
        """Print what is new in an answer. whole: whether it is complete."""
        text = self._opener + strip_control_chars(text)
        if not whole:
            text = text.rstrip(_UNFINISHED)
        if not text.startswith(self._text):  # the engine began again, with less memory
            console.print()
            self._text = ""
        console.print(text[len(self._text) :], end="\n" if whole else "", markup=False, highlight=False, soft_wrap=True)
        self._text = text
