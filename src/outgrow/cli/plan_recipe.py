"""What `outgrow plan` prints of a recipe."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.table import Table

from ..core.amounts import duration, money
from ..core.counted import counted
from .console import console, say
from .plan_figures import figure, fits, uncounted, unfit

if TYPE_CHECKING:
    from ..config import Recipe, RLRecipe
    from ..plan import GPU, CostEstimate, GpuCatalog, Plan
    from ..plan.work import Work

_CLEARLY_FASTER = 1.5
_DTYPES = {2: "bfloat16", 4: "float32"}


def show(recipe: "Recipe", plan: "Plan", catalog: "GpuCatalog") -> None:
    """Print the plan: what a step does, memory, time and price on each device, and what all that assumes."""
    from ..config import RLRecipe

    assert isinstance(recipe, RLRecipe)
    for line in _head(recipe, plan):
        say(line)
    console.print(_memory(plan))
    console.print(_steps(plan))
    console.print(_run(plan))
    console.print(_prices(plan, catalog))
    for estimate in plan.estimates:
        for line in unfit(estimate):
            say(line)
    for line in _faster(recipe, catalog):
        say(line)
    for line in (*uncounted(list(plan.measured.missing)), *(f"assumes {line}" for line in _assumptions(recipe, plan, catalog))):
        say(line)


def _head(recipe: "RLRecipe", plan: "Plan") -> list[str]:
    from ..plan.shape import parameters
    from ..plan.work import learning_parameters

    work, lora = plan.work, recipe.policy.lora
    total, moving = parameters(plan.shape), learning_parameters(plan.work, plan.shape)
    whole = total + (work.adapter or 0)
    parts = [f"LoRA rank {lora.rank} on {', '.join(lora.targets)}"] if lora and lora.rank else []
    parts += ["the memory"] if work.memory else []
    how = " and ".join(parts) or "full fine-tuning"
    prompts, most = work.problems * work.prompt, work.rollouts * work.limit
    return [
        f"{recipe.name}: {_named(recipe.policy.model or 'a new micro policy')}, {total:,} parameters in {recipe.policy.dtype}",
        f"trains {moving:,} parameters, {moving / whole:.1%} of {whole:,}: {how}",
        f"{work.steps} steps of {work.problems} problems × {work.group} = {work.rollouts} rollouts; tokens a step: at most "
        f"{prompts:,} in prompts and {most:,} in completions, {work.rollouts * work.completion:,.0f} expected{_drawn(recipe)}",
        *_distilled(recipe, plan),
        *_judged(recipe, plan),
        *_measured(plan),
    ]


def _named(model: str) -> str:
    """Return a model's name, and whose shape stands in for a model that does not exist yet."""
    from ..plan.models import recipe_of_future_run

    maker = recipe_of_future_run(model)
    return f"{model} (does not exist yet; its size is that of the recipe {maker})" if maker else model


def _distilled(recipe: "RLRecipe", plan: "Plan") -> list[str]:
    from ..plan.shape import parameters

    distill, teacher = recipe.distill, plan.work.distilled
    if distill is None or teacher is None:
        return []
    when = "in every step" if teacher.share == 1 else f"in the first {distill.steps:,} steps (its time is spread over all steps)"
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
        f"the judge at {name} is not included, because its size is not known; add its name, as in http://localhost:8001/v1#NAME, "
        "where NAME is a hub id, a run or a folder"
        for name in uncounted
    ]


def _drawn(recipe: "RLRecipe") -> str:
    """Return how a step may have fewer or more rollouts than planned; the plan counts whole groups, each once."""
    curriculum = recipe.curriculum
    fewer = f"; fewer if the first {curriculum.screen} of a group agree" if 0 < curriculum.screen < recipe.learn.group_size else ""
    return fewer + (f"; up to {1 + curriculum.refill} times this with refill" if curriculum.refill else "")


