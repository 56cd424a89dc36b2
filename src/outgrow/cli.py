"""The command line. Every command is a few lines over the package; imports are inside, so that --help is quick."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from . import __version__
from .errors import OutgrowError, UsageError, nearest

if TYPE_CHECKING:
    from .policy import Policy
    from .rollout import NativeEngine

app = typer.Typer(
    name="outgrow",
    help="Make small reasoning models better by reinforcement learning on problems whose answers can be checked.\n\n"
    "Start with: outgrow recipes",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
console = Console()
errors = Console(stderr=True)

Overrides = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a recipe line, as learn.lr=1e-5.")]
Model = Annotated[str, typer.Argument(help="A shipped model (micro-base), a run's folder, a model folder, or a hub id.")]


def _example(*lines: str) -> str:
    return "Example: [bold]" + "[/]   [bold]".join(lines) + "[/]"


@app.callback(invoke_without_command=True)
def _root(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        console.print(f"outgrow {__version__}", highlight=False)
        raise typer.Exit


@app.command(epilog=_example("outgrow train micro --out runs/first", "outgrow train micro --set learn.steps=50 --set seed=3"))
def train(
    recipe: Annotated[str, typer.Argument(help="A shipped recipe's name, or a .toml file.")],
    out: Annotated[Path | None, typer.Option("--out", help="The run's folder; runs/RECIPE if left out.")] = None,
    overrides: Overrides = None,
) -> None:
    """Train by reinforcement learning on checked answers, measure before and after, write the report."""
    _start(recipe, "rl", out, overrides)


@app.command(epilog=_example("outgrow sft micro-base --out runs/base"))
def sft(
    recipe: Annotated[str, typer.Argument(help="A shipped recipe's name, or a .toml file.")],
    out: Annotated[Path | None, typer.Option("--out", help="The run's folder; runs/RECIPE if left out.")] = None,
    overrides: Overrides = None,
) -> None:
    """Fine-tune on written-out solutions (how a micro base model is made)."""
    _start(recipe, "sft", out, overrides)


def _start(name: str, kind: str, out: Path | None, overrides: list[str] | None) -> None:
    from .learn.loop import train as train_run
    from .recipes import load_recipe
    from .terminal import Terminal

    recipe = load_recipe(name, overrides or [])
    if recipe.kind != kind:
        raise UsageError(
            f"{name} is a recipe of kind {recipe.kind!r}; run it with: outgrow {'sft' if recipe.kind == 'sft' else 'train'} {name}"
        )
    path = out or Path("runs") / recipe.name
    with Terminal(console) as terminal, _told(path):
        train_run(recipe, path, terminal)
    _finish(path)


@app.command(epilog=_example("outgrow resume runs/first"))
def resume(run: Annotated[Path, typer.Argument(help="A run's folder.")], overrides: Overrides = None) -> None:
    """Continue a run exactly where its newest checkpoint stands: after a kill, a preemption, Ctrl-C, or a full disk."""
    from .learn.loop import resume as resume_run
    from .terminal import Terminal

    with Terminal(console) as terminal, _told(run):
        resume_run(run, overrides or [], terminal)
    _finish(run)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Say how to go on after a signal, and exit as a shell expects."""
    from .runs.interrupt import StopRequested

    try:
        yield
    except StopRequested as stop:
        errors.print(f"stopped by {stop}, everything is saved; continue with: outgrow resume {path}", markup=False, soft_wrap=True)
        raise typer.Exit(stop.exit_code) from stop


def _finish(path: Path) -> None:
    import json

    from .report import write_report

    summary = json.loads((path / "summary.json").read_text())
    page = write_report(path)
    console.print(_comparison(summary))
    console.print(f"report: {page}", highlight=False, soft_wrap=True)


def _comparison(summary: dict[str, Any]) -> Table:
    before, after, delta = summary["before"], summary["after"], summary["paired_delta"]
    table = Table(title=f"{before['n']} held-out problems × {before['k']} samples; intervals are 95%")
    for heading in ("", "pass@1", "greedy", f"pass@{before['k']}", "truncated", "tokens"):
        table.add_column(heading, justify="left" if not heading else "right")
    for name, row in (("before", before), ("after", after)):
        pass_k = row["pass@k"][str(row["k"])]
        table.add_row(
            name, _interval(row), f"{row['greedy']:.3f}", f"{pass_k:.3f}", f"{row['truncated']:.3f}", f"{row['length']:.1f}"
        )
    table.add_row("change, paired", _interval(delta, sign="+"), "", "", "", "")
    return table


def _interval(row: dict[str, Any], sign: str = "") -> str:
    low, high = row["ci95"]
    return f"{row['pass@1']:{sign}.3f} ({low:{sign}.3f} to {high:{sign}.3f})"


