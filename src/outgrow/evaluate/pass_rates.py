"""A profile: the pass rate of every problem before anything is trained, in a ledger and a table of its own.

A profile's folder holds profile.json (what was asked, and how), ledger.sqlite (a visit a problem in each pass) and, when a pass is
whole, pass_rates.parquet. It is filled a chunk of problems at a time, so a profile that was stopped continues where it was.
"""

import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import ValidationError
from pydantic.dataclasses import dataclass as checked

from ..core.errors import OutgrowError, UsageError
from ..core.files import is_empty, make_writable, read_json, write_atomic, write_json
from ..core.rng import seed_from
from ..engines import ChatModel, Tally
from ..ledger import Ledger
from ..ledger.bands import band
from ..policy import Sampling
from ..problems.limit import Limit
from ..types import Problem, Verdict, Visit
from ..verify import Verifier
from .sample import Sample, require_an_answer, sample_problems
from .statistics import wilson_ci95

_CHUNK = 128  # problems between two looks at the ledger: what a kill may cost


@checked(frozen=True)
class ProfileSpec:
    """What a profile was made of."""

    model: str
    """The model's name; of a model on a server, with the host."""
    digest: str
    """Digest of the model's weights; of a server, of its address and of what it shows of its weights."""
    data: str
    """The recipe or the file that the problems come from."""
    problems: int
    """Number of problems."""
    samples: int
    """Samples of each problem in a pass."""
    temperature: float
    max_tokens: int
    seed: int
    how: str
    """The prompt, and how answers are graded, as text."""
    passes: int = 1
    limit: Limit | None = None
    """How the problems were sampled from the data; None where they are all of them."""


@dataclass(frozen=True)
class PassRate:
    """One problem's row of the table."""

    id: str
    field: str
    level: int
    n: int
    """Samples over all passes."""
    right: int
    """Right samples."""
    pass_rate: float
    low: float
    """Lower end of Wilson's 95% interval of the pass rate."""
    high: float
    band: str
    """easy, medium or hard."""
    mean_length: float
    """Mean completion length in tokens; 0 where a server does not say it."""
    truncated: float
    """Share of samples that the token limit cut."""


def open_profile(folder: Path, spec: ProfileSpec, update: bool) -> ProfileSpec:
    """Make the folder, or open the profile of the same model and data in it; return what is to be done.

    update: begin another pass where the last is whole. Raises UsageError where the folder holds something else, OutgrowError where
    it cannot be made or written.
    """
    make_writable(folder)
    file = folder / "profile.json"
    if not file.exists():
        if not is_empty(folder):
            raise UsageError(f"{folder} is not a profile; choose another --out")
        write_json(file, asdict(spec))
        return spec
    old = _read(file)
    if update and (folder / "pass_rates.parquet").exists():
        new = replace(spec, passes=old.passes + 1)
        _require_same(folder, old, new, ("samples", "passes"))
        write_json(file, asdict(new))
        (folder / "pass_rates.parquet").unlink()
        return new
    _require_same(folder, old, spec, ("passes",))
    return old


def _read(file: Path) -> ProfileSpec:
    try:
        return ProfileSpec(**read_json(file))
    except (OSError, ValueError, TypeError, ValidationError) as error:
        raise OutgrowError(f"{file}: cannot read this profile ({error})") from error


def _require_same(folder: Path, old: ProfileSpec, new: ProfileSpec, free: Sequence[str]) -> None:
    if _sample(old) != _sample(new) and (old.limit or new.limit):
        raise UsageError(f"{folder} was made with {_sample(old)}, not with {_sample(new)}; choose another --out")
    for field in fields(ProfileSpec):
        before, value = getattr(old, field.name), getattr(new, field.name)
        if field.name not in free and before != value:
            raise UsageError(f"{folder} was made with {field.name} {before}, not {value}; choose another --out")


def _sample(spec: ProfileSpec) -> str:
    return f"--limit {spec.limit.n}" if spec.limit else f"all {spec.problems:,} problems"


