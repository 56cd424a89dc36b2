"""The list of runs of `outgrow serve`, and what its pages say of a run's log and of two recipes, without a script."""

import json
import re
from dataclasses import asdict
from html import unescape
from html.parser import HTMLParser
from urllib.parse import quote, urlencode

import pytest

from helpers.report import evaluation, save, write_recipe, write_steps
from helpers.serving import ask, servers
from outgrow.evaluate.change import compare
from outgrow.report.live.listing import SORTS, Listing, matching, ordered
from outgrow.report.live.messages import messages
from outgrow.report.live.recipes import recipe_differences
from outgrow.report.live.run_summary import RunRow
from outgrow.report.live.views import OpenRun, compared_charts
from outgrow.runs.folder import RunFolder, read_recipe
from outgrow.runs.sessions import Session
from outgrow.runs.warning_log import LoggedWarning

PAYLOAD = "<script>document.title='owned'</script>\"'><img src=x onerror=\"document.title='owned'\">"
WHEN = "2026-11-29T06:29:03+00:00"


BEGAN = 1795933743.0  # WHEN, in seconds since 1970
STOPPED = Session(BEGAN, 0, BEGAN + 9, 2, "signal", "SIGTERM")
NOTE = LoggedWarning(WHEN, 0, "chosen: 3", note=True)
FAILED = Session(BEGAN, 0, BEGAN + 9, 2, "error", "no more")
RUNNING = (Session(BEGAN, 0),)


def add(
    folder,
    name,
    lr=1e-4,
    steps=12,
    tags=(),
    model="micro-base",
    chance=None,
    warnings=(),
    sessions=RUNNING,
    **sections,
):
    run = folder / name
    write_recipe(run, learn={"steps": 30, "lr": lr}, run={"tags": list(tags)}, policy={"model": model}, **sections)
    if steps:
        write_steps(run, steps)
    if chance is not None:
        save(run, "before", evaluation({1: 0.5}, seed=1))
        save(run, "after", evaluation({1: chance}, seed=2))
    for file, lines in ((RunFolder(run).warnings, warnings), (RunFolder(run).sessions, sessions)):
        file.write_text("".join(json.dumps(asdict(line)) + "\n" for line in lines))
    return run


@pytest.fixture
def port(tmp_path):
    with servers() as start:
        add(tmp_path, "alpha", lr=1e-3, steps=30, tags=["sweep", "a&b"], chance=0.95)
        add(tmp_path, "beta", lr=1e-5, steps=2, tags=["sweep"], model="some/Model", sessions=[STOPPED])
        add(
            tmp_path,
            "gamma",
            lr=1e-4,
            steps=30,
            chance=0.02,
            warnings=[LoggedWarning(WHEN, 1, "bad")],
            sessions=[FAILED],
        )
        (tmp_path / "damaged").mkdir()
        (tmp_path / "damaged" / "recipe.toml").write_text("[no toml")
        yield start(tmp_path)


def names(port, **query):
    page = ask(port, f"/?{urlencode(query, doseq=True)}")[1]
    return re.findall(r'<th scope="row" class="text"><a href="/runs/([^"]+)">', page)


def test_search_state_and_tags_choose_runs(port):
    assert sorted(names(port)) == ["alpha", "beta", "damaged", "gamma"]
    assert names(port, q="MODEL some") == ["beta"]
    assert names(port, q="tiny gam") == ["gamma"]  # every word, in whatever field
    assert sorted(names(port, tag="sweep")) == ["alpha", "beta"]
    assert names(port, tag=["sweep", "a&b"]) == ["alpha"]
    assert names(port, tag="a") == [] and names(port, q="%") == []
    assert names(port, state="finished", tag="sweep") == ["alpha"]
    assert names(port, state="stopped") == ["beta"]
    assert names(port, state="cannot be read") == ["damaged"]
    assert "No matching runs" in ask(port, "/?q=nothing")[1]


def test_order_of_every_column_and_the_unknown_last(port):
    assert names(port, sort="lr") == ["beta", "gamma", "alpha", "damaged"]
    assert names(port, sort="-lr") == ["alpha", "gamma", "beta", "damaged"]
    assert names(port, sort="-change")[:2] == ["alpha", "gamma"]
    assert names(port, sort="change")[:2] == ["gamma", "alpha"]
    assert names(port, sort="-name") == ["gamma", "damaged", "beta", "alpha"]
    assert names(port, sort="model")[2:] == ["beta", "damaged"]
    assert len(names(port, sort="nothing")) == 4
    for order in SORTS:
        up, down = names(port, sort=order), names(port, sort=f"-{order}")
        assert sorted(up) == sorted(down) == ["alpha", "beta", "damaged", "gamma"], order


