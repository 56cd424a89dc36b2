"""`outgrow chat`: what stops an answer, what ends the conversation, and what is too long for it."""

import os
import pty
import select
import signal
import sys
import threading

import pytest
from typer.testing import CliRunner

from helpers.server import completion
from outgrow.cli import chat
from outgrow.cli.app import app
from outgrow.core.errors import UsageError

LONG = "1+" * 400 + "1=?"


def chatted(text, *options):
    done = CliRunner().invoke(app, ["chat", "micro-base", *options], input=text)
    assert done.exit_code == 0, done.output
    return done


def answer(question, *options):
    done = CliRunner().invoke(app, ["generate", "micro-base", question, *options])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_piped_questions_are_answered_to_the_end_and_no_prompt_is_written():
    done = chatted("\n2+3=?\n\n   \n")
    assert done.stdout == answer("2+3=?")
    assert done.stderr == ""


def test_an_answer_that_was_cut_is_marked():
    assert chatted("2+3=?\n", "--max-tokens", "3").stdout == answer("2+3=?", "--max-tokens", "3")
    assert chatted("2+3=?\n", "--max-tokens", "3").stdout.endswith("… cut at --max-tokens\n")


def test_a_question_that_is_too_long_is_one_line_and_the_conversation_goes_on(shipped):
    done = chatted(f"{LONG}\n2+3=?\n")
    tokens = len(shipped.chat_ids([{"role": "user", "content": LONG}]))
    assert done.stderr == f"this question is too long: {tokens} tokens, the model takes {shipped.context}\n"
    assert done.stdout == answer("2+3=?")
    with pytest.raises(UsageError, match=f"this question is too long: {tokens} tokens"):
        CliRunner().invoke(app, ["generate", "micro-base", LONG], catch_exceptions=False)


def test_a_question_that_fits_with_a_shorter_answer_says_how_short(shipped):
    tokens = len(shipped.chat_ids([{"role": "user", "content": "2+3=?"}]))
    room = shipped.context - tokens
    told = chatted("2+3=?\n", "--max-tokens", str(room + 1))
    assert told.stderr.endswith(f"use --max-tokens {room} or less\n") and told.stdout == ""
    assert chatted("2+3=?\n", "--max-tokens", str(room)).stdout == answer("2+3=?")


def test_ctrl_c_stops_an_answer_and_its_question_is_forgotten(monkeypatch):
    class Shown(chat._Shown):
        shown = 0

        def show(self, text, end=""):
            super().show(text, end)
            Shown.shown += 1
            if Shown.shown == 3:
                signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(chat, "_Shown", Shown)
    done = chatted("27+58=?\n2+3=?\n")
    first, rest = done.stdout.split("\n", 1)
    assert answer("27+58=?").startswith(first) and 0 < len(first) < len(answer("27+58=?")) - 2
    assert "stopped" in done.stderr
    assert rest == answer("2+3=?"), "as in a new conversation"


def test_ctrl_c_on_a_terminal(serve):
    """With a server that does not answer: Ctrl-C comes back to the prompt, and at the prompt it ends the command."""
    asked = threading.Event()

    def reply(body):
        turns = len(body["messages"])
        if body["messages"][-1]["content"] == "slow":
            asked.set()
            held.wait(60)
        return 200, completion(f"{turns} turns")

    held = threading.Event()
    stub = serve(reply)
    pid, terminal = pty.fork()
    if not pid:
        os.execv(sys.executable, [sys.executable, "-m", "outgrow", "chat", stub.url])
    text = b""

    def read_until(part):
        nonlocal text
        while part not in text:
            assert select.select([terminal], [], [], 120)[0], text
            text += os.read(terminal, 1000)
        text = text.partition(part)[2]

    try:
        read_until(b" > ")
        os.write(terminal, b"one\n")
        read_until(b"1 turns")
        read_until(b" > ")
        os.write(terminal, b"slow\n")
        assert asked.wait(60)
        os.write(terminal, b"\x03")
        read_until(b"stopped")
        read_until(b" > ")
        os.write(terminal, b"two\n")
        read_until(b"3 turns")
        read_until(b" > ")
        os.write(terminal, b"\x03")
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    finally:
        held.set()
        os.close(terminal)
