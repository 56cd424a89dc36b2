"""How fast the verifier grades, how often it agrees with its own data, and how often it calls a wrong answer right.

python benchmarks/verify_throughput.py DATA > benchmarks/results/verify.md
DATA: a folder with gsm8k/{train,test}.jsonl and math/{train,test}.jsonl.
"""

import json
import os
import platform
import random
import re
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path

from math_verify import parse
from math_verify import verify as math_verify

from outgrow.types import Verdict
from outgrow.verify import Attempt, Verifier
from outgrow.verify.compare import same
from outgrow.verify.extract import boxed
from outgrow.verify.fold import fold

ROUNDS = 7
PEER_ANSWERS = 400
SHUFFLES = 5
LATEX_PAIRS = 5000
PEER_PAIRS = 300


def main() -> None:
    data = Path(sys.argv[1])
    gsm8k = [row["answer"] for split in ("train", "test") for row in _rows(data / "gsm8k" / f"{split}.jsonl")]
    math = [row["solution"] for split in ("train", "test") for row in _rows(data / "math" / f"{split}.jsonl")]
    sets = [
        ("GSM8K", "hash", [Attempt(text, text.split("#### ")[1]) for text in gsm8k]),
        ("MATH", "boxed", [Attempt(text, boxed(text) or "") for text in math]),
    ]
    made_with = f"Python {platform.python_version()}, math-verify {version('math-verify')}, sympy {version('sympy')}"
    print(f"# The verifier, measured\n\n{platform.machine()} CPU, {os.cpu_count()} cores, {made_with}.\n")
    _throughput(sets[0][2])
    _own_answers(sets)
    _peer(sets[1][2])
    _wrong_answers(sets)


def _throughput(attempts: list[Attempt]) -> None:
    """All in one process on one core, in turns, so that whatever else the machine does meets all."""
    verifier, known = Verifier(["hash"]), [f"${int(one.answer):,}.00" for one in attempts]
    restyled = [Attempt(one.text, money) for one, money in zip(attempts, known, strict=True)]

    def peer() -> None:
        for one in attempts[:PEER_ANSWERS]:
            math_verify(parse(one.answer), parse(one.text.rpartition("####")[2]))

    work = [
        ("outgrow", len(attempts), lambda: verifier.grade(attempts)),
        ("outgrow, known answers written as $1,018.00", len(attempts), lambda: verifier.grade(restyled)),
        ("math-verify", PEER_ANSWERS, peer),
    ]
    peer()  # its patterns are compiled once
    rates = [[n / _seconds(each) for _, n, each in work] for _ in range(ROUNDS)]
    print("## GSM8K answers a second\n")
    print(f"Extraction of `####` and comparison, on one core. {ROUNDS} rounds, in turn: all {len(attempts)} solutions by outgrow,")
    print(
        f"{PEER_ANSWERS} by math-verify's `parse` and `verify`, given only what stands after `####`. Medians (lowest to highest).\n"
    )
    print("| | answers a second | times math-verify |\n|---|---|---|")
    for (name, _, _), column in zip(work, zip(*rates, strict=True), strict=True):
        ratios = [rate / its for rate, its in zip(column, [row[-1] for row in rates], strict=True)]
        print(f"| {name} | {_spread(column, 0)} | {_spread(ratios, 1)} |")


def _spread(values: Sequence[float], digits: int) -> str:
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def _own_answers(sets: list[tuple[str, str, list[Attempt]]]) -> None:
    print("\n## Known answers against their own solutions (train and test)\n")
    print("| set | n | " + " | ".join(Verdict) + " |\n|---|---|" + "---|" * len(Verdict))
    for name, extract, attempts in sets:
        with Verifier([extract]) as verifier:
            counts = Counter(one.verdict for one in verifier.grade(attempts))
        print(f"| {name} | {len(attempts)} | " + " | ".join(str(counts[verdict]) for verdict in Verdict) + " |")


def _peer(attempts: list[Attempt]) -> None:
    """Answers of MATH in another form, and in the place of one another, also put to math-verify directly."""
    answers = sorted({one.answer for one in attempts if one.answer and same(one.answer, "x+y+z") is None})
    known = random.Random(0).sample(answers, PEER_PAIRS)
    pairs = [(one, _another_form(one)) for one in known] + list(zip(known, known[1:] + known[:1], strict=True))
    with Verifier() as verifier:
        ours = [one.right for one in verifier.grade([Attempt(f"\\boxed{{{written}}}", one) for one, written in pairs])]
    theirs = [math_verify(parse(f"${one}$"), parse(f"${written}$")) for one, written in pairs]
    print(
        f"\n## Beside math-verify\n\n{PEER_PAIRS} of MATH's {len(answers)} answers that are neither number, choice nor words, each"
    )
    print("against another form of itself (terms and lists reordered, roots as powers, fractions as quotients, or other blanks and")
    print(
        "commands) and against the answer of another of these problems; math-verify's `parse` and `verify` are called directly.\n"
    )
    print("| pairs | n | right here | right by math-verify | same verdict |\n|---|---|---|---|---|")
    for name, part in (("another form", slice(PEER_PAIRS)), ("another answer", slice(PEER_PAIRS, None))):
        agreed = sum(one == peer for one, peer in zip(ours[part], theirs[part], strict=True))
        print(f"| {name} | {PEER_PAIRS} | {sum(ours[part])} | {sum(theirs[part])} | {agreed} |")
    print("\nForms not found equal here, and pairs where the two differ (known, written, here, math-verify):\n")
    for index, ((one, written), mine, its) in enumerate(zip(pairs, ours, theirs, strict=True)):
        if mine != its or mine != (index < PEER_PAIRS):
            print(f"- `{' '.join(one.split())}`, `{' '.join(written.split())}`: {mine}, {its}")


