"""Selecting: which of the answers drawn are worth learning from. Pure functions; the order of the rows does not matter.

Rejection sampling as it is fills a set with answers to easy problems, since they are right most often. So a problem gives a few
different answers and no more, and an easy one fewer still (after DART-Math, Tong et al. 2024, arXiv 2407.13690: as many answers for
every problem, or more for harder ones, teach better than answers as they come). This thins what there is too much of and loses no
problem that was ever solved; a cap on the rows of a band or level would lose easy problems wherever hard ones are rarely solved.
Fields and levels are evened by SFT, which draws from them in turn.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable

from ..config.schema import DataSection
from ..core.rng import seed_from
from ..ledger.bands import band
from ..types import Verdict
from .row import SyntheticRow


def eligible(rows: Iterable[SyntheticRow], section: DataSection) -> tuple[list[SyntheticRow], Counter[str]]:
    """The rows that a section's filters let pass, and how many were dropped for which reason, each for the first that holds.

    keep = "all" lets pass what is wrong too, but not what was cut or comes to nothing. It is a control: pass rates still count what
    is right, so that the two differ in nothing but the wrong answers.
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
    if section.max_tokens is not None and row.length > section.max_tokens:
        return "longer than max_tokens"
    if not section.min_pass_rate <= row.pass_rate <= section.max_pass_rate:
        return "pass rate out of range"
    return None


def choose(rows: Iterable[SyntheticRow], section: DataSection, seed: int) -> tuple[list[SyntheticRow], Counter[str]]:
    """Different answers, so many a problem at most, ordered by field, level, problem and text; and how many were dropped why.

    Answers that differ in blanks alone are one, and its shortest writing stays. Which of a problem's answers stay is drawn by a key
    of seed, problem and text, as likely for each: the shortest would teach the next base to think less than this policy does.
    """
    answers: dict[str, dict[str, SyntheticRow]] = defaultdict(dict)
    dropped = Counter[str]()
    for row in rows:
        same, words = answers[row.problem_id], " ".join(row.sampled.split())
        if words in same:
            dropped["said the same"] += 1
        if words not in same or _size(row) < _size(same[words]):
            same[words] = row
    chosen = []
    for different in answers.values():
        drawn = sorted(different.values(), key=lambda row: seed_from(seed, "choose", row.problem_id, row.sampled))
        easy = band(drawn[0].pass_rate) == "easy"
        most = min(section.per_problem, section.per_easy_problem) if easy else section.per_problem
        chosen += drawn[:most]
        if len(drawn) > most:
            dropped["enough of an easy problem" if easy else "enough of the problem"] += len(drawn) - most
    return sorted(chosen, key=lambda row: (row.field, row.level, row.problem_id, row.sampled)), dropped


def _size(row: SyntheticRow) -> tuple[int, str, int, str]:
    """What orders the writings of an answer, down to a last difference, so that the order of the rows does not matter."""
    return len(row.sampled), row.sampled, row.length, str(row.verdict)
