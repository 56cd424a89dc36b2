"""Measures of chains: figures by hand, the gap of independent parts, texts judged by hand, and where a run shows them."""

import itertools
import random
import shutil
from collections import Counter

import pytest
from typer.testing import CliRunner

from helpers.report import Page, evaluation, save, write_recipe, write_steps
from outgrow.cli.app import app
from outgrow.core.errors import OutgrowError
from outgrow.evaluate import Evaluation
from outgrow.evaluate.chain_kinds import CHAIN_MEANING, ChainKind, has_numbers, kind_of_chain, kinds_of_chains
from outgrow.evaluate.failure_kinds import Failure
from outgrow.evaluate.sample import Sample
from outgrow.evaluate.synthesis import (
    chains_of,
    gaps,
    gaps_by_split,
    pass_rates_by_split,
    practised_shapes,
    product_of_rates,
    splits_of,
)
from outgrow.evaluate.synthesis_change import ALL_CHAINS, compare_pairs, compare_splits
from outgrow.ledger import Ledger
from outgrow.problems.chains import MicroChains
from outgrow.report import write_report
from outgrow.report.chains import _gap_table, _split_table
from outgrow.report.data import read_run
from outgrow.types import Problem, Verdict, Visit

PRACTISED = practised_shapes(["sum", "product", "sum>product", "product>clock"])
PAYLOAD = "<script>alert(1)</script>"


def problem(name, right, field="sum", parts=(), middles=(), level=1, text="12"):
    """Samples of one problem, a greedy one too; right: 1 or 0 for each of its k samples."""
    verdicts = [Verdict.RIGHT if one else Verdict.WRONG for one in right]
    place = (name, field, level, "?", "12")
    return [
        Sample(
            *place, index, text, verdicts[max(index, 0)], "12" if right[max(index, 0)] else "13", 3, tuple(parts), tuple(middles)
        )
        for index in range(-1, len(right))
    ]


def made_up(chains=((1, 0, 0, 0), (1, 1, 0, 0), (0, 0, 0, 0), (1, 1, 1, 1))):
    """Two seen chains, an unseen and a reversed one; the last has a part that was not measured."""
    samples = [
        *problem("a", (1, 1, 1, 0)),
        *problem("b", (1, 1, 0, 0), "product"),
        *problem("c", (1, 1, 1, 1), "clock"),
        *problem("a>b", chains[0], "sum>product", ("a", "b"), ("12",)),
        *problem("b>c", chains[1], "product>clock", ("b", "c"), ("12",)),
        *problem("a>c", chains[2], "sum>clock", ("a", "c"), ("12",)),
        *problem("b>lost", chains[3], "product>sum", ("b", "lost"), ("12",)),
    ]
    return Evaluation(samples)


def test_figures_by_hand():
    found = made_up()
    assert list(chains_of(found)) == ["a>b", "b>c", "a>c", "b>lost"]
    assert splits_of(found, PRACTISED) == {
        "single": ["a", "b", "c"],
        "seen pair": ["a>b", "b>c"],
        "unseen pair": ["a>c"],
        "other order": ["b>lost"],
    }
    rates = pass_rates_by_split(found, PRACTISED)
    assert {split: (rate.value, rate.n) for split, rate in rates.items()} == {
        "single": (0.75, 3),
        "seen pair": (0.375, 2),  # 1/4 and 2/4
        "unseen pair": (0.0, 1),
        "other order": (1.0, 1),
    }
    # a is right in 3/4, b in 2/4, c always
    assert gaps(found) == {"a>b": 1 / 4 - 3 / 8, "b>c": 2 / 4 - 2 / 4, "a>c": 0 - 3 / 4}
    gap = gaps_by_split(found, PRACTISED)
    assert {split: (one.value, one.n) for split, one in gap.items()} == {"seen pair": (-1 / 16, 2), "unseen pair": (-3 / 4, 1)}
    assert gap["seen pair"].low == -1 / 8 and gap["seen pair"].high == 0  # of two values, resampled


