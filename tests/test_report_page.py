"""The layout of a report: what stands first, what is folded, where numbers stand, what is worse, and what shares an axis."""

import json
import re
import subprocess
import zlib
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.browser import CHROMIUM
from helpers.report import STEPS, K, Page, evaluation, save, write_recipe, write_steps
from outgrow.core.estimate import Estimate
from outgrow.core.metrics import METRICS, pattern_of
from outgrow.core.row_table import RowTable
from outgrow.evaluate import Evaluation
from outgrow.evaluate.change import compare
from outgrow.evaluate.sample import Sample
from outgrow.report import charts, write_report
from outgrow.report.axes import log_axis, share_axis, step_axis
from outgrow.report.cells import tone, toned
from outgrow.report.data import RunData, read_run
from outgrow.report.figures import curves
from outgrow.report.next_steps import next_steps
from outgrow.report.tables import measure_rows
from outgrow.types import Verdict

OFFLINE = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--disable-quic", "--no-first-run",
)  # fmt: skip
VOID = {"meta", "link", "img", "br", "hr", "input"}
# What a cell of numbers looks like, written without a look at the code: a sign, digits, an interval, a unit, a verdict.
NUMBER = re.compile(r"(not yet|none|no answers|[+−]?\$?\d.*)?")


class Tree(HTMLParser):
    """The elements of a page, each with those around it, and the text in each cell of its tables."""

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[tuple[str, dict[str, str | None]]] = []
        self.elements: list[tuple[str, dict[str, str | None], list[tuple[str, dict[str, str | None]]]]] = []
        self.cells: list[tuple[str, str, str]] = []
        """Class, data-label and text of each td with a class of the two kinds of tables."""
        self._cell: tuple[str, str] | None = None
        self._text = ""
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs), list(self.open)))
        if tag not in VOID:
            self.open.append((tag, dict(attrs)))
        if tag == "td":
            self._cell, self._text = (dict(attrs).get("class") or "", dict(attrs).get("data-label") or ""), ""

    def handle_endtag(self, tag: str) -> None:
        while self.open and self.open.pop()[0] != tag:
            pass
        if tag == "td" and self._cell:
            self.cells.append((*self._cell, self._text.strip()))
            self._cell = None

    def handle_data(self, data: str) -> None:
        self._text += data

    def folded(self, tag: str, attribute: tuple[str, str]) -> list[bool]:
        """For each element of this tag and attribute: whether a closed part is around it."""
        return [
            any(name == "details" and "open" not in attributes for name, attributes in around)
            for name, own, around in self.elements
            if name == tag and (own.get(attribute[0]) or "").split()[:1] == [attribute[1]]
        ]


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """A run that got worse, with other suites."""
    path = tmp_path_factory.mktemp("runs") / "worse"
    judged = {"judge/score": 0.5, "judge/heldout_pass_rate": 0.4, "judge/heldout_n": 32.0, "judge/first_score": 0.3}
    judged |= {"judge/second_score": 0.2, "judge/right": 0.6, "judge/wrong": 0.1, "judge/auc": 0.8, "judge/top": 0.9}
    judged |= {"judge/unscored": 0.1, "judge/alarm": 0.0, "judge/weight": 1.0, "judge/canary_empty": 0.1}
    levels = {"validation/level_1": 0.9, "validation/level_2": 0.3, "validation/n": 84.0}
    write_recipe(path, evaluate={"validation": "micro-validation", "suite": "micro"})
    write_steps(path, STEPS, {**judged, **levels, "mine/own": 3.0})
    save(path, "before", evaluation({1: 0.9, 2: 0.6, 3: 0.1}, seed=1))
    save(path, "after", evaluation({1: 0.3, 2: 0.1, 3: 0.0}, seed=2))
    row = {"n": 50, "k": 4, "low": 0.4, "high": 0.6, "turnover": 0.1, "kl": 0.02}
    moved = ((0, 0.5, 0.0, 0.0, 0.0), (20, 0.3, -0.2, -0.3, -0.1))
    rows = [
        {"suite": suite, **row, "step": step, "pass_at_1": rate, "change": change, "change_low": low, "change_high": high}
        for suite in ("riddles", "puzzles")
        for step, rate, change, low, high in moved
    ]
    (path / "evals" / "drift.json").write_text(json.dumps(rows))
    return path


@pytest.fixture(scope="module")
def page(run) -> Page:
    return Page(write_report(run))


@pytest.fixture(scope="module")
def tree(page) -> Tree:
    return Tree(page.source)


