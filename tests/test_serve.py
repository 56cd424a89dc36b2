"""The live page: asked over a real socket, and clicked through in a real browser."""

import re
import shutil
import socket
from collections import Counter
from urllib.parse import quote

import numpy as np
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from helpers.report import evaluation, save, write_recipe, write_steps
from helpers.serving import ask, servers
from outgrow.cli.app import app
from outgrow.core.errors import OutgrowError
from outgrow.core.rollout_log import drop_parts_after, write_part
from outgrow.engines.work import Work
from outgrow.report.live.rollouts import VERDICTS, RolloutIndex, visits_of
from outgrow.runs.work_log import drop_work_after, write_work

PAYLOAD = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\"></pre>"
CHROMIUM = next((path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None)


def part(step, rates, text="so it is 12"):
    """Rollouts of a step. rates: problem -> verdicts."""
    return [
        {
            "step": step, "problem_id": problem, "field": "sum", "level": 2, "sample": place, "question": f"What is {problem}?",
            "completion": f"{text} {place}", "verdict": verdict, "extracted": None, "answer": "12", "length": 10 + place,
            "reward": float(verdict == "right"), "reward_accuracy": 0.0, "advantage": 0.5,
        }
        for problem, verdicts in rates.items()
        for place, verdict in enumerate(verdicts)
    ]  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    for name, chance in (("good", 0.9), ("other", 0.5)):
        run = tmp_path / "runs" / name
        write_recipe(run)
        write_steps(run, 12)
        save(run, "before", evaluation({1: 0.4, 2: 0.2}, seed=1))
        save(run, "after", evaluation({1: chance, 2: chance}, seed=2, text=PAYLOAD))
    good = tmp_path / "runs" / "good"
    write_part(good, 1, part(1, {"a/b&c": ["wrong"] * 8, "d": ["right"] * 8}))
    write_part(good, 2, part(2, {"a/b&c": ["right"] * 8, "e": ["truncated", "no answer"]}, PAYLOAD))
    return tmp_path / "runs"


def go_on(run):
    """Eight more steps, as a run writes them."""
    (run / "ledger.sqlite").unlink()
    write_steps(run, 20)


@pytest.fixture
def serving():
    """Starts servers; serving(folder, token) gives a port."""
    with servers() as start:
        yield start


def count_on(page):
    return int(re.search(r'id="count">([\d,]+)<', page)[1].replace(",", ""))


def test_problems_by_what_became_of_them_are_those_of_the_raw_answers(folder, serving):
    rows = {when: pq.read_table(folder / "good/evals" / f"{when}.parquet").to_pylist() for when in ("before", "after")}
    right = {when: {r["problem_id"]: r["verdict"] == "right" for r in found if r["index"] == -1} for when, found in rows.items()}
    names = {(False, True): "won", (True, False): "lost", (True, True): "kept", (False, False): "never"}
    expected = Counter(names[right["before"][problem], right["after"][problem]] for problem in right["before"])
    port = serving(folder)
    for turn in names.values():
        status, page, _ = ask(port, f"/runs/good/problems?turn={turn}")
        assert status == 200 and count_on(page) == expected[turn]
        assert page.count(f'<span class="turn {turn}">') == expected[turn]
    assert count_on(ask(port, "/runs/good/problems?field=clock&level=2")[1]) == 8
    assert count_on(ask(port, "/runs/good/problems?q=CLOCK+3%2B1")[1]) == 1
    problem = next(iter(right["before"]))
    page = ask(port, f"/runs/good/problem?id={quote(problem, safe='')}")[1]
    assert page.count('<div class="answer">') == 2 * 9


def test_practised_problems_and_their_rollouts(folder, serving):
    port = serving(folder)
    page = ask(port, "/runs/good/problems?of=practised")[1]
    assert count_on(page) == 3
    assert count_on(ask(port, "/runs/good/problems?of=practised&turn=learned")[1]) == 1  # 0 of 8, then 8 of 8
    link = re.search(r'href="(/runs/good/rollouts\?problem=a[^"]*)"', page)[1]
    every = ask(port, link)[1]
    assert count_on(every) == 16 and "step 1<" in every
    assert count_on(ask(port, f"{link}&verdict=right")[1]) == 8
    assert count_on(ask(port, "/runs/good/rollouts?step=1")[1]) == 16
    assert count_on(ask(port, "/runs/good/rollouts")[1]) == 10  # the last step
    assert count_on(ask(port, "/runs/good/rollouts?step=1&q=it+is+12+3")[1]) == 2


def test_every_page_escapes_what_a_model_wrote(folder, serving):
    port = serving(folder)
    for path in ("rollouts?step=2", "problem?id=sum:1:0", "rollouts?step=1&q=" + quote(PAYLOAD), "report"):
        status, page, headers = ask(port, f"/runs/good/{path}")
        assert status == 200 and PAYLOAD not in page and "owned" in page
        assert headers["Content-Security-Policy"] and headers["X-Content-Type-Options"] == "nosniff"


def test_actors_of_the_latest_step_are_shown_and_what_they_are_called_is_text(folder, serving):
    """Rates by hand: 3,000 tokens in 1.5 seconds, and nothing in none. A step that is done again takes the place of its lines."""
    run, port = folder / "good", serving(folder)
    assert 'id="actors"' not in ask(port, "/runs/good")[1]
    write_work(run, 11, [Work("actor 1", 10, 1.0, 10)])
    write_work(run, 12, [Work("actor 1 (process 5 on here)", 3000, 1.5, 11), Work(f"actor 2 {PAYLOAD}", 0, 0.0, None, lost=True)])
    status, page, _ = ask(port, "/runs/good")
    [shown] = re.findall(r'<section id="actors">.*?</section>', page, re.DOTALL)
    rows = [re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row, re.DOTALL) for row in re.findall(r"<tr>.*?</tr>", shown, re.DOTALL)]
    assert status == 200 and "In step 12." in shown and PAYLOAD not in page
    assert rows[1] == ["<bdi>actor 1 (process 5 on here)</bdi>", "2,000", "11", ""]
    assert rows[2][0].startswith("<bdi>actor 2 &lt;script&gt;") and rows[2][1:] == ["–", "–", '<span class="loss">lost</span>']
    drop_work_after(run, 11)
    assert "In step 11." in ask(port, "/runs/good")[1]
    (run / "actors.jsonl").write_text('{"step": 11, "actors": [{"name": 5}]}\n')
    status, page, _ = ask(port, "/runs/good")
    assert status == 500 and "actors.jsonl: cannot be read" in page
    (run / "actors.jsonl").write_text("[]\n")
    drop_work_after(run, 11)
    assert ask(port, "/runs/good")[0] == 200


