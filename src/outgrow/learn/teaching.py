"""The teacher in the loop: every group of a step with its scores."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from ..evaluate.kept import Kept
from ..policy import Prompt, load_policy
from ..problems import Note
from ..recipes import RLRecipe
from ..rewards import GradedGroup
from ..rollout import Endpoint, Local, NativeEngine, Respondent
from ..runs.checkpoint import model_of
from ..teacher.judge import Asked, Judge
from ..teacher.section import TeacherSection
from ..verify import Verdict

Poll = Callable[[], None]


def respondent_of(section: TeacherSection, note: Note) -> Respondent:
    """The teacher's model, ready to be asked. Raises UsageError where it cannot be had."""
    if section.model.startswith(("http://", "https://")):
        return Endpoint(section.model, tries=section.tries, timeout_s=section.timeout_s)
    # An engine of its own, which stays awake: its weights never change. vLLM has room for no second one in a process.
    policy, engine = load_policy(model_of(section.model), Prompt(), section.dtype, section.revision), NativeEngine(note=note)
    engine.update(policy)
    return Local(policy, engine)


class Teaching:
    """What a recipe's teacher does in a run."""

    def __init__(self, recipe: RLRecipe, section: TeacherSection, run: Path, note: Note) -> None:
        """Raises UsageError where the teacher's model cannot be had."""
        # Scores are kept, so that a step that is done again after a stop, or an answer that comes again, is not paid for twice.
        self._kept = Kept(run / "teacher.sqlite", note=note)
        self._judge = Judge(self._kept.of(respondent_of(section, note)), section, recipe.seed)

    def close(self) -> None:
        """Let go of the file of scores."""
        self._kept.close()

    def scored(self, groups: Sequence[GradedGroup], poll: Poll) -> tuple[list[GradedGroup], dict[str, float]]:
        """The groups with their scores, and figures of the step. Raises as `Judge.scores` does.

        An answer without a score is given the mean of the group's scores with its verdict, else of the group's, else of the
        step's: so it is neither praised nor blamed for the teacher's failure.
        """
        answers = [
            Asked(group.problem.question, group.problem.answer, rollout.text, grade.verdict is not Verdict.TRUNCATED)
            for group in groups
            for rollout, grade in zip(group.rollouts, group.graded, strict=True)
        ]
        found = self._judge.scores(answers, poll)
        known = [score for score in found if score is not None]
        rest = iter(found)
        middle = sum(known) / len(known) if known else 0.0
        done = [replace(group, scores=_filled([next(rest) for _ in group.rollouts], group, middle)) for group in groups]
        return done, {"teacher_score": middle, "teacher_unscored": 1 - len(known) / len(found)}


def _filled(scores: Sequence[float | None], group: GradedGroup, middle: float) -> tuple[float, ...]:
    right = [grade.right for grade in group.graded]

    def stand_in(place: int) -> float:
        alike = [s for s, good in zip(scores, right, strict=True) if s is not None and good == right[place]]
        known = alike or [s for s in scores if s is not None]
        return sum(known) / len(known) if known else middle

    return tuple(stand_in(place) if score is None else score for place, score in enumerate(scores))
