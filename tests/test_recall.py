"""Recall: a reader of the text alone finds the answers, distances are those asked for, and splits share no fact."""

import re
from collections import Counter
from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise
from pathlib import Path

import pytest

from outgrow.config import parse_recipe
from outgrow.core.errors import UsageError
from outgrow.policy.micro import CHARACTERS
from outgrow.problems.recall import SUITE_NAMES, Recall
from outgrow.problems.suites import suite, suites
from outgrow.verify import Attempt, Verifier

KINDS = ("facts", "mqar", "passkey", "where", "updates", "nothing")
FORMS = ("micro", "worded")
BOTH = [(kind, form) for kind in KINDS for form in FORMS]

FACT = {
    "micro": r"(?<![a-z])(?P<key>[a-z]{2}|pass)=(?P<value>\d+);",
    "worded": r"The (?:code of the )?(?P<key>[a-z]+ [a-z]+) is (?P<value>\d+)\.",
}
EVENT = {
    "micro": r"(?P<stands>[a-z])@(?P<at>\d\d);|(?P<goes>[A-Z])>(?P<to>\d\d);|(?P<takes>[A-Z])\+(?P<taken>[a-z]);"
    r"|(?P<drops>[A-Z])-(?P<dropped>[a-z]);",
    "worded": r"The (?P<stands>[a-z]+) is in the (?P<at>[a-z]+)\.|(?P<goes>[A-Z][a-z]+) went to the (?P<to>[a-z]+)\."
    r"|(?P<takes>[A-Z][a-z]+) took the (?P<taken>[a-z]+)\.|(?P<drops>[A-Z][a-z]+) dropped the (?P<dropped>[a-z]+)\.",
}
ASKED = {
    "micro": r"\(?(?P<keys>[a-z,]{2,})\)?=\?$|(?P<thing>[a-z])@\?$",
    "worded": r"What (?:is|are) (?:the codes? of )?(?P<keys>(?:the [a-z]+ [a-z]+(?:, )?)+)\?|Where is the (?P<thing>[a-z]+)\?$",
}


@dataclass
class Reading:
    """What a text says."""

    answer: str
    start: int
    """Where the question begins."""
    end: int
    """Where the newest statement that is needed ends."""
    pairs: set[tuple[str, str]]
    """Every key with each of its values, or thing with each of its places."""
    keys: list[str]
    """Keys, or the thing, that are asked for."""


def read(form, text):
    """Answer a question from its text only."""
    asked = re.search(ASKED[form], text)
    return read_story(form, text, asked) if asked["thing"] else read_facts(form, text, asked)


def read_facts(form, text, asked):
    facts = [(fact["key"], fact["value"], fact.end()) for fact in re.finditer(FACT[form], text)]
    newest = {key: (value, end) for key, value, end in facts}
    keys = [key.removeprefix("the ") for key in re.split(", ?", asked["keys"])]
    values = [newest[key][0] for key in keys]
    answer = values[0] if len(values) == 1 else f"({','.join(values)})"
    return Reading(answer, asked.start(), max(newest[key][1] for key in keys), {(key, value) for key, value, _ in facts}, keys)


def read_story(form, text, asked):
    place, person_at, holder, since, pairs = {}, {}, {}, {}, set()

    def put(thing, where, end):
        if where is not None:
            place[thing] = where
            since[thing] = end
            pairs.add((thing, where))

    for event in re.finditer(EVENT[form], text):
        if event["stands"]:
            put(event["stands"], event["at"], event.end())
        elif event["goes"]:
            person_at[event["goes"]] = event["to"]
            for thing in [thing for thing, person in holder.items() if person == event["goes"]]:
                put(thing, event["to"], event.end())
        elif event["takes"]:
            assert event["taken"] not in holder
            holder[event["taken"]] = event["takes"]
            put(event["taken"], person_at.get(event["takes"]), event.end())
        else:
            assert holder.pop(event["dropped"]) == event["drops"]
            put(event["dropped"], person_at[event["drops"]], event.end())
    thing = asked["thing"]
    return Reading(place[thing], asked.start(), since[thing], pairs, [thing])


def size(form, text):
    return len(text) if form == "micro" else len(text.split())


