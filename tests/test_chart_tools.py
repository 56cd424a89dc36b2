"""Smoothing and zoom of the charts, in a real browser: on a live page and in report.html, which uses no network."""

import json
import shutil

import pytest

from helpers.report import evaluation, save, write_recipe, write_steps
from helpers.serving import servers
from outgrow.report import write_report
from outgrow.report.curves import smooth

STEPS = 60


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    run = tmp_path_factory.mktemp("runs") / "good"
    write_recipe(run, learn={"steps": 90})
    write_steps(run, STEPS)
    save(run, "before", evaluation({1: 0.4, 2: 0.2}, seed=1))
    return run


@pytest.fixture(scope="module", params=["live page", "report"])
def page(request, browser, run):
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    wrong, asked = [], []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    page.on("request", lambda request: asked.append(request.url))
    with servers() as start:
        address = f"http://127.0.0.1:{start(run.parent)}/runs/good" if request.param == "live page" else write_report(run).as_uri()
        page.goto(address)
        page.wait_for_selector(".chart-tools")
        page.evaluate("() => document.querySelectorAll('details').forEach((part) => (part.open = true))")
        page.wait_for_function("() => [...document.querySelectorAll('.plot')].every((plot) => plot.data)")
        yield page
        origin = address.rsplit("/runs/", 1)[0] if request.param == "live page" else address
        assert wrong == [] and all(url.startswith((origin, "blob:", "data:")) for url in asked)
        page.close()


def curve(page, title, number=0):
    """Step -> value of the drawn line of a chart."""
    script = f"""() => {{
      const box = [...document.querySelectorAll('.chart')].find((box) => box.querySelector('strong').textContent === {title!r});
      const trace = box.querySelector('.plot').data.filter((trace) => trace.mode?.startsWith('lines'))[{number}];
      return [[...trace.x], [...trace.y]];
    }}"""
    return dict(zip(*page.evaluate(script), strict=True))


def axis(page, title):
    script = f"""() => [...document.querySelectorAll('.chart')].find((box) => box.querySelector('strong').textContent === {title!r})
      .querySelector('.plot')._fullLayout.xaxis.range"""
    return page.evaluate(script)


def logged(run, key):
    return [json.loads(line).get(key) for line in (run / "metrics.jsonl").read_text().splitlines()]


def test_smoothing_is_that_of_the_report_and_goes_back_to_automatic(page, run):
    before, select = curve(page, "Completion length"), page.get_by_label("Smoothing")
    for width in (1, 5, 21):
        select.select_option(str(width))
        for title, key in (("Completion length", "rollouts/mean_tokens"), ("Gradient norm", "train/grad_norm")):
            drawn = curve(page, title)
            expected = [value if value is None else pytest.approx(value, rel=2e-3) for value in smooth(logged(run, key), width)]
            assert [drawn[step] for step in range(1, STEPS + 1)] == expected
        assert curve(page, "Completion length") != before
    select.select_option("0")
    assert curve(page, "Completion length") == before


def test_chosen_steps_zoom_every_curve_over_steps_and_come_back(page):
    before = axis(page, "Completion length")
    page.get_by_label("first step").fill("20")
    page.get_by_label("last step").fill("40")
    page.get_by_label("last step").press("Enter")
    for title in ("Completion length", "Gradient norm"):
        assert sorted(curve(page, title)) == list(range(20, 41))
        assert axis(page, title) == pytest.approx([20, 40])
    page.get_by_role("button", name="Show all steps").click()
    assert axis(page, "Completion length") == pytest.approx(before)
    assert sorted(curve(page, "Completion length")) == list(range(1, STEPS + 1))


def test_a_drag_zooms_one_chart_and_stays_when_the_smoothing_changes(page):
    page.get_by_role("button", name="Show all steps").click()
    plot = page.locator(".chart", has=page.get_by_text("Completion length", exact=True)).locator(".plot")
    plot.scroll_into_view_if_needed()
    box = plot.locator(".nsewdrag").bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.25, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + box["height"] / 2, steps=5)
    page.mouse.up()
    page.wait_for_timeout(500)
    low, high = axis(page, "Completion length")
    assert 5 < low < high < 40
    page.get_by_label("Smoothing").select_option("5")
    assert axis(page, "Completion length") == pytest.approx([low, high])
    assert axis(page, "Gradient norm")[1] > 50


def test_a_folded_chart_follows_the_choice_once_it_is_opened(page):
    folds = page.locator("details:has(.chart)")
    if not folds.count():
        return  # the live page folds no chart
    drawn = """() => [...document.querySelectorAll('details .plot')].map((plot) =>
      [plot.clientWidth, JSON.stringify(plot.data.filter((trace) => trace.mode === 'lines').map((trace) => [...trace.y]))])"""
    page.get_by_label("Smoothing").select_option("0")
    before = page.evaluate(drawn)
    page.evaluate("() => document.querySelectorAll('details').forEach((part) => (part.open = false))")
    page.get_by_label("Smoothing").select_option("21")
    page.evaluate("() => document.querySelectorAll('details').forEach((part) => (part.open = true))")
    page.wait_for_timeout(500)
    after = page.evaluate(drawn)
    assert [width for width, _ in after] == [width for width, _ in before]
    assert any(old != new for (_, old), (_, new) in zip(before, after, strict=True))
    page.get_by_label("Smoothing").select_option("0")


def test_controls_keep_their_place_while_a_run_writes_and_hold_up_no_update(browser, run, tmp_path):
    own = tmp_path / "runs" / "good"
    shutil.copytree(run, own)
    page = browser.new_page()
    with servers() as start:
        page.goto(f"http://127.0.0.1:{start(own.parent)}/runs/good")
        page.wait_for_function("() => [...document.querySelectorAll('.plot')].every((plot) => plot.data)")
        page.get_by_label("Smoothing").select_option("1")  # and it keeps the focus
        page.get_by_label("first step").fill("30")
        page.get_by_label("first step").press("Enter")
        (own / "ledger.sqlite").unlink()
        write_steps(own, STEPS + 20)
        page.wait_for_function("() => document.querySelector('main').innerText.includes('step 80 of 90')", timeout=20_000)
        assert sorted(curve(page, "Completion length")) == list(range(30, STEPS + 21))
        assert page.locator(".chart-tools").count() == 1
        assert page.get_by_label("Smoothing").input_value() == "1"
        page.close()
