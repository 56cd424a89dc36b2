"""What a run measures of itself: its own suite and the others its recipe names, before training and after, and what came of it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..config import Recipe
from ..core.callbacks import Answering
from ..core.files import write_json
from ..engines import Engine, Tally
from ..evaluate import Evaluation, evaluate, paired_delta
from ..evaluate.drift import drift, write_drift
from ..policy import Policy
from ..problems.suites import suite, suites
from ..runs.cost import Meter
from ..runs.folder import RunFolder, When
from ..runs.model_card import write_card
from ..runs.resolve_model import resolve_model
from ..runs.session import open_session


def suites_of(recipe: Recipe) -> list[str]:
    """The suites a recipe is measured on, its own first. Raises UsageError where there is none of a name."""
    own, also = recipe.evaluate.suite, recipe.evaluate.extra_suites
    suite(own)  # one, no group
    return list(dict.fromkeys([own, *(suites(",".join(also)) if also else [])]))


@dataclass(frozen=True)
class Outcome:
    """The measurements in a run's folder."""

    recipe: Recipe
    path: Path
    engine: Engine
    meter: Meter
    phase: Callable[[str], None]  # told what is being measured
    answering: Answering  # told how far a measurement is
    check_stop: Callable[[], None]  # may raise

    def measure(self, name: When, policy: Policy, step: int) -> None:
        """Measure `policy` on every suite, as `before` or `after`; what is there already is not measured again."""
        for on in suites_of(self.recipe):
            self._take(name, on, policy, step)

    def forget(self) -> None:
        """Drop what was measured at an end that is no longer the end: the run was asked for more steps."""
        for outcome in (*(self._file("after", on) for on in suites_of(self.recipe)), RunFolder(self.path).summary):
            outcome.unlink(missing_ok=True)

    def summarise(self, reference: Policy, policy: Policy, steps: int, rollouts: int) -> None:
        """Into evals/drift.json what became of the other suites; into the model card and summary.json the rest."""
        own, *others = suites_of(self.recipe)
        for on in others:
            before, after = self._ends(on)
            ends = ((0, reference, before), (steps, policy, after))
            write_drift(self.path, [drift(on, step, reference, one, before, found) for step, one, found in ends])
        before, after = self._ends(own)
        summary = {
            "before": before.summary(),
            "after": after.summary(),
            "paired_delta": paired_delta(before, after),
            "wall_s": round(self.meter.seconds, 2),
            "steps": steps,
            "rollouts": rollouts,
            "policy_sha256": policy.digest(),
        }
        # Beside the sealed files, not of them: the checkpoint's hashes were taken before there was anything to say.
        write_card(self.path, Path(resolve_model(str(self.path)).location), summary)
        write_json(RunFolder(self.path).summary, summary)

    def _ends(self, on: str) -> tuple[Evaluation, Evaluation]:
        return Evaluation.load(self._file("before", on)), Evaluation.load(self._file("after", on))

    def _take(self, name: When, on: str, policy: Policy, step: int) -> None:
        file = self._file(name, on)
        if file.exists():
            return
        section = self.recipe.evaluate
        self.phase(f"measuring {name} training on {on}")
        # The same dice for every run's seed and for before and after: what differs is the policy.
        with open_session(self.recipe, policy, engine=self.engine) as session:
            sampling, problems = session.evaluation_sampling, suite(on).load()
            total = (section.samples + 1) * len(problems)  # sampled, and greedy
            tally = Tally(self.answering(f"measuring {name} training on {on}", total))
            model, watch = tally.wrap(session.model), tally.watching(self.check_stop)
            answers = evaluate(model, session.verifier, problems, section.samples, sampling, 0, watch)
        file.parent.mkdir(parents=True, exist_ok=True)
        answers.save(file)
        self.meter.write(step, f"evaluation_{name}")

    def _file(self, name: When, on: str) -> Path:
        return RunFolder(self.path).evaluation(name, None if on == self.recipe.evaluate.suite else on)
