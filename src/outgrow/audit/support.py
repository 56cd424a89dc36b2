"""Whether the policy earns enough of the reward to learn from it: figures of sampled answers, and a verdict."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from ..core.estimate import Estimate
from ..evaluate.sample import Sample
from ..evaluate.statistics import mean_estimate, share_estimate
from ..types import Verdict
from .thresholds import ALL_RIGHT, CUT, GUESS, MIXED, UNREAD
from .verdict import AuditVerdict


@dataclass(frozen=True)
class Support:
    """Figures of k answers to each of n problems. Intervals are over problems."""

    k: int
    """Answers to each problem."""
    pass_1: Estimate
    """Share of right answers."""
    pass_k: Estimate
    """Share of problems with at least one right answer."""
    mixed: Estimate
    """Share of problems with at least one right and one wrong answer."""
    all_right: Estimate
    """Share of problems with right answers only."""
    cut: Estimate
    """Share of answers that the token limit cut."""
    unread: Estimate | None
    """Share of finished answers without an answer that the extractors find; None where none is finished."""
    tokens: float
    """Mean length of an answer, in tokens."""
    guess: str
    """The most frequent known answer."""
    guessed: float
    """Share of the problems whose known answer it is: what always giving it gets right."""

    @property
    def n(self) -> int:
        """Number of problems."""
        return self.pass_k.n


def support(samples: Sequence[Sample]) -> Support:
    """Return the figures of k samples of each problem. Raises ValueError without samples."""
    groups: dict[str, list[Sample]] = {}
    for sample in samples:
        groups.setdefault(sample.problem_id, []).append(sample)
    if not groups:
        raise ValueError("no samples")
    drawn = list(groups.values())
    [(guess, count)] = Counter(group[0].answer for group in drawn).most_common(1)
    right = [[sample.right for sample in group] for group in drawn]
    finished = [[sample for sample in group if sample.verdict is not Verdict.TRUNCATED] for group in drawn]
    unread = [_share([sample.verdict is Verdict.NO_ANSWER for sample in group]) for group in finished if group]
    return Support(
        k=max(map(len, drawn)),
        pass_1=_mean([_share(row) for row in right]),
        pass_k=_of_problems([any(row) for row in right]),
        mixed=_of_problems([any(row) and not all(row) for row in right]),
        all_right=_of_problems([all(row) for row in right]),
        cut=_mean([_share([sample.verdict is Verdict.TRUNCATED for sample in group]) for group in drawn]),
        unread=_mean(unread) if unread else None,
        tokens=sum(sample.length or 0 for sample in samples) / len(samples),
        guess=guess,
        guessed=count / len(groups),
    )


def judge_support(figures: Support) -> tuple[AuditVerdict, list[str]]:
    """Return the verdict, and the reasons for it, a line each."""
    n, k = figures.n, figures.k
    cut, unread, mixed = figures.cut, figures.unread, figures.mixed
    shares = f"{percent(mixed)} of groups of {k} have both right and wrong answers; pass@{k} {percent(figures.pass_k)}"
    shares += f", pass@1 {percent(figures.pass_1)}, n = {n} problems"
    if cut.value >= CUT:
        reason = f"{percent(cut)} of answers are cut by the token limit; from {CUT:.0%} on, cutting decides what is learned"
        return AuditVerdict.CUT, [*near_limit(reason, cut, CUT), "raise sampling.max_tokens", shares]
    if unread is not None and unread.value >= UNREAD:
        reason = f"{percent(unread)} of finished answers have no answer that the extractors find; the limit is {UNREAD:.0%}"
        return AuditVerdict.FORMAT, [*near_limit(reason, unread, UNREAD), shares]
    if figures.all_right.value >= ALL_RIGHT:
        reason = f"{percent(figures.all_right)} of groups of {k} have right answers only; the limit is {ALL_RIGHT:.0%}"
        return AuditVerdict.TOO_EASY, [*near_limit(reason, figures.all_right, ALL_RIGHT), shares, "use harder problems"]
    if mixed.value < MIXED:
        reason = f"only {shares}; below {MIXED:.0%} mixed groups there is too little to learn from"
        return AuditVerdict.NO_SUPPORT, [
            *near_limit(reason, mixed, MIXED),
            "use easier problems, a better base or a warm-up by SFT",
        ]
    return AuditVerdict.GO, [*near_limit(shares, mixed, MIXED), *_below_guessing(figures)]


def _below_guessing(figures: Support) -> list[str]:
    """Return a line where the model is worse than one answer to all problems: it does not answer as it is asked."""
    if figures.guessed < GUESS or figures.pass_1.high >= figures.guessed:
        return []
    return [
        f"always answering {figures.guess!r} is right for {figures.guessed:.0%} of these problems, more than this model is: read "
        "some of its answers (outgrow generate) and change the prompt first, or training teaches the form of an answer and no more"
    ]


def near_limit(reason: str, figure: Estimate, limit: float) -> list[str]:
    """Return the reason, and where the interval holds the limit, a line that says so."""
    near = f"the interval includes the limit of {limit:.0%}; more --problems make the verdict surer"
    return [reason, near] if figure.low <= limit <= figure.high else [reason]


def percent(figure: Estimate) -> str:
    """Return a share and its interval as the lines of a verdict give them."""
    return figure.text(".1f", 100, "%")


def _mean(shares: Sequence[float]) -> Estimate:
    estimate = mean_estimate(shares)
    assert estimate is not None
    return estimate


def _of_problems(held: Sequence[bool]) -> Estimate:
    estimate = share_estimate(held)
    assert estimate is not None
    return estimate


def _share(held: Sequence[bool]) -> float:
    return sum(held) / len(held)