def test_a_change_is_paired_by_chain():
    before, after = made_up(), made_up(((1, 1, 1, 0), (1, 1, 1, 0), (1, 0, 0, 0), (1, 1, 1, 1)))
    rows = {row.split: row for row in compare_splits(before, after, PRACTISED)}
    assert list(rows) == ["single", "seen pair", "unseen pair", "other order", ALL_CHAINS]
    seen = rows["seen pair"]
    assert (seen.pass_at_1.before.value, seen.pass_at_1.after.value) == (0.375, 0.75)
    assert (seen.pass_at_1.change.value, seen.pass_at_1.change.low, seen.pass_at_1.change.high) == (0.375, 0.25, 0.5)
    # the parts are as before, so the gap changes as pass@1 does
    assert seen.gap.change.value == 0.375 and seen.gap.before.value == -1 / 16
    assert rows[ALL_CHAINS].pass_at_1.change.value == (2 + 1 + 1 + 0) / 16 and rows[ALL_CHAINS].gap.change.n == 3
    assert rows["other order"].gap.before is rows["other order"].gap.change is None  # a part was not measured
    # of 4 samples with c right ones, 2 drawn without putting back: 1 − C(4−c, 2)/6
    assert seen.pass_at_k[2].before.value == pytest.approx((1 - 3 / 6 + 1 - 1 / 6) / 2)
    assert seen.pass_at_k[4].after.value == 1.0
    assert compare_splits(None, None, PRACTISED) == compare_splits(evaluation({1: 0.5}, 1), None, PRACTISED) == []
    with pytest.raises(OutgrowError, match="different problems"):
        compare_splits(before, Evaluation(problem("a", (1, 1, 1, 1))), PRACTISED)


def test_pairs_by_first_and_second_field():
    pairs = {(pair.first, pair.second): pair for pair in compare_pairs(made_up(), None, PRACTISED)}
    assert {place: pair.split for place, pair in pairs.items() if pair.split} == {
        ("sum", "product"): "seen pair",
        ("product", "clock"): "seen pair",
        ("sum", "clock"): "unseen pair",
        ("product", "sum"): "other order",
    }
    assert pairs["product", None].pass_at_1.before.value == (0.5 + 1) / 2 and pairs[None, "clock"].pass_at_1.before.n == 2
    assert pairs[None, None].pass_at_1.before.value == (1 + 2 + 0 + 4) / 16 and pairs[None, None].pass_at_1.after is None
    longer = Evaluation([*problem("a>b>c", (1, 0), "sum>product>clock", ("a", "b", "c"), ("12", "12"))])
    assert compare_pairs(longer, None, PRACTISED) == [] and splits_of(longer, PRACTISED) == {"deeper": ["a>b>c"]}
    unnamed = Evaluation(problem("x", (1, 0), "word problems", ("a", "b"), ("12",)))
    assert splits_of(unnamed, PRACTISED) == {} and [row.split for row in compare_splits(unnamed, None, PRACTISED)] == [ALL_CHAINS]


@pytest.mark.parametrize("chance", [0.2, 0.5, 0.9])
@pytest.mark.parametrize(("k", "times"), [(2, 2), (5, 2), (5, 3)])
def test_a_repeated_part_is_counted_without_bias(chance, k, times):
    """The mean over all 2^k outcomes is the chance to solve the part every time; the power of the rate is too large."""
    mean = power = 0.0
    for outcome in itertools.product((0, 1), repeat=k):
        weight = chance ** sum(outcome) * (1 - chance) ** (k - sum(outcome))
        mean += weight * product_of_rates(["a"] * times, {"a": sum(outcome)}, k)
        power += weight * (sum(outcome) / k) ** times
    assert mean == pytest.approx(chance**times)
    assert power > chance**times + 0.01


def test_a_repeated_part_is_the_share_of_pairs_of_its_samples():
    outcome = (1, 0, 1, 1, 0, 1)
    pairs = list(itertools.combinations(outcome, 2))
    assert product_of_rates(["a", "b", "a"], {"a": 4, "b": 3}, 6) == pytest.approx(sum(map(min, pairs)) / len(pairs) * 3 / 6)
    assert product_of_rates(["a", "a"], {"a": 1}, 1) is None  # one sample has no pair
    assert gaps(Evaluation([*problem("a", (1,)), *problem("a>a", (1,), "sum>sum", ("a", "a"), ("12",))])) == {}


def test_the_gap_of_independent_parts_is_0():
    """Chains right exactly where independent draws of both parts are; the mean gap is 0 within its sampling error."""
    rng, k, count = random.Random(11), 8, 2000
    samples, ids = [], []
    for number in range(count):
        first, second = rng.random(), rng.random()
        twice = number % 4 == 0
        draws = [(first, f"a{number}", ()), (second, f"b{number}", ())]
        parts = (f"a{number}", f"a{number}") if twice else (f"a{number}", f"b{number}")
        draws.append((first * (first if twice else second), f"c{number}", parts))
        ids.append(f"c{number}")
        for chance, name, own in draws:
            right = [int(rng.random() < chance) for _ in range(k)]
            samples += problem(name, right, "sum>product" if own else "sum", own, ("12",) if own else ())
    found = gaps(Evaluation(samples))
    mean = sum(found.values()) / count
    error = (sum((gap - mean) ** 2 for gap in found.values()) / count / count) ** 0.5
    assert list(found) == ids and error < 0.006
    assert abs(mean) < 3 * error
    # squares of rates would be off by E[p(1 − p)]/k = 1/48 in a quarter of the chains
    estimate = gaps_by_split(Evaluation(samples), PRACTISED)["seen pair"]
    assert estimate.value == pytest.approx(mean) and estimate.low == pytest.approx(mean - 1.96 * error, abs=0.2 * error)