@app.command("eval", epilog=_example("outgrow eval micro-base --on micro", "outgrow eval runs/first --samples 32"))
def evaluate(
    model: Model,
    on: Annotated[str, typer.Option("--on", help="A suite of held-out problems.")] = "micro",
    samples: Annotated[int, typer.Option("--samples", min=1, help="Samples a problem.")] = 8,
    temperature: Annotated[float, typer.Option("--temperature", min=0.01)] = 1.0,
    max_tokens: Annotated[int, typer.Option("--max-tokens", min=1, help="Longest completion.")] = 88,
    seed: Annotated[int, typer.Option("--seed")] = 0,
    out: Annotated[Path | None, typer.Option("--out", help="Also keep every graded sample in this Parquet file.")] = None,
) -> None:
    """Measure a model: pass@1 with its interval, greedy, pass@k, truncation, and a table by field and level."""
    from .evaluate import evaluate as evaluate_policy
    from .evaluate import suite
    from .policy import Sampling
    from .verify import Verifier

    suite(on)
    if out is not None and not out.parent.is_dir():
        raise UsageError(f"--out {out}: the folder {out.parent} does not exist")
    policy, engine = _ready(model)
    sampling = Sampling(temperature=temperature, max_tokens=max_tokens)
    with console.status(f"{samples} samples and a greedy answer for every problem of {on}"), Verifier() as verifier:
        evaluation = evaluate_policy(policy, engine, verifier, on, samples, sampling, seed)
    summary = evaluation.summary()
    if out is not None:
        evaluation.save(out)
    console.print(
        f"{model} on {on}, temperature {temperature:g}, n = {summary['n']} problems × {samples} samples\n"
        f"pass@1 {_interval(summary)}   greedy {summary['greedy']:.3f}   "
        + "   ".join(f"pass@{k} {value:.3f}" for k, value in summary["pass@k"].items() if k != "1")
        + f"\ntruncated {summary['truncated']:.3f}   "
        f"no answer {summary['no_answer']:.3f}   mean length {summary['length']:.1f} tokens",
        highlight=False,
    )
    levels = sorted({cell["level"] for cell in summary["cells"]})
    table = Table(title="pass@1 by field and level")
    for heading in ("field", *map(str, levels)):
        table.add_column(heading, justify="left" if heading == "field" else "right")
    cells = {(cell["field"], cell["level"]): cell["pass@1"] for cell in summary["cells"]}
    for field in dict.fromkeys(cell["field"] for cell in summary["cells"]):
        table.add_row(field, *(f"{cells[field, level]:.2f}" if (field, level) in cells else "" for level in levels))
    console.print(table)


