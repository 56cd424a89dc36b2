"""Comparing LaTeX: against math-verify itself, and against answers made to hang, crash or fill the memory."""

import os
import re
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from math_verify import LatexExtractionConfig, parse
from math_verify import verify as math_verify

from outgrow.core.errors import OutgrowError
from outgrow.types import Verdict
from outgrow.verify import Attempt, Verifier
from outgrow.verify.pool import LATEX, LIMIT_S, Pool

HANGS = "9^{9^{9^{9}}}"


@pytest.fixture(scope="module")
def verifier():
    with Verifier() as verifier:
        yield verifier


def verdicts(verifier, *pairs):
    """Of (known, written) pairs."""
    return [one.verdict for one in verifier.grade([Attempt(f"\\boxed{{{written}}}", known) for known, written in pairs])]


# Families of equal forms; a form is equal to those of its own family and to no other's.
FAMILIES = [
    [r"\frac{\sqrt{3}}{3}", r"\dfrac{\sqrt3}{3}", r"\frac{1}{\sqrt{3}}", r"\sqrt{\frac13}"],
    ["x^2+1", "1+x^2", "x^{2} + 1", r"x\cdot x+1"],
    ["(x+1)(x+2)", "x^2+3x+2", r"(x+2) \cdot (x+1)"],
    ["(1,2)", r"\left( 1, 2 \right)"],
    ["(2,1)", r"\left(2,\ 1\right)"],
    ["[0,1)", r"\left[0,1\right)", r"[0, \frac{2}{2})"],
    ["[0,1]", r"\left[ 0, 1 \right]"],
    [r"\{1,2,3\}", "1,2,3", r"\{3, 2, 1\}", r"3,\; 2,\; 1"],
    [r"(-\infty,-8)\cup(8,\infty)", r"(8,\infty) \cup (-\infty,-8)"],
    [r"2\sqrt{13}", r"\sqrt{52}", r"\sqrt{4}\sqrt{13}"],
    [r"\begin{pmatrix} 1 \\ 2 \end{pmatrix}", r"\begin{pmatrix}1\\2\end{pmatrix}", r"\begin{bmatrix} 1 \\ 2 \end{bmatrix}"],
    [r"\begin{pmatrix} 2 \\ 1 \end{pmatrix}", r"\begin{pmatrix}\frac{4}{2}\\1\end{pmatrix}"],
    ["1+2i", "2i + 1"],
    [r"18\pi", r"\pi \cdot 18", r"\frac{36\pi}{2}"],
    ["y=-2x", "y = -2 x", "y=-x-x"],
    [r"\log_2 3", r"\frac{\ln 3}{\ln 2}"],
    ["x^{10}", r"x^5 \cdot x^5"],
    ["2^{k}", r"2 \cdot 2^{k-1}"],
]
PAIRS = [(known, written, True) for one in FAMILIES for known in one for written in one]
PAIRS += [(one[0], other[-1], False) for i, one in enumerate(FAMILIES) for other in (FAMILIES + FAMILIES)[i + 1 : i + 6]]


def test_forms_are_equal_within_their_family_and_to_no_other(verifier):
    """Each pair is also put to math-verify directly: it is the peer, and must say the same."""
    assert len(PAIRS) > 200
    graded = verdicts(verifier, *((known, written) for known, written, _ in PAIRS))
    parsed = {form: parse(f"${form}$", [LatexExtractionConfig()], parsing_timeout=None) for one in FAMILIES for form in one}
    said = [known == written or math_verify(parsed[known], parsed[written], timeout_seconds=None) for known, written, _ in PAIRS]
    assert graded == [Verdict.RIGHT if equal else Verdict.WRONG for equal in said]
    wrong = [(known, written) for (known, written, equal), peer in zip(PAIRS, said, strict=True) if equal is not peer]
    assert not wrong


@pytest.mark.parametrize(
    "hedge",
    [
        r"x+2, \text{ but the final answer is } $x+1$",
        r"x+2 $ $ the final answer is: $ $x+1",
        r"x+2 \text{ or } x+1",
        "x+2, x+1",
        r"x+1 \text{ or } x+2",
        "x+1, x+2",
        r"x+1 \\ x+2",
        r"x+2 \\ x+1",
        "Answer: x+1, or x+2",
    ],
)
def test_an_answer_that_holds_the_known_one_among_others_is_wrong(verifier, hedge):
    assert verdicts(verifier, ("x+1", hedge)) == [Verdict.WRONG]


def test_a_letter_is_a_unit_only_where_words_are_written(verifier):
    """math-verify alone drops the t."""
    pairs = (
        ("10t+12", "12+10t"),
        ("12+10t", "22"),
        ("3t", "3t+0"),
        ("3t", "3"),
        (r"18\pi\text{ inches}", r"18 \pi"),
        (r"\pi", r"\pi meters"),
    )
    assert [verdict is Verdict.RIGHT for verdict in verdicts(verifier, *pairs)] == [True, False, True, False, True, True]


def test_a_hung_comparison_is_killed_in_time_and_the_next_answer_is_graded(verifier):
    verdicts(verifier, ("x+1", "1+x"), ("x+2", "2+x"), ("x+3", "3+x"))  # the workers have started
    started = time.monotonic()
    assert verdicts(verifier, ("x+1", HANGS), ("x+1", "1+x"), ("x+1", "x+2")) == [
        Verdict.VERIFIER_FAILED,
        Verdict.RIGHT,
        Verdict.WRONG,
    ]
    assert LIMIT_S <= time.monotonic() - started < LIMIT_S + 5
    assert verdicts(verifier, ("x+1", "1+x")) == [Verdict.RIGHT]


def test_a_worker_that_dies_costs_at_most_its_answer():
    pool = Pool()
    try:
        assert pool.compare([("x+1", "1+x")]) == [True]
        [worker] = pool._workers
        limits = Path(f"/proc/{worker._process.pid}/limits")
        if limits.exists():
            assert re.search(rf"Max address space +{2**30} ", limits.read_text()), "the kernel bounds its memory"
        os.kill(worker._process.pid, signal.SIGKILL)  # idle: replaced unseen
        worker._process.wait()
        assert pool.compare([("x+1", "1+x")]) == [True]
        [worker] = pool._workers
        threading.Timer(0.5, os.kill, (worker._process.pid, signal.SIGKILL)).start()  # busy, as the kernel does out of memory
        assert pool.compare([("x+1", HANGS)]) == [None]
        assert pool.compare([("x+1", "1+x")]) == [True]
    finally:
        pool.close()
    assert pool._workers == []


def test_a_stop_request_ends_a_comparison_and_its_workers(verifier):
    class Stop(Exception):
        pass

    def check_stop():
        if time.monotonic() > started + 0.5:
            raise Stop

    started = time.monotonic()
    pool = Pool()
    with pytest.raises(Stop):
        pool.compare([("x+1", f"{HANGS}+{i}") for i in range(50)], check_stop)
    assert time.monotonic() - started < 5
    assert pool._workers == []


def test_a_worker_that_cannot_start_is_one_clear_error(monkeypatch, tmp_path):
    broken = tmp_path / "worker.py"
    broken.write_text("import no_such_module\n")
    monkeypatch.setattr("outgrow.verify.verifier.LATEX", replace(LATEX, file=broken))
    with pytest.raises(OutgrowError, match="is math-verify installed"), Verifier() as verifier:
        verdicts(verifier, ("x+1", "1+x"))
