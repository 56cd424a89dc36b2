"""The run's page: its numbers are those of the run's files, nothing a model wrote becomes markup, and it stands alone."""

import base64
import doctest
import gzip
import hashlib
import json
import math
import re
import shutil
import sqlite3
import subprocess
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
import pyarrow.parquet as pq
import pytest
import typer
from plotly.offline import get_plotlyjs

from helpers.browser import CHROMIUM
from helpers.report import STEPS, K, Page, evaluation, save, write_recipe, write_steps
from outgrow.cli.run_training import explain_end
from outgrow.core.amounts import duration
from outgrow.core.errors import OutgrowError, UsageError
from outgrow.core.json_lines import append_line
from outgrow.evaluate import Evaluation, paired_delta
from outgrow.evaluate import change as outcome
from outgrow.evaluate.sample import Sample
from outgrow.ledger import Ledger
from outgrow.report import curves, write_report
from outgrow.report import words as report_words
from outgrow.report.data import read_run
from outgrow.report.tables import others_table
from outgrow.runs.cost import BudgetReached, Spent
from outgrow.types import Verdict, Visit

LIMIT = 3_000_000
PAYLOAD = "<script>alert(1)</script></script><img src=x onerror=\"document.title='owned'\">\u2028</pre>&amp;"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished RL run that went well."""
    path = tmp_path_factory.mktemp("runs") / "good"
    write_recipe(path)
    write_steps(path, STEPS)
    save(path, "before", evaluation({1: 0.4, 2: 0.2, 3: 0.0}, seed=1))
    save(path, "after", evaluation({1: 0.9, 2: 0.6, 3: 0.1}, seed=2))
    return path


@pytest.fixture(scope="module")
def page(run):
    return Page(write_report(run))


def rows_of(run: Path, name: str) -> list[dict[str, Any]]:
    return pq.read_table(run / "evals" / f"{name}.parquet").to_pylist()


def rates_of(rows: list[dict[str, Any]], field: str | None = None, level: int | None = None) -> dict[str, float]:
    """Problem -> pass rate, from the raw rows alone."""
    chosen = [r for r in rows if r["index"] >= 0 and field in (None, r["field"]) and level in (None, r["level"])]
    ids = dict.fromkeys(r["problem_id"] for r in chosen)
    return {id: sum(r["verdict"] == "right" for r in chosen if r["problem_id"] == id) / K for id in ids}


def mean(values) -> float:
    values = list(values)
    return sum(values) / len(values)


def test_headline_says_gain_interval_and_n(run, page):
    delta = paired_delta(*(Evaluation.load(run / "evals" / f"{name}.parquet") for name in ("before", "after")))
    low, high = (f"{100 * end:.1f}" for end in delta["ci95"])
    gain = 100 * (mean(rates_of(rows_of(run, "after")).values()) - mean(rates_of(rows_of(run, "before")).values()))
    assert f"pass@1 rose by {gain:.1f} points ({low}–{high}), n = 48 problems × 8 samples." in page.text


@pytest.mark.parametrize(
    ("after", "words"),
    [
        ({1: 0.0, 2: 0.0, 3: 0.0}, r"pass@1 fell by (\d+\.\d) points \(\d+\.\d–\d+\.\d\), n = 48 problems × 8 samples\."),
        (
            {1: 0.4, 2: 0.2, 3: 0.0},
            r"No difference shown: pass@1 changed by [+−]?(\d+\.\d) points \(−\d+\.\d to \+\d+\.\d\), n = 48",
        ),
    ],
)
def test_headline_of_a_loss_and_of_no_difference(tmp_path, after, words):
    write_recipe(tmp_path)
    before, later = evaluation({1: 0.4, 2: 0.2, 3: 0.0}, seed=1), evaluation(after, seed=5)
    save(tmp_path, "before", before)
    save(tmp_path, "after", later)
    found = re.search(words, Page(write_report(tmp_path)).text)
    assert found
    assert found[1] == f"{100 * abs(paired_delta(before, later)['pass@1']):.1f}"


@pytest.mark.parametrize("steps", [0, 5])
def test_a_spent_budget_names_the_command_that_measures_what_was_learned(tmp_path, capsys, steps):
    write_recipe(tmp_path)
    write_steps(tmp_path, steps)
    with pytest.raises(typer.Exit) as ended, explain_end(tmp_path):
        raise BudgetReached(Spent(0.5, 0.0), "--budget 1h")
    assert ended.value.exit_code == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "outgrow resume" in said and "--budget 1h" in said
    assert (f"--set learn.steps={steps}" in said) is bool(steps)


def test_a_gain_of_form_is_told_from_one_of_answers(tmp_path):
    write_recipe(tmp_path)
    for when, verdicts in (("before", "rwnnnnnn"), ("after", "rrwwwwww")):
        kinds = {"r": Verdict.RIGHT, "w": Verdict.WRONG, "n": Verdict.NO_ANSWER}
        drawn = [
            Sample(f"p{number}", "f", 1, "?", "12", index, "", kinds[verdicts[max(0, index)]], None, 9)
            for number in range(20)
            for index in range(-1, K)
        ]
        save(tmp_path, when, Evaluation(drawn))
    text = Page(write_report(tmp_path)).text
    assert "25.0% before, 100.0% after" in text and "50.0% and 25.0% were right" in text and "form" in text


def test_every_measure_equals_the_files(run, page):
    rows = page.table("Measure")
    columns = {"before": 0, "after": 1}
    for name, column in columns.items():
        raw = rows_of(run, name)
        rates = rates_of(raw)
        drawn = [row for row in raw if row["index"] >= 0]
        low, high = Evaluation.load(run / "evals" / f"{name}.parquet").summary()["ci95"]
        cells = {heading.split()[0]: cells[column] for heading, cells in rows.items() if cells}
        assert cells["pass@1"] == f"{100 * mean(rates.values()):.1f}% ({100 * low:.1f}–{100 * high:.1f})"
        greedy = mean(row["verdict"] == "right" for row in raw if row["index"] == -1)
        assert cells["greedy"].startswith(f"{100 * greedy:.1f}% (")
        for k in (2, 4, 8):
            chance = mean(1 - math.comb(round(K * (1 - rate)), k) / math.comb(K, k) for rate in rates.values())
            assert cells[f"pass@{k}"].startswith(f"{100 * chance:.1f}% (")
        assert cells["sometimes"].startswith(f"{100 * mean(0 < rate < 1 for rate in rates.values()):.1f}% (")
        assert cells["truncated"].startswith(f"{100 * mean(row['verdict'] == 'truncated' for row in drawn):.1f}% (")
        assert cells["no"].startswith(f"{100 * mean(row['verdict'] == 'no answer' for row in drawn):.1f}% (")
        assert cells["length"].startswith(f"{mean(row['length'] for row in drawn):.1f} (")
    assert "n = 48 problems × 8 samples at temperature 1.0" in page.text


def test_heat_maps_equal_the_files(run, page):
    before, after = rows_of(run, "before"), rows_of(run, "after")
    maps = [rows for rows in page.tables if rows[0] == ["", "1", "2", "3", "all"]]
    assert len(maps) == 3
    for row in range(1, 4):
        field = [None, "sum", "clock", None][row]
        assert [rows[row][0] for rows in maps] == [field or "all"] * 3
        for column, level in enumerate([1, 2, 3, None], start=1):
            first, second = (mean(rates_of(rows, field, level).values()) for rows in (before, after))
            assert [maps[0][row][column], maps[1][row][column]] == [f"{100 * first:.0f}", f"{100 * second:.0f}"]
            assert float(maps[2][row][column].replace("−", "-")) == pytest.approx(100 * (second - first), abs=0.51)
    hints = [attributes["title"] for tag, attributes in page.elements if tag == "td" and "title" in attributes]
    assert len(hints) == 36
    assert all(re.fullmatch(r".*: \S+.*\(.+\), n = \d+ problems × 8 samples", hint or "") for hint in hints)


def test_problems_won_and_lost_are_the_most_surprising_with_their_texts(run, page):
    before, after = rows_of(run, "before"), rows_of(run, "after")
    first, second = rates_of(before), rates_of(after)
    cell_of = {row["problem_id"]: (row["field"], row["level"]) for row in after}
    usual = {cell: mean(second[id] for id in second if cell_of[id] == cell) for cell in set(cell_of.values())}
    gains = {id: (second[id] - first[id]) * (1 - usual[cell_of[id]]) for id in first if second[id] > first[id]}
    losses = {id: (first[id] - second[id]) * usual[cell_of[id]] for id in first if second[id] < first[id]}

    def rounds(surprise):
        """The most surprising problem of every cell, then the second of every cell, …"""
        cells = {}
        for id in sorted(surprise, key=surprise.get, reverse=True):
            cells.setdefault(cell_of[id], []).append(surprise[id])
        most = max(map(len, cells.values()), default=0)
        each = [sorted((of[turn] for of in cells.values() if len(of) > turn), reverse=True) for turn in range(most)]
        return [value for values in each for value in values][:10]

    found = outcome.largest_changes(*(Evaluation.load(run / "evals" / f"{name}.parquet") for name in ("before", "after")), 10)
    for changes, surprise in zip(found, (gains, losses), strict=True):
        assert [surprise[change.before.problem_id] for change in changes] == pytest.approx(rounds(surprise))
    shown = re.findall(r"([+−]\d+\.\d) points (?:sum|clock), level", page.text)
    in_order = [*found[0][:3], *found[1][:3], *found[0][3:], *found[1][3:]]  # three of each, then the folded ones
    assert [float(change.replace("−", "-")) / 100 for change in shown] == pytest.approx(
        [change.after_rate - change.before_rate for change in in_order], abs=0.00051
    )
    best = found[0][0].before.problem_id
    texts = [
        next(
            row["text"] for row in rows if row["problem_id"] == best and row["index"] >= 0 and (row["verdict"] == "right") == right
        )
        for rows, right in ((before, False), (after, True))
    ]
    question = next(row["question"] for row in before if row["problem_id"] == best)
    assert [question, *texts] in [page.pres[place : place + 3] for place in range(len(page.pres))]
    assert "Expected answer: 12" in page.text


def test_what_fails_is_counted_as_the_analysis_counts_it(run, page):
    rows = [row for row in rows_of(run, "after") if row["index"] >= 0]
    wrong = [row for row in rows if row["verdict"] != "right"]
    counts = {kind.lower(): int(count) for kind, count in re.findall(r"([A-Z][a-z, -]+) \(\d+ → (\d+) answers\):", page.text)}
    assert sum(counts.values()) == len(wrong)
    assert counts["truncated"] + counts.get("loop", 0) == sum(row["verdict"] == "truncated" for row in wrong)
    greedy = {
        name: {row["problem_id"]: row["verdict"] == "right" for row in rows_of(run, name) if row["index"] < 0}
        for name in ("before", "after")
    }
    won = sum(greedy["after"][id] and not greedy["before"][id] for id in greedy["after"])
    assert f"{won} were won" in page.text


def test_curves_are_smoothed_over_their_own_raw_points(run, page):
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    traces = {trace["name"]: trace for figure in page.figures() for trace in figure["data"] if trace["type"] == "scatter"}
    training = traces["training"]
    raw = [row["rollouts/pass_rate"] for row in rows]
    assert training["customdata"] == pytest.approx(raw, rel=1e-3)
    assert training["y"][9] == pytest.approx(mean(raw[8:11]), rel=1e-3)
    assert "centred means over 3 steps" in page.text
    looks = [(row["step"], row["validation/pass_rate"]) for row in rows if "validation/pass_rate" in row]
    assert traces["validation"]["x"] == [step for step, _ in looks]
    assert traces["validation"]["y"] == pytest.approx([rate for _, rate in looks], rel=1e-3)
    summary = Evaluation.load(run / "evals" / "after.parquet").summary()
    end = traces["pass@1"]
    assert (end["x"], end["y"][1]) == ([0, STEPS], pytest.approx(summary["pass@1"], rel=1e-3))
    assert end["error_y"]["array"][1] == pytest.approx(summary["ci95"][1] - summary["pass@1"], rel=1e-2)
    shown = {
        "total",
        "accuracy",
        "format",
        "mean tokens",
        "entropy",
        "kl to reference",
        "clipped low",
        "clipped high",
        "mean",
        "max",
    }
    shown |= {"grad norm", "lr", "loss", "mixed", "truncated", "no answer", "verifier failed"}
    assert shown <= traces.keys()
    table = page.table("metric")
    assert table["metric"][0] == "steps 1–4"
    assert table["policy/kl_to_reference"][0] == f"{mean(row['policy/kl_to_reference'] for row in rows[:4]):.3g}"
    assert table["rollouts/pass_rate"][0] == f"{100 * mean(raw[:4]):.1f}%"
    assert all(y == float(f"{y:.4g}") for trace in traces.values() for y in trace["y"] if y is not None)


def test_histogram_equals_the_ledger(run, page):
    figure = next(figure for figure in page.figures() if figure["layout"]["yaxis"]["title"]["text"] == "share of visits")
    assert [trace["name"] for trace in figure["data"]] == list(curves.BUCKETS)
    db = sqlite3.connect(run / "ledger.sqlite")
    bounds = [
        ("right = 0",),
        ("right > 0 AND right <= 2",),
        ("right > 2 AND right <= 4",),
        ("right > 4 AND right <= 6",),
        ("right = 7",),
        ("right = 8",),
    ]
    counts = [db.execute(f"SELECT count(*) FROM visits WHERE step IN (1, 2) AND {where}").fetchone()[0] for (where,) in bounds]
    db.close()
    assert [trace["x"][0] for trace in figure["data"]] == ["1–2"] * 6
    assert [trace["customdata"][0] for trace in figure["data"]] == [f"{count} of 12" for count in counts]
    assert [trace["y"][0] for trace in figure["data"]] == pytest.approx([count / 12 for count in counts], rel=1e-3)


def test_time_and_cost_equal_the_timings(run, page):
    rows = [json.loads(line) for line in (run / "timings.jsonl").read_text().splitlines()]
    totals = {key: sum(row.get(key, 0.0) for row in rows) for key in ("evaluation_before", "generation", "learning")}
    wall = sum(value for row in rows for key, value in row.items() if key != "step")
    table = page.table("phase")
    for phase, seconds in totals.items():
        assert table[phase.replace("_", " ")] == [duration(seconds), f"{seconds / wall:.0%}"]
    assert f"${wall / 3600 * 2.5:.2f} ({duration(wall)} at $2.50 " in page.text
    assert "1,440 rollouts of 50 of 50 problems" in page.text
    assert (run / "recipe.toml").read_text() in page.pres


def test_no_price_is_said(tmp_path):
    write_recipe(tmp_path, run={})
    assert "dollars_per_hour" in Page(write_report(tmp_path)).text


def test_page_stands_alone_and_is_the_same_again(run, page):
    left = {path.name for path in run.iterdir()}
    first = (run / "report.html").read_bytes()
    assert len(first) <= LIMIT
    write_report(run)
    assert (run / "report.html").read_bytes() == first
    assert {path.name for path in run.iterdir()} == left
    assert not [attributes for _, attributes in page.elements if {"src", "srcset", "data", "action"} & attributes.keys()]
    assert all((attributes["href"] or "").startswith("#") for _, attributes in page.elements if "href" in attributes)
    style = page.source[page.source.index("<style>") : page.source.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style
    assert ("meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"}) in page.elements
    assert str(run.parent) not in page.source


def test_only_the_two_known_scripts_may_run(page):
    packed = next(text for kind, text in page.scripts if kind == "text/plain")
    plotly = gzip.decompress(base64.b64decode(packed))
    own = [text for kind, text in page.scripts if kind is None]
    assert plotly.decode().endswith(get_plotlyjs())
    assert len(own) == 1
    policy = next(
        a["content"] or "" for tag, a in page.elements if tag == "meta" and a.get("http-equiv") == "Content-Security-Policy"
    )
    hashes = [base64.b64encode(hashlib.sha256(text).digest()).decode() for text in (own[0].encode(), plotly)]
    assert f"default-src 'none'; script-src 'sha256-{hashes[0]}' 'sha256-{hashes[1]}';" in policy


def test_figures_are_what_plotly_takes_and_colours_are_the_pages(page):
    style = page.source[page.source.index("<style>") : page.source.index("</style>")]
    light, dark = style.split("prefers-color-scheme: dark")
    figures = page.figures()
    assert len(figures) == 16
    for figure in figures:
        text = json.dumps(figure)
        for name in set(re.findall(r'"@([\w-]+)"', text)):
            assert f"--{name}:" in light
            assert f"--{name}:" in dark
        go.Figure(json.loads(re.sub(r'"@[\w-]+"', '"#123456"', text)))
        assert figure["layout"]["hovermode"] == "x unified"
        assert figure["layout"]["xaxis"]["title"]["text"]
        assert figure["layout"]["yaxis"]["title"]["text"]


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """A run in which everything that can carry text carries markup."""
    path = tmp_path_factory.mktemp("runs") / "hostile"
    write_recipe(path, name="<b>a & b<img src=x>", description=PAYLOAD, expected=PAYLOAD, evaluate={"suite": PAYLOAD})
    write_steps(path, STEPS, {PAYLOAD: 0.5, f"reward/{PAYLOAD}": 0.5})
    for name, right in (("before", Verdict.WRONG), ("after", Verdict.RIGHT)):
        samples = [
            Sample(f"{PAYLOAD}{n}", PAYLOAD, 1, PAYLOAD, PAYLOAD, index, PAYLOAD, right, PAYLOAD, 9)
            for n in range(3)
            for index in range(-1, K)
        ]
        save(path, name, Evaluation(samples))
    write_report(path)
    return path


def test_nothing_a_model_wrote_becomes_markup(hostile, page):
    found = Page(hostile / "report.html")
    assert {tag for tag, _ in found.elements} <= {tag for tag, _ in page.elements}
    assert not [attributes for _, attributes in found.elements if any(name.startswith("on") for name in attributes)]
    assert [kind for kind, _ in found.scripts if kind != "application/json"] == [
        kind for kind, _ in page.scripts if kind != "application/json"
    ]
    blocks = [text for kind, text in found.scripts if kind == "application/json"]
    assert not [text for text in blocks if set("<>&\u2028\u2029") & set(text)]
    assert found.pres.count(PAYLOAD) == 15  # question, before and after of three problems; question and text of three failures
    assert f"<h1>{hostile.name}</h1>" in found.source


def test_other_suites_are_drawn_as_measured(tmp_path):
    path = tmp_path / "drifted"
    write_recipe(path)
    write_steps(path, STEPS)
    row = {"suite": PAYLOAD, "n": 50, "k": 4, "low": 0.4, "high": 0.6, "change": -0.1, "change_low": -0.2, "change_high": 0.05}
    rows = [{**row, "step": step, "pass_at_1": 0.5 - step / 100, "turnover": step / 100, "kl": step / 10} for step in (0, 10, 20)]
    (path / "evals").mkdir()
    (path / "evals" / "drift.json").write_text(json.dumps(rows))
    found = Page(write_report(path))
    traces = [trace for figure in found.figures() for trace in figure["data"] if "alert" in trace["name"]]
    assert [trace["y"] for trace in traces] == [[0.5, 0.4, 0.3], [0.0, 0.1, 0.2], [0.0, 1.0, 2.0]]
    assert all(trace["x"] == [0, 10, 20] and "<" not in trace["name"] for trace in traces)
    [table] = [rows for rows in found.tables if rows[0][0] == "suite"]
    assert table[2] == [PAYLOAD, "10", "50 × 4", "40.0% (40.0–60.0)", "−10.0 points (−20.0 to +5.0)"]
    (path / "evals" / "drift.json").write_text('[{"suite": 3}]')
    with pytest.raises(OutgrowError, match=r"drift.json: .* outgrow drift RUN"):
        write_report(path)


def test_the_terminal_gets_no_control_characters_from_a_hostile_run(tmp_path, outgrow):
    path = tmp_path / "\x1b[31mrun"
    text = "\x1b]0;owned\x07" + "\x1b[2J" + "answer is \\boxed{" * 600_000  # 10 MB
    write_recipe(path)
    write_steps(path, STEPS, {PAYLOAD: 0.5})
    samples = [
        Sample("p\x1b[1m", "f\x1b[1m", 1, text[:99], "7\x1b[1m", index, text, Verdict.WRONG, text[:50], 9) for index in range(-1, 2)
    ]
    save(path, "after", Evaluation(samples))
    code, printed, complaint = outgrow("analyze", path, "--examples", 1)
    assert code == 0, complaint
    assert "unexplained" in printed
    assert not set("\x1b\x07") & set(printed)
    assert len(printed) < 10_000
    assert len(write_report(path).read_bytes()) < LIMIT
    (path / "evals" / "after.parquet").write_bytes((path / "evals" / "after.parquet").read_bytes()[:300])
    code, _, complaint = outgrow("analyze", path, "--examples", 1)
    assert (code, "cannot read this evaluation" in complaint) == (1, True)
    assert "Traceback" not in complaint


def test_markup_in_chart_names_is_text_to_plotly_too(hostile):
    names = {trace["name"] for figure in Page(hostile / "report.html").figures() for trace in figure["data"]}
    assert "&lt;script&gt;alert(1)" in " ".join(names)
    assert not [name for name in names if "<" in name]


def test_summary_says_the_cost_and_what_became_of_other_suites(run, tmp_path):
    path = tmp_path / "whole"
    shutil.copytree(run, path)
    rows = [json.loads(line) for line in (path / "timings.jsonl").read_text().splitlines()]
    seconds = sum(value for row in rows for key, value in row.items() if key != "step")
    text = Page(write_report(path)).text
    assert f"{duration(seconds)}, ${seconds / 3600 * 2.5:.2f} (" in text
    assert "evaluate.extra_suites" in text
    figures = {"n": 40, "k": 2, "pass_at_1": 0.4, "low": 0.3, "high": 0.5, "turnover": 0.1, "kl": 0.02}
    changes = ((0, 0.0, 0.0, 0.0), (10, 0.3, 0.2, 0.4), (20, -0.05, -0.1, -0.01))
    named = [dict(zip(("step", "change", "change_low", "change_high"), row, strict=True)) for row in changes]
    (path / "evals" / "drift.json").write_text(json.dumps([{"suite": "puzzles", **figures, **row} for row in named]))
    text = Page(write_report(path)).text
    assert re.search(r"step 20: puzzles −5\.0 points \(−10\.0 to −1\.0\) from 45\.0%, n = 40 × 2, .* 0\.02 ", text)
    assert "No field and no level is shown to be worse." in text


def test_what_got_worse_is_named_in_every_suite(run, tmp_path):
    path = tmp_path / "whole"
    shutil.copytree(run, path)
    save(path, "before", evaluation({1: 0.4, 2: 0.8, 3: 0.0}, seed=1))
    save(path, "after", evaluation({1: 0.9, 2: 0.1, 3: 0.1}, seed=2))
    text = Page(write_report(path)).text
    assert re.search(r"Worse, .*: level 2 −", text)
    assert "No field and no level is shown to be worse." not in text
    other = path / "evals" / "riddles"
    other.mkdir()
    evaluation({1: 0.9, 2: 0.5}, seed=3).save(other / "before.parquet")
    assert "riddles" not in Page(write_report(path)).text  # not yet measured after
    evaluation({1: 0.1, 2: 0.9}, seed=4).save(other / "after.parquet")
    assert "riddles: level 1 −" in Page(write_report(path)).text
    (other / "after.parquet").write_bytes(b"PAR1")
    with pytest.raises(OutgrowError, match=r"riddles/after\.parquet: cannot read this evaluation"):
        write_report(path)


def test_fields_of_other_suites_are_those_of_their_answers(run, tmp_path):
    path = tmp_path / "whole"
    shutil.copytree(run, path)
    other = path / "evals" / "riddles"
    other.mkdir()
    before, after = evaluation({1: 0.2, 2: 0.4}, seed=3), evaluation({1: 0.7, 2: 0.8}, seed=4)
    for name, found in (("before", before), ("after", after)):
        found.save(other / f"{name}.parquet")
    shown = others_table(read_run(path)).rows
    fields = list(dict.fromkeys(sample.field for sample in before.samples))
    assert [row[:2] for row in shown] == [["riddles", field] for field in fields]
    for row in shown:
        members = {sample.problem_id for sample in before.samples if sample.field == row[1]}
        first, second = ([rate for problem, rate in one.pass_rates().items() if problem in members] for one in (before, after))
        assert row[2] == f"{len(first)} × {K}"
        assert row[3].startswith(f"{100 * sum(first) / len(first):.1f}%")
        assert row[5].startswith(f"{100 * (sum(second) - sum(first)) / len(first):+.1f} points")


def test_real_browser_draws_the_charts_and_runs_nothing_else(hostile, tmp_path):
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine")
    offline = (
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--disable-quic",
        "--no-first-run",
    )
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", *offline, f"--user-data-dir={tmp_path}"]
    command += ["--virtual-time-budget=5000", "--dump-dom"]
    done = subprocess.run([*command, (hostile / "report.html").as_uri()], capture_output=True, text=True, timeout=120)
    dom = done.stdout
    assert f"<title>{hostile.name} · outgrow</title>" in dom
    assert 'class="drawn"' in dom
    body = re.sub(r"<script.*?</script>", "", dom, flags=re.DOTALL)
    assert body.count('class="main-svg"') >= 14
    assert "<img" not in body
    assert "&lt;script&gt;alert(1)&lt;/script&gt;&lt;/script&gt;&lt;img src=x onerror=" in body


@pytest.mark.parametrize("steps", [0, 4])
@pytest.mark.parametrize("measured", [False, True])
def test_unfinished_run_says_what_is_missing(tmp_path, steps, measured):
    write_recipe(tmp_path)
    if steps:
        write_steps(tmp_path, steps)
    if measured:
        save(tmp_path, "before", evaluation({1: 0.4}, seed=1))
    page = Page(write_report(tmp_path))
    assert f"Unfinished: step {steps} of {STEPS}" in page.text
    assert "not yet measured after training" in page.text
    assert ("Nothing has been measured yet." in page.text) is not measured
    assert ("before training, n = 16 problems × 8 samples; not yet measured after training." in page.text) is measured
    assert ("No step is done yet." in page.text) is (steps == 0)
    assert ("No problem has been visited yet." in page.text) is (steps == 0)
    assert re.search(r"need measurements before and after", page.text)
    assert bool(page.figures()) is (steps > 0)


def test_torn_last_line_and_a_ledger_in_use(tmp_path):
    write_recipe(tmp_path)
    write_steps(tmp_path, 4)
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 5, "pass_')
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        ledger.record([Visit(5, "p0", 8, 8, 3.0)])  # still in the write-ahead log
        page = Page(write_report(tmp_path))
    assert "Unfinished: step 4 of 30" in page.text
    assert f"{25 * 8} rollouts of" in page.text


def test_fine_tuning_run(tmp_path):
    values = {"kind": "sft", "policy": {"init": {"layers": 2}}, "learn": {"steps": 12, "batch_size": 4}}
    write_recipe(tmp_path, **values)
    for step in range(1, 13):
        append_line(tmp_path / "metrics.jsonl", {"step": step, "train/loss": 3 / step, "train/grad_norm": 1.0, "train/lr": 1e-3})
        append_line(tmp_path / "timings.jsonl", {"step": step, "learning": 0.5})
    save(tmp_path, "before", evaluation({1: 0.0}, seed=1))
    save(tmp_path, "after", evaluation({1: 0.8}, seed=2))
    page = Page(write_report(tmp_path))
    assert "pass@1 rose by" in page.text
    assert "Unfinished" not in page.text
    assert "Practised problems" not in page.text
    titles = [figure["layout"]["yaxis"]["title"]["text"] for figure in page.figures()]
    assert titles == ["share of right answers", "loss", "norm", "learning rate", "seconds per step"]
    assert [cells[0] for cells in page.table("metric").values()] == ["steps 1–2", f"{(3 + 1.5) / 2:.3g}", "1", "0.001"]
    assert {path.name for path in tmp_path.iterdir()} == {"recipe.toml", "metrics.jsonl", "timings.jsonl", "evals", "report.html"}


def test_long_run_with_long_completions_stays_small(tmp_path):
    write_recipe(tmp_path, learn={"steps": 3000})
    write_steps(tmp_path, 3000)
    for name, chance in (("before", 0.2), ("after", 0.7)):
        save(tmp_path, name, evaluation({1: chance}, seed=len(name), text="<b>&" * 8000, problems=10))
    path = write_report(tmp_path)
    assert path.stat().st_size <= LIMIT
    page = Page(path)
    assert "6 averaged into one" in page.text
    assert max(len(trace["x"]) for figure in page.figures() for trace in figure["data"]) <= curves.MAX_POINTS
    assert "characters not shown" in page.text


def test_bad_folders_are_told_in_one_line(tmp_path):
    with pytest.raises(UsageError, match="no run here"):
        write_report(tmp_path / "nowhere")
    write_recipe(tmp_path)
    damaged = {"metrics.jsonl": "not json\n", "ledger.sqlite": "no database, " * 99, "evals/after.parquet": "no parquet"}
    (tmp_path / "evals").mkdir()
    for name, content in damaged.items():
        (tmp_path / name).write_text(content)
        with pytest.raises(OutgrowError, match=Path(name).name) as caught:
            write_report(tmp_path)
        assert "\n" not in str(caught.value)
        (tmp_path / name).unlink()
    save(tmp_path, "before", evaluation({1: 0.2}, seed=1))
    save(tmp_path, "after", evaluation({2: 0.2}, seed=1))
    with pytest.raises(OutgrowError, match="different problems"):
        write_report(tmp_path)
    assert not (tmp_path / "report.html").exists()


@pytest.mark.parametrize("module", [curves, report_words])
def test_examples_in_docstrings(module):
    found = doctest.testmod(module)
    assert found.attempted > 0
    assert found.failed == 0
