"""The kind of recall that asks where a thing is: people move, take and drop things (after bAbI, Weston et al. 2015,
arXiv 1502.05698).
"""

import random
from dataclasses import dataclass

from ...core.errors import UsageError
from ..split import Split
from .forms import Form
from .material import Material, Needs
from .pairs import places_of

_MOST_NEEDED = 3


@dataclass(frozen=True)
class _Story:
    """What happens to one thing. Nobody else touches it, and the person who does touches nothing else."""

    thing: str
    place: str
    """Where the thing is in the end."""
    before: list[str]
    newest: str
    """The last statement that says where the thing is."""
    after: list[str]
    needed: list[str]

    @property
    def statements(self) -> list[str]:
        return [*self.before, self.newest, *self.after]


def where(form: Form, split: Split, others: int, rng: random.Random) -> Material:
    """Draw the story of a thing whose place takes one to three statements, and stories of other things.

    Raises UsageError where the split has too few things.
    """
    places = places_of(form, split)
    if others >= len(places):
        raise UsageError(f'recall: the {split} split has {len(places)} things for kind = "where"; facts must be below that')
    things, people = rng.sample(sorted(places), 1 + others), rng.sample(form.people, 1 + others)
    asked, *rest = (_told(form, thing, places[thing], person, rng) for thing, person in zip(things, people, strict=True))
    return Material(
        name=f"recall-where-{len(asked.needed)}",
        before=asked.before,
        newest=asked.newest,
        after=asked.after,
        question=form.asks_place.format(thing=asked.thing),
        answer=asked.place,
        needed=asked.needed,
        filler=form.noise,
        others=[story.statements for story in rest],
    )


def where_needs(form: Form) -> Needs:
    """Return the room for `where`."""
    words = {"thing": form.things[0], "place": form.places[0], "person": form.people[0]}
    longest = form.size(form.joined([part.format(**words) for part in (form.takes, *(3 * [form.moves]), form.drops)]))
    stories = min(len(form.things), len(form.people))
    return Needs(form.size(form.asks_place.format(**words)), longest, longest, stories - 1)


def _told(form: Form, thing: str, places: tuple[str, ...], person: str, rng: random.Random) -> _Story:
    """Tell where a thing is, in one to three statements that are needed. places: those of the split, where the thing may be."""
    place = rng.choice(places)
    needed = rng.randint(1, _MOST_NEEDED)
    if needed == 1:
        stands = form.stands.format(thing=thing, place=place)
        return _Story(thing, place, [], stands, [], [stands])
    takes, drops = (does.format(person=person, thing=thing) for does in (form.takes, form.drops))
    goes = form.moves.format(person=person, place=place)
    elsewhere = [other for other in places if other != place]
    detour = [form.moves.format(person=person, place=rng.choice(elsewhere))] if elsewhere and rng.random() < 0.5 else []
    if needed == 2:
        return _Story(thing, place, [takes, *detour], goes, [], [takes, goes])
    last = rng.choice([other for other in form.places if other != place])
    return _Story(thing, place, [takes, *detour, goes], drops, [form.moves.format(person=person, place=last)], [takes, goes, drops])
