"""The command `outgrow chat`."""

import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..core.counted import counted
from ..core.errors import UsageError
from ..core.files import require_writable
from ..core.new_path import require_folders_above
from ..core.plugins import TO_ANSWER
from .app import LOOK, command
from .console import console, strip_control_chars, warn
from .open_model import cut_mark, open_model, recipe_for, require_room, warn_of_unseen
from .options import MaxTokens, ModelArg, OmitSettings, RecipeOption, Temperature

if TYPE_CHECKING:
    from ..engines import Answer, ChatModel, ChatRequest
    from ..engines.remembering import RememberingModel

_UNFINISHED = "\N{REPLACEMENT CHARACTER}"
"""What a character of several tokens is decoded as until its last one is there."""


@command(LOOK, "outgrow chat micro-base", "outgrow chat runs/micro-memory --memory facts.safetensors", plugins=TO_ANSWER)
def chat(
    model: ModelArg,
    temperature: Temperature = 0.0,
    max_tokens: MaxTokens = None,
    omit_settings: OmitSettings = None,
    recipe: RecipeOption = None,
    memory: Annotated[
        Path | None,
        typer.Option(
            "--memory",
            metavar="FILE",
            help="Go on from what a model with a memory has read in earlier conversations, and keep what it reads in this one; a "
            "file that does not exist is begun. Default: each question is read with the whole conversation.",
        ),
    ] = None,
) -> None:
    """Talk with a model, and read its answers while it writes them; an empty line, Ctrl-D or Ctrl-C ends the conversation.

    Ctrl-C while an answer is written stops that answer: the conversation goes on without its question. The conversation starts
    over when it no longer fits a local model's context. Answers of a server are shown when they are whole. Questions can be piped
    in, one a line.

    With --memory nothing is read twice, and no conversation is too long: the file holds the model's memory and its window, not the
    text, and is written after each answer. Remove it to forget.
    """
    source = recipe_for(model, recipe)
    from ..engines import ChatRequest
    from ..policy import Sampling
    from ..runs.session import default_max_tokens

    if memory is not None:
        _require_place(memory)
    respondent = open_model(model, source, omit_settings)
    kept = None if memory is None else _remembering(respondent, model, memory)
    respondent = kept or respondent
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
        seed = kept.memory.kept.tokens if kept else len(asked)
        answer = _answer(respondent, ChatRequest([asked], 1, sampling, [seed], on_text=shown.show))
        if answer is None:
            shown.end()
            warn("(stopped; the conversation goes on without this question)")
            continue
        if answer.refused:
            warn(f"the server refuses this question: {answer.refused}")
            continue
        shown.show(answer.text, f"{cut_mark(answer)}\n")
        if kept:
            _keep(kept)
        else:
            messages = [*asked, {"role": "assistant", "content": answer.text.split("</think>")[-1]}]


def _require_place(memory: Path) -> None:
    """Raise UsageError where there is no folder for the file, OutgrowError where nothing can be written into it."""
    require_folders_above(memory)
    if not memory.parent.is_dir():
        raise UsageError(f"--memory {memory}: its folder does not exist; make it first")
    require_writable(memory.parent)


def _remembering(respondent: "ChatModel", name: str, memory: Path) -> "RememberingModel":
    from ..engines.remembering import remembering

    kept = remembering(respondent, name, memory)
    if tokens := kept.memory.kept.tokens:
        warn(f"(going on behind the {counted(tokens, 'token')} of {memory})")
        _warn_of_length(kept, 0)
    return kept


def _keep(kept: "RememberingModel") -> None:
    """Keep the turn. A signal waits until the file is written, and then ends the command."""
    from ..runs.signals import Interrupt

    before = kept.memory.kept.tokens
    with Interrupt() as interrupt:
        kept.memory.keep()
    if interrupt.requested is not None:
        raise typer.Exit(128 + interrupt.requested)
    _warn_of_length(kept, before)


def _warn_of_length(kept: "RememberingModel", before: int) -> None:
    """Say once that the model was never trained on so much. before: tokens before this turn."""
    if before <= kept.context < kept.memory.kept.tokens:
        warn(
            f"(the model has read {kept.memory.kept.tokens:,} tokens, and was trained on {kept.context:,} at most: what it makes "
            "of those after them was never trained)"
        )


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
