"""What `outgrow plan` prints of a flywheel: its stages, on each GPU."""

from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.table import Table

from .console import console, say
from .plan_figures import figure, uncounted, unfit

if TYPE_CHECKING:
    from ..flywheel import FlywheelRecipe
    from ..flywheel.plan import FlywheelPlan, StagePlan
    from ..plan import GpuCatalog


def show(wheel: "FlywheelRecipe", plan: "FlywheelPlan", catalog: "GpuCatalog") -> None:
    """Print the plan: the hours of each stage on each GPU, and what they assume."""
    for line in _head(wheel, plan):
        say(line)
    console.print(_hours(plan, catalog))
    for line in (*_unfits(plan), *uncounted(list(plan.uncounted)), *(f"assumes {line}" for line in _assumptions(wheel, plan))):
        say(line)


def _head(wheel: "FlywheelRecipe", plan: "FlywheelPlan") -> list[str]:
    data = wheel.data
    drawn = (
        [f"data: {data.k} answers to each of {plan.data_problems:,} problems, {data.k * plan.data_problems:,} a generation"]
        if plan.data_problems is not None
        else []
    )
    drawn += ["data: what students write while they learn, at no extra cost"] if data.rollouts and wheel.generations > 1 else []
    return [f"{wheel.name}: {wheel.generations} generations, fewer if held-out problems show no better student", *drawn]


def _hours(plan: "FlywheelPlan", catalog: "GpuCatalog") -> Table:
    table = Table(
        title=f"hours of each stage; typical rental prices of {catalog.date:%B %Y}",
        box=SIMPLE_HEAD,
        pad_edge=False,
        show_footer=True,
    )
    table.add_column("stage", "total, $", no_wrap=True)
    table.add_column("times", justify="right")
    for place, gpu in enumerate(catalog.gpu):
        table.add_column(gpu.name, _figure(plan.dollars(place, gpu)), justify="right")
    for stage in plan.stages:
        table.add_row(stage.name.replace("_", " "), str(stage.times), *(_cell(stage, place) for place in range(len(catalog.gpu))))
    table.add_section()
    table.add_row("measuring", "", *(_figure(plan.measuring(place)) for place in range(len(catalog.gpu))))
    table.add_row("total, hours", "", *(_figure(plan.hours(place)) for place in range(len(catalog.gpu))))
    return table


def _cell(stage: "StagePlan", place: int) -> str:
    return _figure(stage.hours[place]) + ("*" if stage.estimates and stage.estimates[place].change else "")


def _figure(value: float | None) -> str:
    """Return a figure, or "no" on a GPU that a stage does not fit on."""
    return "no" if value is None else figure(value)


def _unfits(plan: "FlywheelPlan") -> list[str]:
    return [line for stage in plan.stages for estimate in stage.estimates for line in unfit(estimate, f"{stage.name}.")]


def _assumptions(wheel: "FlywheelRecipe", plan: "FlywheelPlan") -> list[str]:
    tuned = any(not stage.estimates and stage.name != "data" for stage in plan.stages)
    return [
        "what `outgrow plan` assumes for the recipe of each stage; data and solutions as long as rollouts",
        *(["enough memory for fine-tuning, which is not estimated: a micro-batch that does not fit is halved"] if tuned else []),
        *(_of_data(plan) if wheel.generations > 1 and wheel.data.k else []),
        "no time for measuring models that existed before, verification, checkpoints, loading and installing: add them",
    ]


def _of_data(plan: "FlywheelPlan") -> list[str]:
    if plan.data_problems is None:
        return ["no time for sampling data: its problems are not on this machine (OUTGROW_DATA names their folder)"]
    return ["data sampled from the slower of student and teacher"]