def by_step(groups):
    return [(int(group["step"]), int(group["counts"].sum())) for group in groups]


def test_index_follows_a_run_that_writes_and_one_that_went_back(tmp_path):
    index = RolloutIndex(tmp_path)
    assert len(index.refresh(1)) == 0
    for step in (1, 2, 3):
        write_part(tmp_path, step, part(step, {"a": ["right", "wrong"], str(step): ["wrong"] * 2}))
    assert by_step(index.refresh(0)) == [(3, 2), (3, 2)] and index.unread == 2  # the newest first, and no more than the time allows
    assert by_step(index.refresh(9)) == [(step, 2) for step in (1, 1, 2, 2, 3, 3)] and index.unread == 0
    version = index.version
    assert len(index.refresh(9)) == 6 and index.version == version
    drop_parts_after(tmp_path, 1)
    write_part(tmp_path, 2, part(2, {"a": ["right", "right"]}, "written again"))
    (tmp_path / "rollouts/step-000009.parquet").write_bytes(b"PAR1 no")
    write_part(tmp_path, 8, [{key: value for key, value in row.items() if key != "reward"} for row in part(8, {"a": ["right"]})])
    write_part(tmp_path, 7, [{**row, "step": 2**40} for row in part(7, {"a": ["right"]})])
    groups = index.refresh(9)
    assert by_step(groups) == [(1, 2), (1, 2), (2, 2)] and index.version > version
    assert index.unreadable == [f"step-00000{step}.parquet" for step in (7, 8, 9)]
    assert [row["completion"] for row in index.texts(groups[-1:], None, slice(None))] == ["written again 0", "written again 1"]
    visits = visits_of(groups, index.problems)
    found = zip(
        (visits.problem_ids[code] for code in visits.problem), visits.step, visits.right, visits.n, visits.mean_length, strict=True
    )
    assert sorted(found) == [("1", 1, 0, 2, 10.5), ("a", 1, 1, 2, 10.5), ("a", 2, 2, 2, 10.5)]
    (tmp_path / "rollouts/step-000002.parquet").unlink()
    assert index.texts(groups[-1:], None, slice(None)) == []