@app.command(
    epilog=_example("outgrow verify outputs.jsonl --output completion --answer answer --extract boxed --extract last_number")
)
def verify(
    file: Annotated[Path, typer.Argument(help="A JSONL or Parquet file, a row for each output.")],
    output: Annotated[str, typer.Option("--output", metavar="COLUMN", help="The column that holds what a model wrote.")],
    answer: Annotated[str, typer.Option("--answer", metavar="COLUMN", help="The column that holds the known answer.")],
    extract: Annotated[
        list[str] | None,
        typer.Option("--extract", metavar="NAME", help="boxed (the default), hash, phrase or last_number; more than one in order."),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Write the rows here, with verdict and extracted added.")] = None,
) -> None:
    """Grade outputs made elsewhere, as training and evaluation would."""
    from .verify import EXTRACTORS, Verdict
    from .verify.file import grade_file

    for name in extract or []:
        if name not in EXTRACTORS:
            raise UsageError(f"--extract: no extractor called {name!r}{nearest(name, list(EXTRACTORS))}")
    if out is not None and not out.parent.is_dir():
        raise UsageError(f"--out {out}: the folder {out.parent} does not exist")
    with console.status(f"grading {file}"):
        counts = grade_file(file, output, answer, extract or ["boxed"], out)
    n = counts.total()
    told = "   ".join(f"{verdict} {counts[verdict]} ({counts[verdict] / n:.1%})" for verdict in Verdict)
    console.print(f"n = {n}   {told}", highlight=False, soft_wrap=True)


@app.command(epilog=_example("outgrow report runs/first"))
def report(run: Annotated[Path, typer.Argument(help="A run's folder.")]) -> None:
    """Write the run's page, report.html: before and after, learning curves, heat maps, problems won and lost."""
    from .report import write_report

    console.print(f"report: {write_report(run)}", highlight=False, soft_wrap=True)


@app.command(epilog=_example("outgrow recipes"))
def recipes() -> None:
    """List the shipped recipes, with what each should show."""
    from .recipes import load_recipe, shipped_recipes

    for name in shipped_recipes():
        recipe = load_recipe(name)
        command = "sft" if recipe.kind == "sft" else "train"
        console.print(f"[bold]outgrow {command} {name}[/]", highlight=False)
        console.print(f"  {recipe.description}\n  Expect: {recipe.expected or 'not measured yet'}", highlight=False, markup=False)


@app.command(epilog=_example("outgrow runs", "outgrow runs /data/runs"))
def runs(folder: Annotated[Path, typer.Argument(help="The folder that holds runs.")] = Path("runs")) -> None:
    """List runs: how far each is, and what it gained."""
    import json

    from .runs.files import read_lines
    from .runs.folder import read_recipe

    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder; runs are made by: outgrow train RECIPE")
    table = Table()
    for heading in ("run", "recipe", "seed", "steps", "pass@1 before", "after", "change"):
        table.add_column(heading)
    for path in sorted(entry for entry in folder.iterdir() if (entry / "recipe.toml").is_file()):
        recipe, _ = read_recipe(path)
        metrics = read_lines(path / "metrics.jsonl")
        done = int(metrics[-1]["step"]) if metrics else 0
        figures = ["", "", ""]
        if (path / "summary.json").is_file():
            summary = json.loads((path / "summary.json").read_text())
            figures = [
                f"{summary['before']['pass@1']:.3f}",
                f"{summary['after']['pass@1']:.3f}",
                _interval(summary["paired_delta"], "+"),
            ]
        table.add_row(path.name, recipe.name, str(recipe.seed), f"{done}/{recipe.learn.steps}", *figures)
    console.print(table)


@app.command(epilog=_example('outgrow generate micro-base "27+58=?"', 'outgrow generate runs/first "roman XIV=?" --samples 4'))
def generate(
    model: Model,
    question: Annotated[str, typer.Argument(help="What to ask.")],
    samples: Annotated[int, typer.Option("--samples", "-n", min=1)] = 1,
    temperature: Annotated[float, typer.Option("--temperature", min=0.0, help="0 is greedy.")] = 0.0,
    max_tokens: Annotated[int, typer.Option("--max-tokens", min=1)] = 88,
    seed: Annotated[int, typer.Option("--seed")] = 0,
) -> None:
    """Ask a model one question and print what it writes."""
    from .policy import Sampling

    policy, engine = _ready(model)
    sampling = Sampling(temperature=temperature, max_tokens=max_tokens)
    opener = "<think>" if policy.opens_think else ""
    for rollout in engine.generate([policy.prompt_ids(question)], samples, sampling, [seed])[0]:
        cut = "" if rollout.finished else "  … cut at --max-tokens"
        console.print(f"{opener}{rollout.text}{cut}", markup=False, highlight=False, soft_wrap=True)


@app.command(epilog=_example("outgrow chat micro-base"))
def chat(
    model: Model,
    temperature: Annotated[float, typer.Option("--temperature", min=0.0, help="0 is greedy.")] = 0.0,
    max_tokens: Annotated[int, typer.Option("--max-tokens", min=1)] = 88,
) -> None:
    """Talk with a model; an empty line or Ctrl-D ends it. The conversation starts over where it outgrows the context."""
    from .policy import Sampling

    policy, engine = _ready(model)
    sampling = Sampling(temperature=temperature, max_tokens=max_tokens)
    opener = "<think>" if policy.opens_think else ""
    messages: list[dict[str, str]] = []
    while True:
        try:
            question = console.input("[bold]you[/] > ")
        except (EOFError, KeyboardInterrupt):
            question = ""
        if not question.strip():
            return
        messages.append({"role": "user", "content": question})
        if len(policy.chat_ids(messages)) + max_tokens > policy.context:
            errors.print("(starting over: the conversation no longer fits the model's context)", markup=False)
            messages = messages[-1:]
        rollout = engine.generate([policy.chat_ids(messages)], 1, sampling, [len(messages)])[0][0]
        console.print(f"{opener}{rollout.text}", markup=False, highlight=False, soft_wrap=True)
        messages.append({"role": "assistant", "content": rollout.text})


def _ready(model: str) -> tuple["Policy", "NativeEngine"]:
    """A model by any of its names, and an engine that holds it."""
    from .policy import load_policy
    from .rollout import NativeEngine
    from .runs.checkpoint import model_of

    policy, engine = load_policy(model_of(model)), NativeEngine()
    engine.update(policy)
    return policy, engine


def main() -> None:
    """Run the command line; errors are one line, exit code 2 for usage and 1 for failure."""
    try:
        app()
    except OutgrowError as error:
        errors.print(f"outgrow: {error}", markup=False, highlight=False, soft_wrap=True)
        sys.exit(error.exit_code)
