"""One step's groups: pick problems, write, verify; screen and refill where the curriculum asks for it."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from ..algorithms.samplers import PickRequest
from ..config import RLRecipe
from ..core.callbacks import Answering, CheckStop, unwatched
from ..core.rng import seed_from
from ..engines import Engine, GenerationRequest
from ..engines.work import Work
from ..ledger import Ledger, ProblemStats
from ..policy import Policy
from ..types import GradedGroup, Problem, Rollout
from ..verify import Attempt, Verifier

Lap = Callable[[str], None]


class Collector:
    """Collects the groups of a step from several sources, each with its share of the problems."""

    def __init__(
        self, recipe: RLRecipe, policy: Policy, engine: Engine, verifier: Verifier, ledger: Ledger, sources: Sequence[ProblemStats],
        shares: Sequence[int], answering: Answering = unwatched,
    ) -> None:  # fmt: skip
        """sources: the statistics of each source's problems. shares: how many problems a step takes from each source. answering:
        told how far the rollouts of a step are.
        """
        self.recipe, self.policy, self.engine, self.verifier, self.ledger = recipe, policy, engine, verifier, ledger
        self.sources, self.shares, self.answering = sources, shares, answering
        self.work: dict[int, list[Work]] = {}
        """What each process of the engine did for a step, until that is on disk."""

    def collect(self, step: int, check_stop: CheckStop, lap: Lap) -> tuple[list[GradedGroup], list[GradedGroup]]:
        """Return the step's whole groups, and those that screening ended early.

        lap: called when generation or verification ends.
        """
        self.engine.work_done()  # what it did before was a measurement
        taken: list[set[int]] = [set() for _ in self.sources]
        missing = list(self.shares)
        whole: list[GradedGroup] = []
        screened: list[GradedGroup] = []
        for _ in range(1 + self.recipe.curriculum.refill):
            picked = self._pick(step, missing, taken)
            if not picked:
                break
            for (source, _), group in zip(
                picked, self._groups(step, [problem for _, problem in picked], check_stop, lap), strict=True
            ):
                (whole if len(group.rollouts) == self.recipe.learn.group_size else screened).append(group)
                missing[source] -= group.mixed
        self.work[step] = self.engine.work_done()
        return whole, screened

    def _pick(self, step: int, missing: Sequence[int], taken: list[set[int]]) -> list[tuple[int, Problem]]:
        """Return (source, problem) for the `missing` number of problems of each source, none of them in `taken`; add them to it."""
        picked = []
        for source, known in enumerate(self.sources):
            if missing[source] == 0:
                continue
            count = missing[source] + len(taken[source])
            ask = PickRequest(step, count, self.recipe.learn.group_size, self.recipe.seed)
            places = [place for place in self.recipe.curriculum.pick(ask, known) if place not in taken[source]][: missing[source]]
            taken[source].update(places)
            picked += [(source, known.problems[place]) for place in places]
        return picked

    def _groups(self, step: int, problems: Sequence[Problem], check_stop: CheckStop, lap: Lap) -> list[GradedGroup]:
        size, screen = self.recipe.learn.group_size, self.recipe.curriculum.screen
        if not 0 < screen < size:
            return self._write(step, "rollout", problems, size, check_stop, lap)
        first = self._write(step, "screening", problems, screen, check_stop, lap)
        open_ones = [group.problem for group in first if group.mixed]
        rest = iter(self._write(step, "rollout", open_ones, size - screen, check_stop, lap))
        return [_joined(group, next(rest)) if group.mixed else group for group in first]

    def _write(
        self, step: int, purpose: str, problems: Sequence[Problem], n: int, check_stop: CheckStop, lap: Lap
    ) -> list[GradedGroup]:
        if not problems:  # screening may leave none
            return []
        recipe, policy = self.recipe, self.policy
        prompts = [policy.prompt_ids(problem.question, problem.turns) for problem in problems]
        seeds = [seed_from(recipe.seed, purpose, step, problem.id) for problem in problems]
        on_written = self.answering(f"step {step}, {purpose}", len(problems) * n)
        expected: list[float] = []
        if recipe.engine.actors:
            expected = self.ledger.mean_lengths([problem.id for problem in problems], default=recipe.sampling.max_tokens)
        request = GenerationRequest(prompts, n, recipe.sampling, seeds, on_written, expected_tokens=expected)
        groups_rollouts = self.engine.generate(request, check_stop)
        lap("generation")
        pairs = list(zip(problems, groups_rollouts, strict=True))
        attempts = [Attempt.at(problem, r.text, r.finished) for problem, rollouts in pairs for r in rollouts]
        graded = iter(self.verifier.grade(attempts, inside_think=policy.opens_think, check_stop=check_stop))

        def group_of(problem: Problem, rollouts: list[Rollout]) -> GradedGroup:
            return GradedGroup(
                problem=problem,
                rollouts=rollouts,
                graded=[next(graded) for _ in rollouts],
                step=step,
                seed=recipe.seed,
                inside_think=policy.opens_think,
                expected=self.ledger.expected(problem),
                max_tokens=recipe.sampling.max_tokens,
                steps=recipe.learn.steps,
            )

        groups = [group_of(problem, rollouts) for problem, rollouts in pairs]
        lap("verification")
        return groups


def _joined(first: GradedGroup, rest: GradedGroup) -> GradedGroup:
    return replace(first, rollouts=first.rollouts + rest.rollouts, graded=first.graded + rest.graded)