def test_a_heading_sorts_and_then_turns_the_order_round_and_keeps_the_search(port):
    page = ask(port, "/?tag=sweep&q=a")[1]
    link = unescape(re.search(r'<a href="([^"]+)">Learning rate</a>', page)[1])
    assert names_at(port, link) == ["alpha", "beta"]
    page = ask(port, link)[1]
    assert 'aria-sort="descending"' in page
    again = unescape(re.search(r'<a href="([^"]+)">Learning rate</a>', page)[1])
    assert names_at(port, again) == ["beta", "alpha"]
    assert 'aria-sort="ascending"' in ask(port, again)[1]


def names_at(port, link):
    return re.findall(r'<th scope="row" class="text"><a href="/runs/([^"]+)">', ask(port, link)[1])


def test_a_tag_is_a_link_that_filters_and_a_second_one_narrows(port):
    page = ask(port, "/?q=a")[1]
    links = {
        unescape(text): unescape(href) for href, text in re.findall(r'<a class="tag" href="([^"]+)"><bdi>(.*?)</bdi></a>', page)
    }
    assert set(links) == {"sweep", "a&b"}
    assert sorted(names_at(port, links["sweep"])) == ["alpha", "beta"]
    page = ask(port, links["sweep"])[1]
    links = {
        unescape(text): unescape(href) for href, text in re.findall(r'<a class="tag" href="([^"]+)"><bdi>(.*?)</bdi></a>', page)
    }
    assert names_at(port, links["a&b"]) == ["alpha"]
    assert sorted(names_at(port, links["sweep"])) == ["alpha", "beta", "damaged", "gamma"]  # a second click takes it away


def test_a_row_says_what_a_second_reading_of_the_run_says(tmp_path):
    run = add(
        tmp_path, "alpha", lr=3e-4, steps=12, tags=["x", "x", "y"], chance=0.9, warnings=[*[LoggedWarning(WHEN, 3, "w")] * 3, NOTE]
    )
    row = Listing(tmp_path).row("alpha")
    expected = compare(evaluation({1: 0.5}, seed=1), evaluation({1: 0.9}, seed=2))["pass@1"]
    assert (row.before, row.after, row.change) == (expected.before, expected.after, expected.change)
    assert (row.lr, row.steps_done, row.steps, row.tags, row.model) == (3e-4, 12, 30, ("x", "y"), "micro-base")
    assert (row.warnings, row.ended, row.started) == (3, "", BEGAN)
    timings = [json.loads(line) for line in RunFolder(run).timings.read_text().splitlines()]
    total = sum(value for timing in timings for key, value in timing.items() if key != "step")
    steps = total - 7.5  # measuring before training
    assert row.seconds == pytest.approx(total)
    assert row.seconds_left == pytest.approx(steps / 12 * 18 + 7.5)


def test_pass_rates_of_a_finished_run_come_from_its_summary(tmp_path):
    run = add(tmp_path, "alpha", steps=30, chance=0.9)
    part = {"pass@1": 0.25, "ci95": [0.2, 0.3], "n": 9}
    RunFolder(run).summary.write_text(json.dumps({"before": part, "after": part, "paired_delta": part}))
    row = Listing(tmp_path).row("alpha")
    assert (row.before.value, row.after.low, row.change.high, row.change.n) == (0.25, 0.2, 0.3, 9)
    assert row.finished and row.tone == "gain" and row.seconds_left is None


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("summary.json", "[]"),
        ("summary.json", '{"before": {"pass@1": "x", "ci95": [0, 1], "n": 1}}'),
        ("warnings.jsonl", "{}\n"),
        ("sessions.jsonl", "{}\n"),
        ("sessions.jsonl", '{"began": "x", "first_step": 0}\n'),
        ("metrics.jsonl", "{}\n"),
        ("metrics.jsonl", "[1]\n"),
        ("metrics.jsonl", "no\n"),
        ("timings.jsonl", '{"step": 1, "x": "y"}\n'),
    ],
)
def test_one_damaged_file_names_its_run_and_hides_no_other(tmp_path, file, text):
    add(tmp_path, "good")
    (add(tmp_path, "bad") / file).write_text(text)
    rows = {row.name: row for row in Listing(tmp_path).rows()}
    assert rows["good"].error == "" and "bad" in rows["bad"].error
    with servers() as start:
        status, page, _ = ask(start(tmp_path), "/")
        assert status == 200 and 'href="/runs/good"' in page and 'class="error"' in page


