"""The command `outgrow chat`."""

import signal
import sys
from typing import TYPE_CHECKING

import typer

from ..core.plugins import TO_ANSWER
from .app import LOOK, command
from .console import console, strip_control_chars, warn
from .open_model import cut_mark, open_model, recipe_for, require_room, warn_of_unseen
from .options import MaxTokens, ModelArg, OmitSettings, RecipeOption, Temperature

if TYPE_CHECKING:
    from ..engines import Answer, ChatModel, ChatRequest

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
    """Talk with a model, and read its answers while it writes them; an empty line, Ctrl-D or Ctrl-C ends the conversation.

    Ctrl-C while an answer is written stops that answer: the conversation goes on without its question. The conversation starts
    over when it no longer fits a local model's context. Answers of a server are shown when they are whole. Questions can be piped
    in, one a line.
    """
    source = recipe_for(model, recipe)
    from ..core.errors import UsageError
    from ..engines import ChatRequest
    from ..policy import Sampling
    from ..runs.session import default_max_tokens

    respondent = open_model(model, source, omit_settings)
    sampling = Sampling(temperature=temperature, max_tokens=max_tokens or default_max_tokens(source, respondent))
    opener = "<think>" if respondent.opens_think else ""
    messages: list[dict[str, str]] = []
    while (question := _question()) is not None:
        asked = [*messages, {"role": "user", "content": question}]
        if messages and respondent.room(asked) < sampling.max_tokens:
            asked = asked[-1:]
        try:
            require_room(respondent, asked, sampling.max_tokens)
        except UsageError as error:
            warn(f"{error}")
            continue
        if len(asked) <= len(messages):
            warn("(starting over: the conversation no longer fits the model's context)")
        warn_of_unseen(respondent, question)
        shown = _Shown(opener)
        answer = _answer(respondent, ChatRequest([asked], 1, sampling, [len(asked)], on_text=shown.show))
        if answer is None:
            shown.end()
            warn("(stopped; the conversation goes on without this question)")
            continue
        if answer.refused:
            warn(f"the server refuses this question: {answer.refused}")
            continue
        shown.show(answer.text, f"{cut_mark(answer)}\n")
        messages = [*asked, {"role": "assistant", "content": answer.text.split("</think>")[-1]}]


def _question() -> str | None:
    """Return the next question; None where the person or the piped text has no more. On a terminal an empty line says that."""
    typed = sys.stdin.isatty()
    while True:
        try:
            question = console.input("[bold]you[/] > " if typed and sys.stdout.isatty() else "")
        except (EOFError, KeyboardInterrupt):
            return None
        if question.strip():
            return question
        if typed:
            return None


def _answer(respondent: "ChatModel", request: "ChatRequest") -> "Answer | None":
    """Return the answer; None where Ctrl-C stopped it. Another signal ends the command."""
    from ..runs.signals import Interrupt, StopRequested

    try:
        with Interrupt() as interrupt:
            [[answer]] = respondent.answer(request, interrupt.check_stop)
            interrupt.check_stop()
    except KeyboardInterrupt:  # a second one, which does not wait for the next token
        return None
    except StopRequested as stop:
        if stop.number == signal.SIGINT:
            return None
        raise typer.Exit(stop.exit_code) from stop
    return answer


class _Shown:
    """An answer on the terminal, to which what is new is added."""

    def __init__(self, opener: str) -> None:
        """opener: what stands before the answer's own text."""
        self._opener, self._text = opener, ""

    def show(self, text: str, end: str = "") -> None:
        """Print what is new in an answer. end: what to print behind a complete one."""
        text = self._opener + strip_control_chars(text)
        if not end:
            text = text.rstrip(_UNFINISHED)
        if not text.startswith(self._text):  # the engine began again, with less memory
            console.print()
            self._text = ""
        console.print(text[len(self._text) :], end=end, markup=False, highlight=False, soft_wrap=True)
        self._text = text

    def end(self) -> None:
        """End the line of an answer that was stopped."""
        if self._text:
            console.print()