def settings(kind, form, **more):
    return {"kind": kind, "form": form, "length": 330, "distance": (20, 90), "count": 12, **more}


@pytest.mark.parametrize(("kind", "form"), BOTH)
def test_every_answer_and_distance_is_what_a_reader_of_the_text_finds(kind, form):
    problems = [
        (problem, split)
        for seed in range(4)
        for split in ("train", "test")
        for problem in Recall(**settings(kind, form, seed=seed, split=split)).load()
    ]
    assert len({problem.question for problem, _ in problems}) == len(problems) == 96
    for problem, _ in problems:
        reading = read(form, problem.question)
        assert reading.answer == problem.answer
        assert size(form, problem.question) == 330
        distance = size(form, problem.question[reading.end : reading.start])
        assert (distance == 0) if kind == "nothing" else (20 <= distance <= 90)
        if kind != "nothing":
            assert 2**problem.level <= distance < 2 ** (problem.level + 1)
    # 20 to 31, 32 to 63, 64 to 90
    assert Counter(problem.level for problem, _ in problems) == {4: 32, 5: 32, 6: 32}


@pytest.mark.parametrize(("kind", "form"), BOTH)
@pytest.mark.parametrize("distance", [1, 37, 600])
def test_a_distance_can_be_exact(kind, form, distance):
    for problem in Recall(**settings(kind, form, length=distance + 240, distance=(distance, distance), count=6)).load():
        reading = read(form, problem.question)
        if kind == "nothing":  # a fact that is not needed is as far from the question, which begins with its own fact
            *others, own = re.finditer(FACT[form], problem.question)
            assert own.end() == reading.end
            assert distance in [size(form, problem.question[fact.end() : own.start()]) for fact in others]
        else:
            assert size(form, problem.question[reading.end : reading.start]) == distance


@pytest.mark.parametrize("form", FORMS)
def test_a_text_of_thousands(form):
    [problem] = Recall(**settings("facts", form, length=20_000, distance=(19_000, 19_000), count=1)).load()
    reading = read(form, problem.question)
    assert (size(form, problem.question), size(form, problem.question[reading.end : reading.start])) == (20_000, 19_000)
    assert reading.answer == problem.answer


@pytest.mark.parametrize(("kind", "form"), BOTH)
def test_no_key_has_a_value_in_a_test_that_it_has_in_training(kind, form):
    """Of all facts of the texts, also of those that are not asked for; the micro form would meet some twice by chance."""
    others = {"passkey": 0, "where": 12, "updates": 15}.get(kind, 40)
    pairs = {}
    for split in ("train", "validation", "test"):
        problems = Recall(**settings(kind, form, length=1500, facts=others, count=60, split=split)).load()
        pairs[split] = set().union(*(read(form, problem.question).pairs for problem in problems))
        assert len(pairs[split]) > 50
        # Chance seldom repeats a long value, so the rule itself is checked: a hash of key and value, 80%, 10% and 10%.
        lowest, highest = {"train": (0, 204), "validation": (205, 229), "test": (230, 255)}[split]
        hashes = [sha256(f"recall:{key.removesuffix(' key')}={value}".encode()).digest()[0] for key, value in pairs[split]]
        assert all(lowest <= first <= highest for first in hashes)
    assert not pairs["train"] & pairs["test"]
    assert not pairs["train"] & pairs["validation"]
    assert not pairs["validation"] & pairs["test"]


@pytest.mark.parametrize("form", FORMS)
def test_facts_stand_in_the_text_as_often_as_is_said(form):
    for problem in Recall(**settings("facts", form, facts=7)).load():
        keys = [fact["key"] for fact in re.finditer(FACT[form], problem.question)]
        assert len(keys) == len(set(keys)) == 8


@pytest.mark.parametrize("form", FORMS)
def test_older_values_are_in_the_text_and_are_not_the_answer(form):
    met = Counter()
    for problem in Recall(**settings("updates", form, count=40)).load():
        [key] = read(form, problem.question).keys
        *older, newest = [fact["value"] for fact in re.finditer(FACT[form], problem.question) if fact["key"] == key]
        assert newest == problem.answer and newest not in older
        met[len(older)] += 1
    assert met.keys() == {1, 2, 3}