def test_a_run_is_read_again_only_when_it_wrote(tmp_path, monkeypatch):
    run = add(tmp_path, "alpha")
    add(tmp_path, "beta")
    read = []
    monkeypatch.setattr("outgrow.report.live.run_summary.read_recipe", lambda path: read.append(path.name) or read_recipe(path))
    listing = Listing(tmp_path)
    assert [len(listing.rows()) for _ in range(3)] == [2, 2, 2] and sorted(read) == ["alpha", "beta"]
    with RunFolder(run).warnings.open("a") as file:
        file.write(json.dumps(asdict(LoggedWarning(WHEN, 3, "w"))) + "\n")
    assert [row.warnings for row in listing.rows() if row.name == "alpha"] == [1] and sorted(read) == ["alpha", "alpha", "beta"]


def test_long_lists_have_pages(tmp_path):
    for place in range(203):
        write_recipe(tmp_path / f"run-{place:03}")
    with servers() as start:
        port = start(tmp_path)
        first, second = names(port, sort="name"), names(port, sort="name", page=2)
        assert first + second == [f"run-{place:03}" for place in range(203)] and len(second) == 3
        assert names(port, sort="name", q="run-20", page=9) == ["run-200", "run-201", "run-202"]


def test_names_tags_models_and_messages_are_text(tmp_path):
    odd = "c <b>odd<i> & 'x' \"y\""
    add(
        tmp_path,
        odd,
        tags=[PAYLOAD[:40]],
        model=PAYLOAD,
        warnings=[LoggedWarning(WHEN, 1, PAYLOAD)],
        sessions=[Session(BEGAN, 0, BEGAN + 1, 2, "error", PAYLOAD, PAYLOAD)],
    )
    add(tmp_path, "plain")
    with servers() as start:
        port = start(tmp_path)
        address = quote(odd, safe="")
        lists = [
            "/",
            *(f"/?{urlencode({key: value})}" for key, value in (("q", PAYLOAD), ("tag", PAYLOAD[:40]), ("sort", PAYLOAD))),
        ]
        paths = [*lists, f"/runs/{address}", f"/compare?run=plain&run={address}"]
        for path in paths:
            status, page, headers = ask(port, path)
            assert status == 200, path
            parsed = Elements(page)
            assert not [tag for tag in parsed.tags if tag in ("img", "b", "i")], path
            assert {src for src in parsed.scripts if src} <= {"/live.js", "/charts.js", "/plotly.js"}, path
            assert not parsed.handlers, path
            assert (
                "script-src 'self'" in headers["Content-Security-Policy"]
                and "unsafe-eval" not in headers["Content-Security-Policy"]
            )
            assert not [link for link in parsed.links if link.startswith(("javascript:", "//", "http"))], path


class Elements(HTMLParser):
    def __init__(self, page):
        super().__init__()
        self.tags, self.scripts, self.handlers, self.links = [], [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        values = dict(attrs)
        if tag == "script" and values.get("type") != "application/json":
            self.scripts.append(values.get("src", "inline"))
        self.handlers += [name for name in values if name.startswith("on")]
        self.links += [values[name] for name in ("href", "action") if values.get(name)]


def test_a_run_shows_its_log_with_repeated_warnings_as_one(tmp_path):
    warnings = [LoggedWarning(WHEN, step, f"step {step}: {step * 7}% were cut", 5 * (step == 9)) for step in (2, 3, 9)]
    add(tmp_path, "alpha", warnings=warnings, sessions=[FAILED])
    with servers() as start:
        page = ask(start(tmp_path), "/runs/alpha")[1]
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))
    assert "step 9: 63% were cut" in text and "step 3:" not in text and "2–9" in text and "newest of 3" in text
    assert text.index("no more") < text.index("63% were cut") and "5 were dropped" in text


def test_messages_count_every_warning_once_and_put_the_newest_first():
    lines = [LoggedWarning(WHEN, step, f"step {step}: {kind}") for step in range(1, 50) for kind in "abc"[: 1 + step % 3]]
    sessions = [Session(BEGAN - 1, 0, BEGAN + 1, 30, "budget", "1 h"), Session(BEGAN + 2, 30)]
    found = messages(lines, sessions)
    assert sum(message.count for message in found) == len(lines) + 3
    assert [message.text.split()[0] for message in found] == ["continued", "stopped", "step", "step", "step", "started"]
    assert {message.count for message in found if message.level == "warning"} == {49, 33, 16}
    assert [message.level for message in messages([], [FAILED])] == ["error", ""]
    told = messages([NOTE, LoggedWarning(WHEN, 0, "chosen: 4")], [])
    assert {(message.level, message.text) for message in told} == {("", "chosen: 3"), ("warning", "chosen: 4")}


