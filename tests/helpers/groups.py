"""Groups of graded completions, as rewards get them."""

from outgrow.types import Graded, GradedGroup, Problem, Rollout, ValueBaseline, Verdict

NOTHING_KNOWN = ValueBaseline()


def group(texts, verdicts, tokens=None, step=1, seed=0, inside_think=False, problem="sum:3+4", expected=NOTHING_KNOWN, limit=100):
    """A group of completions; tokens: how many each has (as many as characters where not told)."""
    counts = tokens or [len(text) for text in texts]
    rollouts = [Rollout([1], [5] * count, [0.0] * count, True, text) for text, count in zip(texts, counts, strict=True)]
    graded = [Graded(Verdict(verdict), None) for verdict in verdicts]
    return GradedGroup(Problem(problem, "sum", 1, "3+4=?", "7"), rollouts, graded, step, seed, inside_think, expected, limit)
