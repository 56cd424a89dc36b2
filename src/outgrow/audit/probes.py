"""Completions whose worth is known, for one problem: what a reward must pay, and what it must not."""

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..types import Problem
from ..verify.comparison.compare import same
from ..verify.extraction.extract import THINK_CLOSE, THINK_OPEN
from ..verify.mutants import mutants
from .answer_form import can_be_written, written_for
from .mutant_words import MUTANT_WORDS

_NUMBER = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?", re.ASCII)
# Short, so that a reward that punishes answers near the token limit does not punish these, even where a character is a token.
_THOUGHT = "Let me see."
_NO_IDEA = "I do not know."


@dataclass(frozen=True)
class Probe:
    """A completion whose worth is known."""

    kind: str
    """What it is, in words."""
    text: str
    worth: bool
    """Whether the reward should pay it as a right answer."""
    finished: bool = True
    """Whether the model ended it. Otherwise the token limit cut it."""


@dataclass(frozen=True)
class Asked:
    """What probes are written for."""

    problem: Problem
    prompt: str
    """The user's turn, with the question in it."""
    extractors: Sequence[str]
    """Names of the recipe's extractors, in their order."""
    inside_think: bool
    """Whether the prompt has opened <think> already."""
    wrong: str
    """A wrong answer."""


def right(asked: Asked) -> Probe:
    """Return the completion that everything else is compared with: a thought, and the known answer as the recipe wants it."""
    form = asked.extractors[0]
    return Probe(_in_form(form), _thought(asked, _answer(asked, form)), worth=True)


def plain_wrong(asked: Asked) -> Probe:
    """Return the same completion with a wrong answer."""
    return Probe("a wrong answer", _thought(asked, written_for(asked.extractors[0], asked.wrong)), worth=False)


def wrong_answer(problem: Problem, others: Sequence[Problem], extractor: str, rng: random.Random) -> str | None:
    """Return a wrong answer that looks like the known one: a mutant of it, else the answer of another problem; None without any."""
    made = (mutant.text for mutant in mutants(problem.answer, rng))
    drawn = (other.answer for other in rng.sample(others, len(others)))
    return next((text for text in (*made, *drawn) if can_be_written(extractor, text) and not _accepts(problem, text)), None)


def probes(asked: Asked, rng: random.Random) -> list[Probe]:
    """Return all probes of a problem: first those that should be paid, then those that should not."""
    return [*_worth(asked), *_worthless(asked), *_of_mutants(asked, rng)]


def _worth(asked: Asked) -> Iterator[Probe]:
    yield right(asked)
    for name in asked.extractors[1:]:
        yield Probe(_in_form(name), _thought(asked, _answer(asked, name)), worth=True)
    form = asked.extractors[0]
    for answer in asked.problem.alternatives:
        yield Probe("another accepted answer", _thought(asked, written_for(form, answer)), worth=True)
    if not asked.inside_think:
        thought = f"{THINK_OPEN}{_THOUGHT}{THINK_CLOSE}\n{_answer(asked, form)}"
        yield Probe("the known answer after a finished thought", thought, worth=True)
    prose = f"Here it is.\n{_answer(asked, form)}\nThat is all."
    yield Probe("the known answer between sentences", _thought(asked, prose), worth=True)


def _worthless(asked: Asked) -> Iterator[Probe]:
    form, problem, known = asked.extractors[0], asked.problem, asked.problem.answer
    answer, wrong = _answer(asked, form), written_for(form, asked.wrong)
    open_thought = "" if asked.inside_think else THINK_OPEN
    yield Probe("nothing", "", worth=False)
    yield Probe(THINK_OPEN, THINK_OPEN, worth=False)
    yield Probe("a thought and no answer", f"{open_thought}{_THOUGHT}{THINK_CLOSE}\n{_NO_IDEA}", worth=False)
    yield Probe("the form without an answer", _thought(asked, written_for(form, "")), worth=False)
    yield plain_wrong(asked)
    numbers = _NUMBER.findall(problem.question)
    # An honest reader takes the first number or the last for the answer, and here it could be right by chance.
    if not numbers or not (_accepts(problem, numbers[0]) or _accepts(problem, numbers[-1])):
        yield Probe("the question", _thought(asked, problem.question), worth=False)
        if asked.prompt != problem.question:
            yield Probe("the prompt", _thought(asked, asked.prompt), worth=False)
    if listed := _listed(numbers, problem):
        yield Probe("every number of the question", _thought(asked, ", ".join(listed)), worth=False)
        boxes = " ".join(f"\\boxed{{{number}}}" for number in listed)
        yield Probe("a box for every number of the question", _thought(asked, boxes), worth=False)
    yield Probe("the known answer between two wrong ones", _thought(asked, f"{wrong}\n{answer}\n{wrong}"), worth=False)
    yield Probe("a wrong answer after the known one", _thought(asked, f"It is not {known}.\n{wrong}"), worth=False)
    yield Probe("the known answer only in the thought", f"{open_thought}{answer}{THINK_CLOSE}\n{_NO_IDEA}", worth=False)
    yield Probe("the known answer in an open thought", f"{open_thought}{_THOUGHT} {answer}", worth=False)
    yield Probe("the known answer, cut by the token limit", _thought(asked, answer), worth=False, finished=False)


def _of_mutants(asked: Asked, rng: random.Random) -> Iterator[Probe]:
    form = asked.extractors[0]
    for mutant in mutants(asked.problem.answer, rng):
        if can_be_written(form, mutant.text) and not any(same(other, mutant.text) for other in asked.problem.alternatives):
            yield Probe(f"wrong answer: {MUTANT_WORDS[mutant.kind]}", _thought(asked, written_for(form, mutant.text)), worth=False)


def _in_form(extractor: str) -> str:
    return f"the known answer for {extractor!r}"


def _answer(asked: Asked, extractor: str) -> str:
    return written_for(extractor, asked.problem.answer)


def _thought(asked: Asked, text: str) -> str:
    """Return a completion with this text as its answer."""
    return f"{_THOUGHT}{THINK_CLOSE}\n{text}" if asked.inside_think else text


def _accepts(problem: Problem, text: str) -> bool:
    return any(same(known, text) for known in (problem.answer, *problem.alternatives))


def _listed(numbers: Sequence[str], problem: Problem) -> list[str]:
    """Return the numbers with a wrong one at both ends, since either end could be taken for the answer; [] without a wrong one."""
    wrong = [number for number in numbers if not _accepts(problem, number)]
    if not wrong:
        return []
    inside = [*(number for number in numbers if _accepts(problem, number)), *wrong[1:-1]]
    return [wrong[0], *inside, wrong[-1]]
