"""The benchmark of graders: rewritings are right by construction, known answers are read as sets write them, a hang is ended."""

import json
import os
import random
import re
import signal
import subprocess
import sys
from fractions import Fraction
from math import pi
from pathlib import Path

import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))
try:
    import kept_verdicts
    import peer_cases
    import peer_graders
    import peer_tables
    from rewritings import rewritings
    from rewritings.expressions import signed_terms
    from rewritings.numbers import expanded
finally:
    sys.path.remove(str(BENCHMARKS))

SEEDS = st.integers(0, 10_000)
FRACTIONS = st.fractions(min_value=-30, max_value=30, max_denominator=70).filter(lambda f: f.denominator > 1)


def made(known: str, seed: int = 0) -> dict[str, str]:
    """Kind -> what stands in the last box."""
    listed = rewritings(known, random.Random(seed))
    return {rewriting.kind: peer_cases.boxes(rewriting.output)[-1] for rewriting in listed if r"\boxed " not in rewriting.output}


# --- rewritings


@given(FRACTIONS.map(abs))
def test_long_division_gives_the_fraction_back(fraction):
    head, period = expanded(fraction)
    places = len(head.partition(".")[2])
    value = Fraction(head)
    if period:
        value += Fraction(int(period), 10**places * (10 ** len(period) - 1))
    assert value == fraction


@given(FRACTIONS, SEEDS)
def test_rewritings_of_a_fraction_have_its_value(fraction, seed):
    sign, top, bottom = "-" * (fraction < 0), abs(fraction.numerator), fraction.denominator
    kinds = made(rf"{sign}\frac{{{top}}}{{{bottom}}}", seed)
    for kind in ("\\dfrac", "\\tfrac", "a/b", "sign in the numerator", "sign in the denominator", "\\frac12"):
        if kind in kinds:
            assert quotient(kinds[kind]) == fraction, kind
    assert ("sign in the denominator" in kinds) == (fraction < 0)
    assert ("mixed number" in kinds) == (top > bottom)
    if top > bottom:
        whole, over, under = map(int, re.fullmatch(r"-?(\d+)\\frac\{(\d+)\}\{(\d+)\}", kinds["mixed number"]).groups())
        assert whole + Fraction(over, under) == abs(fraction) and over < under
    if "decimal of a fraction" in kinds:
        assert Fraction(kinds["decimal of a fraction"]) == fraction
    if "decimal of full length" in kinds:
        assert abs(Fraction(kinds["decimal of full length"]) / fraction - 1) < Fraction(1, 10**15)
    first, second = re.findall(r"-?\\frac\{\d+\}\{\d+\}", kinds["chain of equalities"])
    assert quotient(first) == quotient(second) == fraction and first != second


def quotient(text: str) -> Fraction:
    """A fraction of digits by hand, whatever command writes it."""
    numbers = re.findall(r"\d+", text) if "{" in text or "/" in text else list(text.strip()[-2:])
    over, under = map(int, numbers)
    return Fraction(over, under) * (-1) ** text.count("-")


@given(st.integers(1000, 10**9), SEEDS)
def test_thousands_are_parted_in_threes(n, seed):
    (written,) = [text for kind, text in made(str(n), seed).items() if kind.startswith("thousands")]
    groups = re.findall(r"\d+", written)
    assert "".join(groups) == str(n) and all(len(group) == 3 for group in groups[1:]) and len(groups[0]) <= 3
    assert int(float(made(str(n), seed)[".0"])) == n


@pytest.mark.parametrize(
    ("n", "ending"),
    [(1, "st"), (2, "nd"), (3, "rd"), (4, "th"), (11, "th"), (12, "th"), (13, "th"), (21, "st"), (112, "th"), (103, "rd")],
)
def test_ordinals(n, ending):
    assert re.sub(r"[\^{}\\]|text", "", made(str(n))["ordinal"]) == f"{n}{ending}"


@pytest.mark.parametrize(("known", "value"), [("12000", 12000), ("-500", -500), ("4.5e33", 4.5e33), ("2e-7", 2e-7)])
def test_scientific_notation(known, value):
    mantissa, power = re.fullmatch(r"(-?[\d.]+) \\(?:times|cdot) 10\^\{(-?\d+)\}", made(known)["scientific notation"]).groups()
    assert float(mantissa) * 10.0 ** int(power) == pytest.approx(value, rel=1e-12)


