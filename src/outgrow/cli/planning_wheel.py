"""What `outgrow plan` says of a flywheel: its stages, on each GPU."""

from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.table import Table

from .planning import figure, unfit
from .shared import console

if TYPE_CHECKING:
    from ..flywheel import FlywheelRecipe
    from ..flywheel.plan import FlywheelPlan, StagePlan
    from ..plan import GpuCatalog


def show_wheel(wheel: "FlywheelRecipe", plan: "FlywheelPlan", market: "GpuCatalog") -> None:
    """Print it."""
    for line in _head(wheel, plan):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    console.print(_hours(plan, market))
    for line in (*_unfits(plan), *(f"assumes {line}" for line in _assumptions(wheel, plan))):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _head(wheel: "FlywheelRecipe", plan: "FlywheelPlan") -> list[str]:
    data = wheel.data
    drawn = (
        [f"data: {data.k} answers to each of {plan.data_problems:,} problems, {data.k * plan.data_problems:,} a generation"]
        if plan.data_problems is not None
        else []
    )
    drawn += ["data: what students write while they learn, at no cost"] if data.rollouts and wheel.generations > 1 else []
    return [f"{wheel.name}: {wheel.generations} generations, fewer where held-out problems show no better student", *drawn]


def _hours(plan: "FlywheelPlan", market: "GpuCatalog") -> Table:
    table = Table(
        title=f"hours of each stage; typical rental prices of {market.date:%B %Y}",
        box=SIMPLE_HEAD,
        pad_edge=False,
        show_footer=True,
    )
    table.add_column("stage", "all, $", no_wrap=True)
    table.add_column("times", justify="right")
    for place, gpu in enumerate(market.gpu):
        table.add_column(gpu.name, _told(plan.dollars(place, gpu)), justify="right")
    for stage in plan.stages:
        table.add_row(stage.name.replace("_", " "), str(stage.times), *(_cell(stage, place) for place in range(len(market.gpu))))
    table.add_section()
    table.add_row("all, hours", "", *(_told(plan.hours(place)) for place in range(len(market.gpu))))
    return table


def _cell(stage: "StagePlan", place: int) -> str:
    return _told(stage.hours[place]) + ("*" if stage.estimates and stage.estimates[place].change else "")


def _told(value: float | None) -> str:
    return "no" if value is None else figure(value)


def _unfits(plan: "FlywheelPlan") -> list[str]:
    return [line for stage in plan.stages for bill in stage.estimates for line in unfit(bill, f"{stage.name}.")]


def _assumptions(wheel: "FlywheelRecipe", plan: "FlywheelPlan") -> list[str]:
    tuned = any(not stage.estimates and stage.name != "data" for stage in plan.stages)
    return [
        "what `outgrow plan` assumes of the recipe of each stage; data and solutions as long as rollouts",
        *(["room for fine-tuning, which is not counted: a pass that does not fit is halved"] if tuned else []),
        *(_of_data(plan) if wheel.generations > 1 and wheel.data.k else []),
        "nothing for evaluation, verification, checkpoints, loading and installing: they come on top",
    ]


def _of_data(plan: "FlywheelPlan") -> list[str]:
    if plan.data_problems is None:
        return ["nothing for the making of data: the problems it would be made of are not here (OUTGROW_DATA names their folder)"]
    return ["data made by the slower one of student and teacher"]
