"""The guard of a run: compares every look at the validation problems with the first one, and says where they got worse."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ..config import Recipe, RLRecipe
from ..core.files import write_json
from ..core.json_lines import append_line, keep_lines_through, read_lines
from ..evaluate import Evaluation, paired_delta
from ..evaluate.decline import Decline, decline, number_of_looks
from ..evaluate.likely_cause import Settings, likely_cause
from ..evaluate.look import Look, read_looks
from ..evaluate.worse import Worse
from ..runs.checkpoint import newest_step
from ..runs.folder import RunFolder
from ..types import Problem
from .watcher import Watcher


class Guard:
    """Owns validation.jsonl and worse.json of one run. Everything it knows follows from these files and metrics.jsonl.

    A look is compared with the first one of the same problems, measured with the same settings.
    """

    def __init__(self, run: Path, recipe: Recipe, problems: Sequence[Sequence[Problem]], watcher: Watcher) -> None:
        """problems: what the run practises, by source. watcher: told where the run is worse, or cannot be guarded as asked."""
        self._files, self._recipe, self._watcher = RunFolder(run), recipe, watcher
        self._problems = sum(map(len, problems))
        self._looks: list[Look] = []
        self._losses: list[Decline | None] = []  # what each look shows
        self.every = recipe.evaluate.every if isinstance(recipe, RLRecipe) else 0
        """Steps between two looks; 0 where there are none."""
        self._count = number_of_looks(recipe.learn.steps, self.every)
        self.stops = recipe.run.on_worse == "stop" and self._count > 0
        """Whether the run ends where it is worse."""
        if recipe.run.on_worse == "stop" and not self.stops:
            watcher.warn(
                'run.on_worse = "stop" compares validations during training, and this run has none to compare; set evaluate.every '
                f"to less than learn.steps={recipe.learn.steps}"
                if isinstance(recipe, RLRecipe)
                else 'run.on_worse = "stop" needs validation during training, which SFT does not have; it only says so at the end'
            )

    def rewind(self, step: int, ended: Worse | None = None) -> None:
        """Forget every look of a later step than `step`, and a loss that was seen after it. ended: why the run ended there."""
        keep_lines_through(self._files.validation, step)
        self._looks, self._losses = [], []
        for look in read_looks(self._files.validation):
            self._add(look)
        self._write(ended or self._last_loss())

    def ends(self, look: Look) -> bool:
        """Keep a look and show what it says; return whether the run ends for it. The metrics of its step are on disk."""
        was_worse = bool(self._losses) and self._losses[-1] is not None
        append_line(self._files.validation, look.line())
        self._add(look)
        worse = self._last_loss()
        self._write(worse)
        if worse is None:
            return False
        run = self._files.path
        good = newest_step(run, self.good_step) if self.stops else None
        if good is not None:
            self._watcher.worse(self.end(worse, good).lines(str(run))[:2])  # the rest is said once its end is measured
            return True
        if self.stops:
            self._watcher.warn(f"{run}: no checkpoint is left from before held-out problems got worse, so the run goes on")
        if not was_worse:
            self._watcher.worse(worse.lines(str(run)))
        return False

    @property
    def good_step(self) -> int | None:
        """The step whose policy was the last one not shown to be worse; None before the first look."""
        steps = [look.step - 1 for look, loss in zip(self._looks, self._losses, strict=True) if loss is None]
        return steps[-1] if steps else None

    def needs(self, step: int) -> bool:
        """Return whether the policy of `step` may be what the run ends with: it is measured next."""
        return self.stops and step % self.every == 0

    def end(self, worse: Worse, policy_step: int) -> Worse:
        """Write down that the run ends with the policy of `policy_step`, and return that."""
        ended = replace(worse, policy_step=policy_step)
        self._write(ended)
        return ended

    def conclude(self, ended: Worse | None, before: Evaluation, after: Evaluation) -> Worse | None:
        """Return what a finished run says: where it ended early, why; else the loss on its own suite, where the 95% interval of
        the paired change lies below 0; else the loss that its last look shows. Write it down.
        """
        worse = ended or self._loss_at_end(before, after) or self._last_loss()
        self._write(worse)
        return worse

    def _add(self, look: Look) -> None:
        first = next((earlier for earlier in self._looks if earlier.conditions == look.conditions), None)
        loss = decline(first.right, look.right, look.k, self._count) if first else None
        self._looks.append(look)
        self._losses.append(loss if loss and loss.worse else None)

    def _last_loss(self) -> Worse | None:
        loss = self._losses[-1] if self._losses else None
        return self._explained(self._looks[-1].step, loss) if loss else None

    def _loss_at_end(self, before: Evaluation, after: Evaluation) -> Worse | None:
        delta, first, second = paired_delta(before, after), before.pass_rates(), after.pass_rates()
        (low, high), n = delta["ci95"], delta["n"]
        if high >= 0:
            return None
        rates = (sum(first.values()) / n, sum(second.values()) / n)
        loss = Decline(*rates, delta["pass@1"], low, high, 0.95, n, after.k, worse=True)
        return self._explained(self._recipe.learn.steps, loss)

    def _explained(self, step: int, loss: Decline) -> Worse:
        rows = [row for row in read_lines(self._files.metrics) if row["step"] <= step]
        return Worse(step, loss, likely_cause(rows, _settings(self._recipe, self._problems)))

    def _write(self, worse: Worse | None) -> None:
        if worse is None:
            self._files.worse.unlink(missing_ok=True)
        else:
            write_json(self._files.worse, worse.as_json())


def _settings(recipe: Recipe, problems: int) -> Settings:
    learn, max_tokens = recipe.learn, recipe.sampling.max_tokens
    if isinstance(recipe, RLRecipe):
        return Settings(learn.lr, max_tokens, recipe.loss.kl_weight, problems, recipe.learn.problems_per_step)
    return Settings(learn.lr, max_tokens, None, problems, recipe.learn.batch_size)
