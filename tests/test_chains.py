"""Chains: another solver finds the same answers, parts are of one split, pairs are balanced, numbers are replaced exactly."""

import json
import re
from collections import Counter
from pathlib import Path

import pytest

from outgrow.config import load_recipe, parse_recipe
from outgrow.core.callbacks import quiet
from outgrow.core.errors import UsageError
from outgrow.problems.chains import MicroChains, Shape, split_of_chain
from outgrow.problems.chains.micro_chains import Draw, draw_chains
from outgrow.problems.chains.micro_sets import ATOMS, SEEN, SETS
from outgrow.problems.chains.worded_chains import _pair_class
from outgrow.problems.micro import Micro
from outgrow.problems.split import split_of
from outgrow.problems.suites import suite
from outgrow.runs.practice_problems import training_problems

ROMAN = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100, "D": 500, "M": 1000}


def roman(numeral):
    values = [ROMAN[letter] for letter in numeral]
    return sum(-v if v < max(values[place:]) else v for place, v in enumerate(values))


def solved(question):
    """The answers of a chain's questions, one after the other, each by a rule of its own."""
    known, answers = {}, []
    for written in question.split(";"):
        asked = re.sub(r"\b[xyz]\b(?!$)", lambda name: str(known.get(name[0], name[0])), written)
        text, _, name = asked.rpartition(",") if re.fullmatch(r"\d+,\d+,\d+,.", asked) else asked.rpartition("=")
        if not text:  # "count a in banana" alone has no = at its end
            text, name = asked, "?"
        match text.split():
            case ["say", *_]:  # its other words have none of these letters
                value = known[re.search("[xyz]", written.removeprefix("say"))[0]]
            case [number] if number.isdigit():
                value = int(number)
            case ["roman", numeral]:
                value = roman(numeral)
            case ["binary", bits]:
                value = int(bits, 2)
            case ["count", letter, "in", word]:
                value = word.count(letter)
            case ["clock", hours, added]:
                value = sum(map(int, added.split("+"))) % int(hours[:-1])
            case [terms] if "," in terms:
                a, b, c = map(int, terms.split(","))
                assert b - a == c - b
                value = 2 * c - b
            case [formula]:
                a, sign, b = re.fullmatch(r"(\d+)([-+*])(\d+)", formula).groups()
                value = {"+": int(a) + int(b), "-": int(a) - int(b), "*": int(a) * int(b)}[sign]
        answers.append(value)
        known[name] = value
    return answers


@pytest.mark.parametrize("chains", [*SETS, "sum>difference>product>clock", "letters&sum>difference"])
def test_every_answer_is_what_another_solver_finds(chains):
    problems = MicroChains(chains=(chains,), per_chain=25).load()
    assert len(problems) >= 20
    for problem in problems:
        answers = list(map(str, solved(problem.question)))
        assert answers[-1] == problem.answer
        assert [part.answer for part in problem.parts] == (answers if len(answers) > 1 else [])
        for part in problem.parts:
            if not part.question.startswith("say "):  # it has no answer by itself
                assert str(solved(part.question)[-1]) == part.answer


def test_a_chain_by_hand():
    [problem] = draw_chains(Shape.read("sum>product"), Draw(1, "train"), 1)
    first, second = problem.parts
    a, b = re.fullmatch(r"(\d+)\+(\d+)=\?", first.question).groups()
    factor = re.fullmatch(rf"{first.answer}\*(\d)=\?", second.question)[1]
    assert problem.question == f"{a}+{b}=x;x*{factor}=?"
    assert int(problem.answer) == (int(a) + int(b)) * int(factor)
    assert problem.solution == f"{first.question}{first.solution}:{first.answer};{second.question}{second.solution}"
    assert (problem.field, problem.level, problem.id) == ("sum>product", 1, f"{first.id}>{second.id}")


@pytest.mark.parametrize("split", ["train", "test"])
def test_all_parts_are_of_the_split(split):
    problems = MicroChains(chains=("seen", "deeper", "merged"), split=split, per_chain=6).load()
    parts = [part for problem in problems for part in problem.parts]
    assert parts
    assert {split_of(*part.id.split(":", 1)) for part in parts} == {split}


def test_a_part_alone_is_the_problem_that_the_field_itself_asks():
    alone = {problem.id: problem for problem in Micro(levels=(1, 2)).load()}
    parts = [part for problem in MicroChains(chains=("seen",), per_chain=60).load() for part in problem.parts]
    same = [(part.question, part.answer, alone[part.id].answer) for part in parts if part.id in alone]
    assert len(same) > 50
    assert all(answer == known for _, answer, known in same)


