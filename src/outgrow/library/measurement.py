"""Measuring as a function: pass@1 of a model, with its interval."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Integral
from pathlib import Path
from typing import Any

from ..config import with_plugins
from ..config.sections import EvaluateSection
from ..core.errors import UsageError
from ..core.estimate import Estimate
from ..core.plugins import TO_ANSWER, plugins_imported
from ..engines import Tally
from ..evaluate import Evaluation, require_room
from ..evaluate import evaluate as measure
from ..evaluate.sample import Sample
from ..evaluate.statistics import mean_estimate
from ..problems.limit import limited
from ..problems.suites import samples_for, suite
from ..runs.folder import RunFolder
from ..runs.practice_problems import suite_problems
from ..runs.session import open_chat_model, sampling_for, verifier_for
from ..train.watcher import Watcher
from ..types import Problem
from .recipe import AnyRecipe, load
from .run import LoggingWatcher, Run


@dataclass(frozen=True)
class Measurement:
    """How good a model is on some problems."""

    pass_at_1: Estimate
    """Mean share of right samples over the problems, with its 95% interval."""
    greedy: Estimate
    """Share of the problems whose greedy answer is right."""
    summary: Mapping[str, Any] = field(repr=False)
    """All figures: pass@k, truncated, no_answer, length, and pass@1 by field and level."""
    samples: Sequence[Sample] = field(repr=False)
    """Every graded answer: its text, verdict and extracted answer; index −1 is the greedy one."""


@plugins_imported(TO_ANSWER)
def evaluate(
    model: str | Path | Run,
    problems: str | Path | Sequence[Problem],
    *,
    recipe: AnyRecipe | None = None,
    samples: int | None = None,
    temperature: float | None = None,
    max_tokens: int | None = None,
    limit: int | None = None,
    seed: int = 0,
    watcher: Watcher | None = None,
) -> Measurement:
    """Measure a model on problems: samples of each, and a greedy answer.

    model: a run, its folder, a shipped or pulled name, a model's folder, a .gguf file, a hub id, or the address of a server.
    problems: the name of a suite, a table as evaluate.suite takes it ("held-out.jsonl"), or a list.
    recipe: how the model is prompted, sampled and graded. A run has its own.
    temperature: of the samples, above 0. Default: the recipe's, else 1.
    samples: of each problem. Default: the recipe's number, else 4 to 32, more for fewer problems.
    limit: take only a random sample of this size.
    watcher: is told how far it is. Default: shows nothing, and warnings go to the logger "outgrow".
    No answer is stored. Raises UsageError where the model, the problems or a setting cannot be used, OutgrowError where it fails.

    >>> problems = [Problem(f"sum:{a}+3", "sum", 1, f"{a}+3=?", str(a + 3)) for a in range(4)]
    >>> measured = evaluate("micro-base", problems, samples=2)
    >>> measured.pass_at_1.n, len(measured.samples), 0 <= measured.pass_at_1.value <= 1
    (4, 12, True)
    """
    _require_counts(samples=samples, max_tokens=max_tokens, limit=limit)
    if temperature == 0:
        raise UsageError("temperature=0: samples are drawn above 0; the greedy answers are measured too, see Measurement.greedy")
    told = watcher or LoggingWatcher()
    name = str(model.path if isinstance(model, Run) else model)
    is_run = RunFolder(Path(name)).is_run()
    if is_run and recipe is not None:
        raise UsageError(f"{name} is a run and uses its own recipe; give no other one")
    source = load(name) if is_run else None if recipe is None else load(recipe)
    source = with_plugins(source) if source else None
    section = source.evaluate if source else EvaluateSection()
    named = isinstance(problems, str | Path)
    if not isinstance(problems, str | Path):
        whole = list(problems)
        _require_problems(whole)
    elif source:
        whole = suite_problems(source, str(problems), told.warn)
    else:
        whole = suite(str(problems)).load(told.warn)
    if not whole:
        raise UsageError("no problems to measure on; give at least one")
    chosen, sampled = limited(whole, limit, seed)
    k = samples or (section.samples if source else samples_for(len(whole)))
    respondent = open_chat_model(name, source, told.warn)
    sampling = sampling_for(source, respondent, temperature or section.temperature, max_tokens)
    label = str(problems) if named else "these problems"
    require_room(label, respondent, chosen, sampling.max_tokens, "max_tokens")
    tally = Tally(told.answering(f"measuring on {label}", (k + 1) * len(chosen)))
    with verifier_for(source) as verifier:
        evaluation = measure(tally.wrap(respondent), verifier, chosen, k, sampling, seed, tally.watching(_never), sampled)
    return _measurement(evaluation)


def _require_counts(**counts: int | None) -> None:
    """Raise UsageError for a count that is given and is no whole number from 1 on."""
    for name, count in counts.items():
        if count is not None and (not isinstance(count, Integral) or count < 1):
            raise UsageError(f"{name}={count!r}: give a whole number of 1 or more")


def _require_problems(problems: Sequence[Problem]) -> None:
    """Raise UsageError where one is no problem, or where two have the same id: their answers could not be told apart."""
    for problem in problems:
        if not isinstance(problem, Problem):
            raise UsageError(f"problems takes the name of a suite, a table, or outgrow.Problem objects, not {problem!r:.60}")
    twice = [name for name, times in Counter(problem.id for problem in problems).items() if times > 1]
    if twice:
        raise UsageError(f"several problems have the id {twice[0]!r}; give each problem an id of its own")


def _measurement(evaluation: Evaluation) -> Measurement:
    measures = evaluation.measures()
    pass_at_1, greedy = (mean_estimate(list(measures[name].values())) for name in ("pass@1", "greedy"))
    assert pass_at_1 is not None and greedy is not None  # there is a problem
    return Measurement(pass_at_1, greedy, evaluation.summary(), evaluation.samples)


def _never() -> None:
    """Do nothing: Ctrl-C ends a measurement by itself."""