def test_the_most_important_part_is_first(tree):
    order = [own["id"] for tag, own, _ in tree.elements if tag in ("section", "details") and own.get("id")]
    assert order == ["result", "next", "curves", "problems", "fields", "failures", "pass-rates", "others", "cost", "recipe"]
    targets = {(own["href"] or "")[1:] for tag, own, around in tree.elements if tag == "a" and around[-1][0] == "nav"}
    assert targets <= set(order)


def test_what_is_not_read_first_is_folded(tree, page):
    figures = tree.folded("figure", ("class", "chart"))
    assert 6 <= figures.count(False) <= 9 < figures.count(True)
    articles = [
        any(name == "details" and "open" not in own for name, own in around) for tag, _, around in tree.elements if tag == "article"
    ]
    assert articles.count(False) == 3 + 3 < len(articles)
    assert tree.folded("pre", ("class", "recipe")) == [True]
    assert tree.folded("table", ("class", "heat")) == [False] * 3
    assert tree.folded("table", ("class", "measures")) == [False]


def test_many_fields_are_folded(tmp_path):
    write_recipe(tmp_path)
    for name, right in (("before", Verdict.WRONG), ("after", Verdict.RIGHT)):
        samples = [
            Sample(f"p{n}", f"field {n}", 1, "1+1=?", "2", index, "2", right, "2", 3) for n in range(40) for index in range(-1, K)
        ]
        save(tmp_path, name, Evaluation(samples))
    assert Tree(Page(write_report(tmp_path)).source).folded("table", ("class", "heat")) == [True] * 3


def test_numbers_stand_on_the_right_and_text_on_the_left(page, tree):
    kinds = [set(kind.split()) & {"number", "text"} for kind, _, _ in tree.cells]
    for (kind, label, text), found in zip(tree.cells, kinds, strict=True):
        if kind.startswith("scale") or not kind:
            continue  # the drawing of an interval, and the empty corner of a heat map
        assert len(found) == 1, (kind, label, text)
        if "number" in found:
            assert NUMBER.fullmatch(text), (label, text)
    texts = {label for kind, label, _ in tree.cells if "text" in kind.split()}
    assert texts == {"meaning", "fate", "turns"}
    style = page.source[page.source.index("<style>") : page.source.index("</style>")]
    assert re.search(r"\.number \{ text-align: right; \}", style)
    assert re.search(r"[^{}]*\.text \{ text-align: left; \}", style)
    headings = [own.get("class") for tag, own, around in tree.elements if tag == "th" and own.get("scope") == "col"]
    assert {"number", "text"} <= set(headings)


def test_every_cell_of_a_stacked_table_has_its_heading_for_a_phone(tree):
    stacked = [
        own for tag, own, around in tree.elements if tag == "td" and any("stacked" in (a.get("class") or "") for _, a in around)
    ]
    assert len(stacked) > 50
    assert all(own.get("data-label") for own in stacked)


def test_worse_has_the_colour_and_the_word_of_worse(run, tree):
    data = read_run(run)
    rows = {row.name: row for row in measure_rows(compare(data.before, data.after))}
    bad = {"truncated", "no answer", "refused"}
    for name, row in rows.items():
        change = compare(data.before, data.after)[{"no answer": "no_answer", "sometimes right": "between"}.get(name, name)].change
        moved = change.low > 0 or change.high < 0
        if not moved or name in ("sometimes right", "length"):
            assert row.tone == "none"
            assert "worse" not in row.change and "better" not in row.change
        else:
            worse = (change.value > 0) == (name in bad)
            assert (row.tone, row.change.endswith(", worse")) == (("loss", True) if worse else ("gain", False))
    assert rows["pass@1"].tone == "loss"
    shown = [(set(kind.split()), text) for kind, _, text in tree.cells if "number" in kind.split()]
    signed = [(kind, text) for kind, text in shown if ", worse" in text or ", better" in text]
    assert len(signed) > 6
    assert all(("loss" in kind) is text.endswith(", worse") for kind, text in signed)
    assert all(("gain" in kind) is text.endswith(", better") for kind, text in signed)
    assert [("loss" in kind) for kind, text in shown if text.startswith("−20.0 points")] == [True, True]  # other suites
    assert ("li", "loss") in [(tag, own.get("class")) for tag, own, _ in tree.elements]


def test_a_rise_of_failures_is_worse(page, tree):
    changes = {row[0]: row[3] for row in next(rows for rows in page.tables if rows[0][0] == "kind")[1:]}
    risen = [text for text in changes.values() if text.endswith(", worse")]
    assert risen and all(text.startswith("+") for text in risen)
    assert all(text.startswith("−") for text in changes.values() if text.endswith(", better"))


NUMBERS = st.floats(-1, 1, allow_nan=False)