def test_the_form_of_chains_is_taught_without_a_pair_of_two_fields():
    problems = MicroChains(chains=("form", "form-apart"), per_chain=30).load()
    assert {field for problem in problems for field in Shape.read(problem.field).fields} >= {*ATOMS, "letters"}
    for problem in problems:
        shape = Shape.read(problem.field)
        assert all("quote" in link for link in shape.links)
        if shape.depth == 2 and shape.fields[1] == "quote":
            value, (_, said) = problem.parts[0].answer, problem.question.split(";")
            assert said.count("x") == 1
            assert problem.solution.endswith(";" + said.replace("x", value))  # copied with the value in it


def test_numbers_stay_below_the_largest():
    problems = MicroChains(chains=("seen",), per_chain=40, largest=99).load()
    assert max(int(part.answer) for problem in problems for part in problem.parts) <= 99


def test_questions_side_by_side_ask_for_all_answers():
    problem = MicroChains(chains=("sum>product",), link="none", per_chain=1).load()[0]
    assert problem.question == ";".join(part.question for part in problem.parts)
    assert problem.answer.split(";") == [part.answer for part in problem.parts]
    assert list(map(str, solved(problem.question))) == problem.answer.split(";")


def test_every_field_is_practised_with_as_many_as_it_is_measured_with():
    kinds = {name: kind for kind in ("seen", "unseen", "reversed") for name in SETS[kind]}
    firsts, seconds = ({Shape.read(name).fields[place] for name in kinds} for place in (0, 1))
    assert firsts == set(ATOMS)
    assert set(kinds) == {f"{first}>{second}" for first in firsts for second in seconds}
    for first in firsts:
        assert Counter(kinds[f"{first}>{second}"] == "seen" for second in seconds) == {True: 2, False: 2}
    for second in seconds:
        assert 3 <= sum(kinds[f"{first}>{second}"] == "seen" for first in firsts) <= 4
    assert {f"{second}>{first}" for first, second in (Shape.read(name).fields for name in SETS["reversed"])} <= set(SEEN)
    for name in (*SETS["deeper"], *SETS["climb"]):
        assert {f"{first}>{second}" for first, second in Shape.read(name).links} <= set(SEEN)


def test_the_splits_of_chains():
    practised = list(map(Shape.read, ("a>b", "b>c", "c>a", "c")))
    of = {name: split_of_chain(Shape.read(name), practised) for name in ("c", "a>b", "b>a", "a>a", "a>d", "a>b>c", "a&b>c")}
    assert of == {
        "c": "single",
        "a>b": "seen pair",
        "b>a": "other order",
        "a>a": "unseen pair",
        "a>d": "new field",
        "a>b>c": "deeper",
        "a&b>c": "joined",
    }
    # A pair of fields is never mixed with longer chains, also where some of these are practised.
    deep = [*practised, Shape.read("a>b>c")]
    longer = ("a>b>c", "b>c>a", "a>b>c>a", "a>a")
    assert [split_of_chain(Shape.read(name), deep) for name in longer] == ["seen pair", "deeper", "deeper", "unseen pair"]


@pytest.mark.parametrize("fields", range(3, 9))
def test_seen_pairs_of_any_fields_are_a_latin_square(fields):
    names = [f"f{number}" for number in range(fields)]
    pairs = {(a, b): _pair_class(names, a, b) for a in names for b in names}
    seen = [pair for pair, kind in pairs.items() if kind == "seen"]
    assert seen
    for place in (0, 1):
        assert len(set(Counter(pair[place] for pair in seen).values())) == 1
    assert {(b, a) for a, b in seen} == {pair for pair, kind in pairs.items() if kind == "reversed"}


WORDS = [
    {"question": f"Ada has {n} apples and buys {n + 3} more. How many has she?", "answer": str(2 * n + 3), "field": "apples"}
    for n in range(2, 60)
]
SHOPS = [
    {"question": f"A pen costs ${n}. What do {n % 7 + 2} pens cost, at 2.50 less each?", "answer": f"{n * 5}", "field": "shop"}
    for n in range(10, 70)
]


@pytest.fixture
def own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, rows in (("words", WORDS), ("shops", SHOPS)):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


def chains(first="words", second="shops", **settings):
    recipe = parse_recipe(
        {
            "name": "own",
            "policy": {"model": "micro-base"},
            "problems": [
                {
                    "type": "chains",
                    "sources": [{"type": "table", "path": f"{name}.jsonl", "field": "field"} for name in (first, second)],
                    **settings,
                }
            ],
        }
    )
    return recipe.problems[0]


def test_a_chain_of_two_sets_of_ones_own(own):
    problems = chains(count=50).load()
    assert len(problems) == 50
    for problem in problems:
        first, second = problem.parts
        one, two, end = problem.question.split("\n\n")
        assert one == f"Problem 1: {first.question}"
        name, sign, by, rest = re.fullmatch(
            r"Problem 2, in which (\w) is the answer of problem 1(?: (plus|minus) (\d+))?: (.*)", two
        ).groups()
        number = int(first.answer) + {"plus": 1, "minus": -1, None: 0}[sign] * int(by or 0)
        assert rest.replace(name, str(number), 1) == second.question
        assert "2.50" in rest
        assert problem.answer == second.answer
        assert problem.field == "apples>shop"
        assert end == "Give the answer of problem 2."


