"""The page of a run: sentences, tables and charts in a template, as one file that needs no network."""

import base64
import gzip
import hashlib
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from ..evaluate.chain_kinds import CHAIN_MEANING
from ..evaluate.change import compare, grid, largest_changes
from ..evaluate.failure_kinds import MEANING
from . import findings, tables, words
from .analysis import analyze
from .cells import tone
from .chains import chain_sections
from .charts import chart_groups, histogram_chart, learning_charts, seconds_chart
from .curves import smoothing_width, thinning
from .data import RunData
from .heat_maps import heat_maps
from .next_steps import next_steps
from .pass_rate_charts import suite_charts
from .plotly_script import plotly_script

if TYPE_CHECKING:
    from .heat_tokens import QuestionHeats

_PROBLEMS = 10  # won, and lost
_PROBLEMS_SHOWN = 3  # of them; the others are folded
_MOST_ROWS = 12  # of a heat map; a longer one is folded


def render(data: RunData, heats: "QuestionHeats | None" = None) -> str:
    """Return the page as HTML. The same run gives the same page. heats: what a memory makes of questions; None without one."""
    comparisons = compare(data.before, data.after)
    pass_at_1 = comparisons.get("pass@1")
    cells = grid(data.before, data.after)
    known = data.after or data.before
    k = known.k if known else 0
    analysis = analyze(data)
    charts = learning_charts(data, pass_at_1)
    won, lost = largest_changes(data.before, data.after, _PROBLEMS) if data.before and data.after else ([], [])
    return page_template("report/page.html.jinja").render(
        data=data,
        headline=words.headline(pass_at_1, k),
        sentences=list(findings.sentences(data, analysis, cells)),
        next_steps=next_steps(data, comparisons),
        shown=_PROBLEMS_SHOWN,
        most_rows=_MOST_ROWS,
        failures=analysis.failures,
        meaning=MEANING,
        failure_table=findings.failure_table(analysis),
        base_table=findings.base_table(analysis),
        length_table=findings.length_table(analysis),
        fate_table=findings.fate_table(analysis),
        turns_table=findings.turns_table(analysis),
        chains=chain_sections(data),
        chain_meaning=CHAIN_MEANING,
        tone=tone(pass_at_1.change if pass_at_1 else None),
        n=len(known.pass_rates()) if known else 0,
        k=k,
        measures=tables.measure_rows(comparisons),
        heat_maps=heat_maps(cells, k),
        cell_table=tables.cell_table(cells),
        first_charts=[chart for chart in charts if chart.first],
        other_charts=chart_groups([chart for chart in charts if not chart.first]),
        width=smoothing_width(len(data.metrics)),
        thinning=thinning(len(data.metrics)),
        curve_table=tables.curve_table(data),
        histogram=histogram_chart(data),
        histogram_table=tables.histogram_table(data),
        calibration_table=tables.calibration_table(data),
        suites=chart_groups(suite_charts(data)),
        drift_table=tables.drift_table(data),
        others_table=tables.others_table(data),
        seconds=seconds_chart(data),
        time_table=tables.time_table(data),
        facts=tables.facts(data),
        change_table=tables.change_table(data),
        changes=(("won", won), ("lost", lost)),
        heats=heats,
        **page_scripts(token_style() if heats else ""),
    )


@cache
def page_template(name: str) -> Template:
    """Return a page's template by its path in the package."""
    # autoescape is on for every template: what a model wrote is text on the page, never markup. tojson escapes <, > and &.
    environment = Environment(
        loader=PackageLoader("outgrow", ""), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.policies["json.dumps_kwargs"] = {"allow_nan": False, "separators": (",", ":")}
    environment.filters |= {"percent": words.percent, "points": words.points, "shortened": words.shortened}
    return environment.get_template(name)


@cache
def page_scripts(more_style: str = "") -> dict[str, Any]:
    """Return a page's style and script, plotly compressed, and the policy that allows only these.

    more_style: rules of this page, in addition to those of every page.
    """
    here = files("outgrow.report")
    css, charts, own = ((here / name).read_text(encoding="utf-8") for name in ("page.css", "charts.js", "page.js"))
    strengths = "".join(f".heat tbody td.v{percent} {{ --v: {percent}%; }}\n" for percent in range(101))
    style, script = css + strengths + more_style, charts + own
    plotly = plotly_script()
    scripts = " ".join(hash_source(text) for text in (script, plotly))
    styles = f"{hash_source(style)} {EMPTY_STYLE}"
    return {
        "style": Markup(style),
        "script": Markup(script),
        "plotly": base64.b64encode(gzip.compress(plotly.encode(), 9, mtime=0)).decode("ascii"),
        "policy": f"default-src 'none'; script-src {scripts}; style-src {styles}; img-src data: blob:; base-uri 'none'",
    }


@cache
def token_style() -> str:
    """Return the rules for tokens with heat."""
    own = files("outgrow.report").joinpath("surprise.css").read_text(encoding="utf-8")
    return own + "".join(f".token.v{percent} {{ --v: {percent}%; }}\n" for percent in range(101))


def hash_source(text: str) -> str:
    """Return what a Content-Security-Policy calls an inline script or style of this text."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode('ascii')}'"


EMPTY_STYLE = hash_source("")
"""The style element without text that plotly adds to a page, and then fills by its interface, which policies allow."""
