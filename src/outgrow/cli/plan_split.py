"""What `outgrow plan --over` prints: a run on several GPUs of one kind, by what writes and what learns."""

from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.table import Table

from ..core.amounts import duration, money
from .console import console, say
from .plan_figures import figure

if TYPE_CHECKING:
    from ..plan.best_split import SplitCost, SplitCosts
    from ..plan.gpus import Assumptions


def show(found: "list[SplitCosts]", most: int, assumptions: "Assumptions") -> None:
    """Print, for each kind of GPU, the ways to divide the run that are worth their price."""
    console.print(_table(found, most))
    for each in found:
        if not each.worth:
            say(_unfit(each, most, assumptions))
    say("actors are engine.actors, and ranks learn.ranks; ahead is learn.ahead=1 with learn.old_logprobs=learner")
    for what, why in found[0].lacks.items() if found else ():
        say(f"{what} left out: {why}")
    for line in _assumed(assumptions):
        say(f"assumes {line}")


def _table(found: "list[SplitCosts]", most: int) -> Table:
    title = f"seconds of a step, divided over at most {most} GPUs: the cheapest way, then what is dearer and at least 3% faster"
    table = Table(title=title, box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("device", no_wrap=True)
    table.add_column("actors + ranks", no_wrap=True)
    for heading in ("write", "learn", "step", "whole run", "price"):
        table.add_column(heading, justify="right", no_wrap=True)
    for kind in found:
        for index, cost in enumerate(kind.worth):
            table.add_row("" if index else kind.gpu.name, *_cells(cost))
    return table


def _cells(cost: "SplitCost") -> list[str]:
    split, step = cost.split, cost.seconds.step
    times = [step.generation + step.judging, step.learning, step.total]
    way = f"{split.actors} + {split.ranks}{', ahead' if split.ahead else ''}"
    return [way, *map(figure, times), duration(cost.seconds.total), money(cost.dollars)]


def _unfit(kind: "SplitCosts", most: int, assumptions: "Assumptions") -> str:
    room, least = kind.gpu.memory_gb * assumptions.usable_memory, kind.least
    return (
        f"{kind.gpu.name}: does not fit on {most}: divided over {least.split.gpus}, the fullest needs "
        f"{least.needed / 1e9:.0f} GB, and {room:.0f} are usable. Use more or larger GPUs, or a smaller model"
    )


def _assumed(assumptions: "Assumptions") -> list[str]:
    return [
        "that actors write and ranks learn, at the same time where ahead; without actors the first rank writes and the others wait",
        "that ranks gather every layer's weights twice in each micro-batch and sum the gradients, and that nothing of it is hidden",
        f"{assumptions.gpus_per_machine} GPUs in a machine, {assumptions.network_gb_s:g} GB/s between machines, and "
        f"{assumptions.link_efficiency:.0%} of it and of each GPU's link_gb_s reached",
    ]