@given(st.lists(st.integers(-99, 99), min_size=2, max_size=5, unique=True), SEEDS)
def test_lists_and_sets_keep_their_members(numbers, seed):
    kinds = made(", ".join(map(str, numbers)), seed)
    for kind in ("list reordered", "list as a set", "list with 'and'"):
        if kind in kinds:
            assert sorted(map(int, re.findall(r"-?\d+", kinds[kind]))) == sorted(numbers), kind
    outputs = [one.output for one in rewritings(", ".join(map(str, numbers)), random.Random(seed)) if one.kind == "several boxes"]
    assert [list(map(int, peer_cases.boxes(output))) for output in outputs] == [numbers]
    assert "list reordered" not in made(f"({numbers[0]}, {numbers[1]})", seed)


@given(st.integers(-20, 20), st.integers(1, 9), st.sampled_from(["[)", "(]", "[]"]))
def test_an_inequality_holds_where_the_interval_does(low, width, brackets):
    known = f"{brackets[0]}{low},{low + width}{brackets[1]}"
    written = re.fullmatch(r"(-?\d+) (<|\\le) x (<|\\le) (-?\d+)", made(known)["inequality for an interval"])
    interval = sympy.Interval(int(written[1]), int(written[4]), left_open=written[2] == "<", right_open=written[3] == "<")
    assert interval == sympy.Interval(low, low + width, brackets[0] == "(", brackets[1] == ")")


@pytest.mark.parametrize(
    ("known", "kind", "text"),
    [
        (r"(-\infty,3]", "inequality for an interval", r"x \le 3"),
        (r"(2,\infty)", "inequality for an interval", "x > 2"),
        (r"x \ge 3", "interval for an inequality", r"[3, \infty)"),
        (r"x < -1", "interval for an inequality", r"(-\infty, -1)"),
        (r"x \le 3", "inequality the other way round", r"3 \ge x"),
        ("x = 5", "name left out", "5"),
        (r"1 \pm \sqrt{2}", "\\pm written out", r"1 + \sqrt{2}, 1 - \sqrt{2}"),
        ("3:45", "03:45", "03:45"),
        (r"2021 \cdot 505 \cdot 337", "product worked out", str(2021 * 505 * 337)),
        (r"2^{10}", "product worked out", "1024"),
    ],
)
def test_rewritings_by_example(known, kind, text):
    assert made(known)[kind] == text


@pytest.mark.parametrize(("known", "kind"), [("(1,2)", "inequality for an interval"), ("3:5", "03:45"), ("9", "thousands by ','")])
def test_what_could_be_wrong_is_not_written(known, kind):
    assert kind not in made(known)


@pytest.mark.parametrize("known", [r"\frac{\pi}{3}", r"\frac{3\pi}{4}", r"-\frac{\pi}{6}"])
def test_degrees(known):
    over, under = re.fullmatch(r"-?\\frac\{(\d*)\\pi\}\{(\d+)\}", known).groups()
    degrees = int(re.match(r"-?\d+", made(known)["degrees for radians"])[0])
    assert degrees * pi / 180 == pytest.approx((-1) ** known.count("-") * int(over or 1) * pi / int(under))


@pytest.mark.parametrize(("a", "b", "c"), [(3, 2, 4), (1, 5, 7), (12, 3, 20)])
def test_roots(a, b, c):
    kinds = made(rf"\frac{{{a}\sqrt{{{b}}}}}{{{c}}}")
    over, under = map(int, re.findall(r"\d+", kinds["root of a fraction"]))
    top, bottom, inside = map(int, re.findall(r"\d+", kinds["root in the denominator"]))
    wanted = a * sympy.sqrt(b) / sympy.Integer(c)
    assert sympy.simplify(sympy.sqrt(sympy.Rational(over, under)) - wanted) == 0
    assert sympy.simplify(top / (bottom * sympy.sqrt(inside)) - wanted) == 0


