"""Replies that are nothing but the answer, such as the label that a prompt asks for."""

_LONGEST = 200  # characters; what is longer is a solution


def whole(text: str) -> str | None:
    """Return the reply itself, without white space around it, where it is one line of up to 200 characters.

    >>> whole(" Paris\\n"), whole("It is in France.\\nSo: Paris")
    ('Paris', None)
    """
    reply = text.strip()
    return reply if reply and len(reply) <= _LONGEST and len(reply.splitlines()) == 1 else None
