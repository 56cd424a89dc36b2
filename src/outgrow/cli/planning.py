"""The command that looks ahead: plan."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from .app import app
from .shared import Overrides, console, example

if TYPE_CHECKING:
    from ..config import RLRecipe
    from ..plan import CostEstimate, GpuCatalog, Plan

_DTYPES = {2: "bfloat16", 4: "float32"}


@app.command(
    epilog=example(
        "outgrow plan micro", "outgrow plan mine.toml --set learn.tokens_per_microbatch=8192", "outgrow plan r1-flywheel"
    )
)
def plan(
    recipe: Annotated[str, typer.Argument(help="A shipped recipe's name, or a .toml file.")],
    gpus: Annotated[
        Path | None, typer.Option("--gpus", metavar="FILE.toml", help="Your own prices, GPUs and assumptions; copy plan/gpus.toml.")
    ] = None,
    overrides: Overrides = None,
) -> None:
    """Estimate what a recipe will need, before anyone pays: parameters, tokens, memory, hours, dollars. Loads no weights."""
    from ..config import RLRecipe, load_recipe, raw_recipe
    from ..plan import load_gpu_catalog, plan_recipe

    market = load_gpu_catalog(gpus)
    if raw_recipe(recipe).get("kind") == "flywheel":
        _plan_wheel(recipe, overrides or [], market)
        return
    read = load_recipe(recipe, overrides or [])
    found = plan_recipe(read, market)
    assert isinstance(read, RLRecipe)
    for line in _head(read, found):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    console.print(_memory(found))
    console.print(_estimates(found, market))
    for bill in found.estimates:
        for line in unfit(bill):
            console.print(line, markup=False, highlight=False, soft_wrap=True)
    for line in _assumptions(read, found, market):
        console.print(f"assumes {line}", markup=False, highlight=False, soft_wrap=True)


def _plan_wheel(name: str, overrides: list[str], market: "GpuCatalog") -> None:
    from ..flywheel import load_flywheel
    from ..flywheel.plan import plan_flywheel
    from .planning_wheel import show_wheel

    wheel = load_flywheel(name, overrides)
    show_wheel(wheel, plan_flywheel(wheel, market), market)


def _head(recipe: "RLRecipe", plan: "Plan") -> list[str]:
    from ..plan.shape import parameters
    from ..plan.work import learning_parameters

    work, lora = plan.work, recipe.policy.lora
    total, moving = parameters(plan.shape), learning_parameters(plan.work, plan.shape)
    whole = total + (work.adapter or 0)
    how = f"LoRA rank {lora.rank} on {', '.join(lora.targets)}" if lora else "full fine-tuning"
    prompts, most = work.problems * work.prompt, work.rollouts * work.limit
    return [
        f"{recipe.name}: {_named(recipe.policy.model or 'a new micro policy')}, {total:,} parameters in {recipe.policy.dtype}",
        f"learns {moving:,} parameters, {moving / whole:.1%} of {whole:,}: {how}",
        f"{work.steps} steps of {work.problems} problems × {work.group} = {work.rollouts} rollouts: at most {prompts:,} prompt "
        f"tokens and {most:,} completion tokens a step, {work.rollouts * work.completion:,.0f} expected{_drawn(recipe)}",
        *_distilled(recipe, plan),
        *_judged(recipe, plan),
    ]


def _named(model: str) -> str:
    """A model's name, and which recipe's shape it is counted with where it is not here yet."""
    from ..plan.models import recipe_of_future_run

    maker = recipe_of_future_run(model)
    return f"{model} (not here yet: counted as the recipe {maker} has it)" if maker else model


def _distilled(recipe: "RLRecipe", plan: "Plan") -> list[str]:
    from ..plan.shape import parameters

    distill, teacher = recipe.distill, plan.work.distilled
    if distill is None or teacher is None:
        return []
    when = "in every step" if teacher.share == 1 else f"in the first {distill.steps:,} steps (its time is spread over all of them)"
    return [f"distils {_named(distill.model)}, {parameters(teacher.shape):,} parameters in {distill.dtype}, {when}"]


def _judged(recipe: "RLRecipe", plan: "Plan") -> list[str]:
    from ..plan.models import judge_names
    from ..plan.shape import parameters

    counted = {judge.model for judge in plan.work.judges}
    lines = [
        f"{judge.role} {_named(judge.model)}, {parameters(judge.shape):,} parameters in {_DTYPES[judge.width]}: {judge.replies:,} "
        f"replies of at most {judge.limit:,} tokens, {judge.share:.3g} times a step"
        for judge in plan.work.judges
    ]
    uncounted = [name for name in judge_names(recipe) if name not in counted]
    return lines + [
        f"the judge at {name} is not counted, neither its time nor its GPU, since its size is not known: name it there, as "
        "http://localhost:8001/v1#NAME, by a hub id, or as a run or a folder is named"
        for name in uncounted
    ]


def _drawn(recipe: "RLRecipe") -> str:
    """How a step may come to fewer rollouts, or more, than its groups have; the plan counts whole groups, each once."""
    curriculum = recipe.curriculum
    fewer = (
        f"; fewer where the first {curriculum.screen} of a group agree" if 0 < curriculum.screen < recipe.learn.group_size else ""
    )
    return fewer + (f"; up to {1 + curriculum.refill} times as many by refill" if curriculum.refill else "")


def _memory(plan: "Plan") -> Table:
    table = Table(title="memory at most, GB", box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("part")
    phases = ["generating", *(["judging"] if any(judge.local for judge in plan.work.judges) else []), "learning"]
    for phase in phases:
        table.add_column(phase, justify="right")
    for part in plan.memory:
        table.add_row(part.name, *(_gb(getattr(part, phase)) for phase in phases))
    table.add_section()
    table.add_row("together", *(_gb(sum(getattr(part, phase) for part in plan.memory)) for phase in phases))
    return table


def _estimates(plan: "Plan", market: "GpuCatalog") -> Table:
    table = Table(
        title=f"a step's seconds, and the whole run; typical rental prices of {market.date:%B %Y}", box=SIMPLE_HEAD, pad_edge=False
    )
    table.add_column("GPU")
    judged = plan.work.judges != ()
    for heading in ("GB", "$/h", "fits", "write", *(["judge"] if judged else []), "learn", "hours", "$", "at most"):
        table.add_column(heading, justify="right")
    for bill in plan.estimates:
        gpu, expected = bill.gpu, bill.expected
        times = [expected.generation, *([expected.judging] if judged else []), expected.learning]
        figures = [*times, bill.hours(expected), bill.dollars(expected)]
        most = f"{figure(bill.hours(bill.most))} h, ${figure(bill.dollars(bill.most))}"
        told = [*map(figure, figures), most] if bill.fits or bill.change else []
        fits = "yes" if bill.fits else "no*" if bill.change else "no"
        table.add_row(gpu.name, f"{gpu.memory_gb:g}", f"{gpu.dollars_per_hour:.2f}", fits, *told)
    return table


def unfit(bill: "CostEstimate", stage: str = "") -> list[str]:
    """Where a recipe does not fit, and which settings change that. stage: what its keys begin with in a flywheel's recipe."""
    name = f"{stage.rstrip('.')} on {bill.gpu.name}" if stage else bill.gpu.name
    lines = [] if bill.judge_fits else [f"{name}: has no room for the judge's weights; rent a larger GPU for the judge"]
    if bill.fits:
        return lines
    if bill.change is None:
        return [*lines, f"{name}: does not fit, and no setting tried makes it fit; take a smaller model or a larger GPU"]
    changes = " ".join(f"--set {stage}{key}={value}" for key, value in bill.change.items())
    alone = " (a run does that by itself)" if list(bill.change) == ["learn.tokens_per_microbatch"] else ""
    return [*lines, f"{name}: does not fit; *with {changes} it does, and its figures are those{alone}"]