@given(
    st.lists(
        st.tuples(st.sampled_from("+-"), st.sampled_from(["x^2", "3x", r"\frac{1+y}{2}", "7", r"\sqrt{2-x}"])),
        min_size=2,
        max_size=5,
    )
)
def test_terms_are_parted_at_the_top(terms):
    text = " ".join(f"{sign} {term}" for sign, term in terms)
    assert signed_terms(text) == terms


@pytest.mark.parametrize(
    ("known", "kind", "forms"),
    [
        (r"\text{4:30 p.m.}", "p.m. written otherwise", {r"4:30\text{ p.m.}", "4:30 PM", r"4:30 \text{pm}"}),
        ("3:30 p.m.", "p.m. written otherwise", {r"3:30\text{ p.m.}", "3:30 PM", r"3:30 \text{pm}"}),
        (r"\text{VW}", "word", {"VW"}),
        (r"\text{Dana}", "word", {"Dana", r"\text{dana}"}),
        ("B", "choice", {"(B)", r"\text{B}", r"\text{(B)}", r"(\text{B})", r"\textbf{(B)}", "B."}),
    ],
)
def test_every_form_of_words_and_times(known, kind, forms):
    assert {made(known, seed)[kind] for seed in range(60)} == forms


# --- cases


@pytest.fixture
def data(tmp_path):
    rows = {
        "math/train": [
            {"problem": "Find x.", "solution": r"So \boxed{3}, or rather \boxed{\frac{1}{2}}."},
            {"problem": "Enter all solutions, separated by commas.", "solution": r"They are \boxed{4} and \boxed{-4}."},
            {"problem": "Enter one of the foci, not both, separated by commas.", "solution": r"\boxed{(1,2)} or \boxed{(3,4)}"},
        ],
        "math/test": [{"problem": "Name the number.", "solution": r"\boxed {7}"}, {"problem": "Nothing", "solution": "none"}],
        "gsm8k/train": [{"question": "q", "answer": "2 + 3 = <<2+3=5>>5\n#### 5"}],
        "gsm8k/test": [{"question": "q", "answer": "It is 1200.\n#### 1200"}],
        "minerva/test": [{"question": "q", "answer": "4.5e33", "solution": r"\boxed{4.5e33} ergs"}],
        "olympiadbench/test": [{"question": "q", "answer": r"\frac{1}{2 n+2}", "solution": "It is shown."}],
        "asdiv/all": [{"question": "q", "answer": "3:45", "solution": "3:00+0:45"}],
    }
    for name, lines in rows.items():
        file = tmp_path / f"{name}.jsonl"
        file.parent.mkdir(exist_ok=True)
        file.write_text("".join(json.dumps(row) + "\n" for row in lines), encoding="utf-8")
    return tmp_path


def test_known_answers_of_rows_as_the_sets_write_them(data):
    known = peer_cases.known_answers(data)
    assert {row.answer for row in known if row.set == "MATH"} == {r"\frac{1}{2}", "4, -4", "(3,4)", "7"}
    assert [row.answer for row in known if row.set == "GSM8K"] == ["5", "1200"]
    assert all(peer_cases.boxes(row.solution) for row in known)
    assert {case.set for case in peer_cases.own_solutions(known)} == {"MATH", "GSM8K", "Minerva", "OlympiadBench"}


def test_limits_of_each_kind_and_the_seed(data):
    known = peer_cases.known_answers(data)
    cases = peer_cases.made(known, 0, 2, 1)
    kinds = [(case.part, case.kind) for case in cases]
    assert all(kinds.count(kind) <= (2 if kind[0] == "mutant" else 1) for kind in kinds)
    assert cases == peer_cases.made(known, 0, 2, 1) != peer_cases.made(known, 1, 2, 1)
    assert all(case.right == (case.part == "rewriting") for case in cases)


# --- graders


