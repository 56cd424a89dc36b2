"""What a run measures of itself: its own suite and the others its recipe names, before training and after, and what came of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..config import Recipe
from ..core.callbacks import Answering, Warn, quiet
from ..core.changes import differences, sentence
from ..core.errors import OutgrowError
from ..core.files import write_json
from ..engines import Engine, Tally
from ..evaluate import Evaluation, evaluate, paired_delta
from ..evaluate.conditions import Conditions, conditions
from ..evaluate.drift import drift, write_drift
from ..evaluate.measured import suites_of
from ..policy import Policy
from ..problems.suites import suite
from ..runs.cost import Meter
from ..runs.folder import RunFolder, When
from ..runs.model_card import write_card
from ..runs.models import evaluation_sampling
from ..runs.resolve_model import resolve_model
from ..runs.session import open_session
from ..types import Problem


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
    warn: Warn = quiet
    loaded: dict[str, list[Problem]] = field(default_factory=dict)
    """Suite -> its problems, for those that are loaded already."""

    def measure(self, name: When, policy: Policy, step: int) -> None:
        """Measure `policy` on every suite, as `before` or `after`.

        What is there already stays, unless it was measured on other problems or with other settings than the recipe has now.
        """
        for on in suites_of(self.recipe):
            self._take(name, on, policy, step)

    def forget(self) -> None:
        """Drop what was measured at an end that is no longer the end: the run was asked for more steps."""
        files = RunFolder(self.path)
        for outcome in (files.evaluation("after"), *files.evals.glob("*/after.parquet"), files.summary):
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
        section, problems = self.recipe.evaluate, self._problems(on)
        how = conditions(self.recipe, evaluation_sampling(self.recipe), section.samples)
        if file.exists():
            outdated = _outdated(file, how, problems)
            if not outdated:
                return
            self.warn(f"{name} training on {on}: {outdated}; it is measured again")
        self.phase(f"measuring {name} training on {on}")
        # The same dice for every run's seed and for before and after: what differs is the policy.
        with open_session(self.recipe, policy, engine=self.engine) as session:
            sampling = session.evaluation_sampling
            total = (section.samples + 1) * len(problems)  # sampled, and greedy
            tally = Tally(self.answering(f"measuring {name} training on {on}", total))
            model, watch = tally.wrap(session.model), tally.watching(self.check_stop)
            answers = evaluate(model, session.verifier, problems, section.samples, sampling, how.seed, watch)
            answers = replace(answers, conditions=how)
        file.parent.mkdir(parents=True, exist_ok=True)
        answers.save(file)
        self.meter.write(step, f"evaluation_{name}")

    def _file(self, name: When, on: str) -> Path:
        return RunFolder(self.path).evaluation(name, None if on == self.recipe.evaluate.suite else on)

    def _problems(self, on: str) -> list[Problem]:
        if on not in self.loaded:
            self.loaded[on] = suite(on).load()
        return self.loaded[on]


def _outdated(file: Path, how: Conditions, problems: Sequence[Problem]) -> str:
    """Return why a measurement is not one of these problems under these conditions; empty where it is."""
    try:
        there = Evaluation.load(file)
    except OutgrowError as error:
        return str(error)
    if there.conditions is None:
        return "how it was measured is not recorded"
    if changed := differences(there.conditions.settings(), how.settings()):
        return f"measured with other settings ({sentence(changed)})"
    asked = {(sample.problem_id, sample.question, sample.answer) for sample in there.samples}
    if asked != {(problem.id, problem.question, problem.answer) for problem in problems}:
        return "measured on other problems"
    return ""
