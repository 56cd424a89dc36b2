r"""Other ways to give the same answer: what stands around it in the box, and how the box stands in the text."""

import random
import re
from collections.abc import Iterator

from outgrow.verify.mutants.structure import parts
from outgrow.verify.mutants.value import value


def dressed(known: str, rng: random.Random) -> Iterator[tuple[str, str]]:
    r"""Put $…$, \text{}, a full stop or words around the answer in its box."""
    plain = "$" not in known
    if plain:
        yield "$…$ in the box", f"${known}$"
    yield "full stop in the box", f"{known.rstrip()}."
    if re.fullmatch(r"-?[\d.]+", known):
        yield "\\text{…} around a number", rf"\text{{{known}}}"
        yield "bold", rf"\mathbf{{{known}}}"
        yield (
            "prose in the box",
            rng.choice([rf"\text{{The answer is }} {known}", rf"\text{{The answer is ${known}$}}", f"The sum is ${known}$"]),
        )


def placed(known: str, rng: random.Random) -> Iterator[tuple[str, str]]:
    r"""Return whole outputs: a blank before the brace, \fbox, a box within a sentence, a boxed middle result, a later empty box."""
    yield "\\boxed {…}", rf"The answer is $\boxed {{{known}}}$."
    yield "box in a formula", rf"Hence \[ x = \boxed{{{known}}}. \]"
    yield "empty box later", rf"The answer is $\boxed{{{known}}}$. So the final answer is \boxed{{}}"
    if known.isdigit() and len(known) == 1:
        yield "\\boxed 5", rf"The answer is $\boxed {known}$."
    if value(known) is not None:
        yield "boxed middle result", rf"First we get \boxed{{{rng.randint(2, 99)}}}, which leads to the answer $\boxed{{{known}}}$."
    several = parts(known)
    if several and several.opening == "":
        boxes = [rf"\boxed{{{text}}}" for text in several.texts(known)]
        yield "several boxes", "The solutions are " + ", ".join(boxes[:-1]) + " and " + boxes[-1] + "."