def test_the_program_counts_faults_and_writes_its_files(data, tmp_path):
    outputs = tmp_path / "outputs.jsonl"
    rows = [("5", r"\boxed{5}", True), ("5", r"\boxed{6}", False), ("5", r"\boxed{5}", False), ("5", r"\boxed{7}", True)]
    outputs.write_text("".join(json.dumps({"answer": a, "output": o, "right": r}) + "\n" for a, o, r in rows), encoding="utf-8")
    files = {name: tmp_path / name for name in ("json", "cases", "disagreements")}
    command = [sys.executable, str(BENCHMARKS / "verify_peers.py"), "--data", str(data), "--graders", "outgrow,math-verify",
               "--sample", "6", "--outputs", str(outputs)]  # fmt: skip
    page = tmp_path / "page.md"
    page.write_text(
        "# Before\n<!-- benchmarks/verify_peers.py writes from here -->\nold\n<!-- to here -->\nafter\n", encoding="utf-8"
    )
    for name, file in (files | {"page": page}).items():
        command += [f"--{name}", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    figures = json.loads(files["json"].read_text(encoding="utf-8"))
    for grader in ("outgrow", "math-verify"):
        for error in ("right outputs failed", "wrong outputs passed"):
            assert (figures["parts"][error][grader]["n"], figures["parts"][error][grader]["faults"]) == (2, 1)
        assert figures["parts"]["own solutions failed"][grader]["n"] == 6
    cases = [json.loads(line) for line in files["cases"].read_text(encoding="utf-8").splitlines()]
    assert sorted({case["part"] for case in cases}) == ["known", "mutant", "output", "rewriting"]
    wrong = [json.loads(line) for line in files["disagreements"].read_text(encoding="utf-8").splitlines()]
    totals = {name: sum(part[name]["faults"] for part in figures["parts"].values()) for name in ("outgrow", "math-verify")}
    assert {name: sum(row["grader"] == name for row in wrong) for name in totals} == totals
    assert "| own solutions failed | 6 |" in done.stdout
    assert page.read_text(encoding="utf-8").startswith("# Before\n<!--") and page.read_text(encoding="utf-8").endswith("after\n")
    assert "| own solutions failed | 6 |" in page.read_text(encoding="utf-8")


def test_an_answer_that_takes_too_long_counts_as_not_right_and_the_next_is_graded():
    pair = ("1", r"\boxed{1}")
    with peer_graders.GraderProcess("math-verify", 60.0) as process:
        os.kill(process._start().pid, signal.SIGSTOP)  # it will never reply
        process._limit_s = 0.1
        assert [said.how for said in process.grade([pair])] == ["timeout"]
        process._limit_s = 60.0
        (said,) = process.grade([pair])
        assert said.right and said.how == "said"


def test_a_batch_that_takes_too_long_is_put_again_answer_by_answer(monkeypatch):
    process = peer_graders.GraderProcess("outgrow", 1.0)
    asked = []

    def ask(pairs, limit_s):
        asked.append((len(pairs), limit_s))
        return None if ("hangs", "") in pairs else {"said": [True] * len(pairs), "seconds": 1.0}

    monkeypatch.setattr(process, "_ask", ask)
    said = process.grade([("1", ""), ("hangs", ""), ("2", "")])
    assert [one.how for one in said] == ["said", "timeout", "said"]
    assert asked == [(3, 3.0), (1, 1.0), (1, 1.0), (1, 1.0)]


def test_kept_verdicts_are_those_of_the_same_grader_and_version(tmp_path):
    file = tmp_path / "kept.jsonl"
    said = [peer_graders.Said(True, "said", 0.5), peer_graders.Said(False, "timeout", 5.0)]
    kept_verdicts.KeptVerdicts(file, "a 1.0").add([("1", "x"), ("2", "y")], said)
    file.write_text(file.read_text(encoding="utf-8") + '{"grader": "a 1', encoding="utf-8")  # cut by a kill
    again = kept_verdicts.KeptVerdicts(file, "a 1.0")
    assert [again.get(("1", "x")), again.get(("2", "y")), again.get(("1", "y"))] == [*said, None]
    again.add([("3", "z")], said[:1])
    assert kept_verdicts.KeptVerdicts(file, "a 1.0").get(("3", "z")) == said[0]
    assert kept_verdicts.KeptVerdicts(file, "a 1.1").get(("1", "x")) is None


@given(st.integers(0, 200), st.integers(1, 200))
def test_the_interval_is_scipys(hits, more):
    low, high = binomtest(hits, hits + more).proportion_ci(method="wilson")
    assert peer_tables.wilson(hits, hits + more) == pytest.approx((low, high), abs=1e-6)