@given(NUMBERS, NUMBERS, NUMBERS)
def test_tone_turns_with_the_sign_and_with_what_is_good(a, b, c):
    low, value, high = sorted((a, b, c))
    change, mirrored = Estimate(value, low, high, 9), Estimate(-value, -high, -low, 9)
    assert tone(change, "up") == tone(mirrored, "down")
    other = {"gain": "loss", "loss": "gain", "none": "none"}
    assert tone(change, "down") == other[tone(change, "up")]
    assert (tone(change) == "none") is (low <= 0 <= high)
    assert toned("x", change).removeprefix("x") == {"gain": ", better", "loss": ", worse", "none": ""}[tone(change)]


def test_percentages_of_different_sets_share_no_axis(run):
    every = {key.replace("*", "x"): 0.5 for key in METRICS if key != "step"}
    data = read_run(run)
    rows = [{"step": float(step), **every} for step in range(1, 20)]
    whole = RunData(**{**vars(data), "metrics": RowTable.of(rows)})
    known = {key for key in every if METRICS[pattern_of(key) or ""].unit == "share"}
    assert all(METRICS[pattern_of(key) or ""].of for key in known if key != "judge/weight")
    for panel in charts._PANELS:
        shares = {key for key in charts._keys_of(panel, list(every)) if key in known}
        assert len({METRICS[pattern_of(key) or ""].of for key in shares}) <= 1, panel.title
    drawn = charts.learning_charts(whole, compare(data.before, data.after)["pass@1"])
    titles = [chart.title for chart in drawn if chart.group == "Right answers"]
    assert [title.partition(":")[0] for title in titles] == ["Training", "Validation", "Before and after"]
    assert "micro-validation" in titles[1] and "micro," in titles[2] and "n = 48 problems × 8 samples" in titles[2]
    assert len({chart.title for chart in drawn}) == len(drawn)


def test_each_percentage_chart_is_titled_with_its_set_and_n(page):
    titles = re.findall(r"<figcaption><strong>(.*?)</strong>", page.source)
    assert any(re.fullmatch(r"Training: practised problems, \d+ × \d+ rollouts a step", title) for title in titles)
    assert any(re.fullmatch(r"Validation: micro-validation, n = 84 problems × \d+ samples?", title) for title in titles)
    assert any(re.fullmatch(r"Before and after: micro, n = 48 problems × 8 samples", title) for title in titles)
    assert "Held-out problems, by the checker, n = 32" in titles
    for suite in ("riddles", "puzzles"):
        assert {f"{suite}, n = 50 problems × 4 samples", f"Turnover: {suite}, n = 50 problems × 4 samples"} <= set(titles)


def test_one_chart_where_validation_and_test_are_the_same_problems(tmp_path):
    write_recipe(tmp_path, evaluate={"suite": "micro-validation", "validation": "micro-validation"})
    write_steps(tmp_path, STEPS, {"validation/n": 48.0})
    save(tmp_path, "before", evaluation({1: 0.4, 2: 0.2, 3: 0.0}, seed=1))
    save(tmp_path, "after", evaluation({1: 0.9, 2: 0.6, 3: 0.1}, seed=2))
    figures = [figure for figure in Page(write_report(tmp_path)).figures() if {"before", "after"} & set(names_of(figure))]
    assert [names_of(figure) for figure in figures] == [["validation", "before", "after"]]


def names_of(figure) -> list[str]:
    return [trace["name"] for trace in figure["data"]]


@given(st.integers(-6, 0), st.sampled_from([1, 2, 5]), st.integers(0, 400))
def test_labels_of_percentages_differ(power, factor, first):
    """plotly's rule, written again: the first format whose range holds the distance of the ticks, at multiples of it."""
    distance = factor * 10.0**power
    settings = share_axis()
    assert "tickformat" not in settings
    [format_, *_] = [
        stop["value"]
        for stop in settings["tickformatstops"]
        if (stop["dtickrange"][0] is None or stop["dtickrange"][0] <= distance)
        and (stop["dtickrange"][1] is None or distance <= stop["dtickrange"][1])
    ]
    labels = [format(round(tick * distance, 12), format_) for tick in range(first, first + 10)]
    assert len(set(labels)) == len(labels)
    if distance >= 0.01:
        assert not any("." in label for label in labels), "no more digits than needed"


@given(st.lists(st.floats(1e-12, 1e6), min_size=1, max_size=20))
def test_a_logarithmic_axis_has_two_labels_or_more_and_holds_every_value(values):
    axis = log_axis([values, [None, 0.0]])
    low, high = axis["range"]
    assert 10.0**low <= min(values) * (1 + 1e-9) and max(values) <= 10.0**high * (1 + 1e-9)
    assert axis["dtick"] == int(axis["dtick"]) >= 1, "at whole powers of ten: between them plotly writes single digits"
    assert 2 <= 1 + (high - low) // axis["dtick"] <= 8