def answer(text, extracted, verdict=Verdict.WRONG, middles=("85",), known="510"):
    return Sample("c", "sum>product", 2, "27+58=x;x*6=?", known, 0, text, verdict, extracted, 9, ("a", "b"), middles)


@pytest.mark.parametrize(
    ("sample", "kind"),
    [
        (answer("7+8=15,2+5+1=8:85</think>85", "85"), ChainKind.IGNORED),
        (answer("it is 85.0", "$85.00"), ChainKind.IGNORED),
        (answer("27+58=75:75*6=450", "450"), ChainKind.WRONG_MIDDLE),
        (answer("185*6, 85.5 and 1,085 and 0.85 and 850", "1110"), ChainKind.WRONG_MIDDLE),
        (answer(":85;85*6=500", "500"), ChainKind.WRONG_END),
        (answer("So it is 85. Then 6 times that: 520", "520"), ChainKind.WRONG_END),
        (answer("85", None), ChainKind.WRONG_END),
        (answer("85*6=510", "510", Verdict.RIGHT), None),
        (answer("510", "510", Verdict.RIGHT), ChainKind.LUCK),
        (answer("7, then 85, 9", "9", middles=("85", "85")), ChainKind.WRONG_END),
        (answer("85, then 9", "9", middles=("85", "510")), ChainKind.WRONG_MIDDLE),
        (answer("85, 510, 9", "510", middles=("85", "510"), known="30"), ChainKind.IGNORED),
        (answer("85*6=", None, Verdict.TRUNCATED), Failure.TRUNCATED),
        (answer("85 " * 80, None, Verdict.TRUNCATED), Failure.LOOP),
        (answer("no idea", None, Verdict.NO_ANSWER), Failure.NO_ANSWER),
        (answer("85", "85", Verdict.VERIFIER_FAILED), Failure.VERIFIER_FAILED),
    ],
)
def test_kinds_by_hand(sample, kind):
    assert kind_of_chain(sample) == kind


def test_an_answer_of_the_last_part_is_an_answer_of_a_part():
    """Side by side both answers are asked; one of them is the answer of a part, also the last, which is no result in the middle."""
    side_by_side = answer("85;510", "510", known="85;510")
    assert kind_of_chain(side_by_side) is ChainKind.WRONG_END
    assert kind_of_chain(side_by_side, ("85", "510")) is ChainKind.IGNORED
    assert kind_of_chain(answer("85", "11"), ("85", "510")) is ChainKind.WRONG_END
    parts = [Sample("b", "product", 1, "85*6=?", "510", 0, "510", Verdict.RIGHT, "510", 2)]
    assert list(kinds_of_chains(Evaluation([*parts, side_by_side]))) == [ChainKind.IGNORED]


@pytest.mark.parametrize(
    ("text", "middle", "found"),
    [
        ("1,204 people", "1204", True),
        ("1{,}204", "1204", True),
        ("14,3+8", "3", True),
        ("12345,678", "678", True),
        ("I761:", "761", True),
        ("100-85=15", "85", True),
        ("= −5", "-5", True),
        ("=5", "-5", False),
        ("0.50", "1/2", False),
        ("so 1/2 of it", "1/2", True),
        ("on Tuesday", "Tuesday", True),
        ("Tuesdays", "Tuesday", False),
        ("9" * 31, "9", False),
        ("9." + "5" * 31, "9", False),
        ("٨٥", "85", False),
        ("", "85", False),
        ("8" * 5000, "8" * 5000, False),
    ],
)
def test_numbers_are_found_as_whole_numbers(text, middle, found):
    assert has_numbers(text, [middle]) is found


