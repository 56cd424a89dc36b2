"""The wheel's page, flywheel.html: one file that needs no network, in the style of a run's report."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from ..core.errors import OutgrowError
from ..core.files import read_lines, write_atomic
from ..report import words
from ..report.charts import Chart
from ..report.figures import estimates
from ..report.page import page_scripts, page_template
from ..report.tables import HeatCell, HeatMap, Table
from ..runs.folder import RunFolder
from .lineage import Graph
from .lineage_graph import picture, said
from .recipe import dump_flywheel
from .result import FlywheelResult
from .stage_cache import StageResult
from .summary import data_table, generation_table, headline, model_table, other_table, sentences, spent, stage_table


def write_page(turned: FlywheelResult, graph: Graph, folder: Path) -> Path:
    """Write flywheel.html into the wheel's folder and return its path. Raises OutgrowError where it cannot be written."""
    path = folder / "flywheel.html"
    try:
        write_atomic(path, render(turned, graph).encode("utf-8", errors="replace"))
    except OSError as error:
        raise OutgrowError(f"{path}: cannot write the page ({error.strerror or error})") from error
    return path


def render(turned: FlywheelResult, graph: Graph) -> str:
    """The page as HTML. The same wheel gives the same page."""
    last = turned.generations[-1].duel if turned.generations else None
    return page_template("flywheel/page.html.jinja").render(
        wheel=turned.recipe,
        recipe_text=dump_flywheel(turned.recipe),
        headline=headline(turned),
        sentences=sentences(turned),
        tone=("gain" if last.teacher.change.low > 0 else "loss" if last.teacher.change.high < 0 else "none") if last else "none",
        n=last.teacher.change.n if last else 0,
        finished=turned.finished,
        spent=spent(turned),
        generation_table=generation_table(turned),
        model_table=model_table(turned),
        data_table=data_table(turned),
        other_table=other_table(turned),
        stage_table=stage_table(turned),
        alarm_table=alarm_table(turned.done),
        charts=[_curve(turned)] if turned.generations else [],
        levels=_levels(turned),
        picture=picture(graph, _lines(turned), {one.name: _hint(one) for one in turned.done}),
        edges=Table(["what", "", "of what"], said(graph)),
        **page_scripts(),
    )


def alarm_table(done: Sequence[StageResult]) -> Table:
    """Alarms that runs raised on their way, and at which steps."""
    rows = []
    for one in done:
        steps = [int(row["step"]) for row in read_lines(RunFolder(one.path).metrics) if row.get("judge/alarm")]
        if steps:
            rows.append([one.name, f"{len(steps):,}", str(steps[0]), str(steps[-1])])
    return Table(["run", "steps with an alarm", "first", "last"], rows)


def _curve(turned: FlywheelResult) -> Chart:
    """pass@1 over generations."""
    named = {role: [turned.of(one.roles[role]).rate() for one in turned.generations] for role in ("base", "teacher", "student")}
    caption = (
        f"pass@1 on {turned.recipe.suite} with its 95% interval. A generation's teacher is the better one of the generation before."
    )
    figure = estimates([float(one.number) for one in turned.generations], named, "generation", "share of answers right")
    return Chart("Over generations", caption, figure, wide=True)


def _levels(turned: FlywheelResult) -> HeatMap:
    """pass@1 by model and level."""
    rows, columns = [], sorted({level for model in turned.models for level in model.levels()})
    for model in turned.models:
        found = model.levels()
        hints = {level: f"{model.title}, level {level}: {words.share_estimate(one)}, n = {one.n:,}" for level, one in found.items()}
        cells = [
            HeatCell(f"{100 * found[level].value:.0f}", hints[level], strength=round(100 * found[level].value, 1))
            if level in found
            else HeatCell("", f"{model.title}, level {level}: no problems")
            for level in columns
        ]
        rows.append((model.title, cells))
    return HeatMap(
        "By level",
        "Percent right; level 1 is the easiest. Intervals and n over each cell.",
        [str(level) for level in columns],
        rows,
    )


def _lines(turned: FlywheelResult) -> Mapping[str, list[str]]:
    """What stands in each box of the lineage."""
    second = {one.name: words.duration(one.seconds) for one in turned.done}
    second |= {model.done.name: f"pass@1 {words.percent(model.rate().value)}" for model in turned.models}
    second |= {one.name: f"{one.result['kept']:,} answers" for one in turned.done if one.stage == "data"}
    second |= {one.name: _verdict(one.result["teacher"]["verdict"]) for one in turned.done if one.stage == "duel"}
    return {one.name: [f"{one.stage.replace('_', ' ')} {one.generation}", second[one.name], one.digest[:12]] for one in turned.done}


def _verdict(verdict: str) -> str:
    """Short enough for a box."""
    short = verdict.partition(",")[0]
    return f"student {short}" if short in ("better", "worse") else short


def _hint(one: StageResult) -> str:
    parts = [one.name, f"{one.rollouts:,} rollouts" if one.rollouts else "", words.duration(one.seconds), one.digest]
    return ", ".join(part for part in parts if part)
