"""The page of a flywheel, flywheel.html: one file that needs no network, in the style of a run's report."""

from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path

from ..core.addresses import shown_toml
from ..core.amounts import duration
from ..core.counted import counted
from ..core.errors import OutgrowError
from ..core.files import write_atomic
from ..core.json_lines import read_lines
from ..problems.named_table import label
from ..report import words
from ..report.chart import Chart
from ..report.figures import estimates
from ..report.heat_maps import HeatCell, HeatMap
from ..report.page import page_scripts, page_template
from ..report.tables import Table
from ..runs.folder import RunFolder
from .lineage import Graph
from .lineage_graph import edge_rows, picture
from .recipe import dump_flywheel
from .result import FlywheelResult
from .stage_cache import StageResult
from .summary import data_table, generation_table, headline, model_table, other_table, sentences, spent, stage_table


def write_page(result: FlywheelResult, graph: Graph, folder: Path) -> Path:
    """Write flywheel.html into the flywheel's folder and return its path. Raises OutgrowError where it cannot be written."""
    path = folder / "flywheel.html"
    try:
        write_atomic(path, render(result, graph).encode("utf-8", errors="replace"))
    except OSError as error:
        raise OutgrowError(f"{path}: cannot write the page ({error.strerror or error})") from error
    return path


def render(result: FlywheelResult, graph: Graph) -> str:
    """Return the page as HTML. The same result gives the same page."""
    last = result.generations[-1].promotion if result.generations else None
    return page_template("flywheel/page.html.jinja").render(
        recipe=result.recipe,
        recipe_text=shown_toml(dump_flywheel(result.recipe)),
        headline=headline(result),
        sentences=sentences(result),
        tone=("gain" if last.teacher.change.low > 0 else "loss" if last.teacher.change.high < 0 else "none") if last else "none",
        n=last.teacher.change.n if last else 0,
        finished=result.finished,
        spent=spent(result),
        generation_table=generation_table(result),
        model_table=model_table(result),
        data_table=data_table(result),
        other_table=other_table(result),
        stage_table=stage_table(result),
        alarm_table=alarm_table(result.stages),
        charts=[_curve(result)] if result.generations else [],
        levels=_levels(result),
        picture=picture(graph, _lines(result), {stage.name: _hint(stage) for stage in result.stages}),
        edges=Table(["artifact", "role", "other artifact"], edge_rows(graph), text=("role", "other artifact")),
        **page_scripts(files("outgrow.flywheel").joinpath("page.css").read_text(encoding="utf-8")),
    )


def alarm_table(stages: Sequence[StageResult]) -> Table:
    """Return a row for each run that raised reward-hacking alarms, with their steps."""
    rows = []
    for stage in stages:
        steps = [int(row["step"]) for row in read_lines(RunFolder(stage.path).metrics) if row.get("judge/alarm")]
        if steps:
            rows.append([stage.name, f"{len(steps):,}", str(steps[0]), str(steps[-1])])
    return Table(["run", "steps with an alarm", "first", "last"], rows)


def _curve(result: FlywheelResult) -> Chart:
    """Return the chart of pass@1 over generations."""
    generations = result.generations
    rates = {role: [result.model_of(one.roles[role]).rate() for one in generations] for role in ("base", "teacher", "student")}
    size = f"n = {generations[-1].promotion.teacher.change.n:,} problems × {counted(result.recipe.samples, 'sample')}"
    caption = "pass@1 with 95% intervals. A generation's teacher is the better model of the generation before."
    figure = estimates([float(one.number) for one in generations], rates, "generation", "share of right answers")
    return Chart(f"Over generations: {label(result.recipe.suite)}, {size}", caption, figure, wide=True)


def _levels(result: FlywheelResult) -> HeatMap:
    """Return the heat map of pass@1 by model and level."""
    rows, columns = [], sorted({level for model in result.models for level in model.levels()})
    for model in result.models:
        rates = model.levels()
        hints = {
            level: f"{model.title}, level {level}: {words.share_estimate(rate)}, n = {rate.n:,}" for level, rate in rates.items()
        }
        cells = [
            HeatCell(f"{100 * rates[level].value:.0f}", hints[level], strength=round(100 * rates[level].value))
            if level in rates
            else HeatCell("", f"{model.title}, level {level}: no problems")
            for level in columns
        ]
        rows.append((model.title, cells))
    return HeatMap(
        "By level",
        "Percent of right answers; level 1 is the easiest. Point at a cell for its interval and n.",
        [str(level) for level in columns],
        rows,
    )


def _lines(result: FlywheelResult) -> Mapping[str, list[str]]:
    """Return the three lines of each box of the lineage: stage, result, digest."""
    second = {stage.name: duration(stage.seconds) for stage in result.stages}
    second |= {model.stage.name: f"pass@1 {words.percent(model.rate().value)}" for model in result.models}
    second |= {stage.name: f"{stage.result['kept']:,} answers" for stage in result.stages if stage.stage == "data"}
    second |= {stage.name: _verdict(stage.result["teacher"]["verdict"]) for stage in result.stages if stage.stage == "promotion"}
    return {
        stage.name: [f"{stage.stage.replace('_', ' ')} {stage.generation}", second[stage.name], stage.digest[:12]]
        for stage in result.stages
    }


def _verdict(verdict: str) -> str:
    """Return a verdict short enough for a box."""
    short = verdict.partition(",")[0]
    return f"student {short}" if short in ("better", "worse") else short


def _hint(stage: StageResult) -> str:
    rollouts = f"{stage.rollouts:,} rollouts" if stage.rollouts else ""
    parts = [stage.name, rollouts, duration(stage.seconds), stage.digest]
    return ", ".join(part for part in parts if part)
