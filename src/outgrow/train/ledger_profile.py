"""A ledger that begins with the pass rates of a profile."""

from collections.abc import Collection
from pathlib import Path

from ..core.addresses import shown_model
from ..core.callbacks import Warn
from ..core.errors import UsageError
from ..evaluate.pass_rates import read_profile
from ..ledger import Ledger
from ..policy import Policy


def start_from_profile(
    profile: Path, ledger: Ledger, problem_ids: Collection[str], base: Policy, temperature: float, warn: Warn
) -> None:
    """Record the visits of a profile in a ledger that has none from a profile yet.

    problem_ids: the run's; other visits stay out. base, temperature: the model that the run starts from, and how it samples; a
    profile of another is only warned about. Raises UsageError where the profile holds none of these problems.
    """
    if ledger.has_profile():
        return
    spec, visits = read_profile(profile)
    visits = [visit for visit in visits if visit.problem_id in problem_ids]
    if not visits:
        raise UsageError(f"ledger.profile: {profile} is of other problems; make one with: outgrow passrate MODEL RECIPE")
    if spec.digest != base.digest():
        warn(f"ledger.profile: {profile} was made with another model ({shown_model(spec.model)}); its pass rates may be off")
    if spec.temperature != temperature:
        warn(f"ledger.profile: {profile} was sampled at temperature {spec.temperature:g}, this run samples at {temperature:g}")
    ledger.record(visits)
