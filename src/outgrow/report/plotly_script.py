"""Plotly, as the pages load it."""

import json
import re
from functools import cache
from importlib.resources import files

from plotly.offline import get_plotlyjs

_STYLE_ID = re.compile(r'getElementById\("([0-9a-f]{64})"\)')


@cache
def plotly_script() -> str:
    """Return plotly's script, after what lets it draw on a page that allows no inline styles."""
    plotly = get_plotlyjs()
    first = files("outgrow.report").joinpath("before_plotly.js").read_text(encoding="utf-8").rstrip()
    return f"{first}({json.dumps(sorted(set(_STYLE_ID.findall(plotly))))});\n{plotly}"