def _assumptions(recipe: "RLRecipe", plan: "Plan", market: "GpuCatalog") -> list[str]:
    work, assumed = plan.work, market.assumptions
    reference = "a second copy of the weights" if work.adapter is None else "the model with its adapters off"
    bandwidth = _range([gpu.bandwidth_efficiency for gpu in market.gpu])
    rate = _range([gpu.rate_efficiency for gpu in market.gpu])
    refill = recipe.curriculum.refill
    return [
        *([f"the first draw of every step alone; curriculum.refill may draw {refill} times more"] if refill else []),
        f"prompts of {work.prompt} tokens; completions of {assumed.completion_share:.0%} of sampling.max_tokens on average, "
        "of which some always runs to the limit",
        *_of_teacher(plan, market),
        f"the native engine, {work.decoded} rollouts at a time, from its own copy of the weights, at {bandwidth} of the bandwidth",
        f"learning at {rate} of the {recipe.policy.dtype} rate, on every group, though one whose rewards are all equal is left out",
        f"{reference} for a reference policy, nothing recomputed in the backward pass, and the KL divergence measured "
        "learn.tokens_per_microbatch tokens at a time",
        f"{assumed.usable_memory:.0%} of a GPU's memory to be had",
        "nothing for evaluation, verification, checkpoints, loading and installing: they come on top",
        "efficiencies and prices that are rules of thumb (outgrow has not been measured on a GPU yet): put your own in a copy of "
        "plan/gpus.toml, and pass it by --gpus",
    ]


def _of_teacher(plan: "Plan", market: "GpuCatalog") -> list[str]:
    work, beside, share = plan.work, plan.estimates[0].extra_gpus, market.assumptions.reply_share
    lines = []
    if work.held_out:
        lines.append(
            f"{work.held_out} answers to held-out problems in every step, behind its rollouts (judge.watch.heldout_problems)"
        )
    if work.judges:
        lines.append(
            "a judge that reads rubric, question and answer, once for every rollout, and once more where it looks at canaries; "
            f"replies of {share:.0%} of teacher.max_tokens on average, {work.judges[0].decoded} at a time, none asked for again"
        )
    if beside:
        lines.append(
            "the judge's GPU, the same kind, rented beside: as much again, and counted in $"
            if beside == 1
            else f"the judges' {beside} GPUs, the same kind, rented beside: as much again for each, and counted in $"
        )
    return lines


def _range(shares: list[float]) -> str:
    low, high = min(shares), max(shares)
    return f"{low:.0%}" if low == high else f"{low:.0%} to {high:.0%}"


def _gb(size: float) -> str:
    return figure(size / 1e9) if size else ""


def figure(value: float) -> str:
    """Two digits or more, and never a zero for what is only small."""
    if 0 < value < 0.01:
        return "<0.01"
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}" if value >= 1 else f"{value:.2f}"
