"""Selection: which of the drawn answers to keep. Pure functions; the order of the rows does not matter.

Plain rejection sampling fills a set with answers to easy problems, since they are right most often. So the number of different
answers per problem is limited, and lower for easy problems (after DART-Math, Tong et al. 2024, arXiv 2407.13690: an equal number of
answers per problem, or more for harder ones, teaches better than plain rejection sampling). The limit loses no problem that was
ever solved. SFT balances fields and levels by drawing from them in turn.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable

from ..config.sections import DataSection
from ..core.rng import seed_from
from ..ledger.bands import band
from ..types import Verdict
from .row import SyntheticRow


def eligible(rows: Iterable[SyntheticRow], section: DataSection) -> tuple[list[SyntheticRow], Counter[str]]:
    """Return the rows that pass a section's filters, and how many were dropped for each reason (the first that applies).

    keep = "all" lets wrong answers pass too, but none that was cut or holds no answer. It is a control: pass rates still count
    right answers, so the two sets differ only in the wrong answers.
    """
    passed, dropped = [], Counter[str]()
    for row in rows:
        reason = _reason(row, section)
        if reason is None:
            passed.append(row)
        else:
            dropped[reason] += 1
    return passed, dropped


def _reason(row: SyntheticRow, section: DataSection) -> str | None:
    if section.keep == "verified" and not row.right:
        return str(row.verdict)
    if not (row.extracted or "").strip():
        return str(Verdict.TRUNCATED if row.verdict is Verdict.TRUNCATED else Verdict.NO_ANSWER)
    if section.max_tokens is not None:
        if row.length is None:
            return "length unknown"
        if row.length > section.max_tokens:
            return "longer than max_tokens"
    if not section.min_pass_rate <= row.pass_rate <= section.max_pass_rate:
        return "pass rate out of range"
    return None


def choose(rows: Iterable[SyntheticRow], section: DataSection, seed: int) -> tuple[list[SyntheticRow], Counter[str]]:
    """Return different answers within the limits per problem, and how many were dropped for each reason.

    Rows are ordered by field, level, problem and text. Answers that differ only in white space count as one; the shortest text
    stays. Which of a problem's answers stay is random, each equally likely, by a key of seed, problem and text: keeping the
    shortest would teach the next base to think less than this policy does.
    """
    answers: dict[str, dict[str, SyntheticRow]] = defaultdict(dict)
    dropped = Counter[str]()
    for row in rows:
        texts, words = answers[row.problem_id], " ".join(row.sampled.split())
        if words in texts:
            dropped["duplicate"] += 1
        if words not in texts or _size(row) < _size(texts[words]):
            texts[words] = row
    chosen = []
    for different in answers.values():
        shuffled = sorted(different.values(), key=lambda row: seed_from(seed, "choose", row.problem_id, row.sampled))
        easy = band(shuffled[0].pass_rate) == "easy"
        limit = min(section.per_problem, section.per_easy_problem) if easy else section.per_problem
        chosen += shuffled[:limit]
        if len(shuffled) > limit:
            dropped["over per_easy_problem" if easy else "over per_problem"] += len(shuffled) - limit
    return sorted(chosen, key=lambda row: (row.field, row.level, row.problem_id, row.sampled)), dropped


def _size(row: SyntheticRow) -> tuple[int, str, int, str]:
    """Return a total order of the texts of one answer, so that the order of the rows does not matter."""
    return len(row.sampled), row.sampled, row.length or 0, str(row.verdict)