def test_groups_texts_and_visits_are_those_of_the_rows(tmp_path):
    """Against the rows themselves: groups of unequal sizes, one of them twice in a step, over files and a block."""
    rng = np.random.default_rng(0)
    rows = []
    for step in range(1, 108):
        names = [*rng.choice(30, 3, replace=False).tolist(), "again", "again"]
        of_step = [
            {**row, "sample": place, "completion": f"{step} {place} {name}"}
            for name in names
            for place, row in enumerate(part(step, {str(name): rng.choice(VERDICTS, rng.integers(1, 5)).tolist()}))
        ]
        if step % 3:
            of_step = [*of_step, *part(step, {"again": ["right"]})]
        rows += of_step
        write_part(tmp_path, step, of_step)
    index = RolloutIndex(tmp_path)
    groups = index.refresh(60)
    assert len(list((tmp_path / "rollouts").iterdir())) == 8
    chosen = {
        "all": groups,
        "again": groups[groups["problem"] == index.code_of("again")],
        "one step": groups[groups["step"] == 104],
    }
    for name, those in chosen.items():
        expected = [r for r in rows if {"all": True, "again": r["problem_id"] == "again", "one step": r["step"] == 104}[name]]
        for place, verdict in [(None, None), *enumerate(VERDICTS)]:
            whole = [row["completion"] for row in expected if verdict in (None, row["verdict"])]
            for first, last in ((0, 16), (16, 32), (0, 10**6), (len(whole) - 3, len(whole)), (5, 6)):
                found = index.texts(those, place, slice(first, last))
                assert [row["completion"] for row in found] == whole[first:last], (name, verdict, first)
    n, right, tokens = Counter(), Counter(), Counter()
    for row in rows:
        key = (row["step"], row["problem_id"])
        n[key] += 1
        right[key] += row["verdict"] == "right"
        tokens[key] += row["length"]
    visits = visits_of(groups, index.problems)
    keys = [(int(step), visits.problem_ids[code]) for step, code in zip(visits.step, visits.problem, strict=True)]
    assert dict(zip(keys, visits.n.tolist(), strict=True)) == n
    assert dict(zip(keys, visits.right.tolist(), strict=True)) == right
    assert dict(zip(keys, visits.mean_length.tolist(), strict=True)) == {key: pytest.approx(tokens[key] / n[key]) for key in n}


def test_pages_of_a_run_that_cannot_be_read_say_only_that(folder, serving):
    damaged = folder / "damaged"
    write_recipe(damaged)
    (damaged / "metrics.jsonl").write_text("{no json\n")
    port = serving(folder)
    untrue = ("Nothing has been measured", "not yet", "No step is done", "No matching", "no problem of this id")
    for place, status in (
        ("/runs/damaged", 200),
        ("/runs/damaged/problems", 500),
        ("/runs/damaged/problem?id=a", 500),
        ("/compare?run=damaged&run=good", 200),
        ("/compare?run=good&run=damaged", 200),
    ):
        found, page, _ = ask(port, place)
        assert found == status, place
        assert "metrics.jsonl" in page, place
        assert not [text for text in untrue if text in page], place
    (damaged / "metrics.jsonl").unlink()  # repaired
    (damaged / "evals").mkdir()
    (damaged / "evals" / "drift.json").write_text("[")
    assert "drift.json" in ask(port, "/runs/damaged")[1]
    (damaged / "evals" / "drift.json").write_text("[]")
    assert "Nothing has been measured yet" in ask(port, "/runs/damaged")[1]


