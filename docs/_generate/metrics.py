"""The page of a run's metrics, from core/metrics.py."""

from collections.abc import Iterable

from outgrow.core.metrics import GROUPS, METRICS, group_of

from . import markdown as md


def metrics_page() -> str:
    """Every metric of metrics.jsonl, group by group, with its unit."""
    about = (
        "Every training run writes a line of metrics per step to `metrics.jsonl`; trackers and the report show the same values. "
        "The part of a name before `/` is its group. `*` stands for a level, a reward or a kind. A step lacks the metrics that it "
        "does not compute."
    )
    parts = [f"## {title}\n\n{_table(name for name in METRICS if group_of(name) == group)}" for group, title in GROUPS.items()]
    alone = _table(name for name in METRICS if not group_of(name))
    return md.page("Metrics", md.prose(about), alone, *parts)


def _table(names: Iterable[str]) -> str:
    rows = [[md.code(name), md.literal(METRICS[name].unit), md.inline(METRICS[name].description)] for name in names]
    return md.table(["metric", "unit", "what it is"], rows)