@pytest.mark.parametrize("form", FORMS)
def test_mqar_asks_for_pairs_that_stand_together_in_another_order(form):
    asked, moved = Counter(), 0
    for problem in Recall(**settings("mqar", form, count=40)).load():
        facts = list(re.finditer(FACT[form], problem.question))
        between = [problem.question[one.end() : two.start()] for one, two in pairwise(facts)]
        assert {gap.strip() for gap in between} == {""}
        keys = read(form, problem.question).keys
        order = [fact["key"] for fact in facts if fact["key"] in keys]
        asked[len(keys)] += 1
        moved += order != keys
        assert len(facts) == len(keys) + 4
    assert asked.keys() == {2, 3, 4} and moved > 10


@pytest.mark.parametrize("form", FORMS)
def test_where_needs_one_to_three_statements(form):
    problems = Recall(**settings("where", form, count=60)).load()
    needed = Counter(len(re.findall(EVENT[form], problem.solution)) for problem in problems)
    assert needed.keys() == {1, 2, 3}
    for problem in problems:
        assert problem.field == f"recall-where-{len(re.findall(EVENT[form], problem.solution))}"
        # These statements give the answer without the others.
        ask = problem.question[read(form, problem.question).start :]
        assert read(form, f"{problem.solution}\n\n{ask}").answer == problem.answer
        for dropped in re.finditer(EVENT[form], problem.solution):
            if dropped["drops"]:  # who dropped the thing has gone on, so the last place of that person is not the answer
                moves = [event["to"] for event in re.finditer(EVENT[form], problem.question) if event["goes"] == dropped["drops"]]
                assert problem.answer in moves[:-1] and moves[-1] != problem.answer


@pytest.mark.parametrize("form", FORMS)
def test_nothing_is_answered_by_its_last_words(form):
    for problem in Recall(**settings("nothing", form)).load():
        end = problem.question[-10:] if form == "micro" else " ".join(problem.question.split()[-16:])
        assert read(form, end).answer == problem.answer
        [key] = read(form, problem.question).keys
        assert [fact["key"] for fact in re.finditer(FACT[form], problem.question)].count(key) == 1
        assert len(re.findall(FACT[form], problem.question)) == 6


def test_the_micro_form_is_of_characters_that_the_micro_tokenizer_has():
    for kind in KINDS:
        assert set("".join(problem.question for problem in Recall(kind=kind, count=20).load())) <= set(CHARACTERS) - {" ", "\n"}


@pytest.mark.parametrize(("kind", "form"), BOTH)
def test_the_verifier_takes_the_answer_and_no_other(kind, form):
    with Verifier() as verifier:
        for problem in Recall(**settings(kind, form, count=4)).load():
            wrong = {value for _, value in read(form, problem.question).pairs} - {problem.answer}
            if kind == "mqar":
                wrong = {f"({','.join(reversed(problem.answer.strip('()').split(',')))})"}
            grades = verifier.grade([Attempt.at(problem, rf"</think>\boxed{{{said}}}") for said in [problem.answer, *wrong]])
            assert [grade.right for grade in grades] == [True, *[False] * len(wrong)]


def test_lists_depend_on_the_settings_only():
    for kind in KINDS:
        first = Recall(kind=kind, count=8).load()
        assert Recall(kind=kind, count=8, weight=2.0).load() == first
        assert Recall(kind=kind, count=20).load()[:8] == first
        other = Recall(kind=kind, count=8, seed=1).load()
        assert not {problem.id for problem in first} & {problem.id for problem in other}


def test_few_distinct_problems_are_told(monkeypatch):
    monkeypatch.setattr("outgrow.problems.recall.source._REPEATS_BEFORE_EXHAUSTED", 1)
    said = []
    problems = Recall(kind="passkey", length=18, distance=(1, 1), count=100_000, split="test").load(said.append)
    assert len(problems) < 100_000
    assert said == [f"recall: passkey has {len(problems)} distinct problems with these settings, not 100000"]


