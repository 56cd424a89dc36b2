"""From a policy to data that another base learns from: draw, select, check, write."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from ..config.sections import DataSection
from ..core.callbacks import CheckStop, OnWritten, Warn, never_stop, quiet, untold
from ..core.errors import OutgrowError, UsageError
from ..core.new_path import require_new
from ..engines import ChatModel, Tally
from ..evaluate import require_room
from ..evaluate.answer_cache import AnswerCache
from ..types import Problem
from ..verify import Verifier
from .contamination import held_out, without_held_out
from .dataset_card import card
from .export import export
from .quality import precision, sound
from .request import DataRequest
from .row import SyntheticRow, rated
from .sample import draw
from .select import choose, eligible
from .summary import SyntheticSummary, bands, cells


def make_data(
    model: ChatModel | None,
    verifier: Verifier,
    request: DataRequest,
    out: Path,
    *,
    warn: Warn = quiet,
    check_stop: CheckStop = never_stop,
    on_written: OnWritten = untold,
) -> SyntheticSummary:
    """Make the folder `out` of answers to the request's problems, and return what is in it.

    model: writes the answers; None where the section draws none. on_written: takes how many answers are there. Drawn answers are
    kept in a hidden file next to `out` until the folder is whole, so the same call after a stop continues.
    Raises UsageError where `out` exists, a suite is unknown, or there is nothing to select from; OutgrowError where no answer
    passes the filters.
    """
    require_new(out)
    section, seed = request.section, request.seed
    problems = matching_problems(request.problems, section)
    ids = {problem.id for problem in problems}
    existing = [row for row in request.existing_rows if row.problem_id in ids]
    suites = held_out(request.suites, warn)
    cache_file = out.with_name(f".{out.name}.answers.sqlite")
    fresh: list[SyntheticRow] = []
    if model is not None:
        require_room("synthetic data", model, problems, request.sampling.max_tokens, "sampling.max_tokens in the model's recipe")
        with AnswerCache(cache_file, warn=warn) as cache:
            tally = Tally(on_written)
            counted, watch = tally.wrap(cache.wrap(model)), tally.watching(check_stop)
            fresh = draw(counted, verifier, problems, section.k, request.sampling, seed, request.generation, watch)
    drawn = rated([*fresh, *existing])
    if not drawn:
        raise UsageError("No answers to select from: set k > 0, or choose problems that this run practised.")
    passed, dropped = eligible(drawn, section)
    clean, contaminated, checked = without_held_out(passed, suites)
    rows, spare = choose(clean, section, seed)
    reasons = dict((dropped + Counter(contaminated=contaminated) + spare).most_common())
    if not rows:
        raise _nothing_kept(drawn, reasons)
    label_precision, sound_steps = precision(rows, problems, verifier, check_stop), sound(rows)

    def summarise(sha256: str) -> SyntheticSummary:
        return SyntheticSummary(
            problems=len(problems),
            drawn=len(drawn),
            right=sum(row.right for row in drawn),
            kept=len(rows),
            by_cell=cells(drawn, rows),
            by_band=bands(drawn, rows),
            dropped=reasons,
            precision=label_precision,
            sound=sound_steps,
            contaminated=contaminated,
            checked=checked,
            not_checked=suites.not_checked,
            path=out,
            sha256=sha256,
            written=len(existing),
            limit=request.limit,
        )

    summary = export(rows, out, summarise, lambda summary: card(rows, request, summary))
    cache_file.unlink(missing_ok=True)
    return summary


def matching_problems(problems: Sequence[Problem], section: DataSection) -> list[Problem]:
    """Return the problems of the section's fields and levels. Raises UsageError where none is, or where these are answers."""
    if any(problem.whole for problem in problems):
        raise UsageError("These are synthetic answers, not problems; draw from the problems that they answer.")
    matching = [
        problem
        for problem in problems
        if (section.fields is None or problem.field in section.fields)
        and (section.levels is None or problem.level in section.levels)
    ]
    if not matching:
        available = ", ".join(sorted({f"{problem.field} {problem.level}" for problem in problems})[:20])
        raise UsageError(f"No problem matches the chosen fields and levels (available: {available or 'none'}).")
    return matching


def _nothing_kept(drawn: Sequence[SyntheticRow], reasons: dict[str, int]) -> OutgrowError:
    dropped = ", ".join(f"{reason}: {count:,}" for reason, count in reasons.items())
    return OutgrowError(
        f"Of {len(drawn):,} answers {sum(row.right for row in drawn):,} were right, and none passed the filters ({dropped}). "
        "Change the filters, draw more answers per problem (k), or train the policy longer."
    )