def test_a_number_is_found_where_it_stands_between_anything_but_digits_and_points():
    """Against the definition, on texts made of random pieces."""
    rng = random.Random(3)
    counts = Counter()
    for _ in range(3000):
        pieces = [rng.choice(["85", "5", "8", ".", ":", " ", "*", "-", "x"]) for _ in range(rng.randint(1, 9))]
        text, numbers, digits = "".join(pieces), [], ""
        for letter in f"{text} ":
            if letter.isdigit() or letter == ".":
                digits += letter
                continue
            whole, _, part = digits.partition(".")
            if "." not in digits.strip(".") and not digits.startswith("."):
                numbers.append(digits.rstrip("."))
            elif whole and part.isdigit() and set(part) == {"0"}:
                numbers.append(whole)
            digits = ""
        if ".." in text:
            continue
        assert has_numbers(text, ["85"]) is ("85" in numbers), text
        counts["85" in numbers] += 1
    assert min(counts[True], counts[False]) > 300


def test_long_texts_of_hostile_pieces_are_read():
    for piece in ("1,", "1,111", "1.", "9", "-", "1,111,", "85,085"):
        assert has_numbers(piece * 100_000, ["12345"]) is False
    assert has_numbers("85 " + "z" * 200_000, ["85"]) is False and has_numbers("z" * 200_000 + " 85", ["85"]) is True


def test_every_worked_solution_shows_its_middle_results_and_no_part_is_taken_for_the_chain():
    measured = MicroChains(chains=("seen", "unseen", "reversed", "new-field", "deeper", "merged"), per_chain=1)
    chains = measured.load()
    for chain in chains:
        middles = tuple(part.answer for part in chain.parts[:-1])
        place = (chain.id, chain.field, chain.level, chain.question, chain.answer, 0)
        links = tuple(part.id for part in chain.parts), middles
        assert kind_of_chain(Sample(*place, chain.solution, Verdict.RIGHT, chain.answer, 9, *links)) is None, chain
        assert kind_of_chain(Sample(*place, "", Verdict.RIGHT, chain.answer, 9, *links)) is ChainKind.LUCK
        if middles[-1] != chain.answer:
            early = Sample(*place, chain.solution, Verdict.WRONG, middles[-1], 9, *links)
            assert kind_of_chain(early) is ChainKind.IGNORED
    assert len(chains) > 40


def test_every_kind_has_a_meaning():
    assert list(CHAIN_MEANING) == list(ChainKind)


def test_pass_at_k_has_every_power_of_two_to_256():
    found = Evaluation(problem("a", [1] * 2 + [0] * 254)).measures()
    sizes = [int(name.removeprefix("pass@")) for name in found if name.startswith("pass@")]
    assert sizes == [1, 2, 4, 8, 16, 32, 64, 128, 256]
    assert found["pass@128"]["a"] == pytest.approx(1 - (128 * 127) / (256 * 255)) and found["pass@256"]["a"] == 1.0


def test_parts_and_middles_survive_the_file(tmp_path):
    made_up().save(tmp_path / "chains.parquet")
    loaded = Evaluation.load(tmp_path / "chains.parquet")
    assert loaded.samples == made_up().samples
    assert loaded.samples[-1].parts == ("b", "lost") and loaded.samples[-1].middles == ("12",) and loaded.samples[0].parts == ()
    plain = Evaluation(problem("a", (1, 0)))
    plain.save(tmp_path / "plain.parquet")
    assert Evaluation.load(tmp_path / "plain.parquet").samples == plain.samples


def test_a_gap_that_rises_since_parts_were_lost_is_not_called_better():
    def side(right):
        parts = [sample for n in range(9) for sample in problem(f"p{n}", right, "sum" if n % 2 else "product")]
        chains = [problem(f"p{n}>p{n - 1}", (0, 0), "sum>product", (f"p{n}", f"p{n - 1}"), ("12",)) for n in range(1, 9, 2)]
        more = [problem(f"again p{n}>p{n - 1}", (0, 0), "sum>product", (f"p{n}", f"p{n - 1}"), ("12",)) for n in range(1, 9, 2)]
        return Evaluation([*parts, *(sample for chain in (*chains, *more) for sample in chain)])

    rows = compare_splits(side((1, 1)), side((0, 0)), PRACTISED)
    [seen] = [row for row in rows if row.split == "seen pair"]
    assert (seen.pass_at_1.change.value, seen.gap.change.value, seen.gap.change.n) == (0.0, 1.0, 8)
    assert _gap_table(rows).rows[0][-1] == "+100.0 (+35.1 to +100.0)"  # of 8 chains; the bootstrap has no width
    assert _split_table(rows).rows[0][-1].endswith(", worse")  # the parts


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    path = tmp_path_factory.mktemp("runs") / "chains"
    write_recipe(path)
    write_steps(path, 3)
    with Ledger(path / "ledger.sqlite") as ledger:
        ledger.enter([Problem(name, name, 1, "?", "12") for name in ("sum>product", "product>clock", "sum>clock", "product>sum")])
        visited = (1, "sum>product"), (2, "product>clock"), (0, "product>sum")  # of step 0: a profile, and no practice
        ledger.record([Visit(step, name, 8, 4, 20.0) for step, name in visited])
    save(path, "before", made_up())
    save(path, "after", made_up(((1, 1, 1, 0), (1, 1, 1, 0), (1, 0, 0, 0), (1, 1, 1, 1))))
    return path


