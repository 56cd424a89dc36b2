"""How much a step does: problems and answers, by how many problems there are and what the machine can do in a step."""

import math
from dataclasses import dataclass

from ..problems.held_out import slice_size
from .data import DataFindings, HeldOut
from .machine import Machine
from .model import ModelFindings
from .recipe_draft import Choice

GROUP = 8
VISITS = 8
"""Times that a run meets each problem, where its steps are not at a limit."""
FEWEST_STEPS, MOST_STEPS = 40, 200
_SHARE = 4  # a step has at most one of this many problems, so that the next steps have others
_TINY, _LARGE = 10_000_000, 3_000_000_000  # parameters
_PER_STEP = 32
_ON_CPU = 8
_OF_LARGE = 16


@dataclass(frozen=True)
class Batch:
    """The keys of [learn] that decide how much is done."""

    problems_per_step: Choice[int]
    group_size: Choice[int]
    steps: Choice[int]


def practised(data: DataFindings, held: HeldOut | None) -> int:
    """Return how many problems are practised: those that are not held out."""
    return data.problems - (held.shared if held else slice_size(data.problems))


def measured(data: DataFindings, held: HeldOut | None) -> int:
    """Return how many problems the run is measured on."""
    return held.problems if held else slice_size(data.problems)


def batch_for(problems: int, model: ModelFindings, machine: Machine) -> Batch:
    """Return the batch of a step for this many problems to practise."""
    most, why = _most(model, machine)
    share = max(1, problems // _SHARE)
    if share < most:
        per_step = Choice(share, f"a quarter of the {problems:,} problems to practise, so that the next steps have others")
    else:
        per_step = Choice(most, why)
    wanted = math.ceil(VISITS * problems / per_step.value)
    steps = min(MOST_STEPS, max(FEWEST_STEPS, wanted))
    visits = steps * per_step.value / problems
    return Batch(
        per_step,
        Choice(GROUP, "answers to each problem, which are compared with each other: enough to see right and wrong ones"),
        Choice(steps, f"each problem is met {visits:.2g} times"),
    )


def _most(model: ModelFindings, machine: Machine) -> tuple[int, str]:
    if model.parameters <= _TINY:
        return _PER_STEP, "the model is so small that a step takes seconds"
    if machine.gpu is None:
        return _ON_CPU, f"on a CPU, {_ON_CPU} problems × {GROUP} answers keep a step short; a GPU can take 32"
    if model.parameters > _LARGE:
        return _OF_LARGE, f"{_OF_LARGE} problems × {GROUP} answers of a model of this size"
    return _PER_STEP, f"{_PER_STEP} problems × {GROUP} answers fill a GPU"
