"""The seconds of measuring a policy: before and after training on every suite, and on the validation problems between."""

import math
from dataclasses import dataclass

from ..config import Recipe, RLRecipe
from ..evaluate.measured import measured_problems, suites_of, validation_of, validation_room
from .gpus import GPU, Assumptions
from .seconds import Written, writing_seconds
from .shape import Shape
from .work import at_once, bytes_of, prompt_tokens


@dataclass(frozen=True)
class Measured:
    """The answers that a run writes to be measured."""

    suites: dict[str, int]
    """Suite -> its problems. Each is answered before and after training: `samples` times, and once greedily."""
    samples: int
    validation: int
    """Problems of the validation suite; 0 without one."""
    validation_samples: int
    validation_suite: str | None
    looks: int
    """How often the validation problems are answered."""
    missing: tuple[str, ...]
    """Suites that are measured on, but not counted: their data are not here, or cannot be read."""


@dataclass(frozen=True)
class MeasuringSeconds:
    """The seconds of all measurements of a run."""

    ends: float
    """Before and after training."""
    validation: float


def measured_in(recipe: Recipe) -> Measured:
    """Return what a run of this recipe measures. Raises UsageError for a name without a suite."""
    counts, names, validation = measured_problems(recipe), suites_of(recipe), validation_of(recipe)
    wanted = dict.fromkeys([*names, *([validation] if validation else [])])
    section = recipe.evaluate
    return Measured(
        suites={name: counts[name] for name in names if name in counts},
        samples=section.samples,
        validation=_validation_problems(recipe, counts.get(validation, 0)) if validation else 0,
        validation_samples=section.validation_samples,
        validation_suite=validation,
        looks=math.ceil(recipe.learn.steps / section.every) if validation else 0,
        missing=tuple(name for name in wanted if name not in counts),
    )


def _validation_problems(recipe: Recipe, problems: int) -> int:
    return min(problems, validation_room(recipe)) if isinstance(recipe, RLRecipe) else 0


def measuring_seconds(
    recipe: Recipe,
    measured: Measured,
    shape: Shape,
    gpu: GPU,
    assumptions: Assumptions,
    share: float,
    ends: int = 2,
    writers: int = 1,
) -> MeasuringSeconds:
    """Return the seconds of a run's measurements. share: the mean answer over sampling.max_tokens. ends: how often each suite is
    measured. writers: GPUs that write the answers.
    """
    limit, width = recipe.sampling.max_tokens, bytes_of(recipe.policy.dtype)
    prompt = prompt_tokens(shape, limit, assumptions)

    def answers(problems: int, samples: int) -> float:
        problems = math.ceil(problems / writers)
        rows = problems * samples
        if not rows:
            return 0.0
        written = Written(rows, at_once(rows, recipe.engine.max_sequences, samples), prompt, limit, limit * share)
        return writing_seconds(written, problems, shape, width, gpu)

    suites = sum(answers(problems, measured.samples) + answers(problems, 1) for problems in measured.suites.values())
    return MeasuringSeconds(ends * suites, measured.looks * answers(measured.validation, measured.validation_samples))
