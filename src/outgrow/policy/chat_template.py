"""Rendering chat templates. A template comes with a model, so it may be a stranger's program: a process with limits renders it."""

from __future__ import annotations

import atexit
import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_PROGRAM = Path(__file__).with_name("template_process.py")
_WAIT_S = 120.0  # wall clock; the process ends by itself after seconds of processor time
_MAX_REPLY = 2**28  # bytes
_TAG = "⟦the last turn ends here⟧"

Messages = Sequence[dict[str, str]]


class TemplateError(ValueError):
    """A chat template that cannot be rendered; str() says why, in one line."""


def rendered_chat(
    tokenizer: PreTrainedTokenizerBase,
    messages: Messages,
    template: str | None = None,
    add_generation_prompt: bool = True,
    through_last_turn: bool = False,
) -> str:
    """Return a conversation as the model reads it, as transformers' `apply_chat_template` would.

    template: default the tokenizer's. through_last_turn: end behind the text of the last turn, for the model to continue it.
    Raises TemplateError where the template fails, takes too much memory or time, or drops the last turn that is to be continued.
    """
    template = template or str(tokenizer.chat_template)
    if through_last_turn:
        *before, last = messages
        messages = [*before, {**last, "content": last["content"] + _TAG}]
    variables = {**tokenizer.special_tokens_map, "add_generation_prompt": add_generation_prompt}
    request = json.dumps({"template": template, "messages": list(messages), "variables": variables}, default=str)
    text = _process.render(request)
    if not through_last_turn:
        return text
    if _TAG not in text:
        raise TemplateError("it drops the last turn")
    return text.rpartition(_TAG)[0]


class _Process:
    """The one process of this process that renders. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def render(self, request: str) -> str:
        with self._lock:
            try:
                process = self._started()
                assert process.stdin is not None and process.stdout is not None
                process.stdin.write(request.encode("ascii") + b"\n")
                process.stdin.flush()
                reply = self._line(process)
            except BrokenPipeError:
                reply = None
            except BaseException:
                self.end()  # an answer that nobody waits for must not be the next one's
                raise
            if reply is None:
                self.end()
                raise TemplateError("it takes too much time or memory, and was ended")
        if "text" not in reply:
            raise TemplateError(str(reply.get("error")))
        return str(reply["text"])

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            self.end()
            # A session of its own, so that Ctrl-C in a terminal reaches the run only. It ends where its input does.
            self._process = subprocess.Popen(
                [sys.executable, "-P", str(_PROGRAM)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
        return self._process

    @staticmethod
    def _line(process: subprocess.Popen[bytes]) -> dict[str, Any] | None:
        """Return the reply; None where the process ended, took too long or wrote too much."""
        assert process.stdout is not None
        content, until = bytearray(), time.monotonic() + _WAIT_S
        while not content.endswith(b"\n"):
            if not select.select([process.stdout], [], [], max(0.0, until - time.monotonic()))[0]:
                return None
            part = os.read(process.stdout.fileno(), 2**16)
            content += part
            if not part or len(content) > _MAX_REPLY:
                return None
        reply: dict[str, Any] = json.loads(content)
        return reply

    def end(self) -> None:
        """End the process, whatever it is doing. The next template starts another."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            for pipe in (self._process.stdin, self._process.stdout):
                with suppress(OSError):
                    pipe.close()  # type: ignore[union-attr]  # both are pipes
        self._process = None


_process = _Process()
atexit.register(lambda: _process.end())


def _forget() -> None:
    """Leave the process to the parent: two that write into one pipe would get each other's answers."""
    global _process
    _process = _Process()


os.register_at_fork(after_in_child=_forget)