def test_both_parts_are_of_one_split_and_the_splits_share_no_part(own):
    parts = {
        split: {part.id for problem in chains(count=400, split=split).load() for part in problem.parts}
        for split in ("train", "test")
    }
    assert parts["train"]
    assert parts["test"]
    assert not parts["train"] & parts["test"]


def test_a_suite_of_chains_holds_their_parts(own):
    problems = suite("words.jsonl>shops.jsonl").load()
    alone = {problem.id for problem in problems if not problem.parts}
    assert alone == {part.id for problem in problems for part in problem.parts}


def test_a_suite_of_chains_means_the_same_from_another_folder(own, monkeypatch):
    from outgrow.config.absolute import with_absolute_paths
    from outgrow.problems.named_table import label
    from outgrow.runs.input_digests import content

    recipe = parse_recipe({"name": "x", "policy": {"model": "micro-base"}, "evaluate": {"suite": "words.jsonl>gsm8k"}})
    name = with_absolute_paths(recipe).evaluate.suite
    assert name == f"{own / 'words.jsonl'}>gsm8k"
    assert label(name) == "words.jsonl>gsm8k"
    before = content("suite", name)
    (own / "words.jsonl").write_text(json.dumps(WORDS[0]))
    assert content("suite", name) != before


def test_the_sets_and_the_recipe_of_the_guide_make_chains(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = (Path(__file__).parents[1] / "docs" / "guides" / "chains.md").read_text()
    fruit, trips = re.findall(r"^```json\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    assert len((fruit + trips).splitlines()) == 10
    for name, rows in (("fruit", fruit), ("trips", trips)):
        (tmp_path / f"{name}.jsonl").write_text(rows)
    (tmp_path / "mine.toml").write_text(re.search(r"^```toml\n(.*?)^```", text, re.DOTALL | re.MULTILINE)[1])
    recipe = load_recipe("mine.toml")
    problems = training_problems(recipe, quiet)[0]
    assert problems
    assert suite(recipe.evaluate.suite).load()
    shown = re.search(r"^```\n(Problem 1.*?)\n```", text, re.DOTALL | re.MULTILINE)[1]
    first, second = (re.search(f"Problem {n}[^:]*: (.*)", shown)[1] for n in (1, 2))
    assert {"question": first, "answer": "4", "field": "fruit"} in list(map(json.loads, fruit.splitlines()))
    assert {"question": second.replace("K", "8"), "answer": "56", "field": "trips"} in list(map(json.loads, trips.splitlines()))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            {"chains": ["sum>roman"]},
            "sum>roman: no problem of roman can take an answer; after > comes one of sum, difference, product, clock",
        ),
        ({"chains": ["sum&sum>clock"]}, "sum&sum>clock: clock cannot join two answers; the last field can be sum or difference"),
        ({"chains": ["summ>clock"]}, "no micro field or set of chains called 'summ'"),
        ({"chains": ["unsen"]}, "called 'unsen' (did you mean 'unseen'?)"),
        ({"chains": ["sum>sum>sum>sum>sum"]}, "a chain has 1 to 4 fields, not 5"),
        ({"levels": [9]}, "levels must be some of"),
    ],
)
def test_a_chain_that_cannot_be_made_is_refused_by_name(settings, said):
    with pytest.raises(UsageError, match=re.escape(said)):
        parse_recipe({"name": "x", "policy": {"model": "micro-base"}, "problems": [{"type": "micro-chains", **settings}]})


def test_sources_that_cannot_meet_are_refused_by_name(own):
    (own / "letters.jsonl").write_text(
        "".join(json.dumps({"question": f"Which letter is after {c}?", "answer": "b", "field": "abc"}) + "\n" for c in "abcdefghij")
    )
    with pytest.raises(UsageError, match=r"chains, source 1 \(table\): no problem has a whole number as its answer; name another"):
        chains("letters", "shops").load()
    with pytest.raises(UsageError, match=r"chains, source 2 \(table\): no problem has a whole number in its question"):
        chains("words", "letters").load()
    (own / "few.jsonl").write_text("".join(json.dumps(row) + "\n" for row in WORDS[:2]))
    with pytest.raises(UsageError, match=r"2 problems fit, and none is of the split test \(a tenth of a large set\)"):
        suite("few.jsonl>shops.jsonl").load()
    with pytest.raises(UsageError, match="needs at least three fields; these sources have apples, shop"):
        chains(pairs="seen").load()
    with pytest.raises(UsageError, match="needs 2 to 4 sources"):
        suite(">".join(["words.jsonl"] * 5))


def test_a_chain_longer_than_the_context_is_refused_in_one_line(own, outgrow):
    code, _, error = outgrow("eval", "micro-base", "--on", "words.jsonl>shops.jsonl", "--max-tokens", "100")
    assert code != 0
    assert "leave no room" in error