def test_differences_are_exactly_the_keys_with_unequal_values():
    one = {"seed": 0, "name": "x", "learn": {"lr": 1e-4, "betas": [0.9, 0.95]}, "problems": [{"type": "a", "n": 1}, {"type": "b"}],
           "advantage": {"type": "rpe", "cap": 0.3}}  # fmt: skip
    two = {"seed": 0, "name": "x", "learn": {"lr": 1e-5, "betas": [0.9, 0.95]}, "problems": [{"type": "a", "n": 2}],
           "advantage": {"type": "grpo"}, "judge": {"watch": {"every": 3}}, "extra": None}  # fmt: skip
    found = {(table, key.key): key.values for table, keys in recipe_differences([one, two]).items() for key in keys}
    assert found == {
        ("learn", "lr"): ("0.0001", "1e-05"),
        ("problems[0]", "n"): ("1", "2"),
        ("problems[1]", "type"): ('"b"', None),
        ("advantage", "type"): ('"rpe"', '"grpo"'),
        ("advantage", "cap"): ("0.3", None),
        ("judge.watch", "every"): (None, "3"),
    }
    assert recipe_differences([one, one]) == {} and recipe_differences([one]) == {}
    long = recipe_differences([{"a": "x" * 999}, {"a": "x" * 999 + "y"}])[""][0].values
    assert max(map(len, long)) < 200


def test_compare_shows_only_the_keys_that_differ_by_table(port):
    page = ask(port, "/compare?run=alpha&run=beta")[1]
    table = page[page.index('class="plain recipes"') : page.index("<h2>Curves")]
    keys = re.findall(r'<th scope="row" class="text"><code>(.*?)</code>', table)
    assert keys == ["model", "tags", "lr"]
    assert re.findall(r"rowgroup.*?<code>(.*?)</code>", table) == ["[policy]", "[run]", "[learn]"]


def test_shares_of_other_problems_have_a_chart_of_their_own(tmp_path):
    table = {"problems": [{"type": "gsm8k"}], "evaluate": {"suite": "gsm8k", "validation": "gsm8k"}}
    for name, sections in (("one", {}), ("two", {"seed": 1}), ("other", table)):
        add(tmp_path, name, **sections)
    charts = {}
    for chart in compared_charts([OpenRun(tmp_path / name).view() for name in ("one", "two", "other")]):
        charts.setdefault(chart.title, []).append({trace["name"] for trace in chart.figure["data"] if trace.get("name")})
    assert charts["Pass rate in training"] == charts["Validation"] == [{"one", "two"}, {"other"}]
    assert charts["Tokens per completion"] == [{"one", "two", "other"}]


def test_worse_and_better_have_their_colours(port):
    page = ask(port, "/")[1]
    assert re.search(r'<td class="number loss" data-label="Change">−', page) and re.search(
        r'<td class="number gain" data-label="Change">\+', page
    )


def test_a_comparison_has_the_colour_of_its_verdict(tmp_path):
    for name, chance in (("good", 0.95), ("bad", 0.02), ("same", 0.95)):
        save(add(tmp_path, name, steps=30, seed=1), "after", evaluation({1: chance, 2: chance}, seed=2))
    with servers() as start:
        port = start(tmp_path)
        verdicts = {
            pair: re.search(
                r'data-label="Verdict" class="text wrap (\w+)">((?!the others)[^<]+)<',
                ask(port, "/compare?run={}&run={}".format(*pair))[1],
            )
            for pair in (("good", "bad"), ("bad", "good"), ("good", "same"))
        }
    found = {pair: (match[1], match[2].split(",")[0]) for pair, match in verdicts.items()}
    assert found[("good", "bad")] == ("loss", "worse") and found[("bad", "good")] == ("gain", "better")
    assert found[("good", "same")][0] == "none" and "no difference" in found[("good", "same")][1]


def test_equal_recipes_are_said_to_be_equal(tmp_path):
    for name in ("one", "two"):
        add(tmp_path, name)
    with servers() as start:
        assert "the recipes are the same" in ask(start(tmp_path), "/compare?run=one&run=two")[1]


def test_matching_and_order_agree_with_plain_python():
    rows = [
        RunRow(f"r{place}", 0.0, recipe="ab"[place % 2], lr=None if place % 5 == 0 else place % 7, tags=("t",) * (place % 3 == 0))
        for place in range(60)
    ]
    assert [row.name for row in matching(rows, "B R1", ["t"])] == [
        row.name for row in rows if row.recipe == "b" and "r1" in row.name and row.tags
    ]
    known = ordered(rows, "lr")
    assert [row.lr for row in known[:48]] == sorted(row.lr for row in rows if row.lr is not None) and {
        row.lr for row in known[48:]
    } == {None}
    assert [row.lr for row in ordered(rows, "-lr")[:48]] == sorted((row.lr for row in rows if row.lr is not None), reverse=True)
    assert ordered(rows, "") == rows
