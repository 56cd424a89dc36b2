"""Texts made to crash, hang or fill the verifier. Whatever it says, it says soon, in bounded memory."""

import resource
import time

import pytest

from outgrow.types import Verdict
from outgrow.verify import EXTRACTORS, Attempt, Verifier

TEMPLATE = "\nPlease reason step by step, and put your final answer within \\boxed{}."
DEEP, LONG = 10**5, 2 * 10**6
TEXTS = {
    "nested braces": "\\boxed{" + "{" * DEEP + "7" + "}" * DEEP + "}",
    "braces never closed": "\\boxed{" * DEEP,
    "braces never opened": "}" * DEEP + "\\boxed{7}" + "}" * DEEP,
    "nested fractions": "\\boxed{" + "\\frac{1}{" * DEEP + "7" + "}" * DEEP + "}",
    "nested roots, short": "\\boxed{" + "\\sqrt{" * 120 + "7" + "}" * 120 + "}",
    "nested parentheses, short": "\\boxed{" + "(" * 450 + "x" + ")" * 450 + "}",
    "many boxes": "\\boxed{8}" * DEEP,
    "power tower": "\\boxed{9**9**9}",
    "power tower in LaTeX": "\\boxed{10^{10^{10}}}",
    "power of a power": "\\boxed{x^{9^{9^{9}}}}",
    "factorials": "\\boxed{((9!)!)!}",
    "a long sum": "\\boxed{" + "+".join(f"\\sin{{{i}x}}" for i in range(90)) + "}",
    "an integral": "\\boxed{\\int_0^1 e^{x^x} \\sin(x^{x^x}) dx}",
    "megabytes of letters": "x" * LONG + "\\boxed{8}",
    "megabytes of digits": "\\boxed{" + "7" * LONG + "}",
    "megabytes of digits and commas": "1,111" * (LONG // 5),
    "megabytes of numbers": "7 " * (LONG // 2),
    "megabytes of fractions": "\\frac{1}{" * (LONG // 9),
    "megabytes of minus signs": "-" * LONG,
    "megabytes of dollars": "\\boxed{" + "$" * LONG + "}",
    "dollars": "\\boxed{" + "$" * 499 + "x" + "$" * 499 + "y}",
    "megabytes of blanks": "\\boxed{" + " " * LONG + "}",
    "blanks after the phrase": "the answer is" + " \n" * (LONG // 2),
    "megabytes of phrases": "the answer is " * (LONG // 14),
    "megabytes of hashes": "#" * LONG,
    "megabytes of stars": "answer" + "*" * LONG,
    "megabytes of marked numbers": "#### 1\n" * (LONG // 7),
    "megabytes of marks in a line": "#### 1 " * (LONG // 7),
    "megabytes of questions behind a mark": "#### 1\n" + "how " * (LONG // 4) + "?",
    "megabytes of questions behind marks": "#### 1\nhow ? Q: " * (LONG // 17),
    "megabytes of letters behind a number": "#### 1 " + "a" * LONG,
    "megabytes of words behind a number": "the answer is 1" + " a" * (LONG // 2),
    "megabytes of calculators": "the answer is " + "<<1=2>>" * (LONG // 7) + "<<" * DEEP,
    "megabytes of displays": "the answer is \\[ 1 " * (LONG // 18),
    "boxes without braces": "\\boxed 1 or " * (LONG // 12),
    "boxes without braces or content": "\\boxed " * (LONG // 7),
    "a box without braces or end": "\\boxed " + "1" * LONG,
    "empty boxes": "\\boxed{}" * (LONG // 8),
    "empty boxes in each other": "\\boxed{" * DEEP + "}" * DEEP,
    "boxes that belong together": "\\boxed{1}, " * (LONG // 11),
    "phantoms": "\\boxed{" + "\\phantom{" * DEEP,
    "units without end": "\\boxed{7 " + "ab " * 300 + "}",
    "look-alike digits": "\\boxed{７}\\boxed{٧}\\boxed{𝟕}",
    "null bytes and lone surrogates": "\\boxed{7\0\ud800}",
    "commands": "\\boxed{__import__('os').system('exit 1')}",
    "files": "\\boxed{\\input{/etc/passwd}\\write18{ls}}",
    "lines that look like replies": '\\boxed{1\nr\n["x+1", "x+1"]\n}',
    "the template": TEMPLATE,
    "the question and the template": "What is x+1?" + TEMPLATE,
    "only thoughts": "<think>#### x+1 \\boxed{x+1} the answer is x+1",
    "thoughts and nothing": "<think>\\boxed{x+1}</think>",
    "thoughts in thoughts": "<think></think><think>\\boxed{x+1}",
}


@pytest.fixture(scope="module")
def verifiers():
    """One of each extractor, the workers of the first one started."""
    verifiers = {name: Verifier([name]) for name in EXTRACTORS}
    verifiers["boxed"].grade([Attempt("\\boxed{1+x}", "x+1")])
    yield verifiers
    for verifier in verifiers.values():
        verifier.close()


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_a_hostile_text_is_not_right_and_costs_little(verifiers, text):
    """Graded for a number, an expression and two answers. A comparison of LaTeX may take the 2 s after which it is killed."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for name, verifier in verifiers.items():
        started = time.process_time(), time.monotonic()
        graded = verifier.grade([Attempt(text, "7.25"), Attempt(text, "x+1"), Attempt(text, "2, 3")])
        assert not any(one.right for one in graded)
        assert all(isinstance(one.verdict, Verdict) for one in graded)
        assert time.process_time() - started[0] < 2, f"{name} works too long on it"
        assert time.monotonic() - started[1] < 30
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200 * 1024, "KiB more than before"