@pytest.mark.parametrize(
    ("steps", "whole"), [([1.0, 2.0, 3.0], True), ([5.0], True), ([float(n) for n in range(1, 90)], False), ([], False)]
)
def test_a_short_run_has_no_ticks_between_its_steps(steps, whole):
    assert (step_axis(steps).get("dtick") == 1) is whole
    rare = [0.5, *[None] * (len(steps) - 1)] if steps else []
    assert curves(steps, {"validation": rare}, "share", 1)["layout"]["xaxis"].get("dtick") == (1 if steps else None)


def browser(tmp_path: Path, *arguments: str) -> str:
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine")
    command = [CHROMIUM, *OFFLINE, f"--user-data-dir={tmp_path / 'profile'}", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120).stdout


def test_plotly_writes_labels_that_differ(run, page, tmp_path):
    """The charts of a page in a browser, their values replaced by ranges of many sizes."""
    ranges = [(low, low + size) for low in (0.0, 0.003, 0.61) for size in (2e-5, 4e-4, 0.0031, 0.012, 0.019, 0.08, 0.35)]
    source, pattern = page.source, re.compile(r'(<script type="application/json">)(.*?)(</script>)', re.DOTALL)
    shares = iter(ranges)

    def replaced(match: re.Match[str]) -> str:
        low, high = next(shares, (0.0, 0.5))
        figure = curves([1.0, 2.0, 3.0, 4.0], {"x": [low, high, (low + high) / 2, low]}, "share", 1, share=True)
        figure["layout"]["yaxis"]["rangemode"] = "normal"  # as after zooming
        return match[1] + json.dumps(figure) + match[3]

    path = tmp_path / "ranges.html"
    path.write_text(re.sub(r"<details(?: class=\"[\w-]+\")?(?: id=\"[\w-]+\")?>", "<details open>", pattern.sub(replaced, source)))
    dom = browser(tmp_path, "--dump-dom", path.as_uri())
    plots = dom.split('class="plot js-plotly-plot"')[1:]
    assert len(plots) > len(ranges)
    for plot in plots:
        labels = re.findall(r'class="ytick"><text[^>]*>([^<]*)<', plot)
        assert len(labels) > 1
        assert len(set(labels)) == len(labels), labels


def test_charts_are_on_paper_also_where_nobody_waits_for_them(run, page, tmp_path):
    """A headless browser prints when the page has loaded: the PDF has lines in the first colour, folded or not."""
    browser(tmp_path, f"--print-to-pdf={tmp_path / 'page.pdf'}", (run / "report.html").as_uri())
    written = (tmp_path / "page.pdf").read_bytes()
    streams = [
        zlib.decompressobj().decompress(part)
        for part in re.findall(rb"stream\r?\n(.*?)endstream", written, re.DOTALL)
        if part[:1] == b"x"
    ]
    style = page.source[page.source.index("<style>") : page.source.index("</style>")]
    [colour] = re.findall(r"--c1: #(\w{6})", style.split("prefers-color-scheme")[0])
    wanted = [int(colour[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    strokes = [
        found for text in streams for found in re.findall(rb"([\d.]+) ([\d.]+) ([\d.]+) RG", text)
        if all(abs(float(number) - want) < 0.01 for number, want in zip(found, wanted, strict=True))
    ]  # fmt: skip
    lines = sum(trace.get("line", {}).get("color") == "@c1" for figure in page.figures() for trace in figure["data"])
    assert lines > 15
    assert len(strokes) >= lines


def test_next_steps_follow_the_figures(run, tmp_path):
    data = read_run(run)
    worse = next_steps(data, compare(data.before, data.after))
    assert worse[0].code == f"learn.lr={data.recipe.learn.lr / 4:.2g}"
    assert not any("chat" in step.code for step in worse)
    better = RunData(**{**vars(data), "before": data.after, "after": data.before})
    steps = next_steps(better, compare(better.before, better.after))
    assert "outgrow chat worse" in [step.code for step in steps]
    same = RunData(**{**vars(data), "after": data.before})
    [first, *_] = next_steps(same, compare(same.before, same.after))
    assert "No change is shown" in first.text and first.code == f"learn.steps={2 * STEPS}"
    unfinished = RunData(**{**vars(data), "after": None, "path": "runs/my run"})
    assert next_steps(unfinished, compare(unfinished.before, None))[0].code == "outgrow resume 'runs/my run'"
    cut = [step for step in worse if step.code == f"sampling.max_tokens={2 * data.recipe.sampling.max_tokens}"]
    truncated = compare(data.before, data.after)["truncated"].after
    assert bool(cut) is (truncated.value >= 0.05)