def test_no_name_leads_out_of_the_folder_and_a_damaged_run_is_named(folder, serving):
    (folder.parent / "recipe.toml").write_text("")
    damaged = folder / "damaged"
    write_recipe(damaged)
    (damaged / "metrics.jsonl").write_text("{no json\n")
    port = serving(folder)
    for name in ("..", "%2e%2e", "..%2Fruns%2Fgood", "nothing"):
        assert ask(port, f"/runs/{name}/rollouts")[0] == 404
    status, page, _ = ask(port, "/")
    assert status == 200 and "metrics.jsonl" in page and "/runs/good" in page
    assert ask(port, "/runs/damaged")[0] == 200
    assert ask(port, "/runs/damaged/report")[0] == 500
    assert ask(port, "/compare?run=good")[0] == 400
    assert "different" not in ask(port, "/compare?run=good&run=other")[1]
    assert ask(port, "/runs/good/problems?page=99999999999999999999&level=x")[0] == 200


def test_unchanged_page_is_not_sent_again(folder, serving):
    port = serving(folder)
    tag = ask(port, "/runs/good")[2]["ETag"]
    assert ask(port, "/runs/good", **{"If-None-Match": tag})[0] == 304
    go_on(folder / "good")
    assert ask(port, "/runs/good", **{"If-None-Match": tag})[0] == 200


def test_command_names_what_is_wrong(tmp_path):
    with pytest.raises(OutgrowError, match="none"):
        CliRunner().invoke(app, ["serve", str(tmp_path / "none")], catch_exceptions=False)
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OutgrowError, match=r"cannot listen at .* --port"):
        CliRunner().invoke(app, ["serve", str(tmp_path), "--port", str(taken.getsockname()[1])], catch_exceptions=False)


def test_real_browser_clicks_filters_and_sees_a_run_go_on(folder, serving, tmp_path):
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine")
    from playwright.sync_api import sync_playwright

    port = serving(folder)
    with sync_playwright() as tools:
        browser = tools.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page()
        wrong = []
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
        page.goto(f"http://127.0.0.1:{port}/")
        page.get_by_role("link", name="good").click()
        page.wait_for_selector(".main-svg")
        assert "step 12 of 30" in page.inner_text("main")
        points = "() => document.querySelector('.plot').data[0].x.length"
        before = page.evaluate(points)
        go_on(folder / "good")
        page.wait_for_function("() => document.querySelector('main').innerText.includes('step 20 of 30')", timeout=20_000)
        assert page.evaluate(points) == before + 8
        page.get_by_role("link", name="Test problems").click()
        page.get_by_label("Outcome").select_option("won")
        page.get_by_role("button", name="Show").click()
        shown = page.locator("table.problems tbody tr")
        assert shown.count() == int(page.inner_text("#count")) > 5
        assert set(page.locator(".turn").all_inner_texts()) == {"won"}
        page.get_by_label("Search").fill("clock 3")
        page.get_by_label("Search").press("Enter")
        page.wait_for_url("**q=clock*")
        shown.first.get_by_role("link").click()
        page.wait_for_selector(".answer")
        assert "owned" in page.inner_text("main") and "owned" not in page.title()
        page.get_by_role("link", name="Rollouts").click()
        page.get_by_role("link", name="← step 1").click()
        page.wait_for_url("**step=1*")
        assert page.inner_text("#count") == "16"
        page.goto(f"http://127.0.0.1:{port}/")
        for name in ("good", "other"):
            page.get_by_label(f"Compare {name}").check()
        page.get_by_role("button", name="Compare").click()
        page.wait_for_selector(".main-svg")
        assert page.locator("tbody tr").count() == 2
        page.set_viewport_size({"width": 390, "height": 844})  # a phone: nothing of a run's line is cut off
        page.goto(f"http://127.0.0.1:{port}/")
        assert page.evaluate("() => { const s = document.querySelector('.scroll'); return s.scrollWidth - s.clientWidth }") == 0
        picture = page.screenshot(path=tmp_path / "phone.png")
        assert len(picture) > 10_000 and wrong == []
        browser.close()