def fill(
    folder: Path,
    spec: ProfileSpec,
    respondent: ChatModel,
    verifier: Verifier,
    sampling: Sampling,
    problems: Sequence[Problem],
    check_stop: Callable[[], None],
    tally: Tally,
) -> list[PassRate]:
    """Draw what the profile's last pass still lacks, then write the table. tally: counts the answers of this pass.

    Raises OutgrowError where a server refuses every prompt of the first chunk.
    """
    respondent = tally.wrap(respondent)
    with Ledger(folder / "ledger.sqlite") as ledger:
        ledger.enter(problems)
        done = {visit.problem_id for visit in ledger.visits() if visit.step == spec.passes}
        left = [problem for problem in problems if problem.id not in done]
        tally.add_stored(spec.samples * (len(problems) - len(left)))
        for start in range(0, len(left), _CHUNK):
            chunk = left[start : start + _CHUNK]
            seed = seed_from(spec.seed, "profile", spec.passes)
            samples = sample_problems(respondent, verifier, chunk, spec.samples, sampling, seed, check_stop)
            if not done and start == 0:  # later, some prompts have been answered
                require_an_answer(samples)
            ledger.record(_visits(spec.passes, samples))
        table = _table(problems, ledger.visits())
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist([asdict(row) for row in table]), buffer, compression="zstd")
    write_atomic(folder / "pass_rates.parquet", buffer.getvalue())
    return table


def has_answers(folder: Path) -> bool:
    """Return whether a profile holds the answers to a problem."""
    if not (folder / "ledger.sqlite").exists():
        return False
    with Ledger(folder / "ledger.sqlite") as ledger:
        return bool(ledger.visits())


def _visits(step: int, samples: Iterable[Sample]) -> list[Visit]:
    by_problem: dict[str, list[Sample]] = {}
    for sample in samples:
        by_problem.setdefault(sample.problem_id, []).append(sample)
    return [
        Visit(
            step=step,
            problem_id=problem_id,
            n=len(group),
            right=sum(sample.right for sample in group),
            mean_length=_mean([sample.length for sample in group if sample.length is not None]),
            shortest_right=min((sample.length for sample in group if sample.right and sample.length is not None), default=None),
            truncated=sum(sample.verdict is Verdict.TRUNCATED for sample in group),
        )
        for problem_id, group in by_problem.items()
    ]


def _mean(lengths: Sequence[int]) -> float:
    return sum(lengths) / len(lengths) if lengths else 0.0


def summed(visits: Iterable[Visit]) -> list[Visit]:
    """Return all visits of each problem as one, at step 0."""
    whole: dict[str, Visit] = {}
    for visit in visits:
        old = whole.get(visit.problem_id)
        whole[visit.problem_id] = _joined(old, visit) if old else replace(visit, step=0)
    return list(whole.values())


def _joined(first: Visit, second: Visit) -> Visit:
    n = first.n + second.n
    shortest = [length for length in (first.shortest_right, second.shortest_right) if length is not None]
    return Visit(
        step=0,
        problem_id=first.problem_id,
        n=n,
        right=first.right + second.right,
        mean_length=(first.n * first.mean_length + second.n * second.mean_length) / n,
        shortest_right=min(shortest, default=None),
        truncated=first.truncated + second.truncated,
    )


def _table(problems: Sequence[Problem], visits: Iterable[Visit]) -> list[PassRate]:
    known = {visit.problem_id: visit for visit in summed(visits)}
    return [_line(problem, known[problem.id]) for problem in problems]


def _line(problem: Problem, visit: Visit) -> PassRate:
    low, high = wilson_ci95(visit.right, visit.n)
    return PassRate(
        id=problem.id,
        field=problem.field,
        level=problem.level,
        n=visit.n,
        right=visit.right,
        pass_rate=visit.pass_rate,
        low=low,
        high=high,
        band=band(visit.pass_rate),
        mean_length=visit.mean_length,
        truncated=visit.truncated / visit.n,
    )


def read_profile(folder: Path) -> tuple[ProfileSpec, list[Visit]]:
    """Return how a profile was made, and one visit of step 0 for each problem.

    Raises UsageError where there is no profile, or it is not complete.
    """
    if not (folder / "pass_rates.parquet").exists():
        raise UsageError(f"{folder} is not a complete profile; make it with: outgrow passrate MODEL DATA --out {folder}")
    with Ledger(folder / "ledger.sqlite") as ledger:
        return _read(folder / "profile.json"), summed(ledger.visits())