def refused(**table):
    with pytest.raises(UsageError) as error:
        parse_recipe({"name": "x", "policy": {"model": "micro-base"}, "problems": [{"type": "recall", **table}]})
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(("kind", "form"), BOTH)
@pytest.mark.parametrize("distance", [5, 60])
def test_the_length_that_a_refusal_names_is_enough_and_one_less_is_not(kind, form, distance):
    table = {"kind": kind, "form": form, "distance": [distance, distance], "facts": 0 if kind == "passkey" else 6}
    least = int(re.search(r"can need (\d+) (characters|words)", refused(**table, length=distance))[1])
    refused(**table, length=least - 1)
    for problem in Recall(**table, length=least, count=30).load():
        assert size(form, problem.question) == least
        assert read(form, problem.question).answer == problem.answer


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"distance": [400, 400]}, "length = 360 is too short: for a distance of 400 and facts = 4, facts can need 440 characters"),
        ({"distance": [9, 4]}, "smallest and the largest distance, both at least 1, not 9 and 4"),
        ({"distance": [0, 4]}, "not 0 and 4"),
        ({"distance": 64}, "distance takes a list of 2 whole numbers, not 64"),
        ({"facts": 676, "length": 9999}, "facts = 676 is too many: facts has at most 675 in the micro form"),
        ({"kind": "where", "form": "worded", "facts": 22, "length": 9999}, "where has at most 21 in the worded form"),
        ({"kind": "passkey", "facts": 1}, "passkey has at most 0"),
        ({"kind": "fact"}, "did you mean 'facts'"),
        ({"form": "words"}, '"micro" or "worded"'),
        ({"facts": -1}, "facts"),
        ({"size": 3}, "'recall' has no key 'size'"),
    ],
)
def test_a_wrong_setting_is_told_in_a_line(table, message):
    assert message in refused(**table)


def test_a_split_with_too_few_keys_is_told():
    with pytest.raises(UsageError, match="the test split has too few keys for 676 facts; lower facts"):
        Recall(kind="updates", facts=675, length=20_000, split="test", count=1).load()


def test_suites_of_recall():
    assert suites("recall") == list(SUITE_NAMES) and len(SUITE_NAMES) == len(KINDS)
    for name in SUITE_NAMES:
        problems = suite(name).load()
        assert Counter(problem.level for problem in problems) == {4: 32, 5: 32, 6: 32, 7: 32}
    for name, form, distance in (("recall-facts-512", "micro", 512), ("recall-where-worded-300", "worded", 300)):
        problems = suite(name).load()
        assert len(problems) == 128
        for problem in problems:
            reading = read(form, problem.question)
            assert size(form, problem.question[reading.end : reading.start]) == distance
    worded = suite("recall-updates-worded")
    assert (worded.form, worded.distance, worded.split) == ("worded", (64, 1023), "test")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("recall-fact", "no suite called 'recall-fact' .did you mean 'recall-facts'"),
        ("recall-facts-0", "recall-facts-0: distance: takes the smallest and the largest distance, both at least 1, not 0 and 0"),
        ("recall-facts-1000000", "recall-facts-1000000: the distance is more than 999,999; name a shorter one"),
        ("recall-facts-99999999", "recall-facts-99999999: the distance is more than 999,999; name a shorter one"),
        ("recall", "recall is a group; name one of its suites: recall-facts, "),
    ],
)
def test_a_wrong_name_of_a_suite_is_told(name, message):
    with pytest.raises(UsageError, match=message):
        suite(name)


def test_the_guide_shows_what_is_made():
    page = (Path(__file__).parents[1] / "docs" / "guides" / "memory.md").read_text(encoding="utf-8")
    shown = re.findall(r"^\*\*`(\w+)`\*\*.*?\n\n```\n(.*?)\n→ (.*?)\n```", page, re.DOTALL | re.MULTILINE)
    assert [kind for kind, *_ in shown] == list(KINDS)
    for kind, question, answer in shown:
        others = 0 if kind == "passkey" else 1
        [problem] = Recall(kind=kind, length=100, distance=(24, 24), facts=others, count=1).load()
        assert (question, answer) == (problem.question, problem.answer)
    said = re.search(r"in the worded form:\n\n```\n(.*?)\n→ (.*?)\n```", page, re.DOTALL)
    [problem] = Recall(form="worded", length=48, distance=(16, 16), facts=1, count=1).load()
    assert said.groups() == (problem.question, problem.answer)