def _another_form(latex: str) -> str:
    r"""The same answer, written differently.

    >>> _another_form("1+\\sqrt{2}"), _another_form("1, -1"), _another_form("3\\sqrt{2}"), _another_form("\\frac{x}{2}")
    ('\\sqrt{2}+1', '-1,1', '3(2)^{1/2}', '(x)/(2)')
    """
    plain = not set(latex) & set("()[]=&") and "\\{" not in latex
    if plain and "," in latex and "text" not in latex:
        return ",".join(part.strip() for part in reversed(latex.split(",")))
    terms = latex.split("+")
    if plain and len(terms) == 2 and terms[0].count("{") == terms[0].count("}") and "text" not in latex:
        return f"{terms[1].strip()}+{terms[0].strip()}"
    if plain and "frac" not in latex:
        return re.sub(r"\\sqrt\{(\w+)\}", r"(\1)^{1/2}", latex)
    if plain and (whole := re.fullmatch(r"(-?)\\frac\{([^{}]*)\}\{([^{}]*)\}", latex)):
        return f"{whole[1]}({whole[2]})/({whole[3]})"
    return re.sub(r"([(),=])", r" \1 ", latex.replace(r"\frac", r"\dfrac"))


def _wrong_answers(sets: list[tuple[str, str, list[Attempt]]]) -> None:
    print("\n## Wrong answers called right\n")
    print(f"Every solution, {SHUFFLES} times over, graded for the answer of another problem, drawn at random. Pairs whose answers")
    print("are the same text, once folded, are left out; what is then called right is listed, since two texts may well be the")
    print(f"same answer. Of the pairs that only LaTeX can tell, a sample of {LATEX_PAIRS}.\n")
    print("| set | told by | n | right | share (95% interval) | verifier failed |\n|---|---|---|---|---|---|")
    listed: dict[tuple[str, str | None], None] = {}
    for name, extract, attempts in sets:
        pairs = [pair for seed in range(SHUFFLES) for pair in _shuffled(attempts, seed)]
        told: tuple[list[Attempt], list[Attempt]] = ([], [])
        for own, other in pairs:
            told[same(other, own.answer) is None].append(Attempt(own.text, other))
        sampled = random.Random(0).sample(told[1], min(LATEX_PAIRS, len(told[1])))
        for how, chosen in (("numbers, choices, words, texts", told[0]), ("LaTeX", sampled)):
            with Verifier([extract]) as verifier:
                graded = verifier.grade(chosen)
            right = [(one.answer, grade.extracted) for one, grade in zip(chosen, graded, strict=True) if grade.right]
            failed = sum(grade.verdict is Verdict.VERIFIER_FAILED for grade in graded)
            if chosen:
                low, high = _wilson(len(right), len(chosen))
                share = f"{len(right) / len(chosen):.4%} ({low:.4%} to {high:.4%})"
                print(f"| {name} | {how} | {len(chosen)} | {len(right)} | {share} | {failed} |")
            listed |= dict.fromkeys(right)
    print("\nKnown answer and what was written, each pair once:\n")
    for known, written in listed:
        print(f"- `{' '.join(known.split())}` and `{' '.join((written or '').split())}`")


def _shuffled(attempts: list[Attempt], seed: int) -> list[tuple[Attempt, str]]:
    """(a solution with its own answer, the answer of another problem), where both exist and their texts differ."""
    others = [one.answer for one in attempts]
    random.Random(seed).shuffle(others)
    return [
        (one, other)
        for one, other in zip(attempts, others, strict=True)
        if one.answer and other and fold(one.answer) != fold(other)
    ]


def _wilson(hits: int, n: int) -> tuple[float, float]:
    """Wilson's 95% interval of a share."""
    z = 1.96
    middle, half = hits / n + z**2 / (2 * n), z * (hits / n * (1 - hits / n) / n + z**2 / (4 * n**2)) ** 0.5
    return max(0.0, (middle - half) / (1 + z**2 / n)), (middle + half) / (1 + z**2 / n)


def _rows(file: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in file.read_bytes().splitlines()]


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
