"""What a recipe takes on this machine, and what a budget has room for: by the plan's formulas and the machine's measured speed."""

import math
from dataclasses import dataclass

from ..config import RLRecipe
from ..core.amounts import duration, money
from ..core.errors import UsageError
from ..plan.gpus import GPU, Assumptions
from ..plan.seconds import Written, seconds, writing_seconds
from ..plan.shape import Shape
from ..plan.work import work_of
from ..runs.cost import parse_budget
from .machine import Machine
from .recipe_draft import Choice

FEW = 20
"""Steps below which a gain is rarely seen."""
_RESERVE = 0.85  # share of a budget that is planned: loading, checkpoints and grading take the rest
_MEASURING = 0.25  # share of a run that measuring may take
_ON_CPU = 3600.0  # seconds that the steps on a CPU take where no budget is given


@dataclass(frozen=True)
class Budget:
    """What a run may take on this machine."""

    seconds: float
    text: str
    """The budget as a person reads it."""


@dataclass(frozen=True)
class Speed:
    """What a recipe's parts take on this machine, in seconds."""

    step: float
    answer: float
    """One answer to each held-out problem, before and after training."""

    def measuring(self, samples: int) -> float:
        """Return the seconds of measuring before and after, with this many samples of each problem and a greedy answer."""
        return self.answer * (samples + 1)


@dataclass(frozen=True)
class Plan:
    """How long a run trains and how well it measures."""

    steps: Choice[int]
    samples: Choice[int] | None
    """None where the recipe's default is right."""
    seconds: float
    """Of the whole run."""
    note: str | None = None


def read_budget(text: str, machine: Machine) -> Budget:
    """Return a budget of time ("1h30"), of money ("$5"), or of both ("1h30,$5": what is reached first).

    Raises UsageError as `parse_budget` does, or where it has money and this machine's price is not known.
    """
    limit, price = parse_budget([text]), machine.dollars_per_hour
    if math.isinf(limit.dollars):
        return Budget(3600 * limit.hours, duration(3600 * limit.hours))
    if not price:
        raise UsageError(f"--budget {text}: the price of this machine is not known; give a time, for example 2h")
    paid = 3600 * limit.dollars / price
    if paid > 3600 * limit.hours:
        return Budget(3600 * limit.hours, duration(3600 * limit.hours))
    return Budget(paid, f"{money(limit.dollars)} at {money(price)} an hour")


def speed_of(recipe: RLRecipe, measured: int, shape: Shape, machine: GPU, assumptions: Assumptions) -> Speed:
    """Return what a step of the recipe takes, and an answer to each of `measured` held-out problems before and after."""
    work = work_of(recipe, shape, assumptions)
    rows = measured * (recipe.evaluate.samples + 1)
    written = Written(rows, min(rows, recipe.engine.max_sequences), work.prompt, work.limit, work.completion)
    return Speed(
        step=seconds(work, shape, machine, work.completion).total,
        answer=2 * writing_seconds(written, measured, shape, work.width, machine) / (recipe.evaluate.samples + 1),
    )


def plan_run(wanted: Choice[int], samples: int, speed: Speed, budget: Budget | None, on_cpu: bool) -> Plan:
    """Return how many steps and samples there is time for.

    wanted: steps, where time does not matter; more are never taken. samples: of each held-out problem, by default; they are halved
    while measuring takes more than a quarter of the run, or leaves no time for a step. Raises UsageError where a budget has no room
    for a single step.
    """
    unlimited = wanted.value * speed.step
    limit = _RESERVE * budget.seconds if budget else max(_ON_CPU, FEW * speed.step) if on_cpu else unlimited
    count = samples
    allowed = min(_MEASURING * min(limit, unlimited), limit - speed.step if budget else limit)
    while count > 1 and speed.measuring(count) > allowed:
        count //= 2
    measuring = speed.measuring(count)
    steps, note = _steps(wanted, limit - measuring if budget else limit, speed, budget, measuring)
    fewer = Choice(count, f"answers to each held-out problem: more would take over {_MEASURING:.0%} of the run")
    return Plan(steps, fewer if count < samples else None, steps.value * speed.step + measuring, note)


def _steps(
    wanted: Choice[int], left: float, speed: Speed, budget: Budget | None, measuring: float
) -> tuple[Choice[int], str | None]:
    step, fit = duration(speed.step), int(left / speed.step)
    if fit >= wanted.value:
        return (Choice(wanted.value, f"{wanted.why}; {budget.text} has room for it") if budget else wanted), None
    if budget is None:
        return Choice(fit, f"about {duration(fit * speed.step)} on this CPU, at {step} a step"), None
    if fit < 1:
        raise UsageError(
            f"--budget {budget.text}: a step takes {step} on this machine, and measuring before and after {duration(measuring)}; "
            "raise the budget, or take a smaller model, fewer held-out problems or a faster machine"
        )
    few = f"only {fit} steps fit into {budget.text}; a gain is rarely seen before step {FEW}" if fit < FEW else None
    return Choice(fit, f"what {budget.text} has room for, at {step} a step on this machine"), few
