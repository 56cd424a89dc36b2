"""Commands of outgrow as a person pastes them into a shell."""

import shlex


def command_line(*words: object) -> str:
    """Return outgrow's command with these words, each quoted where a shell would read it otherwise.

    >>> command_line("resume", "runs/my run")
    "outgrow resume 'runs/my run'"
    """
    return shlex.join(["outgrow", *map(str, words)])
