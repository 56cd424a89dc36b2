"""What changes between a run's start and its end: settings and data. It is told, and recorded in the run's recipe.toml."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..config import Recipe, RLRecipe
from ..core.callbacks import Warn
from ..core.changes import arrow, differences, flat, sentence
from ..core.counted import counted
from ..core.errors import UsageError
from ..core.shell import command_line
from ..evaluate.worse import Worse, early_end
from ..runs.changed import CHANGED
from ..runs.checkpoint import newest_whole_checkpoint, point_latest
from ..runs.data_record import VERDICTS, changes, digests_of, read_digests, write_digests
from ..runs.folder import RunFolder, versions, write_recipe
from ..runs.practice_problems import suite_problems
from ..types import Problem
from .job import Job


@dataclass
class Changes:
    """What a resumed run is continued with."""

    recipe: Recipe
    made_with: dict[str, Any]
    """As stored when the run began."""
    settings: Mapping[str, tuple[Any, Any]]
    """Key -> old and new value of each changed setting of the recipe; None where one of the two recipes lacks it."""
    accept_loss: bool = False
    """Whether the run goes on where files that belong to its checkpoint are lost."""

    def record_settings(self, run: Path, step: int, warn: Warn) -> None:
        """Write the changed settings and versions into recipe.toml, with the step after which they hold.

        An earlier change after a later step holds from this step on: the steps between are done again.
        """
        entries = self.made_with.get(CHANGED, [])
        if any(entry["after_step"] > step for entry in entries):
            self.made_with[CHANGED] = [{**entry, "after_step": min(step, entry["after_step"])} for entry in entries]
            write_recipe(run, self.recipe, self.made_with)
        settings = {key: _ends(*pair) for key, pair in self.settings.items()}
        newer = self._newer_versions()
        what = {name: values for name, values in (("settings", settings), ("versions", newer)) if values}
        if what:
            self._record(run, step, what)
        curve = [key for key in self.settings if key in _OF_THE_CURVE or key.partition(".")[0] in ("prompt", "verify")]
        every = self.recipe.evaluate.every if isinstance(self.recipe, RLRecipe) else 0
        if step and every and curve:
            changed = sentence({key: arrow(*self.settings[key]) for key in curve})
            warn(
                f"validation up to step {step} was measured with the old settings ({changed}); "
                "its curve is not comparable across that step"
            )

    def train_otherwise(self) -> bool:
        """Return whether a changed setting changes how the run trains from where it stands."""
        return any(_trains(key) for key in self.settings)

    def record_data(self, run: Path, step: int, lines: Sequence[str]) -> None:
        """Write into recipe.toml what of the data has changed."""
        self._record(run, step, {"data": list(lines)})

    def _record(self, run: Path, step: int, what: Mapping[str, Any]) -> None:
        self.made_with[CHANGED] = [*self.made_with.get(CHANGED, []), {"after_step": step, **what}]
        write_recipe(run, self.recipe, self.made_with)

    def _newer_versions(self) -> dict[str, dict[str, Any]]:
        """Return the versions that differ from those of the session before."""
        known = {name: self.made_with.get(name) for name in versions()}
        for entry in self.made_with.get(CHANGED, []):
            known |= {name: pair.get("new") for name, pair in entry.get("versions", {}).items()}
        return {name: _ends(known[name], now) for name, now in versions().items() if known[name] != now}


def _ends(old: Any, new: Any) -> dict[str, Any]:
    """Return the two ends of a change as a table; TOML has no null, so what one of the two lacks is missing here too."""
    return {end: value for end, value in (("old", old), ("new", new)) if value is not None}


_OF_THE_CURVE = (
    "evaluate.temperature", "evaluate.validation", "evaluate.validation_samples", "sampling.max_tokens", "sampling.top_k",
    "sampling.top_p",
)  # fmt: skip


def _trains(key: str) -> bool:
    """Return whether a changed setting changes the steps to come; more of the same steps do not."""
    table = key.partition(".")[0]
    return key == "run.on_worse" or (table not in _NOT_OF_TRAINING and key != "learn.steps")


_NOT_OF_TRAINING = ("name", "description", "expected", "evaluate", "server", "run")


def is_finished(run: Path, recipe: Recipe) -> bool:
    """Return whether every step is done, or the run ended early because it was worse; and it is measured and summarised."""
    if not RunFolder(run).summary.exists():
        return False
    checkpoint, _ = newest_whole_checkpoint(run)
    ended = early_end(run)
    if checkpoint is None or checkpoint.step != (ended.policy_step if ended else recipe.learn.steps):
        return False
    point_latest(checkpoint)  # a kill may have come before the link was set
    return True


def require_more_steps(run: Path, recipe: Recipe, stored: Recipe) -> None:
    """Raise UsageError where a finished run would be changed without a step more."""
    if recipe.learn.steps == stored.learn.steps:  # fewer are refused where the checkpoint is known
        done = counted(stored.learn.steps, "step")
        raise UsageError(
            f"{run} is finished after {done}, and its records stay as they were made; measure it with other "
            f"settings with: {command_line('eval', run)}   (or ask for more steps: --set learn.steps={2 * stored.learn.steps})"
        )


def require_other_training(run: Path, ended: Worse, recipe: Recipe, stored: Recipe) -> None:
    """Raise UsageError where a run that ended early would only be measured again, or would do the same steps again."""
    changed = differences(flat(stored.model_dump(mode="json")), flat(recipe.model_dump(mode="json")))
    if not any(map(_trains, changed)):
        raise UsageError(
            f"{run} ended with the policy of step {ended.policy_step}, since held-out problems were worse at step {ended.step}; "
            f"{sentence(changed)} does not change how it trains from there; continue with: {ended.command(str(run))}   "
            "(or --set run.on_worse=warn)"
        )


def record_data(
    recipe: Recipe, run: Path, job: Job, suites: Mapping[str, Sequence[Problem]], resumed: Changes | None, step: int, warn: Warn
) -> None:
    """Keep the digests of what the run reads; tell and record what has changed since they were taken.

    suites: those that are measured before and after. resumed: None at the start of a run.
    """
    read = dict(suites)
    if isinstance(recipe, RLRecipe) and recipe.evaluate.every and recipe.evaluate.validation not in read:
        read[recipe.evaluate.validation] = suite_problems(recipe, recipe.evaluate.validation)
    now, file = digests_of(recipe, job.problems, read, job.known_verdicts()), RunFolder(run).data
    lines = changes(read_digests(file), now) if file.exists() else []
    for line in lines:
        alarm = "ALARM: the verifier " if line.startswith(VERDICTS) else ""
        warn(f"{alarm}changed since this run was stopped after step {step}: {line}")
    if step and not file.exists():
        warn(f"{run}: no record of the data that it began with; changes of the data are told from now on")
    if resumed and lines:
        resumed.record_data(run, step, lines)
    write_digests(file, now)
