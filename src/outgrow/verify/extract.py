"""Where in a completion the answer stands. Linear in the text, whatever the model wrote."""

THINK_OPEN, THINK_CLOSE = "<think>", "</think>"
BOX_OPEN = "\\boxed{"


def after_thinking(text: str, inside_think: bool) -> str | None:
    """The part of a completion that counts as its answer: what follows the last </think>.

    inside_think: whether the prompt already opened <think>, as R1's template does. A completion that ends in its
    thoughts has answered nothing: None. Without any thoughts, the whole text is the answer.
    """
    _, closed, rest = text.rpartition(THINK_CLOSE)
    if THINK_OPEN in rest or (inside_think and not closed):
        return None
    return rest


def last_boxed(text: str) -> str | None:
    r"""Contents of the last `\boxed{...}` with balanced braces, or None.

    >>> last_boxed(r"so \boxed{1}, no: \boxed{\frac{1}{2}}")
    '\\frac{1}{2}'
    >>> last_boxed(r"\boxed{1") is None
    True
    """
    start = text.rfind(BOX_OPEN)
    if start < 0:
        return None
    start += len(BOX_OPEN)
    depth = 1
    for index in range(start, len(text)):
        if text[index] == "{":
            depth += 1
        elif text[index] == "}":
            depth -= 1
            if depth == 0:
                return text[start:index]
    return None