def _memory(plan: "Plan") -> Table:
    table = Table(title="peak memory, GB", box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("part")
    phases = ["generating", *(["judging"] if any(judge.local for judge in plan.work.judges) else []), "learning"]
    for phase in phases:
        table.add_column(phase, justify="right")
    for part in plan.memory:
        table.add_row(part.name, *(_gb(getattr(part, phase)) for phase in phases))
    table.add_section()
    table.add_row("total", *(_gb(sum(getattr(part, phase) for part in plan.memory)) for phase in phases))
    return table


def _steps(plan: "Plan") -> Table:
    """Return the seconds of a step on each device."""
    table = Table(title="seconds of a step", box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("device")
    judged = plan.work.judges != ()
    for heading in ("GB", "$/h", "fits", "write", *(["judge"] if judged else []), "learn"):
        table.add_column(heading, justify="left" if heading == "fits" else "right")
    for estimate in plan.estimates:
        gpu, step = estimate.gpu, estimate.expected.step
        times = [step.generation, *([step.judging] if judged else []), step.learning]
        cells = [*map(figure, times)] if estimate.fits or estimate.change else []
        price = f"{gpu.dollars_per_hour:.2f}" if gpu.dollars_per_hour else ""
        table.add_row(gpu.name, f"{gpu.memory_gb:.0f}", price, fits(estimate), *cells)
    return table


def _run(plan: "Plan") -> Table:
    """Return the time of the whole run on each device, by what it is spent on."""
    table = _whole("time of the whole run", collapse=True)  # five times fill 80 columns
    for estimate in plan.estimates:
        table.add_row(estimate.gpu.name, *(_cells(plan, estimate, duration) if _runs(estimate) else ["does not fit"]))
    return table


def _prices(plan: "Plan", catalog: "GpuCatalog") -> Table:
    """Return the price of the whole run on each device that it fits on and that has a price."""
    table = _whole(f"price of the whole run; typical rental prices of {catalog.date:%B %Y}")
    for estimate in plan.estimates:
        if _runs(estimate) and estimate.gpu.dollars_per_hour:
            table.add_row(estimate.gpu.name, *_cells(plan, estimate, _price_on(estimate)))
    return table


def _price_on(estimate: "CostEstimate") -> Callable[[float], str]:
    return lambda seconds: money(estimate.dollars(seconds))


def _runs(estimate: "CostEstimate") -> bool:
    return estimate.fits or estimate.change is not None


def _whole(title: str, collapse: bool = False) -> Table:
    table = Table(title=title, box=SIMPLE_HEAD, pad_edge=False, collapse_padding=collapse)
    table.add_column("device", no_wrap=True)
    for heading in ("training", "validation", "before/after", "total", "at most"):
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def _cells(plan: "Plan", estimate: "CostEstimate", text: Callable[[float], str]) -> list[str]:
    """Return the parts of a run as text, with ? for what is not counted. text: of seconds."""
    run, measured, missing = estimate.expected, plan.measured, plan.measured.missing
    validation = text(run.measuring.validation) if measured.validation else "?" if measured.looks else "none"
    ends = "?" if set(missing) - {measured.validation_suite} else text(run.measuring.ends)
    return [text(run.training), validation, ends, text(run.total), text(estimate.most.total)]


def _measured(plan: "Plan") -> list[str]:
    """Return what is measured, in answers."""
    measured = plan.measured
    suites = ", ".join(f"{name} ({problems:,} problems)" for name, problems in measured.suites.items())
    samples, validation_samples = (counted(each, "sample") for each in (measured.samples, measured.validation_samples))
    lines = [f"measures before and after on {suites}: {samples} and a greedy answer each"] if suites else []
    if measured.validation:
        lines.append(f"validates {measured.looks:,} times on {measured.validation:,} problems × {validation_samples}")
    return lines


def _assumptions(recipe: "RLRecipe", plan: "Plan", catalog: "GpuCatalog") -> list[str]:
    work, assumed = plan.work, catalog.assumptions
    reference = (
        "a second copy of the weights"
        if work.adapter is None
        else "the model with its adapters off" + (" and a memory of its own" if work.memory else "")
    )
    rented = [gpu for gpu in catalog.gpu if not gpu.measured] or catalog.gpu
    bandwidth = _range([gpu.bandwidth_efficiency for gpu in rented])
    rate = _range([gpu.rate_efficiency for gpu in rented])
    refill, own = recipe.curriculum.refill, [gpu for gpu in catalog.gpu if gpu.measured]
    return [
        *([f"only the first sampling of every step; curriculum.refill may sample {refill} times more"] if refill else []),
        f"prompts of {work.prompt} tokens; completions of {assumed.completion_share:.0%} of sampling.max_tokens on average, "
        "with some that reach the limit in every step",
        *_of_split(plan),
        *_of_judge(plan, catalog),
        f"the native engine, {work.decoded} rollouts at a time, from its own copy of the weights, at {bandwidth} of the bandwidth",
        *_of_numbers(recipe),
        f"learning at {rate} of the {recipe.policy.dtype} rate, on every group{_kept(work)}, although groups with equal "
        "rewards are skipped",
        f"{reference} for a reference policy, no recomputation in the backward pass, and the KL divergence measured "
        "learn.tokens_per_microbatch tokens at a time",
        f"{assumed.usable_memory:.0%} of a GPU's memory usable",
        "no time for verification, checkpoints, loading and installing: add them",
        "estimated efficiencies and prices (not measured on a GPU): put yours in a copy of plan/gpus.toml, and pass it with --gpus",
        *(
            [f"for this machine ({_device(recipe)}): {_rates(own[0])}, measured just now, with whatever else runs on it"]
            if own
            else []
        ),
    ]


def _of_numbers(recipe: "RLRecipe") -> list[str]:
    from ..engines import NativeEngineConfig

    engine = recipe.engine
    if not isinstance(engine, NativeEngineConfig) or engine.weights == "exact":
        return []
    return [
        f"rollouts written with exact weights: what engine.weights={engine.weights} saves on a CPU is not estimated, and a run on "
        "a GPU needs --set engine.weights=exact --set engine.head=exact"
    ]


def _faster(recipe: "RLRecipe", catalog: "GpuCatalog") -> list[str]:
    """Return what would make products faster on this machine.

    Only for adapters: whole weights in bfloat16 round small steps away.
    """
    from ..engines import NativeEngineConfig

    engine, own = recipe.engine, [gpu for gpu in catalog.gpu if gpu.measured]
    in_bytes = isinstance(engine, NativeEngineConfig) and engine.weights != "exact"
    if not own or not recipe.policy.lora or recipe.policy.dtype == "bfloat16" or in_bytes:
        return []
    ratio = own[0].bfloat16_tflops / own[0].float32_tflops
    if ratio < _CLEARLY_FASTER:
        return []
    return [
        f"this machine multiplies {ratio:.1f} times as fast in bfloat16, and the adapters stay in float32; to use that, add: "
        "--set policy.dtype=bfloat16"
    ]


def _kept(work: "Work") -> str:
    return f" (learn.keep: {work.learned} of its {work.group} rollouts)" if work.learned < work.group else ""


def _of_split(plan: "Plan") -> list[str]:
    split = plan.estimates[0].split
    if split == type(split)():
        return []
    if split.gpus == 1:
        return ["that one GPU writes ahead while it learns: that takes the memory of both, and saves no time"]
    when = ", at the same time (learn.ahead)" if split.ahead else ""
    return [
        f"{counted(split.gpus, 'GPU')}, and the price is of all: {split.actors} that write (engine.actors), {split.ranks} that "
        f"share the learning (learn.ranks){when}; whether it fits is said of the fullest, and the table of memory is of one "
        "without the others"
    ]


def _of_judge(plan: "Plan", catalog: "GpuCatalog") -> list[str]:
    work, servers, share = plan.work, plan.estimates[0].extra_gpus, catalog.assumptions.reply_share
    lines = []
    if work.held_out:
        lines.append(
            f"{work.held_out} answers to held-out problems in every step, after its rollouts (judge.watch.heldout_problems)"
        )
    if work.judges:
        lines.append(
            "a judge that reads rubric, question and answer once for every rollout, and again when it scores canaries; replies of "
            f"{share:.0%} of judge.max_tokens on average, {work.judges[0].decoded} at a time, none repeated"
        )
    if servers:
        lines.append(
            "one more GPU of the same kind for the judge: it doubles the price, and the price includes it"
            if servers == 1
            else f"{servers} more GPUs of the same kind for the judges: each adds its price, and the price includes them"
        )
    return lines


def _device(recipe: "RLRecipe") -> str:
    import torch

    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return f"CPU, run.threads={recipe.run.threads}"


def _rates(gpu: "GPU") -> str:
    tera = {"bfloat16": gpu.bfloat16_tflops, "float32": gpu.float32_tflops}
    rates = ", ".join(f"{figure(1000 * rate)} GFLOP/s in {dtype}" for dtype, rate in tera.items())
    return f"{rates}, {figure(gpu.bandwidth_gb_s)} GB/s"


def _range(shares: list[float]) -> str:
    low, high = min(shares), max(shares)
    return f"{low:.0%}" if low == high else f"{low:.0%} to {high:.0%}"


def _gb(size: float) -> str:
    return figure(size / 1e9) if size else ""