def test_practised_is_what_was_visited(run):
    assert read_run(run).practised == {"sum", "sum>product", "product>clock"}


def test_the_report_shows_chains(run):
    page = Page(write_report(run))
    assert [own for tag, own in page.elements if own.get("id") == "chains"]
    assert "Practised chains: product>clock, sum>product." in page.text
    assert page.table("split")["seen pair"] == ["2", "37.5% (25.0–50.0)", "75.0% (75.0–75.0)", "+37.5 (+25.0 to +50.0)"]
    heads = [rows for rows in page.tables if rows[0][:3] == ["split", "n", "gap before"]]
    gap = {row[0]: row[1:] for row in heads[0][1:]}
    assert gap["seen pair"][:2] == ["2", "−6.2 (−12.5 to 0.0)"]  # −6.25; a half goes to the even digit
    kinds = [row for rows in page.tables for row in rows if row[0] == "right middle, wrong end"]
    assert kinds[0][1].startswith("56.2%")  # 9 of 16 are wrong, and each text has the middle
    cells = [own for tag, own in page.elements if tag == "td" and set((own.get("class") or "").split()) & {"solid", "dashed"}]
    assert [(own["class"].split()[-1], own["title"].partition(":")[0]) for own in cells] == [
        ("solid", "sum > clock (unseen pair)"),
        ("dashed", "product > sum (other order)"),
    ] * 2


def test_the_report_of_a_run_without_chains_has_no_such_section(tmp_path):
    write_recipe(tmp_path)
    save(tmp_path, "before", evaluation({1: 0.4}, seed=1))
    page = Page(write_report(tmp_path))
    assert not [own for _, own in page.elements if own.get("id") == "chains" or own.get("href") == "#chains"]
    assert "hains" not in page.text
    said = CliRunner(env={"COLUMNS": "200"}).invoke(app, ["analyze", str(tmp_path)])
    assert said.exit_code == 0 and "hains" not in said.output


def test_chains_of_another_suite_and_of_one_side_are_shown(tmp_path, run):
    shutil.copytree(run, tmp_path / "run")
    evals = tmp_path / "run" / "evals"
    for name, ends in (("before", evaluation({1: 0.4}, 1)), ("after", evaluation({1: 0.6}, 2))):
        (evals / "synthesis").mkdir(exist_ok=True)
        shutil.move(evals / f"{name}.parquet", evals / "synthesis")
        save(tmp_path / "run", name, ends)
    page = Page(write_report(tmp_path / "run"))
    assert page.table("split")["unseen pair"][1:3] == ["0.0% (0.0–79.3)", "25.0% (25.0–25.0)"]
    (evals / "after.parquet").unlink()
    shutil.rmtree(evals / "synthesis")
    save(tmp_path / "run", "before", made_up())
    one_sided = Page(write_report(tmp_path / "run"))
    assert one_sided.table("split")["unseen pair"] == ["1", "0.0% (0.0–79.3)", "not yet", ""]


def test_names_of_strangers_are_text_on_the_page(tmp_path):
    write_recipe(tmp_path)
    field = f"{PAYLOAD}>sum"
    samples = problem("x", (1, 0), field, ("a", "b"), (PAYLOAD,), text=PAYLOAD)
    save(tmp_path, "before", Evaluation(samples))
    page = Page(write_report(tmp_path))
    assert PAYLOAD in page.text and PAYLOAD not in page.source


def test_analyze_prints_the_same_tables(run):
    said = CliRunner(env={"COLUMNS": "200"}).invoke(app, ["analyze", str(run)])
    assert said.exit_code == 0
    text = " ".join(said.output.split())
    for expected in (
        "Practised chains: product>clock, sum>product.",
        # As much of each line as stands in one row of a narrow terminal, too.
        "seen pair 2 37.5% (25.0–50.0) 75.0% (75.0–75.0) +37.5 (+25.0 to",
        "seen pair 2 −6.2 (−12.5 to 0.0) +31.2",
        "unseen pair 1 0.0% (0.0–79.3) 25.0% (25.0–25.0) +25.0",
        "sum>clock",
    ):
        assert expected in text, said.output
