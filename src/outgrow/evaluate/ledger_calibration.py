"""Fresh samples of a run's policy compared with what its ledger expects of the same problems."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from ..config import RLRecipe
from ..core.callbacks import Warn
from ..core.choose import round_robin
from ..core.errors import UsageError
from ..core.figure_lines import last_figures
from ..core.rng import numpy_rng
from ..core.shell import command_line
from ..ledger import Ledger, PassRatePosterior
from ..runs.checkpoint import newest_whole_checkpoint
from ..runs.folder import RunFolder, read_recipe
from ..runs.models import run_policy
from ..runs.practice_problems import practice_problems
from ..runs.session import open_session
from .calibration import Calibration, brier, spearman, staleness_of
from .sample import sample_problems
from .worse import early_end


def calibrate(
    run: Path, problems: int, samples: int, seed: int, warn: Warn, check_stop: Callable[[], None] = lambda: None
) -> list[Calibration]:
    """Return a row for each staleness that occurs, of up to `problems` problems with `samples` fresh samples each, and one of all.

    Raises UsageError where the run keeps no ledger, OutgrowError where it has no whole checkpoint.
    """
    files = RunFolder(run)
    recipe, _ = read_recipe(run)
    checkpoint, _ = newest_whole_checkpoint(run)
    if not isinstance(recipe, RLRecipe) or checkpoint is None:
        raise UsageError(f"{run}: no reinforcement learning here yet, so nothing to calibrate")
    if ended := early_end(run):
        raise UsageError(
            f"{run}: it ended with the policy of step {ended.policy_step}, and its ledger goes on to step {ended.step}; "
            f"continue it first: {ended.command(str(run))}"
        )
    newest = last_figures(files.metrics)
    if newest and newest["step"] > checkpoint.step:
        raise UsageError(f"{run}: its ledger is ahead of its newest checkpoint; finish it first: {command_line('resume', run)}")
    policy = run_policy(run)
    known_problems = practice_problems(recipe, warn)
    with Ledger(files.ledger, PassRatePosterior(recipe.ledger.half_life, recipe.ledger.prior_weight)) as ledger:
        known = ledger.known(known_problems)
        step = checkpoint.step + 1
        stale = [staleness_of(step - int(last) if n else None) for n, last in zip(known.n_N, known.step_N, strict=True)]
        rng = numpy_rng(seed, "calibrate")
        chosen: list[int] = []
        for name in dict.fromkeys(sorted(stale)):
            places = np.array([place for place, staleness in enumerate(stale) if staleness == name])
            chosen += places[round_robin(known.cell_N[places].tolist(), rng)[:problems]].tolist()
        estimates, level = known.mean(step)[chosen], known.prior(step)[known.cell_N[chosen]]
        met, last = known.n_N[chosen] > 0, known.right_N[chosen] / np.maximum(known.n_N[chosen], 1)
    with open_session(recipe, policy, warn) as session:
        problems_chosen = [known_problems[place] for place in chosen]
        drawn = sample_problems(session.model, session.verifier, problems_chosen, samples, session.sampling, seed, check_stop)
    right = np.array([sample.right for sample in drawn], dtype=np.float64).reshape(len(chosen), samples)
    rates = right.mean(axis=1)

    names = np.array([stale[place] for place in chosen])
    rows = []
    for name in (*dict.fromkeys(names.tolist()), "all"):
        of = np.flatnonzero((names == name) | (name == "all"))
        rows.append(
            Calibration(
                staleness=name,
                n=len(of),
                brier=brier(estimates[of], rates[of]),
                brier_last=brier(last[of], rates[of]) if met[of].all() else None,
                brier_level=brier(level[of], rates[of]),
                rank_correlation=spearman(estimates[of], rates[of]),
            )
        )
    return rows
