"""Kinds of recall that ask for the value of a key."""

import random

from ..split import Split
from .forms import PASSKEYS, Form
from .material import Material, Needs
from .pairs import draw_pairs, draw_values

_FEWEST_ASKED, _MOST_ASKED = 2, 4  # keys in a question of mqar
_FEWEST_VALUES, _MOST_VALUES = 2, 4  # of the key that updates asks for


def facts(form: Form, split: Split, others: int, rng: random.Random) -> Material:
    """Draw one fact that is asked for, and other facts."""
    (key, [value]), *rest = draw_pairs(form, split, [1] * (1 + others), rng)
    fact = form.fact.format(key=key, value=value)
    return Material(
        name="recall-facts",
        newest=fact,
        question=form.asks.format(key=key),
        answer=value,
        needed=[fact],
        filler=form.noise,
        others=_written(form, rest),
    )


def facts_needs(form: Form) -> Needs:
    """Return the room for `facts`."""
    return Needs(_question_size(form), _fact_size(form), _fact_size(form), len(form.keys) - 1)


def updates(form: Form, split: Split, others: int, rng: random.Random) -> Material:
    """Draw a key that is set two to four times, and other keys that are set once to four times."""
    counts = [rng.randint(1, _MOST_VALUES) for _ in range(others)]
    (key, values), *rest = draw_pairs(form, split, [rng.randint(_FEWEST_VALUES, _MOST_VALUES), *counts], rng)
    *older, newest = [form.fact.format(key=key, value=value) for value in values]
    return Material(
        name="recall-updates",
        before=older,
        newest=newest,
        question=form.asks.format(key=key),
        answer=values[-1],
        needed=[newest],
        filler=form.noise,
        others=_written(form, rest),
    )


def updates_needs(form: Form) -> Needs:
    """Return the room for `updates`."""
    most = _MOST_VALUES * _fact_size(form)
    return Needs(_question_size(form), most, most, len(form.keys) - 1)


def mqar(form: Form, split: Split, others: int, rng: random.Random) -> Material:
    """Draw pairs that stand together, of which two to four are asked for in another order."""
    asked = rng.randint(_FEWEST_ASKED, _MOST_ASKED)
    pairs = draw_pairs(form, split, [1] * (asked + others), rng)
    written = _written(form, pairs)
    order = rng.sample(range(asked), asked)
    return Material(
        name="recall-mqar",
        before=[fact for [fact] in written[: asked - 1]],
        newest=written[asked - 1][0],
        question=form.asks_all.format(keys=form.listed([pairs[place][0] for place in order])),
        # In brackets, since only there the verifier heeds the order.
        answer=f"({','.join(pairs[place][1][0] for place in order)})",
        needed=[written[place][0] for place in order],
        filler=form.noise,
        others=written[asked:],
        together=True,
    )


def mqar_needs(form: Form) -> Needs:
    """Return the room for `mqar`."""
    question = form.size(form.asks_all.format(keys=form.listed(form.keys[:_MOST_ASKED])))
    return Needs(question, _MOST_ASKED * _fact_size(form), _fact_size(form), len(form.keys) - _MOST_ASKED)


def passkey(form: Form, split: Split, others: int, rng: random.Random) -> Material:
    """Draw one long number; it has no others."""
    [value] = draw_values("pass", PASSKEYS, split, 1, rng)
    fact = form.passkey.format(value=value)
    return Material("recall-passkey", fact, form.asks_passkey, value, [fact], form.repeated)


def passkey_needs(form: Form) -> Needs:
    """Return the room for `passkey`."""
    return Needs(form.size(form.asks_passkey), form.size(form.passkey.format(value=PASSKEYS[0])), 0, 0)


def nothing(form: Form, split: Split, others: int, rng: random.Random) -> Material:
    """Draw a text as that of `facts`, and a question whose fact stands right before it."""
    (key, [value]), *rest = draw_pairs(form, split, [1] * (2 + others), rng)
    fact = form.fact.format(key=key, value=value)
    [unneeded], *written = _written(form, rest)
    return Material(
        name="recall-nothing",
        newest=unneeded,
        question=form.joined([fact, form.asks.format(key=key)]),
        answer=value,
        needed=[fact],
        filler=form.noise,
        others=written,
    )


def nothing_needs(form: Form) -> Needs:
    """Return the room for `nothing`."""
    return Needs(_question_size(form) + _fact_size(form), _fact_size(form), _fact_size(form), len(form.keys) - 2)


def _written(form: Form, pairs: list[tuple[str, list[str]]]) -> list[list[str]]:
    """Return the facts of each key."""
    return [[form.fact.format(key=key, value=value) for value in values] for key, values in pairs]


def _fact_size(form: Form) -> int:
    return form.size(form.fact.format(key=form.keys[0], value=form.values[0]))


def _question_size(form: Form) -> int:
    return form.size(form.asks.format(key=form.keys[0]))
