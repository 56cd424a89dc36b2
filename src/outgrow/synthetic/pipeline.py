"""From a policy to data that another base learns from: draw, select, check, write."""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from ..config.schema import DataSection
from ..core.callbacks import Warn, quiet
from ..core.errors import OutgrowError, UsageError
from ..engines import ChatModel
from ..evaluate import require_room
from ..evaluate.answer_cache import AnswerCache
from ..policy import Sampling
from ..types import Problem
from ..verify import Verifier
from .contamination import held_out, without_held_out
from .dataset_card import HowMade, card
from .export import export, require_new
from .quality import precision, sound
from .row import SyntheticRow, rated
from .sample import draw
from .select import choose, eligible
from .summary import SyntheticSummary, bands, cells


def make_data(
    respondent: ChatModel | None,
    verifier: Verifier,
    problems: Sequence[Problem],
    section: DataSection,
    *,
    written: Callable[[Sequence[Problem]], Sequence[SyntheticRow]] = lambda problems: (),
    seed: int,
    generation: int,
    out: Path,
    sampling: Sampling,
    suites: Sequence[str] = (),
    gold: Sequence[Problem] = (),
    warn: Warn = quiet,
    check_stop: Callable[[], None] = lambda: None,
    on_progress: Callable[[int], None] = lambda done: None,
) -> SyntheticSummary:
    """Make the folder `out` of answers to these problems, and say what is in it.

    respondent: who answers; None where the section draws nothing. written: the rows that are there already, of the problems wanted.
    sampling: the recipe's; its temperature gives way to the section's. suites: names of those whose questions may not be in it.
    gold: problems (by their ids) whose known answers the labels are checked against. on_progress: how many problems are done.
    Answers are kept beside `out` until it is whole: the same call after a stop goes on where it was.
    Raises UsageError where `out` exists, no suite has a given name, or there is nothing to ask; OutgrowError where no answer is
    worth keeping.
    """
    require_new(out)
    problems = wanted(problems, section)
    sampling = sampling.model_copy(update={"temperature": section.temperature})
    before = written(problems)
    known = held_out(suites, warn)
    beside = out.with_name(f".{out.name}.answers.sqlite")
    fresh: list[SyntheticRow] = []
    if respondent is not None:
        require_room("made data", respondent, problems, sampling.max_tokens, "sampling.max_tokens in the recipe it is asked by")
        with AnswerCache(beside, warn=warn, on_progress=on_progress) as cache:
            fresh = draw(cache.wrap(respondent), verifier, problems, section.k, sampling, seed, generation, check_stop)
    drawn = rated([*fresh, *before])
    if not drawn:
        raise UsageError("no answers to select from: set k > 0, or choose problems that this run practised")
    passed, dropped = eligible(drawn, section)
    clean, contaminated, checked = without_held_out(passed, known)
    rows, spare = choose(clean, section, seed)
    right = sum(row.right for row in drawn)
    reasons = dict((dropped + Counter(contaminated=contaminated) + spare).most_common())
    if not rows:
        why = ", ".join(f"{reason}: {count:,}" for reason, count in reasons.items())
        raise OutgrowError(
            f"of {len(drawn):,} answers {right:,} were right, and none was kept ({why}); change the filters, draw more answers a "
            "problem (k), or train the policy longer"
        )
    label, steps = precision(rows, gold, verifier, check_stop), sound(rows)

    def summarise(sha256: str) -> SyntheticSummary:
        return SyntheticSummary(
            problems=len(problems),
            drawn=len(drawn),
            right=right,
            kept=len(rows),
            by_cell=cells(drawn, rows),
            by_band=bands(drawn, rows),
            dropped=reasons,
            precision=label,
            sound=steps,
            contaminated=contaminated,
            checked=checked,
            not_checked=known.not_checked,
            path=out,
            sha256=sha256,
            written=len(before),
        )

    how = HowMade(section, sampling, seed, generation)
    made = export(rows, out, summarise, lambda summary: card(rows, how, summary))
    beside.unlink(missing_ok=True)
    return made


def wanted(problems: Sequence[Problem], section: DataSection) -> list[Problem]:
    """The problems of the section's fields and levels. Raises UsageError where none is, or where these are answers already."""
    if any(problem.whole for problem in problems):
        raise UsageError("these are answers that were made before; draw from the problems that they answer")
    chosen = [
        problem
        for problem in problems
        if (section.fields is None or problem.field in section.fields)
        and (section.levels is None or problem.level in section.levels)
    ]
    if not chosen:
        there = ", ".join(sorted({f"{problem.field} {problem.level}" for problem in problems})[:20])
        raise UsageError(f"no problem matches the chosen fields and levels (available: {there or 'none'})")
    return chosen
