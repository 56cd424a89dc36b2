"""The command that looks ahead: plan."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from .app import app
from .shared import Overrides, console, example

if TYPE_CHECKING:
    from ..plan import Bill, Market, Plan
    from ..recipes import RLRecipe


@app.command(epilog=example("outgrow plan micro", "outgrow plan mine.toml --set learn.tokens_per_pass=8192"))
def plan(
    recipe: Annotated[str, typer.Argument(help="A shipped recipe's name, or a .toml file.")],
    gpus: Annotated[
        Path | None, typer.Option("--gpus", metavar="FILE.toml", help="Your own prices, GPUs and assumptions; copy plan/gpus.toml.")
    ] = None,
    overrides: Overrides = None,
) -> None:
    """Estimate what a recipe will need, before anyone pays: parameters, tokens, memory, hours, dollars. Loads no weights."""
    from ..plan import load_market, plan_recipe
    from ..recipes import RLRecipe, load_recipe

    market = load_market(gpus)
    read = load_recipe(recipe, overrides or [])
    found = plan_recipe(read, market)
    assert isinstance(read, RLRecipe)
    for line in _head(read, found):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    console.print(_memory(found))
    console.print(_bills(found, market))
    for bill in found.bills:
        if not bill.fits:
            console.print(_unfit(bill), markup=False, highlight=False, soft_wrap=True)
    for line in _assumptions(read, found, market):
        console.print(f"assumes {line}", markup=False, highlight=False, soft_wrap=True)


def _head(recipe: "RLRecipe", plan: "Plan") -> list[str]:
    from ..plan.shape import parameters
    from ..plan.work import learning_parameters

    work, lora = plan.work, recipe.policy.lora
    total, moving = parameters(plan.shape), learning_parameters(plan.work, plan.shape)
    whole = total + (work.adapter or 0)
    how = f"LoRA rank {lora.rank} on {', '.join(lora.targets)}" if lora else "full fine-tuning"
    prompts, most = work.problems * work.prompt, work.rollouts * work.limit
    return [
        f"{recipe.name}: {recipe.policy.model or 'a new micro policy'}, {total:,} parameters in {recipe.policy.dtype}",
        f"learns {moving:,} parameters, {moving / whole:.1%} of {whole:,}: {how}",
        f"{work.steps} steps of {work.problems} problems × {work.group} = {work.rollouts} rollouts: at most {prompts:,} prompt "
        f"tokens and {most:,} completion tokens a step, {work.rollouts * work.completion:,.0f} expected{_drawn(recipe)}",
        *_taught(recipe, plan),
    ]


def _taught(recipe: "RLRecipe", plan: "Plan") -> list[str]:
    from ..plan.shape import parameters

    distill, teacher = recipe.distill, plan.work.teacher
    if distill is None or teacher is None:
        return []
    when = "in every step" if teacher.share == 1 else f"in the first {distill.steps:,} steps (its time is spread over all of them)"
    return [f"distils {distill.model}, {parameters(teacher.shape):,} parameters in {distill.dtype}, {when}"]


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
    table.add_column("generating", justify="right")
    table.add_column("learning", justify="right")
    for part in plan.memory:
        table.add_row(part.name, _gb(part.generating), _gb(part.learning))
    table.add_section()
    generating, learning = sum(p.generating for p in plan.memory), sum(p.learning for p in plan.memory)
    table.add_row("together", _gb(generating), _gb(learning))
    return table


def _bills(plan: "Plan", market: "Market") -> Table:
    table = Table(
        title=f"a step's seconds, and the whole run; typical rental prices of {market.date:%B %Y}", box=SIMPLE_HEAD, pad_edge=False
    )
    table.add_column("GPU")
    for heading in ("GB", "$/h", "fits", "write", "learn", "hours", "$", "at most"):
        table.add_column(heading, justify="right")
    for bill in plan.bills:
        gpu, expected = bill.gpu, bill.expected
        figures = [expected.generation, expected.learning, bill.hours(expected), bill.dollars(expected)]
        most = f"{_figure(bill.hours(bill.most))} h, ${_figure(bill.dollars(bill.most))}"
        told = [*map(_figure, figures), most] if bill.fits or bill.change else []
        fits = "yes" if bill.fits else "no*" if bill.change else "no"
        table.add_row(gpu.name, f"{gpu.memory_gb:g}", f"{gpu.dollars_per_hour:.2f}", fits, *told)
    return table


def _unfit(bill: "Bill") -> str:
    if bill.change is None:
        return f"{bill.gpu.name}: does not fit, and no setting tried makes it fit; take a smaller model or a larger GPU"
    changes = " ".join(f"--set {key}={value}" for key, value in bill.change.items())
    alone = " (a run does that by itself)" if list(bill.change) == ["learn.tokens_per_pass"] else ""
    return f"{bill.gpu.name}: does not fit; *with {changes} it does, and its figures are those{alone}"


def _assumptions(recipe: "RLRecipe", plan: "Plan", market: "Market") -> list[str]:
    work, assumed = plan.work, market.assumptions
    reference = "a second copy of the weights" if work.adapter is None else "the model with its adapters off"
    bandwidth = _range([gpu.bandwidth_efficiency for gpu in market.gpu])
    rate = _range([gpu.rate_efficiency for gpu in market.gpu])
    refill = recipe.curriculum.refill
    return [
        *([f"the first draw of every step alone; curriculum.refill may draw {refill} times more"] if refill else []),
        f"prompts of {work.prompt} tokens; completions of {assumed.completion_share:.0%} of sampling.max_tokens on average, "
        "of which some always runs to the limit",
        f"the native engine, {work.decoded} rollouts at a time, from its own copy of the weights, at {bandwidth} of the bandwidth",
        f"learning at {rate} of the {recipe.policy.dtype} rate, on every group, though one whose rewards are all equal is left out",
        f"{reference} for a reference policy, nothing recomputed in the backward pass, and the KL divergence measured "
        "learn.tokens_per_pass tokens at a time",
        f"{assumed.usable_memory:.0%} of a GPU's memory to be had",
        "nothing for evaluation, verification, checkpoints, loading and installing: they come on top",
        "efficiencies and prices that are rules of thumb (outgrow has not been measured on a GPU yet): put your own in a copy of "
        "plan/gpus.toml, and pass it by --gpus",
    ]


def _range(shares: list[float]) -> str:
    low, high = min(shares), max(shares)
    return f"{low:.0%}" if low == high else f"{low:.0%} to {high:.0%}"


def _gb(size: float) -> str:
    return _figure(size / 1e9) if size else ""


def _figure(value: float) -> str:
    """Two digits or more, and never a zero for what is only small."""
    if 0 < value < 0.01:
        return "<0.01"
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}" if value >= 1 else f"{value:.2f}"
