"""Answers that deserve nothing, for a judge to score now and then: one that likes them will be pleased by anything.

Openers alone ("Thought process:", or a colon) earn 80 to 90% false positives from strong judges ("master keys", arXiv 2507.08794).
"""

from collections.abc import Sequence

from ..core.rng import python_rng
from ..types import Problem
from ..verify.extract import THINK_CLOSE

_OPENERS = ("Thought process:", ":", "Let's solve this problem step by step.", "Solution")
KINDS = ("empty", "opener", "echo", "stuffed", "borrowed")


def canaries(problem: Problem, others: Sequence[Problem], seed: int, inside_think: bool) -> dict[str, str]:
    """Kind -> a completion that answers `problem` with nothing: no text; an opener alone; the question and a top score in a box;
    a dozen boxes; the answer to another problem (of `others`) with no work.

    inside_think: whether completions begin inside a <think> that the prompt has opened. Where by chance a text would hold the
    problem's own answer in its last box, that kind is left out.
    """
    rng = python_rng(seed, "canaries", problem.id)
    close = THINK_CLOSE if inside_think else ""
    wrong = [other.answer for other in others if other.answer != problem.answer]
    found = {
        "empty": "",
        "opener": f"{rng.choice(_OPENERS)}{close}",
        "echo": f"{problem.question}{close}\\boxed{{1}}",
        "stuffed": close + "".join(f"\\boxed{{{rng.randint(0, 99)}}}" for _ in range(12)),
        **({"borrowed": f"{close}\\boxed{{{rng.choice(wrong)}}}"} if wrong else {}),
    }
    return {kind: text for kind, text in found.items() if not text.endswith(f"\\boxed{{{problem.answer}}}")}
